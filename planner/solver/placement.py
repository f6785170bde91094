"""The placement problem, solved: relax exactly, repair to whole clients, prove, and say how far it got.

1. Small problems go to branch and bound as they stand, assignments binary; the purely uncapacitated ones to
   the solver made for them (:mod:`pure`).
2. Larger ones are relaxed to the lean model (:mod:`gathering`), whose linear programme is tightened by cuts
   (:mod:`cutting`) until none is violated: the first bound, and the sites worth looking at.
3. The best plan within those sites, and within those of a previous solve, is a small problem
   (:mod:`restricted`): the first placement.
4. Branch and bound over the lean model starts from it, and every better point becomes whole clients.
5. Where that leaves a gap, the same with exact pools, then with the largest clients whole, and at last the
   binary problem in what time is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.answers import Answers, OnAnswer
from planner.solver.carrying import Before, carry_over, with_enough
from planner.solver.decision import Deadline, Decision, at_their_best, close_unused, objective_of, tally
from planner.solver.formulation import strong
from planner.solver.gathering import point_of
from planner.solver.heuristic import nearest_open, quick_placement, settled
from planner.solver.homes import best_of
from planner.solver.interrupt import stoppable
from planner.solver.merging import Groups
from planner.solver.pure import numbers_of_sites, solve_pure
from planner.solver.restricted import improve_within, whole_from
from planner.solver.root import ROUGH_GAIN, Root, narrowed, root_of, sharper, tighten
from planner.solver.surviving import backups_at, triples_of, with_backups
from planner.solver.versions import by_versions, versions_of

Progress = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, what is being done now)."""

PROVEN_GAP = 1e-4

SMALL_PAIRS = 1500
"""Up to this many allowed pairs the binary problem is solved at once."""

TINY_PAIRS = 100
"""Up to this many, to a gap nobody could tell from none."""

MOST_TRIPLES = 100_000
"""With more pairs of site and backup the binary problem is not even written."""

LIKED = 0.01
"""A site open to this extent in the relaxation is worth looking at."""

NEAR = 0.03
"""A placement this near the bound needs no more heuristics."""

GOOD_START = 5e-4
"""Within this of the best with divisible clients, a first placement is good enough to search from."""

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
    lower_bound: float = -np.inf,
    cutoff: float = np.inf,
) -> Decision:
    """Minimise cost or mean latency under every rule of ``problem``; see the module's words for the method.

    The decision is "optimal" when its gap is proven to be at most ``gap``. "infeasible" is proven too.
    ``on_answer`` is called, from this thread, with every better answer on the way: a placement that breaks
    no rule, "feasible" with its honest gap, at last "optimal". A first Ctrl-C ends the solve as the time
    limit would. ``max_latency`` is not solved here but in :mod:`planner.solver.minimax`.
    """
    if problem.others:
        return best_of(
            problem,
            solve_placement,
            gap=gap,
            time_limit_s=time_limit_s,
            progress=progress,
            start=start,
            on_answer=on_answer,
            lower_bound=lower_bound,
            cutoff=cutoff,
        )
    versions = versions_of(problem)
    if versions is not None:
        return by_versions(
            versions,
            solve_placement,
            small=SMALL_PAIRS,
            gap=gap,
            time_limit_s=time_limit_s,
            progress=progress,
            start=start,
            on_answer=on_answer,
            lower_bound=lower_bound,
            cutoff=cutoff,
        )
    answers, deadline = Answers(problem, gap, on_answer, cutoff=cutoff), Deadline.after(time_limit_s)
    if not problem.allowed.any(axis=1).all():
        return _infeasible(answers)
    with stoppable():
        # Stopped before its first bound, branch and bound knows less than everyone's best site tells.
        answers.prove(max(lower_bound, at_their_best(problem)))
        before = None if start is None else carry_over(problem, start)
        if before is not None and start is not None and start.state is not None:
            answers.offer(before.plan)
            answers.kept = before.plan if start.state.stays else None
        pairs, pure = int(problem.allowed.sum()), numbers_of_sites(problem)
        if pure is not None:
            progress(0, 1, "solving the p-median problem")
            feasible = solve_pure(answers, *pure, deadline)
        elif max(pairs, triples_of(problem) // 10) <= SMALL_PAIRS:
            progress(0, 1, "solving the binary problem")
            sharp = min(gap, 1e-6) if pairs <= TINY_PAIRS else gap
            feasible = _solve_whole(answers, problem, np.inf, gap=sharp, deadline=deadline)
        else:
            feasible = _relax_and_repair(answers, before, deadline, progress)
        if feasible and answers.best is None and not answers.done():
            answers.offer(quick_placement(problem, answers.lower, deadline))
    return answers.decision() if feasible else _infeasible(answers)


def _infeasible(answers: Answers) -> Decision:
    seconds = time.perf_counter() - answers.started
    return Decision(None, None, np.inf, np.inf, "infeasible", seconds)


def _relax_and_repair(
    answers: Answers, before: Before | None, deadline: Deadline, progress: Progress
) -> bool:
    """Fill ``answers``; False when the problem is proven to be infeasible."""
    problem = answers.problem
    progress(0, STEPS, f"solving for the sites ({len(problem.client_ids):,} clients)")
    if before is not None and answers.best is None:
        improve_within(answers, with_enough(problem, before.sites), deadline, quick=True)
    root = root_of(problem, answers.linked if before is None else before.linked)
    if not tighten(root, answers, deadline, least=ROUGH_GAIN):
        return False
    if root.x is not None and not answers.done():
        progress(1, STEPS, "finding a first plan")
        _first_plans(answers, root, before, deadline)
    last: Root | None = root
    if not answers.done() and not deadline.passed():
        progress(2, STEPS, "proving it")
        last = _prove(answers, root, deadline)
    if last is None:
        return False
    if deadline.passed():
        _nearest_of(answers, root)
    if answers.done() or deadline.passed() or triples_of(last.problem) > MOST_TRIPLES:
        return True
    progress(3, STEPS, "closing the gap on the full problem")
    if not _solve_whole(answers, last.problem, last.cut, gap=answers.gap, deadline=deadline):
        answers.prove(last.cut)
        return bool(np.isfinite(last.cut))
    return True


def _first_plans(answers: Answers, root: Root, before: Before | None, deadline: Deadline) -> None:
    """The best plans within the sites open before, and within those the relaxation likes."""
    assert root.x is not None
    liked = root.x[root.lean.columns.open] > LIKED
    if before is not None:
        improve_within(answers, before.sites, deadline)
        liked |= before.sites
    if answers.problem.failover is not None:
        liked = with_enough(answers.problem, liked)
    if not answers.done():
        # Sites it likes a little, each, may together be out of reach of what they must serve.
        reaching = with_enough(answers.problem, liked)
        improve_within(answers, reaching, deadline, enough=GOOD_START)


def _prove(answers: Answers, root: Root, deadline: Deadline) -> Root | None:
    """Close sites no better plan opens, then branch and bound; again with a sharper model where that leaves a
    gap. The last root, None when the problem is infeasible."""
    while True:
        narrower: Root | None = narrowed(root, answers) or root
        while narrower is not None:
            root = narrower
            if not tighten(root, answers, deadline):
                answers.prove(root.cut)
                return root if np.isfinite(root.cut) else None
            if root.x is None or answers.done() or deadline.passed():
                return root
            narrower = narrowed(root, answers)
        if not _search(answers, root, deadline):
            return None
        if answers.done() or deadline.passed() or (finer := sharper(root)) is None:
            return root
        root = finer


def _search(answers: Answers, root: Root, deadline: Deadline) -> bool:
    """Branch and bound over the lean model from the best placement; False when it is proven infeasible."""
    problem, lean, best = root.problem, root.lean, answers.best
    start = None
    if best is not None and best.open is not None and problem.may_open[best.open].all():
        assert best.assignment is not None
        counted = tally(problem, best.open, best.assignment, best.backup)
        start = point_of(problem, lean, best.open, best.assignment, counted.instances)

    def watch(lower: float, x: NDArray[np.float64] | None) -> bool:
        if x is not None:
            answers.offer(whole_from(answers.problem, lean, x))
            better = lean.model.value(x) * (1 + 2 * answers.gap)
            if answers.best is None or answers.best.objective > better:
                improve_within(answers, x[lean.columns.open] > 0.5, deadline, quick=True)
        root.prove(answers, lower)
        return answers.done() or deadline.passed()

    while True:
        near = start is not None and answers.decision().gap <= NEAR
        found = root.program.search(
            lean.model.integer, gap=answers.gap * 0.3, watch=watch, start=start, lean=near,
            time_limit_s=deadline.remaining_s,
        )  # fmt: skip
        # A search that was ended once its bound rose above everything has shown the same.
        if found.ended == "infeasible" or (found.x is None and np.isposinf(found.lower_bound)):
            answers.prove(root.cut)
            return bool(np.isfinite(root.cut))
        root.prove(answers, found.lower_bound)
        if found.x is None or answers.done() or deadline.passed():
            return True
        # A point that has nowhere to move its clients to in a failure proves nothing beyond its bound.
        if not root.cutter.hand_over(found.x):
            improve_within(answers, found.x[lean.columns.open] > 0.5, deadline)
            return True


def _nearest_of(answers: Answers, root: Root) -> None:
    """Something to show: the sites a relaxation likes, everyone at the nearest."""
    if answers.best is None and root.x is not None:
        is_open = root.x[root.lean.columns.open] > 1e-5
        assignment = nearest_open(root.problem, is_open)
        if assignment is not None:
            answers.offer(settled(answers.problem, is_open, assignment, answers.lower))


def _solve_whole(answers: Answers, problem: Problem, cut: float, *, gap: float, deadline: Deadline) -> bool:
    """The binary problem itself, whose bounds hold up to ``cut``; False when it is proven infeasible."""
    m, best = len(problem.client_ids), answers.best
    if problem.failover is None:
        columns, flows = strong(problem, Groups(np.arange(m), np.arange(m), problem.sizing.share), whole=True)
        triples = None
    else:
        columns, flows, triples = with_backups(problem)
    start = None
    if best is not None and best.open is not None and problem.may_open[best.open].all():
        assert best.assignment is not None
        start = np.zeros(columns.model.width)
        columns.mark_open(start, best.open)
        start[flows.variable] = best.assignment[flows.client] == flows.site
        if triples is not None and best.backup is not None:
            served = best.assignment[triples.client] == triples.site
            start[triples.variable] = served & (best.backup[triples.client] == triples.backup)
        if columns.instances.size:
            counted = tally(problem, best.open, best.assignment, best.backup)
            start[columns.instances] = np.where(problem.cloud, counted.instances, 0)
    outcome = columns.model.solve(gap=gap, time_limit_s=deadline.remaining_s, start=start)
    if outcome.termination == "infeasible":
        return False
    answers.prove(min(outcome.lower_bound, cut))
    if outcome.x is None:
        return True
    value = np.full(problem.allowed.shape, -1.0)
    value[flows.client, flows.site] = outcome.x[flows.variable]
    assignment = value.argmax(axis=1)
    backup = None if triples is None else backups_at(triples, outcome.x, m)
    kept = close_unused(answers.problem, outcome.x[columns.open] > 0.5, assignment, backup)
    objective = objective_of(problem, kept, assignment, backup)
    answers.prove(min(outcome.lower_bound, cut, objective))
    answers.offer(Decision(kept, assignment, objective, -np.inf, outcome.termination, 0.0, backup=backup))
    return True
