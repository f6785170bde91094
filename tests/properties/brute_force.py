"""The decision model by enumeration: every set of open sites, every assignment.

A third reading of ``docs/design/0001-decision-model.md``, for instances of at most six sites and six clients.
It shares no arithmetic with the optimiser or with the audit.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from planner.inputs import Inputs
from planner.study import ResidencyRule, Study

RULES = (
    "services",
    "max_ms",
    "coverage",
    "residency",
    "program",
    "capacity",
    "parent",
    "budget",
    "min_sites",
    "max_sites",
    "changes",
)


@dataclass(frozen=True)
class Best:
    """The optimum: the objective, and the least cost among the plans that reach it."""

    objective: float
    cost_usd_month: float


def best(
    study: Study,
    inputs: Inputs,
    *,
    without: frozenset[str] = frozenset(),
    settled: Mapping[str, bool] | None = None,
) -> Best | None:
    """The optimum of the model less the rules named in ``without``; None when nothing is feasible.

    ``settled``: sites that are open, or closed, whatever is best.
    """
    found: Best | None = None
    ids = [site.id for site in inputs.sites]
    allowed = _allowed_pairs(study, inputs, without)
    for chosen in itertools.product((False, True), repeat=len(ids)):
        if any(chosen[ids.index(site)] != is_open for site, is_open in (settled or {}).items()):
            continue
        if not _may_be_open(study, inputs, without, dict(zip(ids, chosen, strict=True))):
            continue
        options = [[j for j in range(len(ids)) if chosen[j] and allowed[i][j]] for i in range(len(allowed))]
        if all(options):
            found = _better(found, _best_assignment(study, inputs, without, chosen, options))
    return found


def _better(one: Best | None, other: Best | None) -> Best | None:
    if one is None or other is None:
        return one or other
    if abs(one.objective - other.objective) <= 1e-9 * max(1.0, abs(one.objective)):
        return one if one.cost_usd_month <= other.cost_usd_month else other
    return one if one.objective < other.objective else other


def _planning(study, inputs):
    return inputs.matrix.upper_ms if study.latency.bound == "upper" else inputs.matrix.estimate_ms


def _allowed_pairs(study, inputs, without) -> list[list[bool]]:
    latency = _planning(study, inputs)

    def places(selector):
        countries = set(selector.countries)
        for name in selector.jurisdictions:
            countries |= inputs.jurisdictions[name]
        return countries

    def allowed(i, client, j, site):
        if latency[i, j] == np.inf:
            return False
        if (
            study.latency.max_ms is not None
            and latency[i, j] > study.latency.max_ms
            and "max_ms" not in without
        ):
            return False
        for rule in study.rules:
            chosen = client.country in places(rule.clients) or set(rule.clients.classes) & client.classes
            if not chosen:
                continue
            if isinstance(rule, ResidencyRule):
                homes = {site.country} | ({inputs.parent_country[site.id]} if site.parent else set())
                if "residency" not in without and not homes <= places(rule.sites):
                    return False
            elif "program" not in without and not set(rule.programs) <= site.programs:
                return False
        return True

    return [
        [allowed(i, client, j, site) for j, site in enumerate(inputs.sites)]
        for i, client in enumerate(inputs.demand.clients)
    ]


def _may_be_open(study, inputs, without, is_open) -> bool:
    for site in inputs.sites:
        if not is_open[site.id]:
            continue
        if "services" not in without and not set(study.workload.services) <= site.services:
            return False
        zone = site.kind in ("local_zone", "wavelength_zone")
        if "parent" not in without and zone and not is_open.get(site.parent, False):
            return False
    count, limits = sum(is_open.values()), study.limits
    # Without the rule, any number will do, none included; but then nobody would be served.
    if "min_sites" not in without and count < limits.min_sites:
        return False
    if "max_sites" not in without and limits.max_sites is not None and count > limits.max_sites:
        return False
    now = {site_id for site_id, chosen in is_open.items() if chosen}
    # A site that runs today and is no candidate any more is closed by every plan.
    changes = len(now - set(study.current_open)) + len(set(study.current_open) - now)
    return "changes" in without or limits.max_changes is None or changes <= limits.max_changes


def _best_assignment(study, inputs, without, chosen, options) -> Best | None:
    """Of all ways to serve every client from its ``options``; rows of ``ways`` are assignments."""
    ways = np.array(list(itertools.product(*options)))
    clients = np.arange(ways.shape[1])
    share = inputs.demand.weight / inputs.demand.weight.sum()
    latency = _planning(study, inputs)[clients, ways]
    keep = np.ones(len(ways), dtype=bool)
    if study.latency.slo_ms is not None and "coverage" not in without:
        covered = (latency <= study.latency.slo_ms) @ share
        keep &= covered >= study.latency.coverage - 1e-9
    cost = np.zeros(len(ways))
    work = study.workload
    for j, (site, price) in enumerate(zip(inputs.sites, inputs.prices, strict=True)):
        if not chosen[j]:
            continue
        mine = (ways == j) @ share
        rps = mine * study.demand.peak_rps
        month_gb = mine * study.demand.requests_per_month * work.response_kb / 1e6
        cost += month_gb * price.egress_gb.usd
        if site.kind == "outpost":
            cost += site.outpost.upfront_usd / site.outpost.term_months + site.outpost.monthly_usd
            if "capacity" not in without:
                keep &= rps <= site.outpost.capacity_rps * (1 + 1e-9)
        else:
            machines = np.ceil(rps / work.rps_per_instance - 0.02).clip(min=work.min_instances)
            cost += machines * price.instance_hour.usd * 730
        if site.kind != "region":
            cost += work.home_share * month_gb * price.parent_gb.usd
    if study.budget_usd_per_month is not None and "budget" not in without:
        keep &= cost <= study.budget_usd_per_month * (1 + 1e-9)
    if not keep.any():
        return None
    aims = {"cost": cost, "mean_latency": latency @ share, "max_latency": latency.max(axis=1)}
    objective = aims[study.minimize]
    least = objective[keep].min()
    reach = keep & (objective <= least + 1e-9 * max(1.0, abs(least)))
    return Best(float(least), float(cost[reach].min()))
