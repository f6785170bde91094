"""Capacitated facility location with redundancy: the steps in their order."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from planner.solver.facility import facility_location
from planner.solver.model import Termination
from planner.solver.redundant.branching import branch_and_bound, kernel
from planner.solver.redundant.infeasible import explain, impossible
from planner.solver.redundant.lagrangian import relaxation
from planner.solver.redundant.linear import OutOfTimeError
from planner.solver.redundant.problem import build
from planner.solver.redundant.root import solve_root
from planner.solver.redundant.routing import assign
from planner.solver.redundant.search import Progress, Search
from planner.solver.redundant.solution import RedundantSolution, described, nothing

FINEST = 1.0e-6
"""The smallest gap that is proven: HiGHS keeps rows to 1e-7 only."""


def capacitated(
    opening_cost: ArrayLike,
    assignment_cost: ArrayLike,
    demand: ArrayLike,
    capacity: ArrayLike,
    *,
    backup_allowed: ArrayLike | None = None,
    failure_domain: ArrayLike | None = None,
    min_open: int | None = None,
    max_open: int | None = None,
    gap: float = 1.0e-3,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
) -> RedundantSolution:
    """Capacitated facility location (CFLP), divisible demand, surviving any one failure; see the package.

    ``opening_cost`` and ``capacity`` (n,), ``assignment_cost`` (m, n) for a whole client, ``inf`` = not
    allowed; ``demand`` (m,). ``failure_domain``: what fails together, as labels (n,) of ints (negative =
    never fails) or as a boolean matrix (k, n); ``backup_allowed`` (m, n) bool: where a client may go then.
    With only the latter each site fails alone; with only the former backups may be wherever service may;
    with neither nothing fails. ``gap`` in [1e-6, 1). Ctrl-C and the time limit return the best point and
    bound so far. Raises ``ValueError`` on wrong shapes or values."""
    started = time.perf_counter()
    if not FINEST <= gap < 1.0:
        raise ValueError(f"gap {gap} is not in [{FINEST}, 1)")
    problem = build(
        opening_cost, assignment_cost, demand, capacity, backup_allowed, failure_domain, min_open, max_open
    )
    reason = impossible(problem)
    if reason:
        return nothing(problem, "infeasible", np.inf, time.perf_counter() - started, reason)
    if not problem.m:  # nobody to serve, and nothing to lose in a failure
        alone = facility_location(opening_cost, assignment_cost, min_open=min_open, max_open=max_open)
        empty = nothing(problem, alone.termination, alone.lower_bound, alone.seconds, "")
        return replace(empty, open=alone.open, objective=alone.objective, gap=alone.gap)
    deadline = np.inf if time_limit_s is None else started + time_limit_s
    search = Search(problem, gap, deadline, progress)
    termination: Termination = "time_limit"
    try:
        feasible = _search(search)
        if not feasible:
            reason = explain(search)
            return nothing(problem, "infeasible", np.inf, time.perf_counter() - started, reason)
        termination = "feasible"
    except (OutOfTimeError, KeyboardInterrupt):
        pass
    bound = (search.bound + search.offset) / problem.scale
    if search.best is None:
        return nothing(problem, "time_limit", bound, time.perf_counter() - started, "")
    if search.done:
        termination = "optimal"
    relaxed = None
    if search.bounds:
        best = max(search.bounds, key=lambda found: found.value)
        relaxed = relaxation(problem, search.pool, best)
    return described(problem, search.best, bound, termination, time.perf_counter() - started, relaxed)


def _search(search: Search) -> bool:
    """False: infeasible. Raises ``OutOfTimeError``."""
    root = solve_root(search)
    if root is None:
        return False
    lp, bound = root
    search.offer(assign(search, np.ones(search.problem.n, dtype=bool)))
    rows = kernel(search, lp.rows[lp.rows >= 0], bound)
    return search.done or branch_and_bound(search, rows)
