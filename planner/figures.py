"""The rows and figures of a plan, counted from a decision."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs
from planner.latency.matrix import MEASURED, PROVENANCES
from planner.plan import Assignment, HomeChoice, Kpi, Placement, Priced
from planner.price_dates import dates_of
from planner.problem import Problem
from planner.reasons import reasons
from planner.recovery import Recovery
from planner.solver.decision import Decision, tally
from planner.solver.explain import tight_rules
from planner.solver.frontier import weighted_quantile
from planner.solver.swaps import costly_by_swap
from planner.standby_regions import copying_usd
from planner.study import Study


def home_choice(study: Study, inputs: Inputs, problem: Problem, decision: Decision) -> HomeChoice | None:
    """Where the stateful tier stands, and what of the mean latency is on the way there."""
    tier, home = study.workload.home, inputs.home
    if tier is None or home is None:
        return None
    assert decision.assignment is not None
    leg = home.estimate_ms if study.latency.bound == "estimate" else home.upper_ms
    far = tier.home_trips * leg[decision.assignment] if tier.home_trips > 0 else 0.0
    return HomeChoice(home.site.id, home.site.country, float((problem.sizing.share * far).sum()))


def recovery_of(study: Study, inputs: Inputs, problem: Problem, decision: Decision) -> Recovery | None:
    """What is done about a lost Region, with what copying the data costs where these sites serve."""
    recovery = inputs.recovery
    assert decision.open is not None
    if recovery is not None and recovery.among:
        serving = (inputs.sites[j] for j in np.nonzero(decision.open)[0])
        site = next(site for site in serving if site.id in recovery.among)
        return replace(recovery, standby=site.id, country=site.country, among=())
    if recovery is None or inputs.home is not None:
        return recovery
    assert decision.assignment is not None
    copying = copying_usd(study, inputs, recovery.standby)[decision.assignment]
    return replace(recovery, replication_usd=float((problem.sizing.share * copying).sum()))


def standby_of(inputs: Inputs, problem: Problem, recovery: Recovery | None) -> Placement | None:
    """The row of what stands by, None without a recovery, and where backups are what does."""
    if recovery is None or recovery.standby is None:
        return None
    site = next(site for site in inputs.sites if site.id == recovery.standby)
    return Placement(
        site_id=site.id,
        provider=site.provider,
        kind=site.kind,
        parent=site.parent,
        country=site.country,
        role="standby",
        instances=recovery.instances,
        clients=0,
        demand_share=0.0,
        latency_p50_ms=None,
        latency_p95_ms=None,
        cost_usd_month=recovery.usd,
        cost_items={item.name: recovery.usd if item.name == "recovery" else 0.0 for item in problem.items},
        decided_by=", ".join(rule for rule in problem.rules if rule in ("rto", "rpo")),
    )


def priced_of(inputs: Inputs, sites: Collection[str]) -> Priced:
    """The dates of the prices of some sites, and at which one is estimated."""
    listed = {
        site.id: prices.listed
        for site, prices in zip(inputs.sites, inputs.prices, strict=True)
        if site.id in sites
    }
    return Priced(
        dates_of(price for prices in listed.values() for price in prices),
        tuple(site for site, prices in listed.items() if any(price.estimated for price in prices)),
    )


def duties_of(inputs: Inputs, placements: tuple[Placement, ...]) -> dict[str, str]:
    """By open Outpost, what stays with the customer for a program of a rule to hold there."""
    return {
        place.site_id: inputs.duties[place.site_id] for place in placements if place.site_id in inputs.duties
    }


def placements_of(
    inputs: Inputs, problem: Problem, decision: Decision, standby: Placement | None = None
) -> tuple[Placement, ...]:
    """A row for each open site, the busiest first. A ``standby`` has a bill of its own."""
    assert decision.open is not None
    assert decision.assignment is not None
    counted = tally(problem, decision.open, decision.assignment, decision.backup)
    latency = problem.latency_ms[np.arange(len(decision.assignment)), decision.assignment]
    placements, why = [], reasons(problem, decision)
    for j in np.nonzero(decision.open)[0]:
        site, mine = inputs.sites[j], decision.assignment == j
        costs: Mapping[str, float] = {
            item.name: item.of(int(j), int(counted.instances[j]), float(counted.share[j]))
            for item in problem.items
        }
        if standby is not None:
            costs = {**costs, "recovery": 0.0}
        zones = any(child.parent == site.id and decision.open[k] for k, child in enumerate(inputs.sites))
        stands_by = decision.backup is not None and bool((decision.backup == j).any())
        # Sites whose clients have no weight at all still have a median: each client then counts alike.
        weight = problem.sizing.share[mine] if counted.share[j] > 0 else np.ones(int(mine.sum()))
        p50, p95 = (weighted_quantile(latency[mine], weight, q) if mine.any() else None for q in (0.50, 0.95))
        placements.append(
            Placement(
                site_id=site.id,
                provider=site.provider,
                kind=site.kind,
                parent=site.parent,
                country=site.country,
                role=_role(serves=bool(mine.any()), stands_by=stands_by, zones=zones),
                instances=int(counted.instances[j]),
                clients=int(mine.sum()),
                demand_share=float(counted.share[j]),
                latency_p50_ms=p50,
                latency_p95_ms=p95,
                cost_usd_month=sum(costs.values()),
                cost_items=costs,
                decided_by=why[site.id],
            )
        )
    return tuple(sorted(placements, key=lambda placement: (-placement.demand_share, placement.site_id)))


def _role(*, serves: bool, stands_by: bool, zones: bool) -> Literal["serving", "backup", "parent"]:
    if serves or not (stands_by or zones):
        return "serving"
    return "backup" if stands_by else "parent"


def assignments_of(
    study: Study, inputs: Inputs, problem: Problem, decision: Decision, routed: NDArray[np.intp] | None
) -> tuple[Assignment, ...]:
    """A row for each client; ``routed`` (m,): where routing sends it, if anything does."""
    assert decision.assignment is not None
    matrix, slo = inputs.matrix, study.latency.slo_ms
    assignments = []
    for i, (client, j) in enumerate(zip(inputs.demand.clients, decision.assignment, strict=True)):
        latency = float(problem.latency_ms[i, j])
        assignments.append(
            Assignment(
                client_id=client.id,
                country=client.country,
                weight=float(inputs.demand.weight[i]),
                site_id=inputs.sites[j].id,
                backup_site_id=None if decision.backup is None else inputs.sites[decision.backup[i]].id,
                latency_ms=latency,
                latency_lower_ms=float(matrix.lower_ms[i, j]),
                latency_upper_ms=float(matrix.upper_ms[i, j]),
                provenance=PROVENANCES[matrix.provenance[i, j]],
                within_slo=slo is None or latency <= slo,
                routed_site_id=None if routed is None else inputs.sites[routed[i]].id,
            )
        )
    return tuple(assignments)


def kpi_of(study: Study, inputs: Inputs, problem: Problem, decision: Decision, cost_usd: float) -> Kpi:
    """The key figures, at that monthly cost."""
    assert decision.assignment is not None
    rows, share = np.arange(len(decision.assignment)), problem.sizing.share
    latency = problem.latency_ms[rows, decision.assignment]
    slo = study.latency.slo_ms
    return Kpi(
        mean_ms=float((share * latency).sum()),
        p50_ms=weighted_quantile(latency, share, 0.50),
        p95_ms=weighted_quantile(latency, share, 0.95),
        max_ms=float(latency.max()),
        coverage=1.0 if slo is None else float(share[latency <= slo].sum()),
        cost_usd_month=cost_usd,
        measured_share=float(share[inputs.matrix.provenance[rows, decision.assignment] == MEASURED].sum()),
    )


def binding_of(problem: Problem, decision: Decision, placements: tuple[Placement, ...]) -> tuple[str, ...]:
    """Rules that are tight, that some open site is needed for, or that alone forbid a better swap."""
    found = {*tight_rules(problem, decision), *costly_by_swap(problem, decision)}
    for place in placements:
        found.update(place.decided_by.split(", "))
    return tuple(rule for rule in problem.rules if rule in found)
