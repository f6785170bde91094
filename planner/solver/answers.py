"""The best placement and the best bound so far, told to whoever listens whenever either gets better."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.decision import Decision, State

OnAnswer = Callable[[Decision], None]
"""Called with a placement that breaks no rule and a bound that is proven: an answer with an honest gap."""

WORTH_TELLING = 0.2
"""A better bound alone is told when it closes this part of the gap."""


@dataclass(slots=True)
class Answers:
    """Mutable, local to one solve. ``kept``: an earlier placement, offered too, that is
    the answer where it is within the gap."""

    problem: Problem
    gap: float
    tell: OnAnswer | None
    started: float = field(default_factory=time.perf_counter)
    best: Decision | None = None
    kept: Decision | None = None
    lower: float = -np.inf
    cutoff: float = np.inf
    linked: NDArray[np.intp] = field(default_factory=lambda: np.empty((0, 2), dtype=np.intp))
    _told: float = np.inf

    def offer(self, found: Decision | None) -> None:
        """A placement that breaks no rule; its own lower bound is not looked at."""
        if found is None or found.open is None:
            return
        if self.best is None or found.objective < self.best.objective:
            self.best, self._told = found, np.inf
            self._tell()

    def prove(self, lower: float) -> None:
        """A lower bound on every placement."""
        if lower > self.lower:
            self.lower = lower
            self._tell()

    def done(self) -> bool:
        """Whether nothing is left to look for: the gap is closed as far as was asked, or every plan is proven
        to cost ``cutoff`` or more."""
        return self.closed() or self.lower >= self.cutoff

    def closed(self) -> bool:
        """Whether the gap is closed as far as was asked."""
        return self.best is not None and self._gap(self.best) <= self.gap

    def decision(self) -> Decision:
        """The answer as it stands; "time_limit" unless the gap is closed."""
        seconds = time.perf_counter() - self.started
        if self.best is None:
            return Decision(None, None, np.inf, self.lower, "time_limit", seconds)
        stays = self.kept is not None and self._gap(self.kept) <= self.gap
        chosen = self.kept if self.kept is not None and stays else self.best
        assert chosen.open is not None
        assert chosen.assignment is not None
        names = self.problem.client_ids, self.problem.site_ids
        return replace(
            chosen,
            lower_bound=min(self.lower, self.best.objective),
            termination="optimal" if self.closed() else "time_limit",
            seconds=seconds,
            state=State(*names, chosen.open, chosen.assignment, self.linked),
        )

    def _gap(self, found: Decision) -> float:
        return max(found.objective - self.lower, 0.0) / max(abs(found.objective), 1e-9)

    def _tell(self) -> None:
        if self.tell is None or self.best is None or not np.isfinite(self.lower):
            return
        gap = self._gap(self.best)
        if gap <= (1 - WORTH_TELLING) * self._told or (gap <= self.gap < self._told):
            self._told = gap
            decision = self.decision()
            self.tell(replace(decision, termination="optimal" if self.closed() else "feasible"))
