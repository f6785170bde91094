"""A feasible placement in seconds, without proof: what is left to show when time runs out.

Drop heuristic (Feldman, Lehrer & Ray 1966): start with every site open and close, each time, the one whose
closing breaks the fewest rules and then saves most. Clients go to the open site that keeps the most promises
and then costs least; capacities and whole machines are not looked at, only checked.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.decision import Deadline, Decision, broken_rules, close_unused, objective_of
from planner.solver.loads import loads_of
from planner.solver.standby import find_backups

LONGEST_S = 5.0
"""Closing stops after this long even if it would still help."""


def quick_placement(problem: Problem, lower_bound: float, deadline: Deadline) -> Decision | None:
    """A placement that breaks no rule, or None when this heuristic finds none."""
    started, preference = time.perf_counter(), _preference(problem)
    is_open = problem.may_open.copy()
    assignment = _nearest(problem, preference, is_open)
    if assignment is None:
        return None
    best = _merit(problem, is_open, assignment)
    while time.perf_counter() - started < LONGEST_S and (
        deadline.remaining_s is None or deadline.remaining_s > 0
    ):
        candidate: tuple[tuple[int, float], int, NDArray[np.intp]] | None = None
        for j in np.nonzero(is_open)[0]:
            fewer = is_open.copy()
            fewer[j] = False
            served = _nearest(problem, preference, fewer)
            if served is None:
                continue
            merit = _merit(problem, fewer, served)
            # While a rule is broken (too many sites, say), closing goes on even where it makes things dearer.
            helps = merit < best or 0 < merit[0] <= best[0]
            if helps and (candidate is None or merit < candidate[0]):
                candidate = (merit, int(j), served)
            if time.perf_counter() - started > LONGEST_S:
                break
        if candidate is None:
            break
        best, assignment = candidate[0], candidate[2]
        is_open[candidate[1]] = False
    return settled(problem, is_open, assignment, lower_bound)


def settled(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    lower_bound: float,
    backup: NDArray[np.intp] | None = None,
) -> Decision | None:
    """The placement as a decision, its idle sites closed; None when it breaks a rule.

    Where failures are to be survived and no ``backup`` is given, with those that cost least.
    """
    is_open = is_open & ~_starved(problem, assignment)
    if problem.failover is not None and backup is None:
        backup = find_backups(problem, is_open, assignment)
    if broken_rules(problem, is_open, assignment, backup):
        return None
    kept = close_unused(problem, is_open, assignment, backup)
    objective = objective_of(problem, kept, assignment, backup)
    bound = min(lower_bound, objective)
    return Decision(kept, assignment, objective, bound, "time_limit", 0.0, backup=backup)


def _starved(problem: Problem, assignment: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(n,) sites that serve nobody and may not be open without a load."""
    serving = np.zeros(len(problem.site_ids), dtype=bool)
    serving[assignment] = True
    return ~serving & (loads_of(problem).least > 0)


def nearest_open(problem: Problem, is_open: NDArray[np.bool_]) -> NDArray[np.intp] | None:
    """Each client at the open site that keeps the most promises and then costs least."""
    return _nearest(problem, _preference(problem), is_open)


def _preference(problem: Problem) -> NDArray[np.float64]:
    """(m, n), smaller is better; inf where not allowed."""
    merit = problem.latency_ms
    if problem.minimize == "cost":
        merit = np.broadcast_to(problem.cost.per_share, merit.shape)
    merit = np.where(problem.allowed, merit, 0.0)
    step = float(merit.max() - merit.min()) + 1.0
    for _, row in problem.rows:
        if row.pair is not None and row.pair.ndim == 2 and np.isposinf(row.high):
            merit = merit - step * row.pair
    return np.where(problem.allowed, merit, np.inf)


def _nearest(
    problem: Problem, preference: NDArray[np.float64], is_open: NDArray[np.bool_]
) -> NDArray[np.intp] | None:
    masked = np.where(is_open, preference, np.inf)
    if problem.failover is not None:
        masked = np.where(problem.failover.backed(is_open), masked, np.inf)
    assignment = masked.argmin(axis=1)
    reached = masked[np.arange(len(assignment)), assignment]
    return assignment if np.isfinite(reached).all() else None


def _merit(problem: Problem, is_open: NDArray[np.bool_], assignment: NDArray[np.intp]) -> tuple[int, float]:
    bare = replace(problem, failover=None)  # that everybody has a backup is seen to, its room is not
    return len(broken_rules(bare, is_open, assignment)), objective_of(bare, is_open, assignment)
