"""The least demand that a rule on pairs would have to let off for a plan to exist, and where it goes.

A client let off is free of the rule for its site and its backup alike; nobody else is. Without failures to
survive, the share let off is a mean latency of one on the pairs that the rule forbids. With them, a client
counts once for either of its two sites:

    min Σ_i s_i e_i,   w_iab ≤ e_i wherever the rule forbids i at a or at b
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.decision import Deadline
from planner.solver.placement import MOST_TRIPLES, PROVEN_GAP, solve_placement
from planner.solver.surviving import backups_at, triples_of, with_backups
from planner.solver.versions import versions_of


@dataclass(frozen=True, slots=True)
class LetOff:
    """``clients`` (k,) let off, together a ``share`` of demand; everybody's ``site`` and ``backup`` (m,)."""

    share: float
    clients: NDArray[np.intp]
    site: NDArray[np.intp]
    backup: NDArray[np.intp] | None


def least_let_off(
    problem: Problem, forbidden: NDArray[np.bool_], deadline: Deadline, *, of_backups: bool = True
) -> tuple[LetOff | None, bool]:
    """Of one arrangement's ``problem`` without the rule, which forbids the pairs (m, n) ``forbidden``, of
    backups too unless not ``of_backups``. None where no plan was found; and whether that is the last word:
    the least, or proven that there is none."""
    if not problem.servable:
        return None, True
    if deadline.passed():
        return None, False
    toll = np.where(np.isfinite(problem.latency_ms), forbidden.astype(np.float64), np.inf)
    tolled = replace(problem, latency_ms=toll, minimize="mean_latency")
    if of_backups and problem.failover is not None and triples_of(problem) <= MOST_TRIPLES:
        return _with_their_backups(tolled, forbidden, deadline)
    found = solve_placement(tolled, gap=PROVEN_GAP, time_limit_s=deadline.remaining_s)
    if found.open is None or found.assignment is None:
        return None, found.termination == "infeasible"
    off = _off(forbidden, found.assignment, found.backup if of_backups else None)
    share = float(problem.sizing.share[off].sum())
    least = found.termination == "optimal" and share <= found.objective + 1e-9
    return LetOff(share, off, found.assignment, found.backup), least


def _with_their_backups(
    problem: Problem, forbidden: NDArray[np.bool_], deadline: Deadline
) -> tuple[LetOff | None, bool]:
    versions, m = versions_of(problem), len(problem.client_ids)
    inner, place = problem, np.arange(len(problem.site_ids))
    if versions is not None:
        inner, place = versions.problem, versions.site
    free = replace(inner, latency_ms=np.where(np.isfinite(inner.latency_ms), 0.0, np.inf))
    columns, flows, triples = with_backups(free)
    model = columns.model
    off = model.block(problem.sizing.share)
    either = forbidden[triples.client, place[triples.site]] | forbidden[triples.client, place[triples.backup]]
    at = np.nonzero(either)[0]
    model.rows(
        len(at), -np.inf, 0.0,
        (np.arange(len(at)), triples.variable[at], 1.0), (np.arange(len(at)), off[triples.client[at]], -1.0),
    )  # fmt: skip
    left = deadline.remaining_s  # the other rules of the conflict want some
    outcome = model.solve(gap=PROVEN_GAP, time_limit_s=None if left is None else left / 2)
    if outcome.x is None:
        return None, outcome.termination == "infeasible"
    value = np.full(inner.allowed.shape, -1.0)
    value[flows.client, flows.site] = outcome.x[flows.variable]
    site = place[value.argmax(axis=1)]
    backup = place[backups_at(triples, outcome.x, m)]
    clients = _off(forbidden, site, backup)
    share = float(problem.sizing.share[clients].sum())
    return LetOff(share, clients, site, backup), outcome.termination == "optimal"


def _off(
    forbidden: NDArray[np.bool_], site: NDArray[np.intp], backup: NDArray[np.intp] | None
) -> NDArray[np.intp]:
    rows = np.arange(len(site))
    broken = forbidden[rows, site]
    if backup is not None:
        broken = broken | forbidden[rows, backup]
    return np.nonzero(broken)[0]
