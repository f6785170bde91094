"""What a Gaussian process over pairs of places would have said of pairs it had not seen. Pure.

With K the covariance of the observations y, the errors of a block B that is left out come in closed form,

    y_B - E[y_B | the others] = ((K⁻¹)_BB)⁻¹ (K⁻¹y)_B

(Rasmussen and Williams, Gaussian Processes for Machine Learning, 5.4.2, for blocks), so that one inverse
serves for every way of leaving out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
LeftOutErrors = tuple[Indices, Array, Array, Array, Indices]
"""(k,) each: the observation; its error; the way in km to the nearest pair that was left in, of both ends
together; how new its ends are, 0 to 2; and the place or pair for whose sake it was left out."""

_PAIR_FOLDS: Final = 20
_BOTH_NEW: Final = 200
_CHOICES: Final = 3


@dataclass(frozen=True, slots=True, eq=False)
class LeftOut:
    """``low``, ``high`` (n,): the two places of each observation; ``apart`` (p, p): distances between places,
    in km; ``inverse`` (n, n): K⁻¹; ``pull`` (n,): K⁻¹y; ``doubt`` (p,): how new each place is, 0 to 1;
    ``new_km``: how far from every other a place is wholly new."""

    low: Indices
    high: Indices
    apart: Array
    inverse: Array
    pull: Array
    doubt: Array
    new_km: float

    def pairs(self) -> LeftOutErrors:
        """A twentieth of the pairs at a time."""
        fold = np.random.default_rng(0).permutation(self.low.size) % _PAIR_FOLDS
        found = []
        for each in range(_PAIR_FOLDS):
            block = np.flatnonzero(fold == each)
            new = self.doubt[self.low[block]] + self.doubt[self.high[block]]
            found.append((block, *self._without(block, fold == each), new, self.low[block]))
        return _joined(found)

    def places(self, kept: int) -> LeftOutErrors:
        """A place at a time, with all its pairs but ``kept``, which leave it half known (0: it is new). Which
        pairs are kept matters much, so that each place is tried with several choices."""
        generator, found = np.random.default_rng(0), []
        for place in np.repeat(np.arange(len(self.apart)), _CHOICES if kept else 1).tolist():
            touches = (self.low == place) | (self.high == place)
            own = np.flatnonzero(touches)
            if own.size <= kept or touches.all():
                continue
            touches[generator.permutation(own)[:kept]] = False
            block = np.flatnonzero(touches)
            other = np.where(self.low[block] == place, self.high[block], self.low[block])
            newness = min(self._newness(np.array([place]))[0], 0.5 if kept else 1.0)
            new = newness + np.where(other == place, newness, self.doubt[other])
            found.append((block, *self._without(block, touches), new, np.full(block.size, place)))
        return _joined(found)

    def both(self) -> LeftOutErrors:
        """A pair at a time, with everything that either place has."""
        found = []
        for pair in np.unique(
            np.linspace(0, self.low.size - 1, min(_BOTH_NEW, self.low.size)).astype(np.intp)
        ):
            ends = np.array((self.low[pair], self.high[pair]))
            touches = np.isin(self.low, ends) | np.isin(self.high, ends)
            if ends[0] == ends[1] or touches.all():
                continue
            block = np.flatnonzero(touches)
            error, near = self._without(block, touches, block == pair)
            found.append((np.array([pair]), error, near, self._newness(ends).sum(keepdims=True), ends[:1]))
        return _joined(found)

    def _without(
        self, block: Indices, touches: NDArray[np.bool_], asked: NDArray[np.bool_] | None = None
    ) -> tuple[Array, Array]:
        """Errors of ``block``, and the way from each of it to the nearest pair that is not; only of those
        that are ``asked`` about, where not all are."""
        error = np.linalg.solve(self.inverse[np.ix_(block, block)], self.pull[block])
        if asked is not None:
            block, error = block[asked], error[asked]
        low, high = self.low[~touches], self.high[~touches]
        from_low, from_high = self.apart[self.low[block]], self.apart[self.high[block]]
        way = np.minimum(
            (from_low[:, low] + from_high[:, high]).min(axis=1),
            (from_low[:, high] + from_high[:, low]).min(axis=1),
        )
        return error.astype(np.float64), way

    def _newness(self, places: Indices) -> Array:
        """How new ``places`` are where nothing of any of them is known."""
        others = np.setdiff1d(np.arange(len(self.apart)), places)
        ways = self.apart[np.ix_(places, others)] / self.new_km + self.doubt[others]
        return np.asarray(np.minimum(ways.min(axis=1), 1.0), dtype=np.float64)


def _joined(found: list[tuple[Indices, Array, Array, Array, Indices]]) -> LeftOutErrors:
    pair, error, near, new, group = (np.concatenate(column) for column in zip(*found, strict=True))
    return pair, error, near, new, group
