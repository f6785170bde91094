"""Lines of flat JSON objects into columns: what the kernel of ``planner.store.scanning`` takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.store.scanning import ABSENT, FLAG, NUMBER, POWERS, TEXT, WHOLE, scan

_LONG_PER_LINE: Final = 4


@dataclass(frozen=True, slots=True)
class Scan:
    """What n lines hold, which stand in the data from ``start`` (n,) to ``end`` (n,). ``status`` (n,) is
    :data:`SOUND`, :data:`ODD` or :data:`BLANK`; of the latter two nothing else holds.

    ``text`` (texts, n) int32 are codes into ``span`` (texts, n, 2), where each different text of a column
    starts and ends in the data, quotes left out, escapes as they stand; ``known`` (texts,) says how many
    there are. ``number`` (numbers, n), ``whole`` (wholes, n), ``flag`` (flags, n), ``instant`` (n,) µs
    since 1970. ``long`` (k, 4): column, line, start and end of numbers that are still to be read.
    """

    status: NDArray[np.uint8]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    text: NDArray[np.int32]
    span: NDArray[np.int64]
    known: NDArray[np.int64]
    number: NDArray[np.float64]
    whole: NDArray[np.int64]
    flag: NDArray[np.int8]
    instant: NDArray[np.int64]
    long: NDArray[np.int64]


def scan_lines(data: bytes, keys: Sequence[str], kinds: Sequence[int]) -> Scan:
    """Read the lines of ``data``, whose objects may have these ``keys``, of these ``kinds``."""
    marks = [f'"{key}":'.encode("ascii") for key in keys]
    mark_at = np.cumsum([0, *map(len, marks)]).astype(np.int64)
    kind = np.array(kinds, dtype=np.int64)
    slot = np.array([list(kinds[:i]).count(each) for i, each in enumerate(kinds)], dtype=np.int64)
    n = data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)
    texts, numbers, wholes, flags = (int(np.sum(kind == each)) for each in (TEXT, NUMBER, WHOLE, FLAG))
    room = 1 << max(4, int(np.ceil(np.log2(2 * n + 1))))
    status = np.zeros(n, np.uint8)
    start, end = np.empty(n, np.int64), np.empty(n, np.int64)
    text = np.full((texts, n), -1, np.int32)
    span = np.empty((texts, n, 2), np.int64)
    known = np.zeros(texts, np.int64)
    number = np.full((numbers, n), np.nan)
    whole = np.full((wholes, n), ABSENT)
    flag = np.full((flags, n), -1, np.int8)
    instant = np.full(n, ABSENT)
    long = np.empty((_LONG_PER_LINE * n, 4), np.int64)
    table = np.full((texts, room), -1, np.int32)
    found = scan(
        np.frombuffer(data, dtype=np.uint8), start, end,
        np.frombuffer(b"".join(marks), dtype=np.uint8), mark_at, kind, slot, POWERS,
        status, text, span, known, number, whole, flag, instant, long, table,
    )  # fmt: skip
    return Scan(status, start, end, text, span, known, number, whole, flag, instant, long[:found])
