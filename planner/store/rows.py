"""From inbox objects to typed rows: the sound lines of many objects at once, and what is wrong with the rest.

The schema of rows is that of the table as well (``planner.store.table``), but for what ingesting adds.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from planner.store.damage import CHECKS, DETAILS, Fault, inflated, read_line
from planner.store.lines import Scan, scan_lines
from planner.store.scanning import ABSENT, BLANK, FLAG, INSTANT, NUMBER, SOUND, TEXT, WHOLE
from probes.record import FIELDS

_NUMBERS: Final = (
    "vantage_lat", "vantage_lon", "late_ms", "dns_ms", "connect_ms", "tls_ms", "ttfb_ms", "rtt_ms",
    "certificate_days", "crypto_ms", "lag_ms",
)  # fmt: skip
_WHOLES: Final = ("schema", "port", "sample", "retransmits", "family", "ttl_s", "http_status")
_KINDS: Final = {
    **dict.fromkeys(_NUMBERS, NUMBER),
    **dict.fromkeys(_WHOLES, WHOLE),
    "warm": FLAG,
    "started_at": INSTANT,
}
# In the order that agents write, which the scanner expects.
_KEYS: Final = ("schema", *(name for name in FIELDS if name != "schema"))
_KIND_OF: Final = tuple(_KINDS.get(name, TEXT) for name in _KEYS)
_TYPES: Final = {
    TEXT: pa.string(),
    NUMBER: pa.float64(),
    WHOLE: pa.int64(),
    FLAG: pa.bool_(),
    INSTANT: pa.timestamp("us", "UTC"),
}

ROWS: Final = pa.schema(
    [
        *(pa.field(name, _TYPES[kind]) for name, kind in zip(_KEYS, _KIND_OF, strict=True)),
        pa.field("object", pa.string()),
    ]
)
"""A measurement's fields as :class:`probes.record.Measurement` describes them, and ``object``, the name of
the inbox object it came in."""

_CODED: Final = pa.schema(
    [
        pa.field(each.name, pa.dictionary(pa.int32(), pa.string()) if each.type == pa.string() else each.type)
        for each in ROWS
    ]
)


@dataclass(frozen=True, slots=True)
class Rows:
    """``table`` by :data:`ROWS`, its texts coded by a dictionary; ``faults`` in order of object and line."""

    table: pa.Table
    faults: tuple[Fault, ...]


def read_rows(objects: Sequence[tuple[str, bytes, bool]]) -> Rows:
    """The rows of these objects, each with its name, its content and whether that is packed by gzip.

    All is held in memory, unpacked: hand over a few tens of MB at a time.
    """
    pieces, faults, first_line, lines = [], [], [], 0
    for name, packed, gzip in objects:
        content, cut = inflated(packed) if gzip else (packed, None)
        # Editors of one system put a byte order mark before the first line; it is no part of it.
        content = content.removeprefix(codecs.BOM_UTF8)
        if cut is not None:
            # What stands behind the last line break of a cut object is half a line, or nothing at all.
            content, half = content[: (at := content.rfind(b"\n") + 1)], content[at:]
            faults.append(Fault(name, content.count(b"\n") + 1, cut, half))
        first_line.append(lines)
        if content:
            pieces += [content] if content.endswith(b"\n") else [content, b"\n"]
            lines += content.count(b"\n") + (not content.endswith(b"\n"))
    data = b"".join(pieces)
    scan = scan_lines(data, _KEYS, _KIND_OF)
    object_of = np.searchsorted(np.array(first_line, dtype=np.int64), np.arange(lines), side="right") - 1
    names = [name for name, _, _ in objects]
    rows, sound = _columns(data, scan, object_of.astype(np.int32), names)
    odd_rows: list[dict[str, Any]] = []
    for line in np.flatnonzero(~sound & (scan.status != BLANK)).tolist():
        content = data[scan.start[line] : scan.end[line]]
        if not content.strip():
            continue
        of = int(object_of[line])
        values, reason = read_line(content)
        if reason:
            faults.append(Fault(names[of], line - first_line[of] + 1, reason, content, values is not None))
        if values is not None:
            odd_rows.append({**values, "object": names[of]})
    if odd_rows:
        rows = pa.concat_tables(
            [rows, pa.Table.from_pylist(odd_rows, ROWS).cast(_CODED)]
        ).unify_dictionaries()
    order = {name: position for position, name in enumerate(names)}
    return Rows(rows, tuple(sorted(faults, key=lambda fault: (order[fault.name], fault.line))))


def _columns(
    data: bytes, scan: Scan, object_of: NDArray[np.int32], names: Sequence[str]
) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The scanned lines that are sound as a table, and which those are."""
    for column, line, start, end in scan.long.tolist():
        scan.number[column, line] = float(data[start:end])
    sound = scan.status == SOUND
    texts: dict[str, tuple[NDArray[np.int32], list[str | None]]] = {}
    slots = dict.fromkeys(_TYPES, 0)
    arrays: dict[str, Any] = {}
    for name, kind in zip(_KEYS, _KIND_OF, strict=True):
        slot = slots[kind]
        slots[kind] += 1
        if kind == TEXT:
            codes = scan.text[slot]
            words = [_decoded(data[a:b]) for a, b in scan.span[slot, : scan.known[slot]].tolist()]
            texts[name] = (codes, words)
            check = CHECKS.get(name) or DETAILS[name]
            # The last entry speaks for absent texts, whose code is -1.
            fine = np.array([word is not None and check(word) for word in words] + [check(None)])
            sound &= fine[codes]
        elif kind == NUMBER:
            arrays[name] = scan.number[slot]
            sound &= _numbers_sound(name, scan.number[slot])
        elif kind == WHOLE:
            arrays[name] = scan.whole[slot]
            sound &= _wholes_sound(name, scan.whole[slot])
        elif kind == FLAG:
            arrays[name] = scan.flag[slot]
        else:
            arrays[name] = scan.instant
            sound &= scan.instant != ABSENT
    sound &= _has_result(texts, arrays["rtt_ms"])
    everything = bool(sound.all())
    keep = slice(None) if everything else np.flatnonzero(sound)
    columns = []
    for name, kind in zip(_KEYS, _KIND_OF, strict=True):
        if kind == TEXT:
            codes, words = texts[name]
            columns.append(_dictionary(codes[keep], words))
        else:
            columns.append(_plain(arrays[name][keep], kind))
    columns.append(_dictionary(object_of[keep], list(names)))
    return pa.Table.from_arrays(columns, schema=_CODED), sound


def _decoded(raw: bytes) -> str | None:
    """The text between the quotes of a JSON string, or None where that is none."""
    try:
        text = raw.decode("utf-8")
        return text if "\\" not in text else str(json.loads(f'"{text}"'))
    except ValueError:
        return None


def _extremes(name: str) -> tuple[float, float]:
    return {"vantage_lat": (-90.0, 90.0), "vantage_lon": (-180.0, 180.0), "rtt_ms": (0.0, 1e9)}.get(
        name, (-1e9, 1e9)
    )


def _numbers_sound(name: str, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    low, high = _extremes(name)
    within = (values >= low) & (values <= high)
    return within if name in ("vantage_lat", "vantage_lon") else within | np.isnan(values)


def _wholes_sound(name: str, values: NDArray[np.int64]) -> NDArray[np.bool_]:
    check = CHECKS.get(name) or DETAILS[name]
    few = np.unique(values)
    fine = np.array([check(None if value == ABSENT else value) for value in few.tolist()], dtype=bool)
    return np.asarray(fine[np.searchsorted(few, values)])


def _has_result(
    texts: dict[str, tuple[NDArray[np.int32], list[str | None]]], rtt_ms: NDArray[np.float64]
) -> NDArray[np.bool_]:
    protocols, words = texts["protocol"]
    dns = np.array([word == "dns" for word in words] + [False])[protocols]
    return np.asarray((texts["failure"][0] >= 0) | ~np.isnan(rtt_ms) | dns)


def _dictionary(codes: NDArray[np.int32], words: list[str | None]) -> pa.DictionaryArray:
    # A text that is none belongs to no row that is kept.
    kept = [word if word is not None and _encodable(word) else "" for word in words]
    distinct = list(dict.fromkeys(kept))
    if len(distinct) < len(kept):  # one word written in two ways, an escape in one of them
        number = {word: code for code, word in enumerate(distinct)}
        renamed = np.array([number[word] for word in kept] + [-1], dtype=np.int32)
        codes = renamed[codes]
    indices = pa.array(codes, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(distinct, pa.string()))


def _encodable(word: str) -> bool:
    return not any(0xD800 <= ord(char) < 0xE000 for char in word)


def _plain(values: NDArray[Any], kind: int) -> pa.Array:
    if kind == NUMBER:
        return pa.array(values, mask=np.isnan(values))
    if kind == FLAG:
        return pa.array(values == 1, mask=values < 0)
    if kind == INSTANT:
        return pa.array(values, pa.timestamp("us", "UTC"))
    return pa.array(values, mask=values == ABSENT)


def in_batches(
    objects: Iterator[tuple[str, bytes, bool]], longest: int
) -> Iterator[list[tuple[str, bytes, bool]]]:
    """The objects in lists of about ``longest`` bytes each, packed as they are, in order."""
    held: list[tuple[str, bytes, bool]] = []
    size = 0
    for each in objects:
        held.append(each)
        size += len(each[1])
        if size >= longest:
            yield held
            held, size = [], 0
    if held:
        yield held
