"""Lines of flat JSON objects into columns: what the kernel of ``planner.store.scanning`` takes and gives."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.store.plain_json import ABSENT
from planner.store.scanning import FLAG, INSTANT, MOST_KEYS, NUMBER, POWERS, TEXT, WHOLE, scan, spread

_ROWS: Final = 1 << 17
_TEXTS: Final = 1 << 10
"""Room for so many rows, and texts of a column, to begin with."""

_ABSENT: Final = {
    TEXT: -1,
    NUMBER: int(np.array(np.nan).view(np.int64)),
    WHOLE: ABSENT,
    FLAG: -1,
    INSTANT: ABSENT,
}


@dataclass(frozen=True, slots=True)
class Column:
    """A key's values over n lines, as the changes they are: ``values`` (k,) int64, each since the line in
    ``since`` (k,), the first since line 0. ``reals`` is the same memory, for numbers; a text is its
    place in ``texts``, quotes left out, escapes as they stand; a flag is 1 or 0; an instant µs since 1970."""

    values: NDArray[np.int64]
    reals: NDArray[np.float64]
    since: NDArray[np.int32]
    texts: list[bytes]
    lines: int

    def spread(self, changes: NDArray[Any]) -> NDArray[Any]:
        """Of each line (n,) what there is of each change (k,)."""
        if len(self.since) == self.lines:
            return changes
        return np.repeat(changes, np.diff(self.since, append=np.int32(self.lines)))


@dataclass(frozen=True, slots=True)
class Scan:
    """What n lines hold. ``status`` (n,) is :data:`SOUND`, :data:`ODD` or :data:`BLANK`; of the latter two
    nothing else holds."""

    status: NDArray[np.uint8]
    columns: tuple[Column, ...]


class Lines:
    """Lines as they are read, one object's after the other's, of objects that may have these ``keys``, of
    these ``kinds``. ``rows`` is how many to make room for."""

    def __init__(self, keys: Sequence[str], kinds: Sequence[int], rows: int = _ROWS) -> None:
        assert len(keys) <= MOST_KEYS
        marks = [f'"{key}":'.encode("ascii") for key in keys]
        self._marks = np.frombuffer(b"".join(marks), dtype=np.uint8)
        self._mark_at = np.cumsum([0, *map(len, marks)]).astype(np.int64)
        self._kind = np.array(kinds, dtype=np.int64)
        self._absent = np.array([_ABSENT[kind] for kind in kinds], dtype=np.int64)
        self._status = np.empty(rows, np.uint8)
        # The changes of each key's value, the lines they are of, and which is the last. One of line 0 stands
        # there from the start.
        self._cells, self._since = (
            _fresh((len(keys), rows), np.int64),
            _fresh((len(keys), rows), np.int32),
        )
        self._reals = self._cells.view(np.float64)
        self._last = np.zeros(len(keys), np.int64)
        self._words = np.empty(1 << 16, np.uint8)
        self._span = np.empty((len(keys), _TEXTS, 2), np.int64)
        # Of each key how many texts are known; then the bytes of all texts, the long numbers, and the room
        # for texts of a key.
        self._known = np.zeros(len(keys) + 3, np.int64)
        self._table = np.full((len(keys), 2 * _TEXTS), -1, np.int32)
        self._numbers = sum(kind == NUMBER for kind in kinds)
        self._long = np.empty((0, 3), np.int64)
        self.clear()

    def clear(self) -> None:
        """Begin anew, in the same memory: fresh memory costs more than what is done with it."""
        self.count = 0
        self._known[:-1], self._known[-1] = 0, self._span.shape[1]
        self._table[:] = -1
        self._last[:] = 0
        self._cells[:, 0], self._since[:, 0] = self._absent, 0

    def read(self, data: bytes) -> None:
        """Read the lines of one object."""
        n = data.count(b"\n") + (0 if data.endswith(b"\n") or not data else 1)
        if n == 0:
            return
        self._make_room(n, len(data))
        self._known[-2] = 0
        self.count = scan(
            np.frombuffer(data, dtype=np.uint8), self.count, self._marks, self._mark_at, self._kind,
            self._absent, POWERS, self._status, self._cells, self._reals, self._since, self._last,
            self._words, self._span, self._known, self._table, self._long,
        )  # fmt: skip
        if self._known[-2]:
            for place, start, end in self._long[: self._known[-2]].tolist():
                self._reals.flat[place] = float(data[start:end])

    def _make_room(self, lines: int, size: int) -> None:
        keys = len(self._kind)
        if self.count + lines > len(self._status):
            room = max(2 * len(self._status), self.count + lines)
            cells, since = _fresh((keys, room), np.int64), _fresh((keys, room), np.int32)
            for which, place in enumerate(self._last.tolist()):
                cells[which, : place + 1] = self._cells[which, : place + 1]
                since[which, : place + 1] = self._since[which, : place + 1]
            self._cells, self._reals, self._since = cells, cells.view(np.float64), since
            self._status = _longer(self._status, room)
        if self._known[-3] + size > len(self._words):
            self._words = _longer(self._words, max(2 * len(self._words), int(self._known[-3]) + size))
        if (most := int(self._known[:-3].max()) + lines) > self._span.shape[1]:
            room = 1 << (most - 1).bit_length()
            span = np.empty((keys, room, 2), np.int64)
            span[:, : self._span.shape[1]] = self._span
            self._span, self._table = span, np.full((keys, 2 * room), -1, np.int32)
            self._known[-1] = room
            spread(self._words, self._span, self._known, self._table)
        if len(self._long) < lines * self._numbers:
            self._long = np.empty((lines * self._numbers, 3), np.int64)

    def scanned(self) -> Scan:
        """All that was read, in memory that is overwritten after a :meth:`clear`."""
        words = self._words[: self._known[-3]].tobytes()
        columns = []
        for which, place in enumerate(self._last.tolist()):
            to = place + 1
            texts = [words[a:b] for a, b in self._span[which, : self._known[which]].tolist()]
            values, reals = self._cells[which, :to], self._reals[which, :to]
            columns.append(Column(values, reals, self._since[which, :to], texts, self.count))
        return Scan(self._status[: self.count], tuple(columns))


def _fresh(shape: tuple[int, int], kind: type[np.generic]) -> NDArray[Any]:
    """Room of which a few columns are filled and the others hardly touched. NumPy's own would be in pages of
    2 MB, each cleared whole."""
    return np.frombuffer(mmap.mmap(-1, shape[0] * shape[1] * np.dtype(kind).itemsize), kind).reshape(shape)


def _longer(array: NDArray[Any], size: int) -> NDArray[Any]:
    longer = np.empty(size, array.dtype)
    longer[: len(array)] = array
    return longer
