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
from planner.solver.decision import Deadline, Decision, close_unused, objective_of
from planner.solver.formulation import pooled, slo_row, strong
from planner.solver.heuristic import nearest_open, quick_placement, settled
from planner.solver.merging import Groups, merge_identical
from planner.solver.repair import FILLERS, assign_whole

Progress = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, what is being done now)."""

PROVEN_GAP = 1e-4
RELAXATION_SHARE = 0.7
"""Of the time left, for the relaxation; the rest is for making clients whole."""

SMALL_PAIRS = 1500
"""Up to this many allowed pairs the binary problem is solved at once."""

TINY_PAIRS = 100
"""Up to this many, to a gap nobody could tell from none."""


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
    pairs = int(problem.allowed.sum())
    if pairs <= SMALL_PAIRS:
        progress(0, 1, "solving the binary problem")
        decision = _solve_whole(
            problem, gap=min(gap, 1e-6) if pairs <= TINY_PAIRS else gap, deadline=deadline
        )
        if decision.termination == "time_limit" and decision.open is None:
            decision = quick_placement(problem, decision.lower_bound, deadline) or decision
    else:
        decision = _relax_and_repair(problem, gap, deadline, progress)
    if decision.termination != "infeasible":
        # Stopped before its first bound, branch and bound knows less than everyone's best site tells.
        decision = replace(decision, lower_bound=max(decision.lower_bound, _everyone_at_their_best(problem)))
    return replace(decision, seconds=time.perf_counter() - started)


def _everyone_at_their_best(problem: Problem) -> float:
    """A bound that needs no solver: each client at the site that is best for it alone."""
    merit = problem.latency_ms
    if problem.minimize == "cost":
        merit = np.broadcast_to(problem.cost.per_share, merit.shape)
    return float(problem.sizing.share @ np.where(problem.allowed, merit, np.inf).min(axis=1))


def _relax_and_repair(problem: Problem, gap: float, deadline: Deadline, progress: Progress) -> Decision:
    groups = merge_identical(problem)
    progress(
        0, 3, f"solving for the sites ({len(problem.client_ids):,} clients in {len(groups.first):,} groups)"
    )
    row = slo_row(problem)
    columns, _ = strong(problem, groups, whole=False) if row is None else pooled(problem, groups, row)
    left = deadline.remaining_s
    outcome = columns.model.solve(
        gap=gap * 0.3, time_limit_s=None if left is None else left * RELAXATION_SHARE
    )
    if outcome.termination == "infeasible":
        return Decision(None, None, np.inf, outcome.lower_bound, "infeasible", outcome.seconds)
    best: Decision | None = None
    if outcome.x is not None:
        is_open = outcome.x[columns.open] > 0.5
        instances = None
        if columns.instances.size:
            instances = np.rint(outcome.x[columns.instances]).astype(np.int64)
        progress(1, 3, "assigning whole clients")
        for fillers in FILLERS:
            assignment = assign_whole(
                problem, is_open, instances, gap=gap * 0.65, deadline=deadline, fillers=fillers
            )
            best = _better(problem, best, is_open, assignment, outcome.lower_bound)
            if best is not None and best.gap <= gap:
                return replace(best, termination="optimal")
        # Where time ran out above, the open sites are still worth something.
        best = _better(problem, best, is_open, nearest_open(problem, is_open), outcome.lower_bound)
    if outcome.termination == "time_limit":  # the whole problem is harder still
        quick = quick_placement(problem, outcome.lower_bound, deadline)
        if quick is not None and (best is None or quick.objective < best.objective):
            best = quick
        return best or Decision(None, None, np.inf, outcome.lower_bound, "time_limit", outcome.seconds)
    progress(2, 3, "closing the gap on the full problem")
    whole = _solve_whole(problem, gap=gap, deadline=deadline)
    if whole.termination == "infeasible":
        return whole
    lower = max(outcome.lower_bound, whole.lower_bound)
    if whole.open is not None and (best is None or whole.objective < best.objective):
        best = whole
    if best is None:
        best = quick_placement(problem, lower, deadline)
    if best is None:
        return replace(whole, lower_bound=lower)
    best = replace(best, lower_bound=min(lower, best.objective))
    return replace(best, termination="optimal" if best.gap <= gap else "time_limit")


def _better(
    problem: Problem,
    best: Decision | None,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp] | None,
    lower_bound: float,
) -> Decision | None:
    """The better of the best so far and this placement, if it breaks no rule."""
    found = None if assignment is None else settled(problem, is_open, assignment, lower_bound)
    if found is None or (best is not None and best.objective <= found.objective):
        return best
    return found


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
