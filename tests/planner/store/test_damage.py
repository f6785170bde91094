import gzip
import json

import pytest

from planner.measurements import MeasurementError, read_stores
from planner.store.damage import COMPLAINTS_PER_OBJECT
from tests.planner.store.inbox_writing import SAMPLE, SITES, put, put_bytes, samples


def changed(**changes):
    """A sound line with some values replaced; ... removes the key."""
    values = json.loads(SAMPLE.to_json())
    values["sample"] = 77
    for name, value in changes.items():
        if value is ...:
            del values[name]
        else:
            values[name] = value
    return json.dumps(values).encode()


def read(store):
    return read_stores([str(store)], 0.5, SITES)


DAMAGE = {
    b"{": "is not JSON",
    b'{"schema":1,"vantage":"tok': "is not JSON",
    b"[1,2]": "is not a JSON object",
    b"5": "is not a JSON object",
    b"{}": "schema None is not 1",
    b'{"schema":1,"vantage":"\xff"}': "is not UTF-8",
    b"[" * 100_000: "",
    changed() + changed(): "is not JSON",
    changed(schema=2): "schema 2 is not 1",
    changed(schema=...): "schema None is not 1",
    changed(vantage=...): "lacks vantage",
    changed(vantage=""): "vantage '' cannot be",
    changed(vantage=None): "vantage 'None' cannot be",
    changed(vantage_country=...): "lacks vantage_country",
    changed(vantage_country="UK"): "vantage_country 'UK' cannot be",
    changed(vantage_country="de"): "vantage_country 'de' cannot be",
    changed(vantage_country=["DE"]): "vantage_country",
    changed(vantage_lat=91): "vantage_lat '91' cannot be",
    changed(vantage_lon=-181): "vantage_lon '-181' cannot be",
    changed(vantage_lat=float("nan")): "vantage_lat 'nan' cannot be",
    changed(site=None): "site 'None' cannot be",
    changed(host=...): "lacks host",
    changed(port=70_000): "port '70000' cannot be",
    changed(protocol=...): "lacks protocol",
    changed(protocol="carrier-pigeon"): "protocol 'carrier-pigeon' cannot be",
    changed(protocol=["tcp"]): "protocol",
    changed(sample=-1): "sample '-1' cannot be",
    changed(sample=...): "lacks sample",
    changed(started_at=...): "lacks started_at",
    changed(started_at="yesterday"): "started_at 'yesterday' cannot be",
    changed(started_at="2026-11-23 10:00:00Z"): "started_at '2026-11-23 10:00:00Z' cannot be",
    changed(started_at="2026-11-23T10:00:00"): "started_at '2026-11-23T10:00:00' cannot be",
    changed(started_at="2026-02-30T10:00:00Z"): "started_at '2026-02-30T10:00:00Z' cannot be",
    changed(started_at="0001-01-01T00:00:00Z"): "started_at '0001-01-01T00:00:00Z' cannot be",
    changed(started_at="1969-12-31T23:59:59Z"): "started_at '1969-12-31T23:59:59Z' cannot be",
    changed(started_at="2200-01-01T00:00:00Z"): "started_at '2200-01-01T00:00:00Z' cannot be",
    changed(started_at="9999-12-31T23:59:59Z"): "started_at '9999-12-31T23:59:59Z' cannot be",
    changed(started_at=1795428000): "started_at '1795428000' cannot be",
    changed(run_id=...): "lacks run_id",
    changed(rtt_ms=-0.5): "rtt_ms '-0.5' cannot be",
    changed(rtt_ms="abc"): "rtt_ms 'abc' cannot be",
    changed(rtt_ms=float("inf")): "rtt_ms 'inf' cannot be",
    changed(rtt_ms=float("nan")): "rtt_ms 'nan' cannot be",
    changed(rtt_ms=10**400): "rtt_ms",
    changed(rtt_ms=None): "has neither a round trip nor a failure",
    changed(clock="sun"): "clock 'sun' cannot be",
    changed(failure="tired"): "failure 'tired' cannot be",
    changed(site="\ud800"): "site",
}


@pytest.mark.parametrize("line", DAMAGE, ids=lambda line: line[:24].decode("ascii", "replace"))
def test_a_damaged_line_is_named_and_the_rest_is_used(tmp_path, line):
    sound = [row.to_json().encode() for row in samples(10.0, 11.0, 12.0)]
    path = put_bytes(tmp_path, b"\n".join([*sound[:2], line, sound[2]]) + b"\n")
    put(tmp_path, samples(13.0, 14.0, run_id="r2"), "r2")
    report = read(tmp_path)
    assert (report.rows, report.damaged) == (5, 1)
    (complaint,) = report.complaints
    assert complaint.startswith(f"{tmp_path}/{path.relative_to(tmp_path)}, line 3: {DAMAGE[line]}")
    assert len(complaint) < len(str(path)) + 120
    (found,) = report.statistics
    assert (found.samples, found.rtt_ms) == (5, 12.0)


def test_what_is_no_damage(tmp_path):
    """A newer agent's field, a missing field nobody reads, blank lines, no line break at the end."""
    lines = [
        changed(sample=1, battery=0.5),
        b"",
        b"  ",
        changed(sample=2, peer=..., agent=...),
        changed(sample=3),
    ]
    put_bytes(tmp_path, b"\n".join(lines))
    report = read(tmp_path)
    assert (report.rows, report.damaged, report.complaints) == (3, 0, ())


def test_a_byte_order_mark_is_no_damage(tmp_path):
    lines = "".join(row.to_json() + "\n" for row in samples(10.0, 11.0, 12.0))
    for name in ("store", "rounds.jsonl"):
        if name == "store":
            put_bytes(tmp_path / name, lines.encode("utf-8-sig"))
        else:
            (tmp_path / name).write_text(lines, encoding="utf-8-sig")
        report = read(tmp_path / name)
        assert (report.rows, report.damaged, report.complaints) == (3, 0, ())


def test_an_offset_is_as_good_as_utc(tmp_path):
    put_bytes(tmp_path, changed(started_at="2026-11-23T19:00:00+09:00") + b"\n")
    report = read(tmp_path)
    assert (report.rows, report.damaged, report.complaints) == (1, 0, ())


def test_many_damaged_lines_are_counted_and_a_few_named(tmp_path):
    lines = [SAMPLE.to_json().encode(), *[b"broken"] * 50]
    put_bytes(tmp_path, b"\n".join(lines) + b"\n")
    report = read(tmp_path)
    assert (report.rows, report.damaged) == (1, 50)
    assert len(report.complaints) == COMPLAINTS_PER_OBJECT + 1
    assert report.complaints[-1].endswith(f": {50 - COMPLAINTS_PER_OBJECT} more damaged lines")


def long_round():
    """Enough rows, different enough, that a cut in the middle leaves whole lines on either side."""
    return samples(*(10.0 + n * 0.017 for n in range(4000)))


def cut_in_half(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_a_truncated_object_gives_what_it_has(tmp_path):
    path = put(tmp_path, long_round())
    cut_in_half(path)
    report = read(tmp_path)
    assert 1000 < report.rows < 3000
    assert report.damaged == 1
    (complaint,) = report.complaints
    assert complaint.endswith(f"line {report.rows + 1}: the gzip stream is truncated here")


def test_an_object_that_lost_only_its_checksum_gives_every_row(tmp_path):
    path = put(tmp_path, long_round())
    path.write_bytes(path.read_bytes()[:-4])
    report = read(tmp_path)
    assert (report.rows, report.damaged) == (4000, 1)


def test_a_flipped_bit_does_not_go_unseen(tmp_path):
    path = put(tmp_path, long_round())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(bytes(content))
    put(tmp_path, samples(1.0, run_id="r2"), "r2")
    report = read(tmp_path)
    assert report.damaged >= 1
    assert report.complaints
    assert 1 <= report.rows < 4001


def test_two_gzip_members_are_one_object(tmp_path):
    path = put(tmp_path, samples(10.0, 11.0))
    path.write_bytes(path.read_bytes() + gzip.compress(b"broken\n" + changed() + b"\n"))
    report = read(tmp_path)
    assert (report.rows, report.damaged) == (3, 1)
    assert report.complaints[0].endswith("line 3: is not JSON (Expecting value)")


@pytest.mark.parametrize("content", [b"", b"not gzip at all", b"\x1f\x8b"])
def test_an_object_that_is_no_gzip_is_set_aside(tmp_path, content):
    put(tmp_path, samples(10.0))
    put(tmp_path, samples(11.0, run_id="r2"), "r2").write_bytes(content)
    report = read(tmp_path)
    assert (report.rows, report.damaged) == (1, 1)
    assert "r2.jsonl.gz, line 1: " in report.complaints[0]


def test_a_store_with_nothing_sound_is_refused(tmp_path):
    put_bytes(tmp_path / "bad", b"broken\n")
    put(tmp_path / "good", samples(10.0))
    with pytest.raises(MeasurementError, match=r"holds no sound measurement \(inbox/.*line 1: is not JSON"):
        read_stores([str(tmp_path / "good"), str(tmp_path / "bad")], 0.5, SITES)


def test_many_sound_objects_and_a_few_damaged_ones(tmp_path):
    for n in range(60):
        path = put(tmp_path, samples(10.0 + n, run_id=f"r{n:02}"), f"r{n:02}")
        if n % 20 == 7:
            path.write_bytes(b"")
    report = read(tmp_path)
    assert (report.rows, report.damaged, len(report.complaints)) == (57, 3, 3)
