"""From a relaxation's open sites back to whole clients: who goes where, each client to one site.

With the sites (and instances) fixed, the assignment is a linear programme whose vertices split only a
handful of clients: about one for each full site and one for the coverage row. Those, and the smallest
clients to fill the cracks with, are assigned anew as a small integer programme.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.solver.decision import Deadline
from planner.solver.formulation import strong
from planner.solver.merging import Groups

FILLERS: tuple[int | None, ...] = (250, 600, None)
"""How many of the smallest clients are free to move besides the split ones, try by try; None = everyone."""


def assign_whole(
    problem: Problem,
    is_open: NDArray[np.bool_],
    instances: NDArray[np.int64] | None,
    *,
    gap: float,
    deadline: Deadline,
    fillers: int | None,
) -> NDArray[np.intp] | None:
    """Assign every client to one open site, close to optimally; None when no such assignment was found.

    ``instances`` fixes the number per site in the linear programme; the integer programme may change them.
    ``fillers``: how many of the smallest clients are free besides those the linear programme splits; None
    leaves every client free.
    """
    m = len(problem.client_ids)
    each = Groups(np.arange(m), np.arange(m), problem.sizing.share)
    restricted = _restricted(problem, is_open)
    settled = np.full(m, -1, dtype=np.intp)
    if fillers is not None:
        split = _linear_assignment(restricted, each, is_open, instances, deadline)
        if split is None:
            return None
        settled = split
        settled[np.argsort(problem.sizing.share, kind="stable")[:fillers]] = -1
        if (settled >= 0).all():
            return settled
    columns, flows = strong(restricted, each, whole=True)
    fixed = settled[flows.client]
    lower = np.where(fixed == flows.site, 1.0, 0.0)
    upper = np.where((fixed < 0) | (fixed == flows.site), 1.0, 0.0)
    columns.model.restrict(flows.variable, lower, upper)
    columns.model.restrict(columns.open, is_open.astype(float), is_open.astype(float))
    outcome = columns.model.solve(gap=gap, time_limit_s=deadline.remaining_s)
    if outcome.x is None:
        return None
    return _chosen(flows.client, flows.site, outcome.x[flows.variable], m)


def _linear_assignment(
    problem: Problem,
    each: Groups,
    is_open: NDArray[np.bool_],
    instances: NDArray[np.int64] | None,
    deadline: Deadline,
) -> NDArray[np.intp] | None:
    """(m,) the site of each client the linear programme does not split, -1 for the split ones."""
    columns, flows = strong(problem, each, whole=False)
    columns.model.restrict(columns.open, is_open.astype(float), is_open.astype(float))
    if instances is not None and columns.instances.size:
        columns.model.restrict(columns.instances, instances, instances)
    columns.model.relax()
    outcome = columns.model.solve(gap=0.0, time_limit_s=deadline.remaining_s)
    if outcome.x is None:
        return None
    value = outcome.x[flows.variable]
    chosen = _chosen(flows.client, flows.site, value, len(each.first))
    most = np.zeros(len(each.first))
    np.maximum.at(most, flows.client, value)
    return np.where(most > 1.0 - 1e-6, chosen, -1)


def _restricted(problem: Problem, is_open: NDArray[np.bool_]) -> Problem:
    return problem.with_effects([Effect("open", "", sites=is_open)])


def _chosen(
    client: NDArray[np.intp], site: NDArray[np.intp], value: NDArray[np.float64], m: int
) -> NDArray[np.intp]:
    """Each client's site of the largest value."""
    order = np.lexsort((value, client))
    last = np.append(np.nonzero(np.diff(client[order]))[0], len(order) - 1)
    chosen = np.full(m, -1, dtype=np.intp)
    chosen[client[order[last]]] = site[order[last]]
    return chosen
