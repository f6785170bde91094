"""The best plan that opens only some given sites: few enough that the exact model is small.

With few sites, clients that differ only elsewhere are the same, so the merged model shrinks with the sites.
It serves to turn a set of sites (a previous plan's, those a relaxation likes) into whole clients' placement.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.sizing import OVERLOAD
from planner.solver.answers import Answers
from planner.solver.decision import Deadline, Decision
from planner.solver.formulation import slo_row
from planner.solver.gathering import Gathered, gathered
from planner.solver.heuristic import settled
from planner.solver.loads import capacity_shares, loads_of
from planner.solver.model import until
from planner.solver.repair import FILLERS, assign_whole
from planner.solver.root import cut_down, root_of
from planner.solver.standby import find_backups
from planner.solver.whole_backups import move_whole
from planner.solver.whole_clients import deal_out

WHOLE = (0, 60)
"""So many of the largest clients are whole from the start, try by try."""

FEW_SITES = 12

ROUNDS = 4

PASSES, FIRST_PRICES, STEEPER = 14, (1e4, 3.0, 1.0, 2.0, 1.5, 0.7, 1.0, 2.0, 1.5, 0.7), 1.6
"""So often clients are moved to where a failure leaves room for them; what an excess is worth at first, in
units of what sites differ by, try by try, and how much more from pass to pass."""

HANDOVER_ROUNDS = 12
"""So often rows of N-1 that the plan violates are added; what is still amiss then shows in the backups."""

KEPT_BACK = OVERLOAD / 12.0
"""The part of all load added while it is divisible, so that whole clients find room in what it fills: 2 % of
an instance at a site of a dozen."""

SPLIT = 1e-9
"""A share below this is rounding, not part of a group."""


@dataclass(frozen=True, slots=True)
class Dealt:
    """``assignment`` (m,): whole clients. ``waiting``: those that fit nowhere whole; ``loose``: all whose
    group is shared between sites."""

    assignment: NDArray[np.intp]
    waiting: NDArray[np.bool_]
    loose: NDArray[np.bool_]


def improve_within(
    answers: Answers,
    sites: NDArray[np.bool_],
    deadline: Deadline,
    *,
    quick: bool = False,
    enough: float = 0.0,
) -> None:
    """Offer the best placement found that opens only ``sites``; nothing where there is none, or no time.

    Divisible demand chooses among many sites, with few pools, which is quick. With the sites fixed, the pools
    are exact and the clients dealt out whole; where that turns out dear (a site must be just full, and no
    client is small enough), the largest are whole from the start. ``quick``: the first of these tries only.
    """
    chosen = sites
    if sites.sum() > FEW_SITES:
        divisible = _solved(answers, sites, None, 10 * answers.gap, deadline)
        if divisible is None:
            return
        chosen = divisible.is_open
    for whole in WHOLE[:1] if quick or answers.problem.failover is not None else WHOLE:
        solved = _solved(answers, chosen, whole, 0.3 * answers.gap, deadline)
        if solved is None:
            if chosen is sites:
                return
            chosen = sites
        elif _made_whole(answers, solved, FILLERS[:1] if quick else FILLERS, enough, deadline):
            return
        elif answers.problem.failover is not None and not quick:
            roomier = _solved(
                answers, solved.is_open, whole, 0.3 * answers.gap, deadline, kept_back=KEPT_BACK
            )
            if roomier is not None:
                _made_whole(answers, roomier, FILLERS[:1], enough, deadline)


def _made_whole(
    answers: Answers, solved: _Solved, tries: tuple[int, ...], near: float, deadline: Deadline
) -> bool:
    """Offer whole placements near a divisible one; whether one was near enough, or time is up."""
    problem, gap = answers.problem, answers.gap
    enough = solved.objective + max(near, 0.6 * gap) * abs(solved.objective)
    found = dealt(solved.problem, solved.lean, solved.x, solved.is_open)
    if found is None:
        return False
    if problem.failover is not None:
        answers.offer(with_room(problem, solved.lean, solved.x, solved.is_open, found.assignment))
        if not _spends(problem):
            return answers.best is not None and answers.best.objective <= enough
    answers.offer(settled(problem, solved.is_open, found.assignment, -np.inf))
    for fillers in tries:
        if deadline.passed() or (answers.best is not None and answers.best.objective <= enough):
            return True
        assignment = assign_whole(
            problem, solved.is_open, found.assignment, found.waiting, found.loose,
            gap=gap * 0.3, deadline=deadline, fillers=fillers,
        )  # fmt: skip
        if assignment is not None:
            answers.offer(settled(problem, solved.is_open, assignment, -np.inf))
    return answers.best is not None and answers.best.objective <= enough


def with_room(
    problem: Problem,
    lean: Gathered,
    x: NDArray[np.float64],
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
) -> Decision | None:
    """Whole clients and backups near ``assignment``, within the instances of a point of the lean model."""
    assert problem.failover is not None
    instances = np.rint(x[lean.columns.instances]) if lean.columns.instances.size else None
    backup = find_backups(problem, is_open, assignment, instances)
    if backup is None:
        return None
    sites, sizing = np.nonzero(is_open)[0], problem.sizing
    column = np.full(len(is_open), -1)
    column[sites] = np.arange(len(sites))
    unit = sizing.peak_rps / sizing.rps_per_instance
    holds = capacity_shares(problem) * unit
    if instances is not None:
        holds = np.where(problem.cloud, np.minimum(instances + OVERLOAD, holds), holds)
    inside, slack = within_slo(problem)
    cost = problem.latency_ms[:, sites]
    if problem.minimize == "cost":
        cost = np.broadcast_to(problem.cost.per_share[sites], cost.shape)
    domains, spread = problem.failover.domains[:, sites], float(cost.max() - cost.min())
    allowed = problem.allowed[:, sites]
    facts = (
        np.ascontiguousarray(allowed),
        np.ascontiguousarray(problem.failover.backups[:, sites]),
        np.ascontiguousarray(~problem.failover.together[np.ix_(sites, sites)]),
        np.ascontiguousarray(inside[:, sites]),
        np.ascontiguousarray(np.where(allowed, cost, 0.0) / max(unit, 1e-300)),
        np.ascontiguousarray(holds[sites]),
        np.ascontiguousarray(domains[domains.any(axis=1)]),
        slack * unit,
    )
    order = np.argsort(-sizing.share, kind="stable").astype(np.int64)
    brings = np.ascontiguousarray(sizing.share * unit)
    start = column[assignment].astype(np.int64), column[backup].astype(np.int64)
    best: Decision | None = None
    random = np.random.default_rng(1)
    for number, first in enumerate(FIRST_PRICES):
        if number > 2:
            order = random.permutation(len(order))
        chosen, standby = start[0].copy(), start[1].copy()
        price = first * max(spread, 1e-9) / max(unit, 1e-300)
        left = move_whole(
            order, brings, chosen, standby, *facts, PASSES, 0 if _spends(problem) else ROUNDS, price, STEEPER
        )
        found = settled(problem, is_open, sites[chosen], -np.inf, sites[standby])
        if found is not None and (best is None or found.objective < best.objective):
            best = found
            if left <= 1e-6:
                start = chosen, standby
    return best


@dataclass(frozen=True, slots=True)
class _Solved:
    problem: Problem
    lean: Gathered
    x: NDArray[np.float64]
    objective: float
    is_open: NDArray[np.bool_]


def _solved(
    answers: Answers,
    sites: NDArray[np.bool_],
    whole: int | None,
    gap: float,
    deadline: Deadline,
    *,
    kept_back: float = 0.0,
) -> _Solved | None:
    """The lean model within ``sites``: exact pools and so many of the largest clients whole, or neither; with
    so much more load at the peak, by its part."""
    problem = answers.problem.with_effects([Effect("sites", "", sites=sites)])
    sizing = problem.sizing
    problem = replace(problem, sizing=replace(sizing, peak_rps=(1.0 + kept_back) * sizing.peak_rps))
    if deadline.passed() or not problem.allowed.any(axis=1).all():
        return None
    if problem.failover is not None:
        return _surviving(problem, whole is not None, gap, deadline)
    largest = np.argsort(-problem.sizing.share, kind="stable")[: whole or 0]
    lean = gathered(problem, slo_row(problem), whole=largest, exact=whole is not None)
    outcome = lean.model.solve(gap=gap, time_limit_s=deadline.remaining_s)
    if outcome.x is None:
        return None
    return _Solved(problem, lean, outcome.x, outcome.objective, outcome.x[lean.columns.open] > 0.5)


def _surviving(problem: Problem, exact: bool, gap: float, deadline: Deadline) -> _Solved | None:
    """The lean model with the rows of N-1 that its points violate: of its relaxation first, then its own."""
    nobody = np.empty((0, 2), dtype=np.intp)
    root = root_of(problem, nobody, sharpness=1 if exact else 0)
    lean = root.lean
    watch = until(time.perf_counter(), deadline.remaining_s)
    x: NDArray[np.float64] | None = None
    for _ in range(HANDOVER_ROUNDS):
        if not cut_down(root, deadline):
            return None
        found = root.program.search(
            lean.model.integer,
            gap=gap,
            watch=watch,
            start=None,
            lean=False,
            time_limit_s=deadline.remaining_s,
        )
        x = found.x
        if x is None:
            return None
        if not root.cutter.hand_over(x):
            break
    assert x is not None
    return _Solved(problem, lean, x, found.objective, x[lean.columns.open] > 0.5)


def whole_from(problem: Problem, lean: Gathered, x: NDArray[np.float64]) -> Decision | None:
    """Whole clients for a point of the lean model by dealing alone; None when a rule breaks."""
    is_open = x[lean.columns.open] > 0.5
    found = dealt(problem, lean, x, is_open)
    if found is not None and problem.failover is not None:
        return with_room(problem, lean, x, is_open, found.assignment)
    return None if found is None else settled(problem, is_open, found.assignment, -np.inf)


def dealt(
    problem: Problem, lean: Gathered, x: NDArray[np.float64], is_open: NDArray[np.bool_]
) -> Dealt | None:
    """Whole clients for a point of the lean model; None where somebody is left without a site."""
    sites = np.nonzero(is_open)[0]
    groups, column = lean.groups, np.full(len(is_open), -1)
    column[sites] = np.arange(len(sites))
    instances = np.rint(x[lean.columns.instances]) if lean.columns.instances.size else None
    known = column[lean.pair_site] >= 0
    wanted = np.zeros((len(groups.first), len(sites) + 1))
    brought = groups.share[lean.pair_group] * x[lean.pair]
    wanted[lean.pair_group[known], column[lean.pair_site[known]]] = brought[known]
    wanted[wanted < 1e-9] = 0.0
    wanted[:, -1] = np.maximum(groups.share - wanted.sum(axis=1), 0.0)
    far = np.zeros(len(sites))
    if len(lean.pool):
        open_pool = column[lean.pool_site] >= 0
        np.add.at(far, column[lean.pool_site[open_pool]], x[lean.pool[open_pool]])
    waiting = np.zeros(len(problem.client_ids), dtype=bool)
    inside, slack = within_slo(problem)
    sizing, share = problem.sizing, problem.sizing.share
    cost = problem.latency_ms
    if problem.minimize == "cost":
        cost = np.broadcast_to(problem.cost.per_share, problem.allowed.shape)
    allowed, room = problem.allowed, room_of(problem, instances, sizing.peak_rps)
    if problem.failover is not None:
        allowed = allowed & problem.failover.backed(is_open)
        room = np.minimum(room, planned_room(problem, lean, x))
    allowed = np.ascontiguousarray(allowed[:, sites])
    chosen = deal_out(
        np.argsort(-share, kind="stable").astype(np.int64),
        np.ascontiguousarray(share),
        groups.group.astype(np.int64),
        wanted,
        far,
        allowed,
        np.ascontiguousarray(inside[:, sites]),
        np.ascontiguousarray(np.where(allowed, cost[:, sites], 0.0)),
        np.ascontiguousarray(room[sites]),
        slack,
        waiting,
        0 if _spends(problem) or loads_of(problem).least.any() else ROUNDS,
    )
    if (chosen < 0).any():
        return None
    shared = ((wanted[:, :-1] > SPLIT).sum(axis=1) + (wanted[:, -1] > SPLIT)) > 1
    return Dealt(sites[chosen], waiting, shared[groups.group] | waiting)


def planned_room(problem: Problem, lean: Gathered, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) the share each site is to serve, and a little: what it runs beyond is for failures."""
    flows = lean.flows
    brought = np.bincount(
        flows.site, weights=flows.share * x[flows.variable], minlength=len(problem.site_ids)
    )
    little = 0.25 * OVERLOAD * problem.sizing.rps_per_instance / max(problem.sizing.peak_rps, 1e-300)
    return np.asarray(brought + little, dtype=np.float64)


def _spends(problem: Problem) -> bool:
    """Whether a row limits what moving clients to better sites may use up."""
    return problem.minimize != "cost" and any(
        (row.pair is not None and row.pair.ndim == 1 and row.site is None) or row.instance is not None
        for _, row in problem.rows
    )


def within_slo(problem: Problem) -> tuple[NDArray[np.bool_], float]:
    """(m, n) which pairs count as within the SLO, and the share that need not be; everything, without one."""
    for _, row in problem.rows:
        if row.pair is not None and row.pair.ndim == 2 and np.isposinf(row.high):
            return row.pair > 0.5, 1.0 - row.low
    return np.ones(problem.allowed.shape, dtype=bool), np.inf


def room_of(problem: Problem, instances: NDArray[np.float64] | None, peak_rps: float) -> NDArray[np.float64]:
    """(n,) the share each site can take: by its instances, by its capacity, or without end."""
    room = np.full(len(problem.site_ids), np.inf)
    if instances is not None and peak_rps > 0:
        by_instances = (instances + OVERLOAD) * problem.sizing.rps_per_instance / peak_rps
        room = np.where(problem.cloud, by_instances, room)
    return np.asarray(np.minimum(room, loads_of(problem).most))
