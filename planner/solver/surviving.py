"""The binary problem under redundancy: for every client one pair of site and backup.

    w_iab ∈ {0, 1}: client i at a, its backup b, which does not fail with a;   x_ia = Σ_b w_iab
    Σ_ab w_iab = 1,   x_ia ≤ y_a,   Σ_a w_iab ≤ y_b
    Σ_i load_i (x_ib + Σ_{a ∈ D} w_iab) ≤ rps n_b (or capacity_b y_b)        every failure domain D, b ∉ D

Exact, and only for problems with few such triples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.sizing import OVERLOAD
from planner.solver.formulation import Columns, Flows, strong
from planner.solver.loads import capacity_shares
from planner.solver.merging import Groups


@dataclass(frozen=True, slots=True)
class Triples:
    """Columns ``variable`` for client, site and backup, all (W,)."""

    variable: NDArray[np.intp]
    client: NDArray[np.intp]
    site: NDArray[np.intp]
    backup: NDArray[np.intp]


def triples_of(problem: Problem) -> int:
    """How many columns the model would have; 0 where nothing need be survived."""
    if problem.failover is None:
        return 0
    apart = (~problem.failover.together).astype(np.float64)
    return int((problem.allowed * (problem.failover.backups @ apart)).sum())


def with_backups(problem: Problem) -> tuple[Columns, Flows, Triples]:
    """The model: the strong formulation of single clients, and their backups."""
    assert problem.failover is not None
    m = len(problem.client_ids)
    columns, flows = strong(problem, Groups(np.arange(m), np.arange(m), problem.sizing.share), whole=True)
    model, n = columns.model, len(problem.site_ids)
    apart = ~problem.failover.together
    pair, backup = np.nonzero(problem.failover.backups[flows.client] & apart[flows.site])
    client, site = flows.client[pair], flows.site[pair]
    w = model.block(np.zeros(len(pair)), integer=True)
    model.rows(len(flows.variable), 0.0, 0.0,
               (pair, w, 1.0), (np.arange(len(flows.variable)), flows.variable, -1.0))  # fmt: skip
    which, at = np.unique(client * n + backup, return_inverse=True)
    model.rows(
        len(which), -np.inf, 0.0,
        (at.reshape(-1), w, 1.0), (np.arange(len(which)), columns.open[which % n], -1.0),
    )  # fmt: skip
    triples = Triples(w, client, site, backup)
    _room(problem, columns, flows, triples)
    return columns, flows, triples


def _room(problem: Problem, columns: Columns, flows: Flows, triples: Triples) -> None:
    """Room for one's own clients and those of any one failure, in instances."""
    assert problem.failover is not None
    sizing, most = problem.sizing, capacity_shares(problem)
    unit = sizing.peak_rps / sizing.rps_per_instance
    for fails in problem.failover.domains:
        for j in np.nonzero(problem.may_open & ~fails)[0]:
            grows = problem.cloud[j]
            counted, limited = grows and columns.instances.size > 0, np.isfinite(most[j])
            if not (counted or limited):
                continue
            mine, handed = flows.site == j, (triples.backup == j) & fails[triples.site]
            if not handed.any():
                continue
            parts = [
                (0, flows.variable[mine], unit * sizing.share[flows.client[mine]]),
                (0, triples.variable[handed], unit * sizing.share[triples.client[handed]]),
            ]
            if counted:
                room = (0, columns.instances[j], -1.0), (0, columns.open[j], -OVERLOAD)
                columns.model.rows(1, -np.inf, 0.0, *parts, *room)
            if limited:
                columns.model.rows(1, -np.inf, 0.0, *parts, (0, columns.open[j], -unit * most[j]))


def backups_at(triples: Triples, x: NDArray[np.float64], clients: int) -> NDArray[np.intp]:
    """(m,) each client's backup at a point of the model."""
    order = np.argsort(x[triples.variable], kind="stable")
    backup = np.full(clients, -1, dtype=np.intp)
    backup[triples.client[order]] = triples.backup[order]
    return backup
