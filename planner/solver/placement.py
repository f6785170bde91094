"""The placement problem, solved: relax exactly, repair to whole clients, prove, and say how far it got.

1. Small problems go to branch and bound as they stand, assignments binary.
2. Larger ones are relaxed to the lean model (:mod:`gathering`), whose linear programme is tightened by cuts
   (:mod:`cutting`) until none is violated: the first bound, and the sites worth looking at.
3. The best plan within those sites, and within those of a previous solve, is a small problem
   (:mod:`restricted`): the first placement.
4. Branch and bound over the lean model starts from it, and every better point becomes whole clients.
5. Where that leaves a gap (what the lean model does not know: who may go where outside the SLO; whole
   clients), the exact models follow in what time is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.answers import Answers, OnAnswer
from planner.solver.cutting import Cutter
from planner.solver.decision import Deadline, Decision, close_unused, objective_of, tally
from planner.solver.formulation import pooled, slo_row, strong
from planner.solver.gathering import Gathered, gathered, point_of
from planner.solver.heuristic import nearest_open, quick_placement, settled
from planner.solver.highs import LinearProgram
from planner.solver.interrupt import stoppable
from planner.solver.merging import Groups, merge_identical
from planner.solver.restricted import improve_within, whole_from

Progress = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, what is being done now)."""

PROVEN_GAP = 1e-4

SMALL_PAIRS = 1500
"""Up to this many allowed pairs the binary problem is solved at once."""

TINY_PAIRS = 100
"""Up to this many, to a gap nobody could tell from none."""

MOST_ROUNDS = 60
LEAST_GAIN = 1e-6
"""Rounds of cuts end when three of them together gain less than this part of the bound."""

STEPS = 4


def silent(done: int, total: int, words: str) -> None:
    """A progress callback that says nothing."""


def solve_placement(
    problem: Problem,
    *,
    gap: float = PROVEN_GAP,
    time_limit_s: float | None = None,
    progress: Progress = silent,
    start: Decision | None = None,
    on_answer: OnAnswer | None = None,
) -> Decision:
    """Minimise cost or mean latency under every rule of ``problem``; see the module's words for the method.

    The decision is "optimal" when its gap is proven to be at most ``gap``. "infeasible" is proven too.
    ``start``: the decision of a problem much like this one; the answer is the same without it, but later.
    ``on_answer`` is called, from this thread, with every better answer on the way: a placement that breaks
    no rule, "feasible" with its honest gap, at last "optimal". A first Ctrl-C ends the solve as the time
    limit would. ``max_latency`` is not solved here but in :mod:`planner.solver.minimax`.
    """
    answers, deadline = Answers(problem, gap, on_answer), Deadline.after(time_limit_s)
    if not problem.allowed.any(axis=1).all():
        return _infeasible(answers)
    with stoppable():
        # Stopped before its first bound, branch and bound knows less than everyone's best site tells.
        answers.prove(_everyone_at_their_best(problem))
        pairs = int(problem.allowed.sum())
        if pairs <= SMALL_PAIRS:
            progress(0, 1, "solving the binary problem")
            sharp = min(gap, 1e-6) if pairs <= TINY_PAIRS else gap
            feasible = _solve_whole(answers, gap=sharp, deadline=deadline)
        else:
            feasible = _relax_and_repair(answers, start, deadline, progress)
        if feasible and answers.best is None:
            answers.offer(quick_placement(problem, answers.lower, deadline))
    return answers.decision() if feasible else _infeasible(answers)


def _infeasible(answers: Answers) -> Decision:
    seconds = time.perf_counter() - answers.started
    return Decision(None, None, np.inf, np.inf, "infeasible", seconds)


def _everyone_at_their_best(problem: Problem) -> float:
    """A bound that needs no solver: each client at the site that is best for it alone."""
    merit = problem.latency_ms
    if problem.minimize == "cost":
        merit = np.broadcast_to(problem.cost.per_share, merit.shape)
    return float(problem.sizing.share @ np.where(problem.allowed, merit, np.inf).min(axis=1))


def _relax_and_repair(
    answers: Answers, start: Decision | None, deadline: Deadline, progress: Progress
) -> bool:
    """Fill ``answers``; False when the problem is proven to be infeasible."""
    problem, gap = answers.problem, answers.gap
    progress(0, STEPS, f"solving for the sites ({len(problem.client_ids):,} clients)")
    before = _sites_of(problem, start)
    if before is not None:
        improve_within(answers, before, deadline)
    lean = gathered(problem, slo_row(problem))
    program = lean.model.program()
    cutter = Cutter(problem, lean, program)
    if start is not None and start.state is not None:
        cutter.link(_pairs_of(problem, lean, start.state.linked))
    x, feasible = _tighten(answers, program, cutter, deadline)
    if not feasible:
        return False
    if x is None or answers.done() or deadline.passed():
        return _in_what_time_is_left(answers, x, lean)
    progress(1, STEPS, "finding a first plan")
    liked = x[lean.columns.open] > 1e-5
    if before is not None:
        liked |= before
    improve_within(answers, liked, deadline)
    progress(2, STEPS, "proving it")
    if not answers.done() and not deadline.passed():
        feasible = _search(answers, program, lean, deadline)
        if not feasible:
            return False
    if answers.done():
        return True
    if deadline.passed():
        return _in_what_time_is_left(answers, x, lean)
    progress(3, STEPS, "closing the gap on the full problem")
    return _exactly(answers, gap, deadline)


def _tighten(
    answers: Answers, program: LinearProgram, cutter: Cutter, deadline: Deadline
) -> tuple[NDArray[np.float64] | None, bool]:
    """Rounds of cuts; the last linear programme's point, and whether the problem may be feasible."""
    x, bounds = None, [-np.inf]
    for _ in range(MOST_ROUNDS):
        vertex = program.solve(time_limit_s=deadline.remaining_s)
        if vertex.ended == "infeasible":
            return None, False
        if vertex.ended != "optimal":
            break
        x = vertex.x
        bounds.append(vertex.objective)
        answers.prove(vertex.objective)
        if answers.done() or deadline.passed() or cutter.cut(x) == 0:
            break
        if len(bounds) > 4 and bounds[-1] - bounds[-4] < LEAST_GAIN * abs(bounds[-1]):
            break
    answers.linked = cutter.names(x)
    return x, True


def _search(answers: Answers, program: LinearProgram, lean: Gathered, deadline: Deadline) -> bool:
    """Branch and bound over the lean model from the best placement; False when it is proven infeasible."""
    problem, best = answers.problem, answers.best
    start = None
    if best is not None and best.open is not None and best.assignment is not None:
        counted = tally(problem, best.open, best.assignment)
        start = point_of(problem, lean, best.open, best.assignment, counted.instances)

    def watch(lower: float, x: NDArray[np.float64] | None) -> bool:
        if x is not None:
            answers.offer(whole_from(problem, lean, x))
        answers.prove(lower)
        return answers.done() or deadline.passed()

    found = program.search(
        lean.model.integer, gap=answers.gap * 0.3, watch=watch, start=start, lean=start is not None
    )
    if found.ended == "infeasible":
        return False
    answers.prove(found.lower_bound)
    if found.x is not None and not answers.done() and not deadline.passed():
        improve_within(answers, found.x[lean.columns.open] > 0.5, deadline)
    return True


def _exactly(answers: Answers, gap: float, deadline: Deadline) -> bool:
    """The exact divisible model, then the binary one; False when infeasible."""
    problem = answers.problem
    groups, row = merge_identical(problem), slo_row(problem)
    columns, _ = strong(problem, groups, whole=False) if row is None else pooled(problem, groups, row)
    outcome = columns.model.solve(gap=gap * 0.3, time_limit_s=deadline.remaining_s)
    if outcome.termination == "infeasible":
        return False
    answers.prove(outcome.lower_bound)
    if outcome.x is not None and not answers.done():
        improve_within(answers, outcome.x[columns.open] > 0.5, deadline)
    if answers.done() or deadline.passed():
        return True
    return _solve_whole(answers, gap=gap, deadline=deadline)


def _in_what_time_is_left(answers: Answers, x: NDArray[np.float64] | None, lean: Gathered) -> bool:
    """Something to show: the sites a relaxation likes, everyone at the nearest."""
    if answers.best is None and x is not None:
        problem = answers.problem
        is_open = x[lean.columns.open] > 1e-5
        assignment = nearest_open(problem, is_open)
        if assignment is not None:
            answers.offer(settled(problem, is_open, assignment, answers.lower))
    return True


def _sites_of(problem: Problem, start: Decision | None) -> NDArray[np.bool_] | None:
    """(n,) the sites of an earlier decision that are still candidates, parents and all."""
    if start is None or start.state is None:
        return None
    sites = np.array([site in start.state.open for site in problem.site_ids], dtype=bool)
    sites &= problem.may_open
    return sites if sites.any() else None


def _pairs_of(problem: Problem, lean: Gathered, linked: tuple[tuple[str, str], ...]) -> NDArray[np.intp]:
    """The lean model's pairs that earlier ones named."""
    client = {name: i for i, name in enumerate(problem.client_ids)}
    site = {name: j for j, name in enumerate(problem.site_ids)}
    at = np.full((len(lean.share), len(site)), -1, dtype=np.intp)
    at[lean.pair_group, lean.pair_site] = np.arange(len(lean.pair))
    found = [at[lean.groups.group[client[a]], site[b]] for a, b in linked if a in client and b in site]
    pairs = np.unique(np.array(found, dtype=np.intp))
    return pairs[pairs >= 0]


def _solve_whole(answers: Answers, *, gap: float, deadline: Deadline) -> bool:
    """The binary problem itself; False when it is proven infeasible."""
    problem = answers.problem
    m = len(problem.client_ids)
    columns, flows = strong(problem, Groups(np.arange(m), np.arange(m), problem.sizing.share), whole=True)
    outcome = columns.model.solve(gap=gap, time_limit_s=deadline.remaining_s)
    if outcome.termination == "infeasible":
        return False
    answers.prove(outcome.lower_bound)
    if outcome.x is None:
        return True
    value = np.full(problem.allowed.shape, -1.0)
    value[flows.client, flows.site] = outcome.x[flows.variable]
    assignment = value.argmax(axis=1)
    kept = close_unused(problem, outcome.x[columns.open] > 0.5, assignment)
    objective = objective_of(problem, kept, assignment)
    lower = min(outcome.lower_bound, objective)
    answers.offer(replace(Decision(kept, assignment, objective, lower, outcome.termination, 0.0)))
    return True
