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

from planner.store.arrays import plain, strings
from planner.store.damage import CHECKS, DETAILS, Fault, inflated, read_line
from planner.store.lines import Column, Lines, Scan
from planner.store.plain_json import ABSENT
from planner.store.scanning import BLANK, FLAG, INSTANT, NUMBER, SOUND, TEXT, WHOLE
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


class Reader:
    """The rows of objects that are read one by one; ``rows`` is how many to make room for."""

    def __init__(self, rows: int = 1 << 17) -> None:
        self._lines = Lines(_KEYS, _KIND_OF, rows)
        self._objects: list[tuple[str, bytes, bool]] = []
        self._first_line: list[int] = []
        self._faults: list[Fault] = []

    @property
    def lines(self) -> int:
        """How many lines there are up to now."""
        return self._lines.count

    @property
    def objects(self) -> Sequence[tuple[str, bytes, bool]]:
        return self._objects

    def clear(self) -> None:
        """Forget all that was read, and read anew into the same memory."""
        self._lines.clear()
        self._objects, self._first_line, self._faults = [], [], []

    def read(self, name: str, packed: bytes, gzip: bool) -> None:
        """Read one object, by its name, its content and whether that is packed by gzip."""
        content, cut = _content(packed, gzip)
        if cut is not None:
            self._faults.append(Fault(name, content.count(b"\n") + 1, cut[0], cut[1]))
        self._objects.append((name, packed, gzip))
        self._first_line.append(self._lines.count)
        self._lines.read(content)

    def rows(self) -> Rows:
        """All that was read."""
        scan = self._lines.scanned()
        ends = np.array([*self._first_line[1:], self._lines.count][: len(self._objects)], dtype=np.int64)
        lengths = np.diff(ends, prepend=0)
        object_of = np.repeat(np.arange(len(self._objects), dtype=np.int32), lengths)
        names = [name for name, _, _ in self._objects]
        rows, sound = _columns(scan, object_of, names)
        faults, odd_rows = list(self._faults), list[dict[str, Any]]()
        odd = np.flatnonzero(~sound & (scan.status != BLANK))
        for number in np.unique(object_of[odd]).tolist():
            name, packed, gzip = self._objects[number]
            # The lines are not kept: those of an object with an odd one are unpacked once more.
            lines = _content(packed, gzip)[0].split(b"\n")
            for line in (odd[object_of[odd] == number] - self._first_line[number]).tolist():
                values, reason = read_line(lines[line])
                if reason:
                    faults.append(Fault(name, line + 1, reason, lines[line], values is not None))
                if values is not None:
                    odd_rows.append({**values, "object": name})
        if odd_rows:
            rows = pa.concat_tables(
                [rows, pa.Table.from_pylist(odd_rows, ROWS).cast(_CODED)]
            ).unify_dictionaries()
        order = {name: position for position, name in enumerate(names)}
        return Rows(rows, tuple(sorted(faults, key=lambda fault: (order[fault.name], fault.line))))


def read_rows(objects: Sequence[tuple[str, bytes, bool]]) -> Rows:
    """The rows of these objects, each with its name, its content and whether that is packed by gzip."""
    reader = Reader()
    for each in objects:
        reader.read(*each)
    return reader.rows()


def _content(packed: bytes, gzip: bool) -> tuple[bytes, tuple[str, bytes] | None]:
    """The whole lines of an object; and where it was cut off, why, and what stands behind the last of them:
    half a line, or nothing at all."""
    content, cut = inflated(packed) if gzip else (packed, None)
    # Editors of one system put a byte order mark before the first line; it is no part of it.
    content = content.removeprefix(codecs.BOM_UTF8)
    if cut is None:
        return content, None
    at = content.rfind(b"\n") + 1
    return content[:at], (cut, content[at:])


def _columns(
    scan: Scan, object_of: NDArray[np.int32], names: Sequence[str]
) -> tuple[pa.Table, NDArray[np.bool_]]:
    """The scanned lines that are sound as a table, and which those are."""
    sound = scan.status == SOUND
    if not len(sound):
        return _CODED.empty_table(), sound
    words: dict[str, list[str | None]] = {}
    for name, kind, column in zip(_KEYS, _KIND_OF, scan.columns, strict=True):
        if kind == TEXT:
            words[name] = [_decoded(raw) for raw in column.texts]
            check = CHECKS.get(name) or DETAILS[name]
            # The last entry speaks for absent texts, whose code is -1.
            fine = np.array([word is not None and check(word) for word in words[name]] + [check(None)])
            fine = fine[column.values]
        elif kind == NUMBER:
            fine = _numbers_sound(name, column.reals)
        elif kind == WHOLE:
            fine = _wholes_sound(name, column.values)
        else:
            fine = column.values != ABSENT if kind == INSTANT else np.ones(1, dtype=bool)
        if not fine.all():
            sound &= column.spread(fine)
    _drop_without_result(sound, scan, words["protocol"])
    keep = slice(None) if sound.all() else np.flatnonzero(sound)
    columns = []
    for name, kind, column in zip(_KEYS, _KIND_OF, scan.columns, strict=True):
        if len(column.values) == 1 and _is_absent(column, kind)[0]:
            columns.append(pa.nulls(int(sound.sum()), _CODED.field(name).type))
        elif kind == TEXT:
            columns.append(_dictionary(column.spread(column.values)[keep], words[name]))
        else:
            values = column.reals if kind == NUMBER else column.values == 1 if kind == FLAG else column.values
            absent = _is_absent(column, kind)
            hidden = column.spread(absent)[keep] if absent.any() else None
            columns.append(plain(column.spread(values)[keep], _TYPES[kind], hidden))
    columns.append(_dictionary(object_of[keep], list(names)))
    return pa.Table.from_arrays(columns, schema=_CODED), sound


def _is_absent(column: Column, kind: int) -> NDArray[np.bool_]:
    if kind == NUMBER:
        return np.isnan(column.reals)
    return column.values < 0 if kind in (TEXT, FLAG) else column.values == ABSENT


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
    few = _different(values)
    fine = np.array([check(None if value == ABSENT else value) for value in few.tolist()], dtype=bool)
    return fine if len(few) == 1 == len(values) else np.asarray(fine[np.searchsorted(few, values)])


def _different(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which values there are, in order."""
    low, high = int(values.min()), int(values.max())
    if high - low >= 1 << 16:
        return np.unique(values)
    there = np.zeros(high - low + 1, dtype=bool)
    there[values - low] = True
    return np.flatnonzero(there) + low


def _drop_without_result(sound: NDArray[np.bool_], scan: Scan, protocols: list[str | None]) -> None:
    protocol, failure, rtt = (scan.columns[_KEYS.index(name)] for name in ("protocol", "failure", "rtt_ms"))
    nothing = failure.spread(failure.values < 0) & rtt.spread(np.isnan(rtt.reals))
    if nothing.any():
        dns = np.array([word == "dns" for word in protocols] + [False])[protocol.values]
        sound &= ~nothing | protocol.spread(dns)


def _dictionary(codes: NDArray[np.integer[Any]], words: list[str | None]) -> pa.DictionaryArray:
    # A text that is none belongs to no row that is kept.
    kept = [word if word is not None and _encodable(word) else "" for word in words]
    distinct = list(dict.fromkeys(kept))
    if len(distinct) < len(kept):  # one word written in two ways, an escape in one of them
        number = {word: code for code, word in enumerate(distinct)}
        renamed = np.array([number[word] for word in kept] + [-1], dtype=np.int32)
        codes = renamed[codes]
    return pa.DictionaryArray.from_arrays(plain(codes, pa.int32(), codes < 0), strings(distinct))


def _encodable(word: str) -> bool:
    return word.isascii() or not any(0xD800 <= ord(char) < 0xE000 for char in word)


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
