"""Rows on the open sites alone, which the LP does not imply: how much must stand for clients confined to T.

Let Q(T) be the clients that only sites of T may serve or back up, and d(Q) their demand. After any failure D

    Σ_{j∈T\\D} min(cap_j, d(Q)) y_j  ≥  d(Q)        (the coefficients reduced, since y is 0 or 1)
    Σ_{j∈T} y_j  ≥  κ,   κ the least number of sites of T that are enough

(without the largest, where all sites of T may fail).

Valid for every T; looked for over the sets that belong to single clients (Aardal 1998 separates such cover
and submodular rows of capacitated location)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.redundant.problem import Problem, members
from planner.solver.redundant.rows import RowPool

VIOLATED = 1.0e-4


class Covers:
    """The sets T, what is confined to them, and the rows not yet in the pool."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        allowed = problem.pair >= 0
        fails = len(problem.domains) > 0
        reach = np.unique(allowed | problem.backup if fails else allowed, axis=0)
        own = (allowed | problem.backup if fails else allowed).astype(np.float64)
        outside = own @ (~reach).astype(np.float64).T
        self.sets = reach
        self.confined = ((outside == 0.0) * problem.demand[:, None]).sum(axis=0)
        self.inside = np.concatenate(
            (np.zeros((1, problem.n), dtype=bool), members(problem.domains, problem.n))
        )
        self._done: set[tuple[int, int]] = set()

    def add_counts(self, pool: RowPool) -> None:
        """Σ_{j∈T} y_j ≥ κ for every T."""
        room = np.sort(np.where(self.sets, self.problem.capacity, 0.0), axis=1)[:, ::-1]
        # Only where every site of T may fail is the largest one lost in the worst case.
        fails = ~(self.sets & ~self.inside.any(axis=0)).any(axis=1)
        room[:, 0] = np.where(fails, 0.0, room[:, 0])
        short = np.cumsum(room, axis=1) < self.confined[:, None] * (1 - 1e-9)
        least = np.minimum(np.maximum(short.sum(axis=1) + 1, 1 + fails), self.problem.n)
        self._add(pool, self.sets.astype(np.float64), least.astype(np.float64))

    def separate(self, y: NDArray[np.float64], pool: RowPool) -> NDArray[np.intp]:
        """For each T, the row of the failure that leaves it shortest, where ``y`` violates it."""
        weight = self._weights(np.arange(len(self.sets)))
        held = weight * y
        left = held.sum(axis=1)[:, None] - held @ self.inside.T
        worst = left.argmin(axis=1)
        short = left[np.arange(len(left)), worst] < 1.0 - VIOLATED
        which = [t for t in np.flatnonzero(short) if (int(t), int(worst[t])) not in self._done]
        self._done.update((int(t), int(worst[t])) for t in which)
        if not which:
            return np.empty(0, dtype=np.intp)
        rows = np.array(which)
        return self._add(pool, weight[rows] * ~self.inside[worst[rows]], np.ones(len(rows)))

    def _weights(self, sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """min(cap_j, d(Q)) / d(Q) inside T."""
        need = self.confined[sets][:, None]
        share = np.divide(
            self.problem.capacity, need, out=np.ones((len(sets), self.problem.n)), where=need > 0
        )
        return np.where(self.sets[sets], np.minimum(share, 1.0), 0.0)

    @staticmethod
    def _add(pool: RowPool, coefficients: NDArray[np.float64], low: NDArray[np.float64]) -> NDArray[np.intp]:
        row, column = np.nonzero(coefficients)
        return pool.add(row, column, coefficients[row, column], low, np.full(len(low), np.inf))
