"""What an earlier decision says about a problem a little different: its sites, its plan, its rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Row
from planner.solver.decision import Decision
from planner.solver.heuristic import nearest_open, settled
from planner.solver.restricted import within_slo


@dataclass(frozen=True, slots=True)
class Before:
    """``sites`` (n,): those open then that may open now; ``plan``: the clients at their sites of then, or at
    the nearest open one, if that breaks no rule; ``linked`` (k, 2) in today's numbers."""

    sites: NDArray[np.bool_]
    plan: Decision | None
    linked: NDArray[np.intp]


def carry_over(problem: Problem, start: Decision) -> Before | None:
    """None when nothing is left of it."""
    state = start.state
    if state is None:
        return None
    site_now = _renumbered(state.site_ids, problem.site_ids)
    client_now = _renumbered(state.client_ids, problem.client_ids)
    sites = np.zeros(len(problem.site_ids), dtype=bool)
    still = np.nonzero(state.open & (site_now >= 0))[0]
    sites[site_now[still]] = True
    sites &= problem.may_open
    if not sites.any():
        return None
    linked = np.column_stack((client_now[state.linked[:, 0]], site_now[state.linked[:, 1]]))
    plan = None
    nearest = nearest_open(problem, sites)
    if nearest is not None:
        assignment = nearest.copy()
        known = np.nonzero((client_now >= 0) & (site_now[state.assignment] >= 0))[0]
        assignment[client_now[known]] = site_now[state.assignment[known]]
        rows = np.arange(len(assignment))
        sound = problem.allowed[rows, assignment] & sites[assignment]
        plan = settled(problem, sites, np.where(sound, assignment, nearest), -np.inf)
    return Before(sites, plan, linked[(linked >= 0).all(axis=1)])


def with_enough(problem: Problem, sites: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``sites`` and, while the SLO's share or some client is out of their reach, the sites, with their
    parents, that reach most of what is missing for their upkeep (Chvátal 1979)."""
    inside, slack = within_slo(problem)
    inside, share = inside & problem.allowed, problem.sizing.share
    upkeep = problem.cost.fixed + problem.cost.per_instance * problem.sizing.min_instances
    needs = _with_parents(problem)
    price = np.maximum(needs @ upkeep, 1e-9)
    chosen = sites.copy()
    while not chosen[problem.may_open].all():
        near = inside[:, chosen].any(axis=1)
        lost, useful = ~problem.allowed[:, chosen].any(axis=1), problem.allowed
        if problem.failover is not None:
            served = problem.allowed & chosen & problem.failover.backed(chosen)
            lost, useful = ~served.any(axis=1), problem.allowed | problem.failover.backups
        if share[~near].sum() <= slack and not lost.any():
            break
        missing = np.where(near, 0.0, share) if share[~near].sum() > slack else np.zeros(len(share))
        gain = missing @ inside + (lost @ useful) / len(share)
        gain = np.where(problem.may_open & ~chosen, gain / price, -1.0)
        best = int(gain.argmax())
        if gain[best] <= 0:
            break
        chosen |= needs[best] & problem.may_open
    return chosen


def _with_parents(problem: Problem) -> NDArray[np.bool_]:
    """(n, n) row j: site j and the parent it needs."""
    needs = np.eye(len(problem.site_ids), dtype=bool)
    for _, row in problem.rows:
        if (pair := parent_row(row)) is not None:
            needs[pair[0], pair[1]] = True
    return needs


def parent_row(row: Row) -> tuple[int, NDArray[np.intp]] | None:
    """Zone and parents of a row y_zone ≤ Σ y_parent; None for any other."""
    if row.site is None or row.instance is not None or row.pair is not None or row.high != 0.0:
        return None
    above, below = np.nonzero(row.site > 0)[0], np.nonzero(row.site < 0)[0]
    plain = set(np.abs(row.site[row.site != 0])) == {1.0}
    if np.isfinite(row.low) or len(above) != 1 or not len(below) or not plain:
        return None
    return int(above[0]), below


def _renumbered(then: tuple[str, ...], now: tuple[str, ...]) -> NDArray[np.intp]:
    """For each name of then, where it stands now; -1 where it does not."""
    if then == now:
        return np.arange(len(then))
    place = {name: position for position, name in enumerate(now)}
    return np.array([place.get(name, -1) for name in then], dtype=np.intp)
