"""The cheapest cover, step by step: root bounds and greedy covers, fixing and reducing, then the tree.

Each step is short, and between any two the best cover and a proven bound stand (see :mod:`.set_cover`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from planner.solver.covering.ascent import PATIENCE, Course
from planner.solver.covering.bitsets import pack
from planner.solver.covering.branching import EXHAUSTED, FOUND
from planner.solver.covering.core import FIRST_SLICE, SLICE, Core, Search
from planner.solver.covering.dominance import reduce
from planner.solver.covering.greedy import greedy_cover
from planner.solver.covering.lagrangian import ascend, start_prices
from planner.solver.covering.row_weighting import SEED, row_weighting
from planner.solver.covering.units import CLOSE, common_unit

ROUNDING = 1e-10
"""Relative allowance for the rounding of a bound: a sum of up to millions of terms in double precision."""

LOOKS = 3
"""Slices of local search in vain, in turns with the tree, before only the tree goes on."""

WORTHWHILE = 0.9
"""A core is built anew when fixing leaves at most this part of its sites or clients."""


class CheapestCover:
    """``best``: the sites of the cheapest cover so far, of cost ``value``; ``lower`` is proven. Costs > 0."""

    def __init__(
        self, covers: NDArray[np.bool_], cost: NDArray[np.float64], given: float, gap: float
    ) -> None:
        """``covers`` (m, n): every client has a site. ``gap`` is relative to the cost with ``given``."""
        self._covers, self._all_costs, self._given, self._gap = covers, cost, given, gap
        self._unit = common_unit(cost)
        self.best, self.value = np.empty(0, dtype=np.int64), np.inf
        self._closed = np.inf  # the least bound of what was ruled out
        self._bound = 0.0  # of what is left
        self._exhausted = False
        self._rows, self._columns = np.arange(len(covers)), np.arange(len(cost))
        self._taken = np.empty(0, dtype=np.int64)
        self._course, self._slices, self._looks = Course(), 0, 0
        self._search: Search | None = None
        self._core, self._prices = self._reduced(np.zeros(len(covers)))
        if not self._exhausted:
            self._prices = start_prices(*self._core.lists[:3], self._core.cost)
            self._greedy(np.zeros(len(self._prices)), self._core.cost)

    @property
    def lower(self) -> float:
        """No cover costs less."""
        bound = self._closed if self._exhausted else min(self._closed, self._bound)
        if self._unit and np.isfinite(bound):
            bound = math.ceil(bound / self._unit) * self._unit
        return min(bound, self.value)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self._exhausted or self.value - self.lower <= self._gap * abs(self._given + self.value)

    @property
    def _target(self) -> float:
        """Covers up to this cost are looked for."""
        better = self.value - (self._unit or CLOSE * self.value)
        return min(better, self.value - 0.999 * self._gap * abs(self._given + self.value))

    @property
    def _slack(self) -> float:
        return ROUNDING * self.value

    def go_on(self) -> None:
        """One step: some of the root's ascent, or a slice of the tree."""
        if not self._course.over:
            self._ascend()
            return
        if self._search is None:
            self._search = Search(self._core, self._prices, *self._goal())
        self._slices += 1
        work = FIRST_SLICE if self._slices <= 2 else SLICE
        if self._slices % 2 == 0 and self._looks < LOOKS and self._core.cost.min() == self._core.cost.max():
            self._look(work)
            self._search.aim(*self._goal())
            return
        ended = self._search.run(work)
        self._closed = min(self._closed, self._search.closed_above + self._paid())
        if ended == FOUND:
            self._offer(self._search.found)
            self._search.aim(*self._goal())
        elif ended == EXHAUSTED:
            self._exhausted = True

    def _paid(self) -> float:
        return float(self._all_costs[self._taken].sum())

    def _goal(self) -> tuple[float, float]:
        """Target and slack of what is left to pay on the core."""
        return self._target - self._paid(), self._slack

    def _offer(self, found: NDArray[np.int64]) -> None:
        sites = np.concatenate((self._taken, self._columns[found]))
        value = float(self._all_costs[sites].sum())
        if value < self.value:
            self.best, self.value = sites, value

    def _greedy(self, given_back: NDArray[np.float64], reduced: NDArray[np.float64]) -> None:
        core = self._core
        state = np.zeros(len(core.cost), dtype=np.int8)
        found = greedy_cover(*core.lists, core.cost, state, given_back, reduced)
        self._offer(np.nonzero(found)[0])

    def _look(self, work: int) -> None:
        """Where all sites cost the same, row weighting with fewer of them."""
        core = self._core
        target, slack = self._goal()
        state = np.zeros(len(core.cost), dtype=np.int8)
        opened = greedy_cover(*core.lists, core.cost, state, np.zeros(len(self._rows)), core.cost)
        fewer = int((target + slack) / core.cost[0])
        self._looks += 1
        if fewer > 0 and row_weighting(*core.lists, opened, fewer, work, SEED + self._looks):
            self._offer(np.nonzero(opened)[0])
            self._looks = 0

    def _ascend(self) -> None:
        core = self._core
        m, n = len(core.row_start) - 1, len(core.cost)
        steps = self._course.steps(len(core.row_site))
        target, slack = self._goal()
        reduced, state = np.empty(n), np.zeros(n, dtype=np.int8)
        bound = ascend(
            *core.lists, core.cost, state, np.arange(m), 0.0, target + slack, steps, self._course.length,
            PATIENCE, self._prices, reduced,
        )  # fmt: skip
        proven = bound + self._paid() - slack
        self._course.gained(self._bound, proven, self.value)
        self._bound = max(self._bound, proven)
        if bound > target + slack:
            self._closed, self._exhausted = min(self._closed, self._bound), True
            return
        self._greedy(self._prices, reduced)
        self._fix(bound, reduced)

    def _fix(self, bound: float, reduced: NDArray[np.float64]) -> None:
        """Rule sites out, and take sites, by their reduced costs; a new core where that is worthwhile."""
        target, slack = self._goal()
        out = (reduced > 0.0) & (bound + reduced > target + slack)
        into = (reduced < 0.0) & (bound - reduced > target + slack)
        n = len(reduced)
        if n - np.count_nonzero(out | into) > WORTHWHILE * n:
            return
        ruled_out = bound + np.abs(reduced[out | into]).min() - slack + self._paid()
        self._closed = min(self._closed, float(ruled_out))
        self._taken = np.concatenate((self._taken, self._columns[into]))
        self._columns = self._columns[~(out | into)]
        left = ~self._covers[np.ix_(self._rows, self._taken)].any(axis=1)
        self._rows = self._rows[left]
        self._core, self._prices = self._reduced(self._prices[left])

    def _reduced(self, prices: NDArray[np.float64]) -> tuple[Core, NDArray[np.float64]]:
        """Dominance on the rows and columns that are left: their core, the prices of its clients."""
        bits = pack(self._covers[np.ix_(self._rows, self._columns)])
        cost = self._all_costs[self._columns]
        rows, columns, taken, coverable = reduce(bits, cost)
        core = Core.of(bits, rows, columns, cost)
        self._taken = np.concatenate((self._taken, self._columns[taken]))
        self._rows, self._columns = self._rows[rows], self._columns[columns]
        if not len(rows):
            self._exhausted = True
            if coverable:
                self._offer(rows)
        return core, prices[rows]
