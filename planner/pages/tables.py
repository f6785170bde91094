"""A plan as the tables a reader sees; the CSV files of :mod:`planner.export` are the ones to keep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd

from planner.catalog import Site, SitePrices
from planner.pages.site_names import called
from planner.pages.words import KIND_NAMES, item_name
from planner.plan import Plan

_AS = {"parent": " (as parent)", "backup": " (as backup)", "standby": " (as standby)"}


def measured_by_site(plan: Plan) -> Mapping[str, float]:
    """Per serving site, the share of its demand whose latency was measured."""
    measured: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for assignment in plan.assignments:
        total[assignment.site_id] += assignment.weight
        if assignment.provenance == "measured":
            measured[assignment.site_id] += assignment.weight
    return {site_id: measured[site_id] / whole if whole else 0.0 for site_id, whole in total.items()}


def sites_table(plan: Plan, sites: Sequence[Site], prices: Sequence[SitePrices]) -> pd.DataFrame:
    """A row per open site, the busiest first, and one for what stands by; shares in percent.

    ``sites`` and ``prices`` in one order. Where the candidates are several providers', a column says whose.
    """
    by_id = {site.id: (site, price) for site, price in zip(sites, prices, strict=True)}
    measured, mixed = measured_by_site(plan), len({site.provider for site in sites}) > 1
    rows = []
    for placement in sorted(plan.rows, key=lambda p: (-p.demand_share, p.role == "standby", p.site_id)):
        site, price = by_id[placement.site_id]
        rows.append(
            {
                "Site": placement.site_id,
                "Where": site.name,
                **({"Provider": site.provider} if mixed else {}),
                "Kind": KIND_NAMES[placement.kind] + _AS.get(placement.role, ""),
                "Demand": 100.0 * placement.demand_share,
                "Measured": 100.0 * measured.get(placement.site_id, 0.0),
                "Median": placement.latency_p50_ms,
                "p95": placement.latency_p95_ms,
                "Instances": placement.instances,
                "Monthly cost": placement.cost_usd_month,
                "Prices": price_words(price),
                **{item_name(item): usd for item, usd in placement.cost_items.items()},
                "Country": placement.country,
            }
        )
    return pd.DataFrame(rows)


def price_words(price: SitePrices) -> str:
    """``published``, or which of a site's prices are the user's own and which are estimates."""
    named = {
        "compute": price.instance_hour,
        "egress": price.egress_gb,
        "transfer": price.parent_gb,
        "between zones": price.zone_gb,
        "port": price.port_hour,
        "Direct Connect": price.direct_gb,
    }
    given = {name: value for name, value in named.items() if value is not None}
    own = [name for name, value in given.items() if value.own]
    estimated = [name for name, value in given.items() if value.estimated]
    words = [f"own {', '.join(own)}"] if own else []
    words += [f"estimated {', '.join(estimated)}"] if estimated else []
    return "; ".join(words) or "published"


def recovery_table(plan: Plan) -> pd.DataFrame:
    """A row per strategy of recovery: what it costs and takes, and why it is the one or is not."""
    return pd.DataFrame(
        {
            "Strategy": way.strategy,
            "Standby": way.standby or "none",
            "Monthly cost": None if way.usd_month is None else round(way.usd_month),
            "Back after": way.rto_s,
            "Loses at most": way.rpo_s,
            "Why": way.why,
        }
        for way in plan.recovery_ways
    )


def countries_table(plan: Plan, names: Mapping[str, str]) -> pd.DataFrame:
    """A row per country of demand: who serves it, how fast, how much of it measured; shares in percent.

    ``names`` of sites by id (:func:`planner.pages.site_names.site_names`).
    """
    total = sum(assignment.weight for assignment in plan.assignments) or 1.0
    groups = defaultdict(list)
    for assignment in plan.assignments:
        groups[assignment.country].append(assignment)
    rows = []
    for country, members in groups.items():
        weight = sum(member.weight for member in members)
        by = weight or 1.0
        sites: dict[str, float] = defaultdict(float)
        for member in members:
            sites[member.site_id] += member.weight
        rows.append(
            {
                "Country": country,
                "Demand": 100.0 * weight / total,
                "Mean": sum(m.weight * m.latency_ms for m in members) / by,
                "Slowest": max(m.latency_ms for m in members),
                "Within SLO": 100.0 * sum(m.weight for m in members if m.within_slo) / by,
                "Measured": 100.0 * sum(m.weight for m in members if m.provenance == "measured") / by,
                "Served from": ", ".join(called(names, sorted(sites, key=lambda site_id: -sites[site_id]))),
            }
        )
    return pd.DataFrame(rows).sort_values("Demand", ascending=False, ignore_index=True)
