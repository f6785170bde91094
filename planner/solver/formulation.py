"""The strong formulation of the placement problem, and the parts every formulation is made of.

One variable per group of clients and allowed site, x_gj ≤ y_j for each; with single clients and binary x it
is the problem itself. :mod:`planner.solver.gathering` has the lean one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Cover, Row
from planner.sizing import OVERLOAD
from planner.solver.loads import loads_of
from planner.solver.merging import Groups
from planner.solver.model import Model

NO_COLUMNS: NDArray[np.intp] = np.empty(0, dtype=np.intp)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the decisions stand in the model. ``instances`` is empty where nothing depends on them.

    ``hit``: of each cover, a column for every group that counts as hit.
    """

    model: Model
    open: NDArray[np.intp]
    instances: NDArray[np.intp]
    hit: tuple[tuple[NDArray[np.intp], Cover], ...] = ()

    def mark_open(self, x: NDArray[np.float64], is_open: NDArray[np.bool_]) -> None:
        """Write into the point ``x`` which sites are open, and which groups are hit by that."""
        x[self.open] = is_open
        for columns, cover in self.hit:
            x[columns] = (cover.groups & is_open).any(axis=1)


@dataclass(frozen=True, slots=True)
class Flows:
    """Variables that carry demand to sites: column ``variable`` brings ``share`` of demand to ``site``.

    ``client`` is the representative client, whose (m, n) coefficients hold; -1 where a row's (m, n)
    coefficients are zero by construction (demand pooled outside the SLO).
    """

    variable: NDArray[np.intp]
    site: NDArray[np.intp]
    share: NDArray[np.float64]
    client: NDArray[np.intp]


def counts_instances(problem: Problem) -> bool:
    """Whether instances enter the objective or a row; otherwise they follow from the assignment."""
    return problem.minimize == "cost" or any(row.instance is not None for _, row in problem.rows)


def strong(problem: Problem, groups: Groups, *, whole: bool) -> tuple[Columns, Flows]:
    """The strong formulation; ``whole`` makes assignments binary (groups must then be single clients)."""
    columns = open_sites(problem)
    model, allowed = columns.model, problem.allowed[groups.first]
    group, site = np.nonzero(allowed)
    share, client = groups.share[group], groups.first[group]
    x = model.block(pair_cost(problem, share, client, site), integer=whole)
    pair = np.arange(len(x))
    model.rows(len(groups.first), 1.0, 1.0, (group, x, 1.0))
    model.rows(len(x), -np.inf, 0.0, (pair, x, 1.0), (pair, columns.open[site], -1.0))
    flows = Flows(x, site, share, client)
    rule_rows(problem, columns, flows)
    return columns, flows


def slo_row(problem: Problem) -> Row | None:
    """The one row that lets demand outside the SLO be pooled, or None where nothing does."""
    if problem.minimize != "cost":
        return None
    matrices = [row for _, row in problem.rows if row.pair is not None and row.pair.ndim == 2]
    if len(matrices) != 1:
        return None
    row = matrices[0]
    alone = row.site is None and row.instance is None and np.isposinf(row.high)
    return row if alone and row.pair is not None and np.isin(row.pair, (0.0, 1.0)).all() else None


def open_sites(problem: Problem) -> Columns:
    """A model with columns for sites and, where something depends on them, whole instances."""
    model = Model()
    costs = problem.minimize == "cost"
    can = problem.may_open.astype(np.float64)
    y = model.block(problem.cost.fixed if costs else np.zeros(len(can)), upper=can, integer=True)
    hit = tuple((_hit(model, y, cover), cover) for _, cover in problem.covers)
    if not counts_instances(problem):
        return Columns(model, y, NO_COLUMNS, hit)
    most = math.ceil(problem.sizing.peak_rps / problem.sizing.rps_per_instance) + problem.sizing.min_instances
    price = problem.cost.per_instance if costs else np.zeros(len(can))
    n = model.block(price, upper=np.where(problem.cloud, most * can, 0.0), integer=True)
    cloud = np.nonzero(problem.cloud)[0]
    each = np.arange(len(cloud))
    unit, loads = problem.sizing.peak_rps / problem.sizing.rps_per_instance, loads_of(problem)
    needed_for_least = np.ceil(unit * loads.least[cloud] - OVERLOAD - 1e-9)
    fewest_each = np.maximum(problem.sizing.min_instances, needed_for_least)
    model.rows(len(cloud), 0.0, np.inf, (each, n[cloud], 1.0), (each, y[cloud], -fewest_each))
    model.rows(len(cloud), -np.inf, 0.0, (each, n[cloud], 1.0), (each, y[cloud], -most))
    # Together the cloud sites carry whatever the racks cannot: a rounding cut over all of them. With T
    # instances' worth of load, f = T − (⌈T⌉ − 1) and K sites open, ⌈T − OVERLOAD·K⌉ ≥ ⌈T⌉ − (OVERLOAD/f)·K.
    racks = float(loads.most[~problem.cloud & problem.may_open].sum())
    needed = unit * max(1.0 - racks, 0.0) - 1e-9
    fewest = math.ceil(needed)
    if fewest > 0:
        part = OVERLOAD / (needed - (fewest - 1))
        model.rows(1, fewest, np.inf, (0, n[cloud], 1.0), (0, y[cloud], part))
    return Columns(model, y, n, hit)


def _hit(model: Model, y: NDArray[np.intp], cover: Cover) -> NDArray[np.intp]:
    """A column z_g ≤ Σ_{j ∈ g} y_j for each group, enough of them one; whole by themselves where y is."""
    group, site = np.nonzero(cover.groups)
    count = len(cover.groups)
    z, every = model.block(np.zeros(count)) if count else NO_COLUMNS, np.arange(count)
    model.rows(count, -np.inf, 0.0, (every, z, 1.0), (group, y[site], -1.0))
    model.rows(1, float(cover.at_least), np.inf, (0, z, 1.0))
    return z


def pair_cost(
    problem: Problem, share: NDArray[np.float64], client: NDArray[np.intp] | None, site: NDArray[np.intp]
) -> NDArray[np.float64]:
    """What bringing ``share`` to ``site`` costs; ``client`` as in :class:`Flows`."""
    if problem.minimize == "cost":
        return share * problem.cost.per_share[site]
    if problem.minimize == "mean_latency" and client is not None:
        return share * problem.latency_ms[client, site]
    return np.zeros(len(site))


def rule_rows(problem: Problem, columns: Columns, flows: Flows, *, besides: Row | None = None) -> None:
    """Every row of every rule, and the load on each site; ``besides`` is one that stands already."""
    model, every = columns.model, np.arange(len(problem.site_ids))
    if columns.instances.size:
        load = flows.share * problem.sizing.peak_rps / problem.sizing.rps_per_instance
        cloud = problem.cloud[flows.site]
        model.rows(
            len(every),
            -np.inf,
            0.0,
            (flows.site[cloud], flows.variable[cloud], load[cloud]),
            (every[problem.cloud], columns.instances[problem.cloud], -1.0),
            (every[problem.cloud], columns.open[problem.cloud], -OVERLOAD),
        )
    for _, row in problem.rows:
        if row is besides:
            continue
        parts: list[tuple[object, object, object]] = []
        scale = 1.0
        if row.site is not None and row.pair is not None and np.abs(row.site).max() > 0:
            scale = 1.0 / float(np.abs(row.site).max())
        if row.site is not None:
            parts.append((0, columns.open, row.site * scale))
        if row.instance is not None:
            parts.append((0, columns.instances, row.instance * scale))
        if row.pair is not None:
            known = flows.client >= 0
            if row.pair.ndim == 1:
                coefficient = row.pair[flows.site]
            else:
                coefficient = np.where(known, row.pair[flows.client, flows.site], 0.0)
            parts.append((0, flows.variable, flows.share * coefficient * scale))
        model.rows(1, row.low * scale, row.high * scale, *parts)  # type: ignore[arg-type]
