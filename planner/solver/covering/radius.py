"""Can p sites cover every client within a radius? (Minieka 1970; Elloumi, Labbé & Pochet 2004)

A set-covering problem with unit costs: sites are counted, so a bound above p, however little, settles it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.compiled import compiled
from planner.solver.covering.bitsets import pack_within, sparse
from planner.solver.covering.branching import EXHAUSTED, FOUND
from planner.solver.covering.core import FIRST_SLICE, SLICE, Core, Search
from planner.solver.covering.dominance import reduce
from planner.solver.covering.greedy import greedy_cover
from planner.solver.covering.lagrangian import ascend, start_prices
from planner.solver.covering.row_weighting import SEED, row_weighting

NO, YES, OPEN = 0, 1, 2
"""The answers; OPEN = not settled yet."""

SLACK = 1e-6
"""What a bound must be above p: far more than rounding can amount to, far less than a site."""

ROOT_STEPS = 300
ROOT_ROUNDS = 3

LAST_LOCAL_SEARCH = 20
"""After so many slices only the tree goes on: what local search finds it finds early."""


@compiled
def root_decision(
    bits: NDArray[np.uint64], n: int, p: int, work: int
) -> tuple[int, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """NO, YES or OPEN by reductions, the Lagrangian bound and the greedy alone.

    Then the sites of a cover (YES) or those taken as essential (OPEN), the rows and columns left, prices.
    """
    nothing, cost = np.empty(0, dtype=np.int64), np.ones(n)
    rows, columns, taken, coverable = reduce(bits, cost)
    left = p - len(taken)
    if not coverable or left < 0 or (left == 0 and len(rows) > 0):
        return NO, nothing, nothing, nothing, np.empty(0)
    if len(rows) == 0:
        return YES, taken, nothing, nothing, np.empty(0)
    row_start, row_site, site_start, site_row = sparse(bits, rows, columns, n)
    cost = cost[: len(columns)]
    prices = start_prices(row_start, row_site, site_start, cost)
    state, reduced, everyone = np.zeros(len(columns), dtype=np.int8), cost.copy(), np.arange(len(rows))
    given_back = np.zeros(len(rows))  # nothing at first: that is Chvátal's greedy
    steps = max(5, min(ROOT_STEPS, work // len(row_site)))
    for attempt in range(ROOT_ROUNDS + 1):
        found = greedy_cover(row_start, row_site, site_start, site_row, cost, state, given_back, reduced)
        if found.sum() <= left:
            return YES, np.concatenate((taken, columns[found])), rows, columns, prices
        if attempt == ROOT_ROUNDS:
            break
        bound = ascend(
            row_start, row_site, site_start, site_row, cost, state, everyone, 0.0, left + SLACK,
            steps, 1.0 if attempt == 0 else 0.3, 15, prices, reduced,
        )  # fmt: skip
        if bound > left + SLACK:
            return NO, nothing, rows, columns, prices
        given_back[:] = prices
    return OPEN, taken, rows, columns, prices


class Within:
    """The question for one radius, answered slice by slice."""

    def __init__(self, distance: NDArray[np.float64], radius: float, p: int) -> None:
        """Answer at once what reductions and the root settle."""
        n = distance.shape[1]
        bits = pack_within(distance, radius)
        self.slices = 0
        """Spent on it so far."""
        self.answer, self.sites, rows, columns, prices = root_decision(bits, n, p, SLICE)
        if self.answer == OPEN:
            self._columns, self._left = columns, p - len(self.sites)
            self._core = Core.of(bits, rows, columns, np.ones(n))
            self._search = Search(self._core, prices, float(self._left), SLACK)

    def go_on(self) -> int:
        """One slice more of the tree and of local search in turns; ``sites`` cover once the answer is YES."""
        if self.answer == OPEN:
            work = FIRST_SLICE if self.slices < 2 else SLICE
            if self.slices % 2 and self.slices < LAST_LOCAL_SEARCH:
                self._look(work)
            else:
                ended = self._search.run(work)
                if ended == FOUND:
                    self._yes(self._search.found)
                elif ended == EXHAUSTED:
                    self.answer = NO
            self.slices += 1
        return self.answer

    def _look(self, work: int) -> None:
        core = self._core
        nothing, state = np.zeros(len(core.row_start) - 1), np.zeros(len(core.cost), dtype=np.int8)
        opened = greedy_cover(*core.lists, core.cost, state, nothing, core.cost)
        if row_weighting(*core.lists, opened, self._left, work, SEED + self.slices):
            self._yes(np.nonzero(opened)[0])

    def _yes(self, found: NDArray[np.int64]) -> None:
        self.sites = np.concatenate((self.sites, self._columns[found]))
        self.answer = YES
