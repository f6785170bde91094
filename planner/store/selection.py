"""Exact order statistics of many pairs in passes over all their values, in bounded memory.

A pass counts what lies below, in and above a bracket for each statistic, so that afterwards its rank says
where it is, whatever the bracket was made from. Values in brackets are kept, and the wanted one selected from
them (Floyd and Rivest, CACM 18, 1975); where they would be too many, a pass counts them in bins instead, and
the bin is the next pass's bracket. So one pass does where good brackets are known before, and two otherwise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.store.sifting import INFINITE, NEVER, gather, select, sift

KEPT: Final = 12_000_000
"""So many values are kept by a pass, or twice as many where its brackets were wrong."""

_BINS: Final = 1024
_FEWEST_BINS: Final = 16
_ALL_BINS: Final = 1 << 25

_LOWEST, _HIGHEST = 2.0**-10, 2.0**20
"""In ms; where statistics are sought first when nothing is known of them, in bins of 3 % and less."""

_Whole = NDArray[np.int64]


def bits(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Doubles that are not below 0 as whole numbers in the same order."""
    return np.ascontiguousarray(values, dtype=np.float64).view(np.int64)


def anywhere(pairs: int) -> tuple[_Whole, _Whole]:
    """The brackets (pairs, 1) of pairs that nothing is known of."""
    low, high = bits(np.array([_LOWEST, _HIGHEST]))
    return np.full((pairs, 1), low), np.full((pairs, 1), high - 1)


class Selection:
    """The order statistics of pairs numbered from 0: ``found`` (pairs, statistics) once all is settled."""

    def __init__(self, statistics: int, *, brackets: int = 1, keep: bool = False) -> None:
        """The first pass has so many ``brackets``; ``keep``: they are narrow enough for what is in them to
        be kept."""
        self._asked = np.zeros((0, statistics), bool)
        self.found = np.zeros((0, statistics))
        nothing = np.zeros((0, brackets), np.int64)
        self._begin(nothing, nothing, keep)

    def _begin(self, low: _Whole, high: _Whole, keep: bool) -> None:
        pairs, width = low.shape
        bins = 0 if keep else _BINS
        while bins > _FEWEST_BINS and pairs * width * bins > _ALL_BINS:
            bins //= 2
        self._keep, self._low, self._high = keep, low, high
        self._shift = _shift(low, high, bins)
        self._cells = np.zeros((pairs, 2 * width + 1), np.int64)
        self._bins = np.zeros((pairs, width, bins), np.uint32)
        self._groups: list[NDArray[np.int32]] = []
        self._kept: list[_Whole] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, low: _Whole, high: _Whole) -> None:
        """Take more pairs in, during the first pass, with the least and the greatest bits (k, brackets) of
        what their statistics may be."""
        pairs, more = self._asked.shape[0], len(low)
        self._asked = np.ones((pairs + more, self._asked.shape[1]), bool)
        self.found = np.full(self._asked.shape, np.inf)
        if pairs + more > len(self._low):
            room = pairs + 2 * more - len(self._low) + pairs
            self._low, self._high, self._shift, self._cells, self._bins = (
                np.concatenate((each, np.zeros((room, *each.shape[1:]), each.dtype)))
                for each in (self._low, self._high, self._shift, self._cells, self._bins)
            )
        here = slice(pairs, pairs + more)
        self._low[here], self._high[here] = _merged(low, high)
        self._shift[here] = _shift(self._low[here], self._high[here], self._bins.shape[2])

    def sift(self, pair: NDArray[np.int32], value: NDArray[np.int64]) -> None:
        """Take in the bits of the ``value`` (n,) of each ``pair`` (n,), -1 for none."""
        room = len(pair) if self._keep and self._count <= 2 * KEPT else 0
        group, kept = np.empty(room, np.int32), np.empty(room, np.int64)
        n = sift(pair, value, self._low, self._high, self._cells, self._shift, self._bins, group, kept)
        if n:
            self._groups.append(group[:n].copy())
            self._kept.append(kept[:n].copy())
            self._count += n

    def counted(self) -> NDArray[np.int64]:
        """How many values each pair has had in this pass (pairs,)."""
        return np.asarray(self._cells[: len(self._asked)].sum(axis=1))

    def settle(self, rank: NDArray[np.int64]) -> bool:
        """End a pass. ``rank`` (pairs, statistics), from 1, is what is sought; beyond a pair's values that is
        +inf. Whether all is found now; if not, the next pass is to come."""
        pairs = len(self._asked)
        upto = np.cumsum(self._cells[:pairs], axis=1)
        cell = (upto[:, None, :] < rank[:, :, None]).sum(axis=2)
        self._asked &= cell < upto.shape[1]
        pair, statistic = np.nonzero(self._asked)
        cell, wanted = cell[pair, statistic], rank[pair, statistic]
        inner = wanted - np.where(cell > 0, upto[pair, cell - 1], 0)
        low, high = self._cell(pair, cell)
        count = self._cells[pair, cell]
        inside = np.flatnonzero(cell % 2)
        if not self._keep:
            low[inside], high[inside], count[inside] = self._bin(
                pair[inside], cell[inside] // 2, inner[inside]
            )
        elif self._count <= 2 * KEPT:
            of = pair[inside] * self._low.shape[1] + cell[inside] // 2
            low[inside] = high[inside] = self._selected(of, inner[inside])
        alone = low == high
        self.found[pair[alone], statistic[alone]] = low[alone].view(np.float64)
        self._asked[pair[alone], statistic[alone]] = False
        pair, statistic, low, high = (each[~alone] for each in (pair, statistic, low, high))
        least, greatest = np.full((2, *self._asked.shape), NEVER)
        least[pair, statistic], greatest[pair, statistic] = low, high
        self._begin(*_merged(least, greatest), int(count[~alone].sum()) <= KEPT)
        return len(pair) == 0

    def _cell(self, pair: NDArray[np.intp], cell: NDArray[np.intp]) -> tuple[_Whole, _Whole]:
        """The least and the greatest bits of what each pair's cell holds."""
        low, high = self._low[: len(self._asked)], self._high[: len(self._asked)]
        least = np.zeros((len(low), 2 * low.shape[1] + 1), np.int64)
        greatest = np.full(least.shape, INFINITE - 1)
        least[:, 1::2], greatest[:, 1::2] = low, high
        # Between brackets; beyond the last there is nothing.
        least[:, 2::2], greatest[:, :-1:2] = np.minimum(high, INFINITE) + 1, np.minimum(low, INFINITE) - 1
        return least[pair, cell], greatest[pair, cell]

    def _bin(
        self, pair: NDArray[np.intp], bracket: NDArray[np.intp], rank: NDArray[np.int64]
    ) -> tuple[_Whole, _Whole, _Whole]:
        """The least and the greatest bits of the bin that has that rank, and how many are in it."""
        bins, shift = self._bins[pair, bracket], self._shift[pair, bracket]
        place = (np.cumsum(bins, axis=1, dtype=np.int64) < rank[:, None]).sum(axis=1)
        low = self._low[pair, bracket] + (place << shift)
        high = np.minimum(self._high[pair, bracket], low + (np.int64(1) << shift) - 1)
        return low, high, bins[np.arange(len(place)), place].astype(np.int64)

    def _selected(self, group: NDArray[np.intp], rank: NDArray[np.int64]) -> _Whole:
        """The value of that rank, from 1, among the kept ones of each group."""
        size = self._cells[:, 1::2].ravel()
        end = np.cumsum(size)
        gathered, free = np.empty(int(end[-1]) if len(end) else 0, np.int64), end - size
        for number, kept in zip(self._groups, self._kept, strict=True):
            gather(number, kept, free, gathered)
        self._groups, self._kept = [], []
        found = np.empty(len(group), np.int64)
        select(gathered, (end - size)[group], end[group], rank - 1, found)
        return found


def _shift(low: _Whole, high: _Whole, bins: int) -> _Whole:
    """A bin is a range of bits, 2^shift of them: so many that ``bins`` are enough."""
    length = np.frexp((high - low).astype(np.float64))[1].astype(np.int64)
    return np.maximum(length - max(bins.bit_length() - 1, 0), 0)


def _merged(low: _Whole, high: _Whole) -> tuple[_Whole, _Whole]:
    """The brackets of each pair in ascending order, those that overlap made one; the rest are none."""
    order = np.argsort(low, axis=1, kind="stable")
    low, high = np.take_along_axis(low, order, axis=1), np.take_along_axis(high, order, axis=1)
    least, greatest = np.full((2, *low.shape), NEVER)
    row, at = np.arange(len(low)), np.zeros(len(low), np.intp)
    for bracket in range(low.shape[1]):
        apart = low[:, bracket] > greatest[row, at] if bracket else np.ones(len(low), bool)
        at += apart if bracket else 0
        least[row, at] = np.where(apart, low[:, bracket], least[row, at])
        greatest[row, at] = np.where(apart, high[:, bracket], np.maximum(greatest[row, at], high[:, bracket]))
    return least, greatest
