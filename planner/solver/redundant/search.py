"""What is known while solving: the rows, the best point, the best bound and what reduced costs have fixed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.solver.redundant.covering import Covers
from planner.solver.redundant.lagrangian import Bound, fix, lagrangian_bound
from planner.solver.redundant.problem import Problem
from planner.solver.redundant.rows import first_rows
from planner.solver.redundant.separation import Separator

Progress = Callable[[str, float, float, float], None]
"""Called with the phase, the seconds since the start, the objective (inf = none yet) and the lower bound."""


@dataclass(frozen=True, slots=True, eq=False)
class Incumbent:
    """``value`` per column, y integral and every row of N-1 kept; ``objective`` in scaled units."""

    value: NDArray[np.float64]
    objective: float


class Search:
    """Mutable on purpose: one per call, handed from step to step. Values are in scaled units."""

    def __init__(self, problem: Problem, gap: float, deadline: float, progress: Progress | None) -> None:
        self.problem, self.gap, self.deadline, self.progress = problem, gap, deadline, progress
        self.started = time.perf_counter()
        self.pool = first_rows(problem)
        self.covers = Covers(problem)
        self.covers.add_counts(self.pool)
        self.separator = Separator(problem)
        count = len(problem.column_cost)
        self.lower = np.zeros(count)
        self.upper = np.ones(count)
        self.best: Incumbent | None = None
        self.bound = -np.inf
        self.bounds: list[Bound] = []
        self.cutoff = np.inf
        self.tried: set[bytes] = set()

    @property
    def offset(self) -> float:
        """What is paid in any case, in scaled units."""
        return self.problem.constant * self.problem.scale

    @property
    def goal(self) -> float:
        """A bound this large proves the incumbent within the gap."""
        if self.best is None:
            return np.inf
        return self.best.objective - self.gap * abs(self.best.objective + self.offset)

    @property
    def done(self) -> bool:
        """Proven within the gap."""
        return self.best is not None and self.bound >= self.goal

    def offer(self, incumbent: Incumbent | None) -> bool:
        """Keep it if it is the best so far."""
        if incumbent is None or (self.best is not None and incumbent.objective >= self.best.objective):
            return False
        self.best = incumbent
        return True

    def raise_bound(self, bound: float) -> None:
        """A bound of what is left holds of the whole only up to what fixing has cut away."""
        self.bound = max(self.bound, min(bound, self.cutoff))

    def learn(self, dual: NDArray[np.float64]) -> Bound:
        """The Lagrangian bound of an LP's duals (kept if the best), and what it fixes."""
        bound = lagrangian_bound(self.problem, self.pool, dual, self.lower, self.upper)
        self.bounds.append(bound)
        self.raise_bound(bound.value)
        return bound

    def fix(self) -> None:
        """Fix by reduced costs, those of every bound so far, what no solution better than the goal needs."""
        goal = self.goal
        if np.isfinite(goal):
            for bound in self.bounds:
                if fix(self.problem, bound, goal, self.lower, self.upper):
                    self.cutoff = min(self.cutoff, goal)

    def tell(self, phase: str) -> None:
        """Report progress."""
        if self.progress is not None:
            scale, best = self.problem.scale, np.inf if self.best is None else self.best.objective
            seconds = time.perf_counter() - self.started
            self.progress(phase, seconds, (best + self.offset) / scale, (self.bound + self.offset) / scale)
