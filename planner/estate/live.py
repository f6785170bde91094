"""The estate of a plan: its open sites with what they run, and every client's way to each of them.

Small arrays over the open sites alone, no solver and no study: it travels to other processes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.as_routed import view_of
from planner.catalog import ZONE_KINDS, Site
from planner.costs import CostTerms
from planner.inputs import Inputs, at_home
from planner.latency.draws import Errors, errors_of
from planner.plan import Plan
from planner.problem import build_problem
from planner.routing import settled
from planner.sizing import Sizing
from planner.study import Study

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estate:
    """Clients (m) by the plan's open sites (k); arrays are not to be written to.

    ``latency_ms``, ``legal`` (what residency and its like allow, not the SLO) and ``view`` (what routing
    compares sites by) are (m, k). ``assignment`` (m,) and ``backup`` (m,), -1 for none. ``instances`` (k,);
    ``cloud`` (k,): more can be started there; ``capacity_rps`` (k,): what runs now carries. ``column`` (k,):
    the sites' places in ``items``, whose prices they are. ``domains``: what may fail, by name, and which
    sites go with it. ``failover_s``: until clients are sent elsewhere, None where routing is not planned;
    ``home_domains``: those with which the stateful tier goes, which then takes ``recovery_s``.
    ``through_home``: latencies have a way to the home Region in them, which stays that to the lost one.
    """

    site_ids: tuple[str, ...]
    latency_ms: Floats
    legal: Bools
    view: Floats
    errors: Errors
    assignment: Indices
    backup: Indices
    instances: NDArray[np.int64]
    cloud: Bools
    capacity_rps: Floats
    sizing: Sizing
    column: Indices
    items: tuple[CostTerms, ...]
    domains: Mapping[str, Bools]
    slo_ms: float | None
    coverage: float
    failover_s: float | None
    home_domains: frozenset[str]
    recovery_s: float | None
    through_home: bool = False

    @property
    def share(self) -> Floats:
        """(m,) of demand."""
        return self.sizing.share

    def drawn(self, seed: int, number: int) -> Floats:
        """(m, k) latencies as they may be: draw ``number``."""
        return self.errors.draw(seed, number).reshape(self.latency_ms.shape)


def estate_of(study: Study, inputs: Inputs, plan: Plan) -> Estate:
    """The estate of ``plan``, which was decided for them.

    Raises ``ValueError`` for a plan without a placement.
    """
    if plan.kpi is None:
        raise ValueError("the plan has no placement")
    if plan.routing is not None:
        study = settled(study, plan.routing.policy)
        inputs = replace(inputs, policy=plan.routing.policy)
    home = None if plan.home is None else plan.home.region
    there = at_home(study, inputs, home, plan.recovery)
    problem = build_problem(study, there)
    place = {site.id: j for j, site in enumerate(inputs.sites)}
    column = np.array([place[site_id] for site_id in plan.open], dtype=np.intp)
    at = {site_id: number for number, site_id in enumerate(plan.open)}
    sites = [inputs.sites[j] for j in column]
    placed = {each.site_id: each for each in plan.placements}
    instances = np.array([placed[site_id].instances for site_id in plan.open], dtype=np.int64)
    legal = np.isfinite(problem.latency_ms)
    for effect in problem.effects:
        if effect.pairs is not None and effect.of_backups:
            legal = legal & effect.pairs
    cloud = problem.cloud[column]
    racks = np.array([np.inf if site.outpost is None else site.outpost.capacity_rps for site in sites])
    m, k = len(plan.assignments), len(column)
    client, site_of = np.repeat(np.arange(m), k), np.tile(column, m)
    return Estate(
        site_ids=plan.open,
        latency_ms=problem.latency_ms[:, column],
        legal=legal[:, column],
        view=(inputs.matrix.estimate_ms if study.routing is None else view_of(study, inputs))[:, column],
        errors=errors_of(there.matrix, inputs.demand, inputs.sites, client, site_of),
        assignment=np.array([at[each.site_id] for each in plan.assignments], dtype=np.intp),
        backup=np.array([at.get(each.backup_site_id or "", -1) for each in plan.assignments], dtype=np.intp),
        instances=instances,
        cloud=cloud,
        capacity_rps=np.where(cloud, instances * problem.sizing.rps_per_instance, racks),
        sizing=problem.sizing,
        column=column,
        items=problem.items,
        domains=domains_of(sites, home),
        slo_ms=study.latency.slo_ms,
        coverage=study.latency.coverage,
        failover_s=None if plan.routing is None else plan.routing.failover_s,
        home_domains=frozenset() if home is None else frozenset({f"region:{home}"}),
        recovery_s=None if plan.recovery is None else plan.recovery.rto_s,
        through_home=study.workload.home is not None and study.workload.home.home_trips > 0,
    )


def domains_of(sites: list[Site], home: str | None = None) -> dict[str, Bools]:
    """What may fail: each site by its id, each ``metro:NAME`` but for racks, and each ``region:ID`` with its
    zones; the ``home`` Region too, whether or not it serves."""
    none = np.zeros(len(sites), dtype=bool)
    found: dict[str, Bools] = {}

    def lose(name: str, j: int) -> None:
        found.setdefault(name, none.copy())[j] = True

    for j, site in enumerate(sites):
        lose(site.id, j)
    for j, site in enumerate(sites):
        if site.kind != "outpost" and site.metro:
            lose(f"metro:{site.metro}", j)
    for j, site in enumerate(sites):
        if site.kind == "region" or (site.kind in ZONE_KINDS and site.parent is not None):
            lose(f"region:{site.parent or site.id}", j)
    if home is not None:
        found.setdefault(f"region:{home}", none.copy())
    return found
