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
from planner.estate.true_ways import Ways, ways_of
from planner.inputs import Inputs, at_home
from planner.plan import Plan
from planner.problem import build_problem
from planner.routing import settled
from planner.rules.capacity import capacities
from planner.sizing import Sizing
from planner.study import Study

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Estate:
    """Clients (m) by the plan's open sites (k); arrays are not to be written to.

    ``latency_ms``, ``legal`` (what residency and its like allow, not the SLO), ``within_reach`` (where a
    client can be sent whose site is down) and ``view`` (what is then compared) are (m, k). ``assignment``
    (m,): where everybody is served in peace; ``backup`` (m,): where first in a failure, -1 for none.
    ``routed``: a policy sends everybody, which knows no plan and no law; ``by_latency``: it sees latencies as
    they are, drawn ones too. ``instances`` (k,); ``cloud`` (k,): more can be started there; ``capacity_rps``
    (k,): what runs now carries; ``most_rps`` (k,): what a site can carry at all. ``column`` (k,): the sites'
    places in ``items``, whose prices they are. ``domains``: what may fail, by name, and which sites go with
    it. ``failover_s``: until clients are sent elsewhere, None where routing is not planned;
    ``home_domains``: those with which the stateful tier goes, which then takes ``recovery_s``. A request
    takes ``client_trips`` to its site and ``home_trips`` from there to the home Region, in a failure too.
    """

    site_ids: tuple[str, ...]
    latency_ms: Floats
    legal: Bools
    within_reach: Bools
    view: Floats
    ways: Ways
    assignment: Indices
    backup: Indices
    instances: NDArray[np.int64]
    cloud: Bools
    capacity_rps: Floats
    most_rps: Floats
    sizing: Sizing
    column: Indices
    items: tuple[CostTerms, ...]
    domains: Mapping[str, Bools]
    slo_ms: float | None
    coverage: float
    failover_s: float | None
    home_domains: frozenset[str]
    recovery_s: float | None
    routed: bool = False
    by_latency: bool = False
    client_trips: float = 1.0
    home_trips: float = 0.0

    @property
    def share(self) -> Floats:
        """(m,) of demand."""
        return self.sizing.share

    def seen(self, draw: tuple[int, int] | None) -> tuple[Floats, Floats]:
        """(m, k) latencies, and what routing compares: as planned with, or in a draw by seed and number."""
        if draw is None:
            return self.latency_ms, self.view
        ways = self.ways.of_clients(*draw)
        latency = self.client_trips * ways
        if self.home_trips > 0:  # 0 × inf must not turn up
            latency = latency + self.home_trips * self.ways.of_homes(*draw)
        return latency, ways if self.by_latency else self.view


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
    # What is rolled out is enough for what routing sends as well.
    routed = {} if plan.routing is None else {each.site_id: each for each in plan.routing.as_routed.sites}
    instances = np.array(
        [
            max(placed[site_id].instances, routed[site_id].instances if site_id in routed else 0)
            for site_id in plan.open
        ],
        dtype=np.int64,
    )
    legal = np.isfinite(problem.latency_ms)
    for effect in problem.effects:
        if effect.pairs is not None and effect.of_backups:
            legal = legal & effect.pairs
    cloud = problem.cloud[column]
    most = capacities(study, inputs)[column]
    tier, served = study.workload.home, _served(plan, at)
    legal = legal[:, column]
    return Estate(
        site_ids=plan.open,
        latency_ms=problem.latency_ms[:, column],
        legal=legal,
        within_reach=legal if plan.routing is None else np.broadcast_to(_recorded(plan, at), legal.shape),
        view=(inputs.matrix.estimate_ms if study.routing is None else view_of(study, inputs))[:, column],
        ways=ways_of(inputs, column, () if home is None else (home,)),
        assignment=served[0],
        backup=served[1],
        instances=instances,
        cloud=cloud,
        capacity_rps=np.minimum(np.where(cloud, instances * problem.sizing.rps_per_instance, np.inf), most),
        most_rps=most,
        sizing=problem.sizing,
        column=column,
        items=problem.items,
        domains=domains_of(sites, home),
        slo_ms=study.latency.slo_ms,
        coverage=study.latency.coverage,
        failover_s=None if plan.routing is None else plan.routing.failover_s,
        home_domains=frozenset() if home is None else frozenset({f"region:{home}"}),
        recovery_s=None if plan.recovery is None else plan.recovery.rto_s,
        routed=plan.routing is not None,
        by_latency=study.routing is None or study.routing.policy != "route53-geoproximity",
        client_trips=1.0 if tier is None else tier.client_trips,
        home_trips=0.0 if tier is None else tier.home_trips,
    )


def _served(plan: Plan, at: Mapping[str, int]) -> tuple[Indices, Indices]:
    """(m,) where each client is served, and its backup: none is known to who routes."""
    if plan.routing is not None:
        routed = [at[each.routed_site_id or each.site_id] for each in plan.assignments]
        return np.array(routed, dtype=np.intp), np.full(len(routed), -1, dtype=np.intp)
    site = [at[each.site_id] for each in plan.assignments]
    backup = [at.get(each.backup_site_id or "", -1) for each in plan.assignments]
    return np.array(site, dtype=np.intp), np.array(backup, dtype=np.intp)


def _recorded(plan: Plan, at: Mapping[str, int]) -> Bools:
    """(k,) the sites in the policy's records: those that serve somebody, or are somebody's backup."""
    recorded = np.zeros(len(at), dtype=bool)
    for each in plan.assignments:
        recorded[[at[name] for name in (each.site_id, each.backup_site_id) if name is not None]] = True
    return recorded


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
