"""The lean formulation: what is outside the SLO flows from a few pools, and what must be whole is counted.

A relaxation of the placement problem that is small and loses next to nothing:

- Clients are one group when the same sites may serve them *within* the SLO. The demand left outside is not
  followed group by group; it flows from pools of clients under the same law, each to the union of the sites
  its members may use.
- The rows x_gj ≤ y_j are left out; those that a linear programme violates are added (:mod:`cutting`).
- The sites, the instances, and the instances of all sites of one price are counted in integer columns of
  their own. Whether the cheap sites run 16 machines or 17 is what branch and bound must decide first, and no
  single site's count decides it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Row
from planner.sizing import OVERLOAD
from planner.solver.formulation import Columns, Flows, open_sites, pair_cost, rule_rows
from planner.solver.handover import Handover
from planner.solver.loads import loads_of
from planner.solver.merging import Groups, merge_by
from planner.solver.model import Model
from planner.solver.versions import places

MOST_LAWS = 12
"""With more laws than this there is one pool for all."""

NOBODY: NDArray[np.intp] = np.empty(0, dtype=np.intp)

MOST_CLASSES = 16
"""So many prices have their instances counted; beyond, the sites of rare ones are too few to matter."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The model and where things stand in it.

    Pair p: column ``pair[p]`` brings group ``pair_group[p]`` to site ``pair_site[p]`` within the SLO;
    ``outside`` (G,): the part of a group outside it (empty without an SLO); ``pool`` columns: the share
    of pool ``pool_of`` to site ``pool_site``, ``pool_most`` at most. ``sums``: a column, the sites it counts,
    and whether their instances or their number. ``handover``: the rows of N-1, where a failure is to be
    survived.
    """

    model: Model
    columns: Columns
    flows: Flows
    groups: Groups
    share: NDArray[np.float64]
    pair: NDArray[np.intp]
    pair_group: NDArray[np.intp]
    pair_site: NDArray[np.intp]
    outside: NDArray[np.intp]
    client_pool: NDArray[np.intp]
    pool: NDArray[np.intp]
    pool_site: NDArray[np.intp]
    pool_of: NDArray[np.intp]
    pool_most: NDArray[np.float64]
    handover: Handover | None
    sums: tuple[tuple[int, NDArray[np.intp], bool], ...]


def gathered(
    problem: Problem, row: Row | None, *, whole: NDArray[np.intp] = NOBODY, exact: bool = False
) -> Gathered:
    """The lean model of ``problem``: around the SLO ``row``, or with every group followed where it is None.

    The clients ``whole`` are groups of their own and are not divisible. ``exact``: a pool for each set of
    allowed sites; then nothing is relaxed but the other clients' being whole.
    """
    inside = problem.allowed
    if row is not None:
        assert row.pair is not None
        inside = problem.allowed & (row.pair > 0.5)
    client_pool = np.zeros(len(problem.client_ids), dtype=np.intp)
    allowed = problem.allowed
    if row is not None:
        client_pool, allowed = _pools(problem, exact)
    mark = np.zeros(len(client_pool), dtype=np.intp)
    mark[whole] = 1 + np.arange(len(whole))
    apart = client_pool + len(allowed) * (mark + (len(whole) + 1) * _backup_kin(problem))
    groups = merge_by(problem, inside, apart)
    columns = open_sites(problem)
    model = columns.model
    group, site = np.nonzero(inside[groups.first])
    share = groups.share[group]
    x = model.block(pair_cost(problem, share, groups.first[group], site))
    every = np.arange(len(groups.first))
    empty = np.empty(0, dtype=np.intp)
    outside, pool, in_pool, pool_site = empty, empty, empty, empty
    pool_most = np.empty(0)
    parts = [(group, x, 1.0)]
    if row is not None:
        slack = 1.0 - row.low
        outside = model.block(np.zeros(len(every)))
        parts.append((every, outside, 1.0))
        group_pool = client_pool[groups.first]
        in_pool, pool_site = np.nonzero(allowed)
        pool = model.block(pair_cost(problem, np.ones(len(in_pool)), None, pool_site), upper=np.inf)
        total = np.bincount(group_pool, weights=groups.share, minlength=len(allowed)).astype(np.float64)
        model.rows(len(allowed), 0.0, 0.0, (in_pool, pool, 1.0), (group_pool, outside, -groups.share))
        pool_most = np.minimum(slack, total)[in_pool]
        each = np.arange(len(pool))
        model.rows(len(pool), -np.inf, 0.0, (each, pool, 1.0), (each, columns.open[pool_site], -pool_most))
        model.rows(1, -slack - 1e-9, np.inf, (0, outside, -groups.share))
    model.rows(len(every), 1.0, 1.0, *parts)
    undivided = mark[groups.first] > 0
    model.make_integer(x[undivided[group]])
    if row is not None:
        model.make_integer(outside[undivided])
    _somewhere_to_go(problem, columns)
    flows = Flows(
        np.concatenate((x, pool)),
        np.concatenate((site, pool_site)),
        np.concatenate((share, np.ones(len(pool)))),
        np.concatenate((groups.first[group], np.full(len(pool), -1))),
    )
    rule_rows(problem, columns, flows, besides=row)
    handover = None
    if problem.failover is not None:
        handover = _handover(problem, columns, flows, groups, client_pool if row is not None else None,
                             np.concatenate((group, len(every) + in_pool)), outside)  # fmt: skip
        handover.write_first()
    sums = _sums(problem, columns)
    return Gathered(
        model, columns, flows, groups, groups.share, x, group, site, outside, client_pool, pool, pool_site,
        in_pool, pool_most, handover, sums,
    )  # fmt: skip


def _backup_kin(problem: Problem) -> NDArray[np.intp]:
    """(m,) clients with the same possible backups have the same number."""
    if problem.failover is None:
        return np.zeros(len(problem.client_ids), dtype=np.intp)
    marks = np.packbits(problem.failover.backups, axis=1)
    return np.unique(marks, axis=0, return_inverse=True)[1].reshape(-1)


def _handover(
    problem: Problem,
    columns: Columns,
    flows: Flows,
    groups: Groups,
    pool: NDArray[np.intp] | None,
    row: NDArray[np.intp],
    outside: NDArray[np.intp],
) -> Handover:
    """``pool`` (m,): each client's, None where every group is followed. Backups of a group or pool: those of
    any member."""
    assert problem.failover is not None
    count = len(groups.first)
    pools = 0 if pool is None else int(pool.max()) + 1
    reach = np.zeros((count + pools, len(problem.site_ids)), dtype=bool)
    np.logical_or.at(reach, groups.group, problem.failover.backups)
    home, column = np.full(count + pools, -1, dtype=np.intp), np.full(count + pools, -1, dtype=np.intp)
    weight = np.concatenate((groups.share, np.zeros(pools)))
    if pool is not None:
        np.logical_or.at(reach, count + pool, problem.failover.backups)
        home[:count], home[count:] = count + pool[groups.first], -2
        column[:count] = outside
    n, unit = len(problem.site_ids), problem.sizing.peak_rps / problem.sizing.rps_per_instance
    carries = columns.model.block(np.zeros(n), upper=np.inf)
    columns.model.rows(
        n, 0.0, 0.0, (flows.site, flows.variable, unit * flows.share), (np.arange(n), carries, -1.0)
    )
    return Handover(problem, columns, flows, reach, row, home, column, weight, carries)


def _pools(problem: Problem, exact: bool) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(m,) each client's pool and (P, n) the sites some member may use: exact, or one pool for each law."""
    allowed = np.packbits(problem.allowed, axis=1)
    if problem.failover is not None:
        allowed = np.hstack((allowed, np.packbits(problem.failover.backups, axis=1)))
    rows, pool = np.unique(allowed, axis=0, return_inverse=True)
    if not exact and len(rows) > MOST_LAWS:
        legal = np.ones(problem.allowed.shape, dtype=bool)
        for effect in problem.effects:
            if effect.pairs is not None and effect.of_backups:
                legal &= effect.pairs
        rows, pool = np.unique(np.packbits(legal, axis=1), axis=0, return_inverse=True)
    if not exact and len(rows) > MOST_LAWS:
        pool = np.zeros(len(allowed), dtype=np.intp)
    pool = pool.reshape(-1)
    union = np.zeros((int(pool.max()) + 1, problem.allowed.shape[1]), dtype=bool)
    np.logical_or.at(union, pool, problem.allowed)
    return pool, union


def _somewhere_to_go(problem: Problem, columns: Columns) -> None:
    """An open site for everyone, weightless or not: one row for each smallest set of allowed sites."""
    sets = np.unique(problem.allowed, axis=0)
    kept: list[NDArray[np.bool_]] = []
    for candidate in sets[np.argsort(sets.sum(axis=1), kind="stable")]:
        if not any((few <= candidate).all() for few in kept):
            kept.append(candidate)
    which, site = np.nonzero(np.array(kept))
    columns.model.rows(len(kept), 1.0, np.inf, (which, columns.open[site], 1.0))


def _sums(problem: Problem, columns: Columns) -> tuple[tuple[int, NDArray[np.intp], bool], ...]:
    model, sites = columns.model, np.nonzero(problem.may_open)[0]
    sums: list[tuple[int, NDArray[np.intp], bool]] = []

    def count(of: NDArray[np.intp], chosen: NDArray[np.intp], instances: bool) -> None:
        column = model.block(0.0, upper=np.inf, integer=True)
        model.rows(1, 0.0, 0.0, (0, of[chosen], 1.0), (0, column, -1.0))
        sums.append((int(column[0]), chosen, instances))

    if columns.instances.size:
        cloud = sites[problem.cloud[sites]]
        _, which, size = np.unique(problem.cost.per_share[cloud], return_inverse=True, return_counts=True)
        for price in np.argsort(-size, kind="stable")[:MOST_CLASSES]:
            if 1 < size[price] < len(cloud):
                count(columns.instances, cloud[which == price], True)
        if len(cloud) > 1:
            count(columns.instances, cloud, True)
    if len(sites) > 1:
        count(columns.open, sites, False)
    place = places(problem)[sites]
    for several in np.nonzero(np.bincount(place) > 1)[0]:
        versions = sites[place == several]
        count(columns.open, versions, False)
        if columns.instances.size and problem.cloud[versions[0]]:
            count(columns.instances, versions, True)
    return tuple(sums)


def point_of(problem: Problem, lean: Gathered, is_open: NDArray[np.bool_], assignment: NDArray[np.intp],
             instances: NDArray[np.int64]) -> NDArray[np.float64]:  # fmt: skip
    """The columns' values at a placement: a point of the lean model, to start a search from."""
    x = np.zeros(lean.model.width)
    lean.columns.mark_open(x, is_open)
    if lean.columns.instances.size:
        x[lean.columns.instances] = np.where(problem.cloud, instances, 0)
    group, n, share = lean.groups.group, len(is_open), problem.sizing.share
    column = np.full((len(lean.share), n), -1, dtype=np.intp)
    column[lean.pair_group, lean.pair_site] = lean.pair
    mine = column[group, assignment]
    whole = np.maximum(lean.share, 1e-300)
    part = share / whole[group]
    # Groups without weight go where any of them goes.
    weightless = lean.share[group] <= 0
    first = np.zeros(len(group), dtype=bool)
    first[lean.groups.first] = True
    part = np.where(weightless, first.astype(float), part)
    within = mine >= 0
    np.add.at(x, mine[within], part[within])
    if len(lean.outside):
        np.add.at(x, lean.outside[group[~within]], part[~within])
        at = np.full((int(lean.pool_of.max(initial=0)) + 1, n), -1, dtype=np.intp)
        at[lean.pool_of, lean.pool_site] = lean.pool
        np.add.at(x, at[lean.client_pool[~within], assignment[~within]], share[~within])
    if lean.handover is not None:
        unit = problem.sizing.peak_rps / problem.sizing.rps_per_instance
        x[lean.handover.carries] = unit * np.bincount(assignment, weights=share, minlength=n)
    for total, sites, counts in lean.sums:
        x[total] = x[(lean.columns.instances if counts else lean.columns.open)[sites]].sum()
    return x


def regional_load(problem: Problem) -> tuple[float, NDArray[np.float64]]:
    """Instances that all demand would fill, and (n,) what an open site carries beyond its instances."""
    unit = problem.sizing.peak_rps / problem.sizing.rps_per_instance
    capacity = loads_of(problem).most
    return unit, np.where(problem.cloud, OVERLOAD, capacity * unit if unit > 0 else capacity)
