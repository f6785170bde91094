"""The p sites that leave the least weight uncovered, step by step: root, fixing and reducing, then the tree.

Each step is short, and between any two the best sites and a proven bound stand (see :mod:`.max_cover`).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from planner.solver.covering.ascent import PATIENCE, Course
from planner.solver.covering.bitsets import pack, sparse, transpose
from planner.solver.covering.branching import EXHAUSTED, FOUND
from planner.solver.covering.core import SLICE
from planner.solver.covering.dominance import maximal_columns
from planner.solver.covering.identical import merge_identical
from planner.solver.covering.interchange import interchange
from planner.solver.covering.maximal_branching import search_maximal
from planner.solver.covering.maximal_lagrangian import ascend_maximal
from planner.solver.covering.units import CLOSE, common_unit

SWAP_ROUNDS = 20

WORTHWHILE = 0.9
"""The problem is built anew when fixing leaves at most this part of its sites."""

Lists = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


class WidestCover:
    """``best``: the sites found, leaving ``value`` uncovered; no p sites leave less than ``lower``."""

    def __init__(self, covers: NDArray[np.bool_], weight: NDArray[np.float64], p: int, gap: float) -> None:
        """``covers`` (m, n), ``weight`` (m,) > 0, 0 < ``p`` ≤ n; ``gap`` relative to the weight covered."""
        self._covers, self._weight, self._p, self._gap = covers, weight, p, gap
        self._total = float(weight.sum())
        self._unit = common_unit(weight)
        # Sums of m terms, forwards and backwards: what their rounding can amount to.
        self._slack = 0.0 if not len(weight) else 4.0 * (len(weight) + 100) * 2.0**-53 * self._total
        self.best, self.value = np.empty(0, dtype=np.int64), np.inf
        self._closed, self._bound, self._exhausted = np.inf, 0.0, False
        self._taken, self._columns = np.empty(0, dtype=np.int64), np.arange(covers.shape[1])
        self._rows, self._merged, self._lost = np.arange(len(covers)), weight, 0.0
        self._course = Course()
        self._search: _Tree | None = None
        self._prices = weight
        self._lists = self._reduced()
        if not self._exhausted:
            opened = np.zeros(len(self._columns), dtype=np.bool_)
            self._swap(opened)
            times = np.zeros(len(self._rows))
            for j in np.nonzero(opened)[0]:
                times[self._lists[3][self._lists[2][j] : self._lists[2][j + 1]]] += 1
            self._prices = self._merged / np.maximum(times, 1.0)

    @property
    def lower(self) -> float:
        """At least this weight stays uncovered."""
        bound = self._closed if self._exhausted else min(self._closed, self._bound)
        if self._unit and np.isfinite(bound):
            bound = math.ceil(bound / self._unit) * self._unit
        return min(bound, self.value)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return self._exhausted or self.value - self.lower <= self._gap * (self._total - self.value)

    @property
    def _target(self) -> float:
        """What is left uncovered by the sites that are looked for, at most."""
        covered = self._total - self.value
        return self.value - max(self._unit or CLOSE * covered, 0.999 * self._gap * covered)

    def go_on(self) -> None:
        """One step: some of the root's ascent, or a slice of the tree."""
        if self._search is None and self._course.over:
            left = self._p - len(self._taken)
            self._search = _Tree(self._lists, self._merged, left, self._prices, self._slack)
        if self._search is None:
            self._ascend()
            return
        ended = self._search.run(self._target - self._lost)
        self._closed = min(self._closed, self._search.closed_above + self._lost)
        if ended == FOUND:
            self._swap(self._search.opened.copy())
        elif ended == EXHAUSTED:
            self._exhausted = True

    def _swap(self, opened: NDArray[np.bool_]) -> None:
        """Improve sites of what is left by interchange, and keep them if they are the best."""
        left = self._p - len(self._taken)
        interchange(*self._lists, self._merged, opened, left, SWAP_ROUNDS)
        self._offer(np.nonzero(opened)[0])

    def _offer(self, opened: NDArray[np.int64]) -> None:
        sites = np.concatenate((self._taken, self._columns[opened]))
        value = float(self._weight[~self._covers[:, sites].any(axis=1)].sum())
        if value < self.value:
            self.best, self.value = sites, value

    def _ascend(self) -> None:
        steps = self._course.steps(2 * len(self._lists[1]))
        m, n = len(self._rows), len(self._columns)
        state, opened = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.bool_)
        worth, share = np.empty(n), np.empty(n)
        target = self._target - self._lost
        bound, _, last, after = ascend_maximal(
            *self._lists, self._merged, state, np.arange(m), self._p - len(self._taken),
            target + self._slack, -np.inf, steps, self._course.length, PATIENCE,
            self._prices, worth, share, opened,
        )  # fmt: skip
        proven = bound + self._lost - self._slack
        self._course.gained(self._bound, proven, self.value)
        self._bound = max(self._bound, proven)
        if bound > target + self._slack:
            self._closed, self._exhausted = min(self._closed, self._bound), True
            return
        self._swap(opened)
        if not self.settled:
            self._fix(bound, last, after, worth)

    def _fix(self, bound: float, last: float, after: float, worth: NDArray[np.float64]) -> None:
        """Rule sites out, and take sites, by their reduced costs; build anew where that is worthwhile."""
        target = self._target - self._lost + self._slack
        out, into = bound + last - worth, bound + worth - after
        ruled, sure = out > target, into > target
        gone, n = ruled | sure, len(worth)
        if n - np.count_nonzero(gone) > WORTHWHILE * n:
            return
        recorded = min(out[ruled].min(initial=np.inf), into[sure].min(initial=np.inf))
        self._closed = min(self._closed, float(recorded) + self._lost - self._slack)
        self._taken = np.concatenate((self._taken, self._columns[sure]))
        if len(self._taken) > self._p:
            self._exhausted = True
            return
        left = ~self._covers[np.ix_(self._rows, self._columns[sure])].any(axis=1)
        self._columns = self._columns[~gone]
        self._rows, self._merged, self._prices = self._rows[left], self._merged[left], self._prices[left]
        self._lists = self._reduced()

    def _reduced(self) -> Lists:
        """Clients nobody can cover any more given up, identical ones merged, dominated sites dropped."""
        while True:
            bits = pack(self._covers[np.ix_(self._rows, self._columns)])
            first, sort, merged = merge_identical(bits, self._merged)
            self._lost += float(self._merged[sort < 0].sum())
            prices = np.zeros(len(first))
            np.add.at(prices, sort[sort >= 0], self._prices[sort >= 0])
            self._rows, self._merged, self._prices = self._rows[first], merged, prices
            n = len(self._columns)
            turned = transpose(bits, first, np.arange(n), n)
            large = maximal_columns(turned, np.zeros(n))
            self._columns = self._columns[large]
            if len(large) <= self._p - len(self._taken):
                self._exhausted = True
                self._closed = min(self._closed, self._lost)
                self._offer(np.arange(len(large)))
            if self._exhausted or len(large) == n:
                return sparse(bits, first, large, n)


class _Tree:
    """Depth-first branch and bound: where it stands between two slices."""

    def __init__(
        self, lists: Lists, weight: NDArray[np.float64], p: int, prices: NDArray[np.float64], slack: float
    ) -> None:
        m, n = len(weight), len(lists[2]) - 1
        self._lists, self._weight, self._p = lists, weight, p
        self._state, self.opened = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.bool_)
        self._times, self._choices = np.zeros(m, dtype=np.int64), np.diff(lists[0])
        self._trail, self._spent = np.empty(n + 1, dtype=np.int64), np.zeros(n + 2)
        self._levels = np.zeros((n + 2, 3), dtype=np.int64)
        self._prices = np.empty((n + 2, m))  # only the levels that are reached are written, hence take memory
        self._prices[0] = prices
        self._numbers = np.array([0, 0, 1, 1], dtype=np.int64)
        self._bounds = np.array([0.0, np.inf, slack])

    def run(self, target: float) -> int:
        """EXHAUSTED, FOUND (``opened`` leave at most ``target`` uncovered; others may follow) or PAUSED."""
        self._bounds[0] = target
        return search_maximal(
            *self._lists, self._weight, self._p, self._state, self._times, self._choices, self._trail,
            self._spent, self._levels, self._prices, self._numbers, self._bounds, self.opened, SLICE,
        )  # fmt: skip

    @property
    def closed_above(self) -> float:
        """The least bound by which a part of the tree was closed, less the slack; inf if none was."""
        return float(self._bounds[1])
