"""From a relaxation's open sites to whole clients: who goes where, each client to one site.

With the sites fixed, divisible demand is split only in groups of clients that several sites share. Everyone
else is settled; of those groups, the clients that fit nowhere whole and the smallest, to fill the cracks
with, are assigned anew as a small integer programme, in which all that is settled is one client a site.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect, Row
from planner.solver.decision import Deadline
from planner.solver.formulation import strong
from planner.solver.merging import Groups

FILLERS: tuple[int, ...] = (60, 250)
"""How many of the smallest are, besides, try by try."""

MOST_NODES = 60
"""A fit that this many nodes do not find is not looked for further."""


def assign_whole(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    waiting: NDArray[np.bool_],
    loose: NDArray[np.bool_],
    *,
    gap: float,
    deadline: Deadline,
    fillers: int,
) -> NDArray[np.intp] | None:
    """Assign the ``waiting`` clients again, close to optimally; None when no such assignment was found.

    ``fillers``: how many of the smallest ``loose`` clients are free to move besides.
    """
    restricted = problem.with_effects([Effect("open", "", sites=is_open)])
    free = waiting.copy()
    small_first = np.nonzero(loose)[0]
    small_first = small_first[np.argsort(problem.sizing.share[small_first], kind="stable")]
    free[small_first[:fillers]] = True
    if not free.any():
        return assignment
    small, rest = _with_settled_merged(restricted, assignment, free)
    m = len(small.client_ids)
    each = Groups(np.arange(m), np.arange(m), small.sizing.share)
    columns, flows = strong(small, each, whole=True)
    columns.model.restrict(columns.open, is_open.astype(float), is_open.astype(float))
    outcome = columns.model.solve(gap=gap, time_limit_s=deadline.remaining_s, most_nodes=MOST_NODES)
    if outcome.x is None:
        return None
    found = assignment.copy()
    value = np.full((m, len(is_open)), -1.0)
    value[flows.client, flows.site] = outcome.x[flows.variable]
    found[rest] = value[: len(rest)].argmax(axis=1)
    return found


def _with_settled_merged(
    problem: Problem, assignment: NDArray[np.intp], free: NDArray[np.bool_]
) -> tuple[Problem, NDArray[np.intp]]:
    """The problem of the free clients, first, and of one client for each site that serves settled ones."""
    rest, settled = np.nonzero(free)[0], np.nonzero(~free)[0]
    sites = np.unique(assignment[settled])
    share = problem.sizing.share
    total = np.bincount(assignment[settled], weights=share[settled], minlength=len(problem.site_ids))

    def gathered(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows of the free clients; then at each site the mean over those it serves, weighted by share."""
        sums = np.bincount(
            assignment[settled],
            weights=share[settled] * matrix[settled, assignment[settled]],
            minlength=len(total),
        )
        below = np.zeros((len(sites), len(total)))
        at = np.arange(len(sites))
        below[at, sites] = sums[sites] / np.maximum(total[sites], 1e-300)
        return np.vstack((matrix[rest], below))

    def narrowed(row: Row) -> Row:
        matrix = row.pair is not None and row.pair.ndim == 2
        return replace(row, pair=gathered(row.pair)) if matrix and row.pair is not None else row

    allowed = np.zeros((len(sites), len(total)), dtype=bool)
    allowed[np.arange(len(sites)), sites] = True
    smaller = replace(
        problem,
        client_ids=(*(problem.client_ids[i] for i in rest), *(problem.site_ids[j] for j in sites)),
        sizing=replace(problem.sizing, share=np.concatenate((share[rest], total[sites]))),
        latency_ms=gathered(np.where(problem.allowed, problem.latency_ms, 0.0)),
        allowed=np.vstack((problem.allowed[rest], allowed)),
        effects=tuple(
            replace(effect, pairs=None, rows=tuple(narrowed(row) for row in effect.rows))
            for effect in problem.effects
        ),
    )
    return smaller, rest
