"""What reductions leave of a covering problem, and its exact search in slices that leave room to stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.solver.covering.bitsets import sparse
from planner.solver.covering.branching import search
from planner.solver.covering.lagrangian import CHOSEN

SLICE = 15_000_000
"""Matrix entries looked at in one call of a kernel: some 0.05 to 0.1 s."""

FIRST_SLICE = SLICE // 10
"""What a tree, and a local search, is given first: most that is not settled at the root is nearly so."""


@dataclass(frozen=True, slots=True)
class Core:
    """A sparse covering problem: the sites of each client, the clients of each site, the sites' costs > 0."""

    row_start: NDArray[np.int64]
    row_site: NDArray[np.int64]
    site_start: NDArray[np.int64]
    site_row: NDArray[np.int64]
    cost: NDArray[np.float64]

    @staticmethod
    def of(
        bits: NDArray[np.uint64],
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        cost: NDArray[np.float64],
    ) -> Core:
        """The submatrix of ``rows`` and ``columns``; ``cost`` of every column of ``bits``."""
        return Core(*sparse(bits, rows, columns, len(cost)), cost[columns])

    @property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """The four lists, as the kernels take them."""
        return self.row_start, self.row_site, self.site_start, self.site_row


class Search:
    """Depth-first branch and bound on a core: where it stands between two slices."""

    def __init__(self, core: Core, prices: NDArray[np.float64], target: float, slack: float) -> None:
        """``prices`` (m,): multipliers to begin with. Only covers of at most ``target`` are looked for.

        ``slack``: by how much a bound must be above the target to close a node.
        """
        m, n = len(core.row_start) - 1, len(core.cost)
        depth = min(m, n) + 2
        self._core, self._state = core, np.zeros(n, dtype=np.int8)
        self._times, self._choices = np.zeros(m, dtype=np.int64), np.diff(core.row_start)
        self._trail, self._spent = np.empty(n + 1, dtype=np.int64), np.zeros(n + 2)
        self._levels = np.zeros((depth, 4), dtype=np.int64)
        self._candidates = np.empty(len(core.row_site) + n, dtype=np.int64)
        self._prices = np.empty((depth, m))  # only the levels that are reached are written, hence take memory
        self._prices[0] = prices
        # Trail length, depth, nodes, and whether a node is to be entered.
        self._numbers = np.array([0, 0, 1, 1], dtype=np.int64)
        self._bounds = np.array([target, np.inf, slack])

    def run(self, work: int = SLICE) -> int:
        """EXHAUSTED, FOUND (a cover of at most the target; others may follow) or PAUSED."""
        return search(
            *self._core.lists, self._core.cost, self._state, self._times, self._choices, self._trail,
            self._spent, self._levels, self._candidates, self._prices, self._numbers, self._bounds, work,
        )  # fmt: skip

    def aim(self, target: float, slack: float) -> None:
        """From here on look for covers of at most ``target`` only."""
        self._bounds[0], self._bounds[2] = target, slack

    @property
    def found(self) -> NDArray[np.int64]:
        """The sites of the cover just found."""
        return np.nonzero(self._state == CHOSEN)[0]

    @property
    def closed_above(self) -> float:
        """The least bound by which a part of the tree was closed, less the slack; inf if none was."""
        return float(self._bounds[1])

    @property
    def nodes(self) -> int:
        """Nodes entered so far."""
        return int(self._numbers[2])
