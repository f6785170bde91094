"""The smallest maximum latency: bisection over the latencies themselves, each step a feasibility problem."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from planner.problem import Problem
from planner.rules import Effect
from planner.solver.answers import OnAnswer
from planner.solver.decision import Deadline, Decision
from planner.solver.homes import best_of
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement


def solve_minimax(
    problem: Problem,
    *,
    gap: float = PROVEN_GAP,
    time_limit_s: float | None = None,
    progress: Progress = silent,
    start: Decision | None = None,
    on_answer: OnAnswer | None = None,
    cheapest: bool = True,
) -> Decision:
    """Minimise the highest latency of any client; among the plans that reach it, the ``cheapest``, unless any
    will do.

    The optimum is one of the finitely many latencies of allowed pairs, so bisection is exact: the lower
    bound is the smallest candidate not yet proven infeasible. What was reached at ``start``, of a problem a
    little different, is tried first, and then whether anything less will do. ``start`` and ``on_answer`` are
    as in :func:`planner.solver.placement.solve_placement`.
    """
    if problem.others:
        return best_of(
            problem,
            partial(_alone, cheapest=cheapest),
            gap=gap,
            time_limit_s=time_limit_s,
            progress=progress,
            start=start,
            on_answer=on_answer,
        )
    started, deadline = time.perf_counter(), Deadline.after(time_limit_s)
    candidates = np.unique(problem.latency_ms[problem.allowed])
    nearest = np.where(problem.allowed, problem.latency_ms, np.inf).min(axis=1)
    floor = nearest.max(initial=0.0)
    if not np.isfinite(floor):
        return Decision(None, None, np.inf, np.inf, "infeasible", time.perf_counter() - started)
    candidates = candidates[candidates >= floor]
    last = len(candidates) - 1
    low, high, best = 0, last, None
    before = last if start is None else min(int(np.searchsorted(candidates, start.objective)), last)
    steps, done = int(np.ceil(np.log2(len(candidates) + 1))) + 1, 0
    while low <= high:
        if not done:
            middle = before
        elif best is None or (done == 1 and before < last):
            middle = high
        else:
            middle = (low + high) // 2
        progress(done, steps, f"can everyone be served within {candidates[middle]:.1f} ms?")
        decision = solve_placement(
            _within(problem, float(candidates[middle])),
            gap=0.5,
            time_limit_s=deadline.remaining_s,
            start=best or start,
        )
        done += 1
        if decision.open is not None and decision.assignment is not None:
            reached = problem.latency_ms[np.arange(len(nearest)), decision.assignment].max()
            best = decision
            high = int(np.searchsorted(candidates, reached)) - 1
            if on_answer is not None:
                on_answer(_answer(best, float(reached), float(candidates[min(low, high + 1)]), started))
        elif decision.termination == "infeasible":
            low = middle + 1
        else:
            break
    if best is None:
        stopped = "infeasible" if low > high else "time_limit"
        bound = np.inf if stopped == "infeasible" else float(floor)
        return Decision(None, None, np.inf, bound, stopped, time.perf_counter() - started)  # type: ignore[arg-type]
    assert best.assignment is not None
    reached = float(problem.latency_ms[np.arange(len(nearest)), best.assignment].max())
    proven = low > high
    if proven and cheapest:
        progress(steps, steps, f"the cheapest plan within {reached:.1f} ms")
        settled = solve_placement(
            _within(problem, reached), gap=gap, time_limit_s=deadline.remaining_s, start=best
        )
        if settled.open is not None:
            best = settled
    return replace(
        best,
        objective=reached,
        lower_bound=reached if proven else float(candidates[low]),
        termination="optimal" if proven else "time_limit",
        seconds=time.perf_counter() - started,
    )


def _alone(problem: Problem, *, lower_bound: float, cutoff: float, **how: Any) -> Decision:
    """One home's: of equal latency the cheapest is wanted, so no bound on latency ends it early."""
    return solve_minimax(problem, **how)


def _answer(found: Decision, reached_ms: float, floor_ms: float, started: float) -> Decision:
    """A plan found on the way; below ``floor_ms`` nothing is left to try."""
    seconds = time.perf_counter() - started
    return replace(found, objective=reached_ms, lower_bound=floor_ms, termination="feasible", seconds=seconds)


def _within(problem: Problem, limit_ms: float) -> Problem:
    near = problem.latency_ms <= limit_ms
    limit = Effect("max_latency", f"within {limit_ms:g} ms", pairs=near, of_backups=False)
    return problem.with_effects([limit]).aiming_at("cost")
