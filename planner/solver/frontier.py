"""The latency/cost front by the epsilon-constraint method: the cheapest plan for each latency promise.

Latency here is the promise itself: the round-trip time within which the study's ``coverage`` of demand is
served. Cost as a function of that promise is a step function that falls as the promise gets slower; each
point solved is a proven optimum on it. Haimes, Lasdon & Wismer 1971.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect, Row
from planner.solver.decision import Deadline, Decision
from planner.solver.interrupt import stoppable
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement
from planner.wording import counted

NEARLY = 1e-3
"""A point that the solver leaves with a gap this small is kept, and its gap said: the front goes on."""

POLES = 8
"""How many promises are tried at most to find the fast end, where not every site may be open."""


@dataclass(frozen=True, slots=True)
class FrontierPoint:
    """``slo_ms``: what was asked; ``reached_ms`` ≤ ``slo_ms``: within which the coverage is really served."""

    slo_ms: float
    reached_ms: float
    decision: Decision


@dataclass(frozen=True, slots=True)
class Front:
    """``points``, cheapest (slowest) first: cost rises, latency falls strictly, each point proven but for the
    gap it says.

    ``complete``: as many points as asked for, or every step that is wider than the finest difference looked
    for, both ends included. Otherwise ``words`` says why not.
    """

    points: tuple[FrontierPoint, ...]
    complete: bool
    words: str


def merged(fronts: Sequence[Front]) -> tuple[tuple[int, FrontierPoint], ...]:
    """The points of several fronts that none of the others beats in both cost and latency, cheapest first.

    Each with the number of its front.
    """
    every = [(which, point) for which, front in enumerate(fronts) for point in front.points]
    if len(fronts) == 1:
        return tuple(every)
    kept: list[tuple[int, FrontierPoint]] = []
    for which, point in sorted(every, key=lambda each: (each[1].decision.objective, each[1].reached_ms)):
        if not kept or point.reached_ms < kept[-1][1].reached_ms:
            kept.append((which, point))
    return tuple(kept)


def trace_frontier(
    problem: Problem,
    coverage: float,
    *,
    points: int = 25,
    gap: float = PROVEN_GAP,
    time_limit_s: float | None = None,
    progress: Progress = silent,
) -> Front:
    """Both ends of the front, then the middle of its widest untried stretch, again and again.

    ``problem`` carries the study's rules without its own coverage and budget: the front shows what more money
    would buy. ``time_limit_s`` is for the whole front; a first Ctrl-C ends it with the points it has.
    """
    with stoppable():
        return _traced(_Trace(problem, coverage, gap, Deadline.after(time_limit_s)), points, progress)


def _traced(trace: _Trace, points: int, progress: Progress) -> Front:
    problem, coverage = trace.problem, trace.coverage
    progress(0, points, "the cheapest plan with no promise")
    anchor = solve_placement(
        problem.aiming_at("cost"), gap=trace.gap, time_limit_s=trace.deadline.remaining_s
    )
    if anchor.termination == "infeasible":
        return Front((), True, "no plan keeps the rules, whatever it promises")
    if anchor.open is None or anchor.termination != "optimal":
        return Front((), False, "stopped before the cheapest plan was proven")
    slowest = _reached(problem, anchor, coverage)
    fastest = min(
        weighted_quantile(
            np.where(one.allowed, one.latency_ms, np.inf).min(axis=1), one.sizing.share, coverage
        )
        for one in problem.options
    )
    found = [FrontierPoint(slowest, slowest, anchor)]
    trace.solved.append(found[0])
    tried, floor = [slowest], 0.0
    while len(found) < points and len(tried) < 3 * points:
        if len(tried) == 1:
            target: float | None = fastest
        elif floor >= fastest and len(tried) < POLES:  # the fast end is slower: close in on it first
            target = (floor + min(point.reached_ms for point in found)) / 2
        else:
            target = _widest_gap(found, tried, max(floor, fastest), (slowest - fastest) / (8 * points))
        if target is None or target >= slowest:
            break
        progress(len(found), points, f"the cheapest plan within {target:.1f} ms")
        tried.append(target)
        decision = trace.cheapest_within(target)
        if decision.termination == "infeasible":
            floor = max(floor, target)
        elif not _settled(decision):
            words = (
                f"stopped at a promise of {target:.1f} ms: "
                f"{counted(len(found), 'point is', 'points are')} proven, others are missing"
            )
            return Front(tuple(found), False, words)
        else:
            found = _pareto([*found, FrontierPoint(target, _reached(problem, decision, coverage), decision)])
    progress(points, points, "done")
    return Front(tuple(found), True, counted(len(found), "point"))


@dataclass(slots=True)
class _Trace:
    """What the points of one front lend each other. Cost falls as the promise gets slower, so every plan of a
    faster promise is a plan of this one, and every bound of a slower promise is a bound."""

    problem: Problem
    coverage: float
    gap: float
    deadline: Deadline
    solved: list[FrontierPoint] = field(default_factory=list)

    def cheapest_within(self, slo_ms: float) -> Decision:
        """The cheapest plan within a promise, from what is known of the others."""
        slower = [point for point in self.solved if point.slo_ms >= slo_ms]
        faster = [point for point in self.solved if point.reached_ms <= slo_ms]
        lower = max((point.decision.lower_bound for point in slower), default=-np.inf)
        near = min(self.solved, key=lambda point: abs(point.slo_ms - slo_ms))
        if faster:
            near = min(faster, key=lambda point: point.decision.objective)
        decision = solve_placement(
            promise(self.problem, slo_ms, self.coverage),
            gap=self.gap,
            time_limit_s=self.deadline.remaining_s,
            start=near.decision,
            lower_bound=lower,
        )
        if _settled(decision):
            reached = _reached(self.problem, decision, self.coverage)
            self.solved.append(FrontierPoint(slo_ms, reached, decision))
        return decision


def _settled(decision: Decision) -> bool:
    return decision.open is not None and (decision.termination == "optimal" or decision.gap <= NEARLY)


def promise(problem: Problem, slo_ms: float, coverage: float) -> Problem:
    """The cost problem under one latency promise."""

    def promised(one: Problem) -> Problem:
        within = (one.latency_ms <= slo_ms).astype(np.float64)
        words = f"{coverage:.1%} within {slo_ms:g} ms"
        return one.with_effects([Effect("coverage", words, rows=(Row(coverage, np.inf, pair=within),))])

    return problem.aiming_at("cost").each(promised)


def weighted_quantile(value: NDArray[np.float64], share: NDArray[np.float64], level: float) -> float:
    """The smallest value that at least ``level`` of the share does not exceed."""
    order = np.argsort(value, kind="stable")
    reached = np.cumsum(share[order])
    rank = int(np.searchsorted(reached, level * reached[-1] * (1 - 1e-9)))
    return float(value[order[min(rank, len(order) - 1)]])


def _reached(problem: Problem, decision: Decision, coverage: float) -> float:
    assert decision.assignment is not None
    problem = problem.at(decision.arrangement)
    latency = problem.latency_ms[np.arange(len(decision.assignment)), decision.assignment]
    return weighted_quantile(latency, problem.sizing.share, coverage)


def _widest_gap(found: list[FrontierPoint], tried: list[float], floor: float, finest: float) -> float | None:
    """The middle of the widest stretch of latency in which nothing has been tried."""
    marks = sorted({floor, *(point.reached_ms for point in found), *(t for t in tried if t > floor)})
    # A point reached within its promise leaves nothing to find between the two.
    settled = [(point.reached_ms, point.slo_ms) for point in found]
    stretches = [
        (high - low, (low + high) / 2)
        for low, high in itertools.pairwise(marks)
        if high - low > finest and not any(a <= low and high <= b for a, b in settled)
    ]
    return max(stretches)[1] if stretches else None


def _pareto(points: list[FrontierPoint]) -> list[FrontierPoint]:
    """Points no other beats: cheapest first, each next one strictly dearer and strictly faster."""
    kept: list[FrontierPoint] = []
    for point in sorted(points, key=lambda point: (point.reached_ms, point.decision.objective)):
        if not kept or point.decision.objective < kept[-1].decision.objective - 1e-9:
            kept.append(point)
    return kept[::-1]
