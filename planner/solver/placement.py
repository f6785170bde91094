"""The placement problem, solved: relax exactly, repair to whole clients, prove, and say how far it got.

1. Clients the model cannot tell apart are merged (`merging`).
2. Small problems go to branch and bound as they stand, assignments binary.
3. Larger ones are solved with divisible clients (`formulation`): the proven bound of that relaxation holds
   for the problem itself, and its open sites are almost always right.
4. With the sites fixed, clients are made whole again (`repair`); what that costs is the gap.
5. Where the gap is too wide, the full binary problem is solved in what time is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.decision import Deadline, Decision, broken_rules, close_unused, objective_of
from planner.solver.formulation import Columns, counts_instances, pooled, slo_row, strong
from planner.solver.merging import Groups, merge_identical
from planner.solver.model import Model, Outcome
from planner.solver.repair import FILLERS, assign_whole

Progress = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, what is being done now)."""

PROVEN_GAP = 1e-4
SMALL_PAIRS = 1500
"""Up to this many allowed pairs the binary problem is solved at once."""


def silent(done: int, total: int, words: str) -> None:
    """A progress callback that says nothing."""


def solve_placement(
    problem: Problem,
    *,
    gap: float = PROVEN_GAP,
    time_limit_s: float | None = None,
    progress: Progress = silent,
) -> Decision:
    """Minimise cost or mean latency under every rule of ``problem``; see the module's words for the method.

    The decision is "optimal" when its gap is proven to be at most ``gap``. "infeasible" is proven too.
    ``max_latency`` is not solved here but in :mod:`planner.solver.minimax`.
    """
    started, deadline = time.perf_counter(), Deadline.after(time_limit_s)
    if not problem.allowed.any(axis=1).all():
        return Decision(None, None, np.inf, np.inf, "infeasible", time.perf_counter() - started)
    if int(problem.allowed.sum()) <= SMALL_PAIRS:
        progress(0, 1, "solving the binary problem")
        decision = _solve_whole(problem, gap=min(gap, 1e-6), deadline=deadline)
    else:
        decision = _relax_and_repair(problem, gap, deadline, progress)
    return replace(decision, seconds=time.perf_counter() - started)


def _relax_and_repair(problem: Problem, gap: float, deadline: Deadline, progress: Progress) -> Decision:
    groups = merge_identical(problem)
    progress(
        0, 3, f"solving for the sites ({len(problem.client_ids):,} clients in {len(groups.first):,} groups)"
    )
    row = slo_row(problem)
    columns, _ = strong(problem, groups, whole=False) if row is None else pooled(problem, groups, row)
    outcome = columns.model.solve(gap=gap * 0.3, time_limit_s=deadline.remaining_s)
    if outcome.x is None:
        return Decision(None, None, np.inf, outcome.lower_bound, outcome.termination, outcome.seconds)
    is_open = outcome.x[columns.open] > 0.5
    instances = None
    if columns.instances.size:
        instances = np.rint(outcome.x[columns.instances]).astype(np.int64)
    progress(1, 3, "assigning whole clients")
    best: Decision | None = None
    for fillers in FILLERS:
        assignment = assign_whole(
            problem, is_open, instances, gap=gap * 0.65, deadline=deadline, fillers=fillers
        )
        best = _better(problem, best, is_open, assignment, outcome)
        if best is not None and best.gap <= gap:
            return best
    progress(2, 3, "closing the gap on the full problem")
    whole = _solve_whole(problem, gap=gap, deadline=deadline)
    lower = max(outcome.lower_bound, whole.lower_bound if whole.termination != "infeasible" else -np.inf)
    if whole.open is None:
        return best if best is not None else replace(whole, lower_bound=lower)
    if best is None or whole.objective < best.objective:
        best = whole
    best = replace(best, lower_bound=min(lower, best.objective))
    return replace(best, termination="optimal" if best.gap <= gap else "time_limit")


def _better(
    problem: Problem,
    best: Decision | None,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp] | None,
    outcome: Outcome,
) -> Decision | None:
    if assignment is None or broken_rules(problem, is_open, assignment):
        return best
    kept = close_unused(problem, is_open, assignment)
    objective = objective_of(problem, kept, assignment)
    if best is not None and best.objective <= objective:
        return best
    lower = min(outcome.lower_bound, objective)
    decision = Decision(kept, assignment, objective, lower, "feasible", 0.0)
    return replace(decision, termination="optimal" if decision.gap <= PROVEN_GAP else "feasible")


def _solve_whole(problem: Problem, *, gap: float, deadline: Deadline) -> Decision:
    m = len(problem.client_ids)
    columns, flows = strong(problem, Groups(np.arange(m), np.arange(m), problem.sizing.share), whole=True)
    outcome = columns.model.solve(gap=gap, time_limit_s=deadline.remaining_s)
    if outcome.x is None:
        return Decision(None, None, np.inf, outcome.lower_bound, outcome.termination, outcome.seconds)
    value = np.full(problem.allowed.shape, -1.0)
    value[flows.client, flows.site] = outcome.x[flows.variable]
    assignment = value.argmax(axis=1)
    is_open = outcome.x[columns.open] > 0.5
    kept = close_unused(problem, is_open, assignment)
    objective = objective_of(problem, kept, assignment)
    lower = min(outcome.lower_bound, objective)
    return Decision(kept, assignment, objective, lower, outcome.termination, outcome.seconds)


__all__ = ["PROVEN_GAP", "Columns", "Model", "Progress", "counts_instances", "silent", "solve_placement"]
