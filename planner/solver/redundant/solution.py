"""What a solve returns: the open sites, the shares of each client, and where they go after each failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array

from planner.solver.model import Termination
from planner.solver.redundant.lagrangian import Relaxation
from planner.solver.redundant.problem import Problem
from planner.solver.redundant.search import Incumbent
from planner.solver.solution import relative_gap

DUST = 1.0e-9
"""Shares below this are rounding of the LP and go to the client's other sites."""


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """Parallel arrays: ``share`` in (0, 1] of ``client``'s demand goes to ``site`` while ``domain`` (an
    index into the solution's ``domains``) is down; -1 where nothing has failed."""

    client: NDArray[np.intp]
    site: NDArray[np.intp]
    share: NDArray[np.float64]
    domain: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class RedundantSolution:
    """The fields of ``Solution``, the backup sites, and the flows, since demand is divisible.

    ``assignment`` and ``backup`` (m,): the site that takes the largest share of a client, in normal
    operation and while the first failure domain with that site is down (-1: it never fails). ``flows`` and
    ``backup_flows`` hold every share that is placed, and placed anew. ``domains``: the failures looked at,
    as sorted site indices; those inside another are left out. ``relaxation``: an uncapacitated problem that
    bounds this one (None: none was reached). ``reason`` says why nothing is feasible, else it is empty."""

    open: NDArray[np.intp]
    assignment: NDArray[np.intp]
    objective: float
    lower_bound: float
    gap: float
    termination: Termination
    seconds: float
    backup: NDArray[np.intp]
    flows: Flows
    backup_flows: Flows
    domains: tuple[NDArray[np.intp], ...]
    relaxation: Relaxation | None
    reason: str


def nothing(
    problem: Problem, termination: Termination, lower_bound: float, seconds: float, reason: str
) -> RedundantSolution:
    """No point to show."""
    none = np.empty(0, dtype=np.intp)
    empty = Flows(none, none, np.empty(0), none)
    missing = np.full(problem.m, -1, dtype=np.intp)
    return RedundantSolution(
        none,
        missing,
        np.inf,
        lower_bound,
        np.inf,
        termination,
        seconds,
        missing,
        empty,
        empty,
        problem.domains,
        None,
        reason,
    )


def described(
    problem: Problem,
    best: Incumbent,
    bound: float,
    termination: Termination,
    seconds: float,
    relaxed: Relaxation | None,
) -> RedundantSolution:
    """The incumbent in the caller's units; ``bound`` already is."""
    is_open = best.value[: problem.n] > 0.5
    shares = problem.spread(best.value)
    shares[shares < DUST] = 0.0
    shares /= shares.sum(axis=1, keepdims=True)
    client, site = np.nonzero(shares)
    flows = Flows(client, site, shares[client, site], np.full(len(client), -1, dtype=np.intp))
    objective = float(problem.opening[is_open].sum() + (problem.cost[client, site] * flows.share).sum())
    lower = min(bound, objective)
    assignment = shares.argmax(axis=1) if problem.n else np.empty(0, dtype=np.intp)
    backup = np.full(problem.m, -1, dtype=np.intp)
    moves = [Flows(flows.client[:0], flows.site[:0], flows.share[:0], flows.domain[:0])]
    for k in reversed(range(len(problem.domains))):
        client, site, share = reroute(problem, is_open, shares, k)
        moves.append(Flows(client, site, share, np.full(len(client), k, dtype=np.intp)))
        rising = np.argsort(share, kind="stable")
        homeless = rising[np.isin(assignment[client[rising]], problem.domains[k])]
        backup[client[homeless]] = site[homeless]
    joined = Flows(*(np.concatenate([getattr(f, part) for f in moves]) for part in Flows.__slots__))
    return RedundantSolution(
        np.flatnonzero(is_open),
        assignment,
        objective,
        lower,
        relative_gap(objective, lower),
        termination,
        seconds,
        backup,
        flows,
        joined,
        problem.domains,
        relaxed,
        "",
    )


def reroute(
    problem: Problem, is_open: NDArray[np.bool_], shares: NDArray[np.float64], k: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Clients, sites and the shares that move while domain ``k`` is down, at the least assignment cost.

    A transportation problem over the spare capacity. Pairs without an assignment cost come last; room may
    be exceeded by what the tolerance of the rows leaves open.
    """
    domain = problem.domains[k]
    displaced = shares[:, domain].sum(axis=1)
    moved = np.flatnonzero(displaced)
    if not len(moved):
        return moved, moved, np.empty(0)
    standing = is_open.copy()
    standing[domain] = False
    sites = np.flatnonzero(standing)
    spare = np.maximum(problem.capacity - problem.demand @ shares, 0.0)[sites] / problem.total
    row, column = np.nonzero(problem.backup[np.ix_(moved, sites)])
    cost = problem.cost[moved[row], sites[column]] - problem.cost[moved].min(axis=1)[row]
    known = np.isfinite(cost)
    dearest = float(np.abs(cost[known]).max(initial=0.0)) or 1.0
    cost = np.where(known, cost, 2.0 * dearest) / dearest
    pairs = len(row)
    everyone: Any = csr_array(
        (np.ones(pairs), (row, np.arange(pairs))), shape=(len(moved), pairs + len(sites))
    )
    load = problem.demand[moved[row]] / problem.total
    over = pairs + np.arange(len(sites))
    room: Any = csr_array(
        (
            np.concatenate((load, np.full(len(sites), -1.0))),
            (np.concatenate((column, np.arange(len(sites)))), np.concatenate((np.arange(pairs), over))),
        ),
        shape=(len(sites), pairs + len(sites)),
    )
    penalty = 1e4 * len(moved) / max(float(load.max(initial=0.0)), 1e-9)
    share: Any = linprog(
        np.concatenate((cost, np.full(len(sites), penalty))),
        A_ub=room,
        b_ub=spare,
        A_eq=everyone,
        b_eq=displaced[moved],
        method="highs",
    ).x
    taken = np.where(share[:pairs] > DUST, share[:pairs], 0.0)
    taken *= (displaced[moved] / np.bincount(row, taken, len(moved)))[row]
    kept = np.flatnonzero(taken)
    return moved[row[kept]], sites[column[kept]], taken[kept]
