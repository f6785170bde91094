"""The kernel that reads lines, against Python's own reader of JSON."""

import hashlib
import json
import math
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.store import memory, plain_json, scanning
from planner.store.damage import read_line
from planner.store.rows import ROWS, Reader, read_rows
from probes.record import FIELDS
from tests.planner.store.inbox_writing import SAMPLE

WORDS = st.sampled_from(["a", "b", "tokyo-1", "são", 'say "so"', "x" * 70, "", "\u20ac", "\\u00e9"])
REALS = st.one_of(
    st.sampled_from([0, -0.0, 5, 1e3, 12.5, 0.1 + 0.2, 2**53 + 1, 1e-7, -3.25]), st.floats(-1e3, 1e3)
)
VALUES = {
    "run_id": WORDS,
    "site": WORDS,
    "peer": st.none() | WORDS,
    "port": st.sampled_from([None, 1, 443, 70_000, True, 2.0]),
    "sample": st.integers(-1, 300),
    "late_ms": st.none() | REALS,
    "rtt_ms": st.none() | REALS,
    "lag_ms": st.none() | REALS,
    "failure": st.sampled_from([None, None, "connect_timeout", "tired"]),
    "warm": st.sampled_from([None, True, False]),
    "reason": st.none() | WORDS,
    "started_at": st.sampled_from(
        [
            "2026-11-23T10:00:00Z",
            "2026-11-23T10:00:00.5+09:00",
            "1969-12-31T23:00:00Z",
            "2026-02-30T00:00:00Z",
        ]
    ),
    "battery": st.one_of(WORDS, REALS, st.just([1, {"a": "}"}])),
}
ORDER = ("schema", *(name for name in FIELDS if name != "schema"))


@st.composite
def lines(draw):
    """Lines as agents write them, a few values changed from one to the next, and some of them spoilt."""
    values = {name: getattr(SAMPLE, name) for name in ORDER}
    found = []
    for _ in range(draw(st.integers(1, 12))):
        for name in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3)):
            values[name] = draw(VALUES[name])
        written = dict(values)
        if draw(st.integers(0, 3)) == 0:
            written.pop(draw(st.sampled_from(ORDER)))
        close = draw(st.sampled_from([(",", ":")] * 3 + [(" , ", " : ")]))
        text = json.dumps(written, separators=close, ensure_ascii=draw(st.booleans()))
        spoil = draw(st.integers(0, 12))
        if spoil == 0:
            at = draw(st.integers(0, len(text) - 1))
            text = (
                text[:at]
                + draw(st.sampled_from(["", '"', "}", ",", "0", "\t", "\\", "\x01"]))
                + text[at + 1 :]
            )
        elif spoil == 1:
            text = text[:-1] + ',"site":"again","late_ms":7}'
        elif spoil == 2:
            text = draw(st.sampled_from(["", "  ", "{}", "[]", text + text, text[:-1], '{"a":1,}']))
        found.append(text)
    return found


def expected(text):
    values, _ = read_line(text.encode()) if text.strip() else (None, "")
    if values is None:
        return None
    spelt = {name: values[name] for name in ROWS.names if name != "object"}
    return {name: float(v) if name.endswith("_ms") and v is not None else v for name, v in spelt.items()}


@settings(deadline=None, max_examples=100)
@given(st.lists(lines(), min_size=1, max_size=3))
def test_columns_hold_what_python_reads(objects):
    contents = [("\n".join(found) + "\n").encode() for found in objects]
    rows = read_rows([(f"o{n}", content, False) for n, content in enumerate(contents)])
    wanted = [(f"o{n}", expected(text)) for n, found in enumerate(objects) for text in found]
    wanted = [{**values, "object": name} for name, values in wanted if values is not None]
    found = sorted(map(key, rows.table.to_pylist()))
    assert found == sorted(map(key, wanted))


def key(row):
    moment = row["started_at"].astimezone(UTC).isoformat()
    return repr(sorted((row | {"started_at": moment}).items()))


def test_a_reader_that_is_cleared_reads_as_a_new_one():
    texts = [
        json.dumps(json.loads(SAMPLE.to_json()) | {"site": f"s{n}", "reason": f"r{n}"}) for n in range(3000)
    ]
    reader = Reader(rows=64)
    for part in (texts[:10], texts, texts[5:8]):
        reader.clear()
        reader.read("one", "\n".join(part[:2]).encode(), False)
        reader.read("two", "\n".join(part[2:]).encode(), False)
        table = reader.rows().table
        assert table.column("site").to_pylist() == [json.loads(text)["site"] for text in part]
        assert table.column("reason").to_pylist() == [json.loads(text)["reason"] for text in part]
        assert table.column("object").to_pylist() == ["one"] * 2 + ["two"] * (len(part) - 2)
        moment = datetime.fromisoformat(SAMPLE.started_at)
        assert set(table.column("started_at").to_pylist()) == {moment}
        assert not any(math.isnan(rtt) for rtt in table.column("rtt_ms").to_pylist())


def test_a_kernel_on_the_disk_is_of_what_is_compiled_into_it():
    files = [Path(module.__file__).read_bytes() for module in (memory, plain_json)]
    assert hashlib.sha256(b"".join(files)).hexdigest()[:16] == scanning.COMPILED_IN
