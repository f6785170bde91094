"""The decision model by enumeration: every set of open sites, every assignment.

A third reading of ``docs/design/0001-decision-model.md``, for instances of at most six sites and six clients.
It shares no arithmetic with the optimiser or with the audit.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch

import numpy as np

from planner.datadir import data_dir
from planner.inputs import Inputs
from planner.study import CapacityRule, GroupRule, ProgramRule, ResidencyRule, Routing, Study, TagsRule

RULES = (
    "services",
    "max_ms",
    "coverage",
    "residency",
    "program",
    "capacity",
    "parent",
    "one_size",
    "budget",
    "min_sites",
    "max_sites",
    "changes",
    "survive",
    "tags",
    "group",
    "site_capacity",
    "min_utilisation",
    "max_utilisation",
    "service_link",
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
    if study.workload.home is None:
        for closed, usd in _standbys(study, inputs, without):
            shut = {**(settled or {}), **dict.fromkeys(closed, False)}
            if all(shut[name] == is_open for name, is_open in (settled or {}).items()):
                found = _better(found, _best_of_sites(study, inputs, without, shut, usd))
        return found
    for home in inputs.homes:
        if study.workload.home.region in ("auto", home.site.id) and _may_hold(study, inputs, home, without):
            there = replace(inputs, homes=(home,))
            for usd, serves in _recoveries(study, there, without):
                if serves is None:
                    found = _better(found, _best_of_sites(study, there, without, settled, usd))
                elif (settled or {}).get(serves, True):
                    opened = {**(settled or {}), serves: True}
                    found = _better(found, _best_of_sites(study, there, without, opened, usd))
    return found


def _standbys(study, inputs, without):
    """Without a home: ids of the sites closed beside each standby, and (n,) dollars a month if a site had all
    of the demand. One way for each standby, the cheapest that is quick enough."""
    asked, sites = study.resilience, inputs.sites
    if not _limits(study, without):
        yield (), np.zeros(len(sites))
        return
    one_network = len({(site.provider, site.partition) for site in sites}) == 1
    month = asked.change_gb_per_day * 365 / 12
    ways, fleet = list(_quick_enough(study, without)), _fleet(study)
    outlives = asked.survive == "region" or (asked.survive != "none" and asked.zones_fail_with_parent)
    outlives = outlives and "survive" not in without
    for way in ways:
        if way["strategy"] == "active-active" and outlives:
            dollars = [
                price.home_gb.usd + (price.parent_gb.usd if price.parent_gb else 0)
                if one_network
                else price.egress_gb.usd
                for price in inputs.prices
            ]
            yield (), month * np.array(dollars) + float(way["storage_usd_gb_month"]) * asked.data_gb
    for standby, price in zip(sites, inputs.prices, strict=True):
        if standby.kind != "region" or not _may_hold_all(study, inputs, standby, without):
            continue
        usd = [
            np.ceil(float(way["compute_fraction"]) * fleet) * price.instance_hour.usd * 730
            + float(way["storage_usd_gb_month"]) * asked.data_gb
            for way in ways
        ]
        if not usd:
            continue
        lost = {site.id for site in sites if site.kind == "region" and _one_place(study, site, standby)}
        closed = [
            site.id
            for site in sites
            if site.kind != "outpost"
            and (site.id in lost or site.parent in lost or _one_place(study, site, standby))
        ]
        copying = [
            each.home_gb.usd + (each.parent_gb.usd if each.parent_gb else 0)
            if (site.provider, site.partition) == (standby.provider, standby.partition)
            else each.egress_gb.usd
            for site, each in zip(sites, inputs.prices, strict=True)
        ]
        yield closed, month * np.array(copying) + min(usd)


def _one_place(study, one, other) -> bool:
    """One Region, or one metro where metros may be lost."""
    metro = study.resilience.survive in ("metro", "region") and one.metro
    return one.id == other.id or bool(metro and (one.metro, one.country) == (other.metro, other.country))


def _limits(study, without):
    asked = study.resilience
    return [
        (key, limit)
        for key, limit in (("rto", asked.rto_s), ("rpo", asked.rpo_s))
        if limit is not None and key not in without
    ]


def _fleet(study) -> int:
    fleet = study.demand.peak_rps * (1 + study.workload.headroom) / study.workload.rps_per_instance
    return max(study.workload.min_instances, int(np.ceil(fleet - 0.02)))


def _quick_enough(study, without):
    """The strategies that keep what is asked of RTO and RPO."""
    asked, routing = study.resilience, study.routing or Routing()
    with (data_dir() / "recovery.csv").open(newline="") as file:
        strategies = list(csv.DictReader(file))
    for way in strategies:
        reached = {"rpo": float(way["rpo_s"]), "rto": float(way["provision_s"])}
        reached["rto"] += routing.check_interval_s * routing.failure_threshold
        reached["rto"] += routing.ttl_s + routing.client_cache_s
        if way["restore_gbps"]:
            reached["rto"] += asked.data_gb * 8 / float(way["restore_gbps"])
        if all(reached[key] <= limit for key, limit in _limits(study, without)):
            yield way


def _recoveries(study, inputs, without):
    """US dollars a month of the cheapest lawful way that is quick enough, if any; and of active/active on the
    fleet's own backups, with the site that is open for it."""
    asked, (home,) = study.resilience, inputs.homes
    if not _limits(study, without):
        yield 0.0, None
        return
    fleet, found = _fleet(study), []
    survives = asked.survive != "none" and "survive" not in without
    for way in _quick_enough(study, without):
        part = float(way["compute_fraction"])
        for site, price in zip(inputs.sites, inputs.prices, strict=True):
            elsewhere = site.kind == "region" and site.id != home.site.id
            if asked.survive in ("metro", "region") and site.metro == home.site.metro != "":
                elsewhere = elsewhere and site.country != home.site.country
            lawful = _may_hold(study, inputs, replace(home, site=site), without)
            if elsewhere and lawful:
                kept = float(way["storage_usd_gb_month"]) * asked.data_gb
                sent = asked.change_gb_per_day * 365 / 12 * home.leaving_usd_gb
                found.append(np.ceil(part * fleet) * price.instance_hour.usd * 730 + kept + sent)
                if survives and way["strategy"] == "active-active":
                    yield kept + sent, site.id
    if found:
        yield min(found), None


def _may_hold(study, inputs, home, without) -> bool:
    return _may_hold_all(study, inputs, home.site, without)


def _may_hold_all(study, inputs, region, without) -> bool:
    """Whether the data of every client may lie in that Region."""
    if "services" not in without and not set(study.workload.services) <= region.services:
        return False
    for rule in study.rules:
        if isinstance(rule, TagsRule) and "tags" not in without:
            for client in inputs.demand.clients:
                own = client.tags.get(rule.key)
                spoken_of = (
                    own is not None if rule.clients is None else _selects(rule.clients, client, inputs)
                )
                if spoken_of and (own is None or region.tags.get(rule.key) != own):
                    return False
        if not isinstance(rule, ResidencyRule | ProgramRule):
            continue
        if not any(_selects(rule.clients, client, inputs) for client in inputs.demand.clients):
            continue
        if isinstance(rule, ResidencyRule):
            if "residency" not in without and region.country not in _places(rule.sites, inputs):
                return False
        elif "program" not in without and not set(rule.programs) <= region.programs:
            return False
    return True


def _best_of_sites(study, inputs, without, settled, recovery=0.0) -> Best | None:
    found: Best | None = None
    ids = [site.id for site in inputs.sites]
    allowed = _allowed_pairs(study, inputs, without)
    for chosen in itertools.product((False, True), repeat=len(ids)):
        if any(chosen[ids.index(site)] != is_open for site, is_open in (settled or {}).items()):
            continue
        if not _may_be_open(study, inputs, without, dict(zip(ids, chosen, strict=True))):
            continue
        options = [[j for j in range(len(ids)) if chosen[j] and allowed[i][j]] for i in range(len(allowed))]
        if study.resilience.survive != "none" and "survive" not in without:
            options = [
                _with_backups(study, inputs, without, i, chosen, mine) for i, mine in enumerate(options)
            ]
        else:
            options = [[(j, -1) for j in mine] for mine in options]
        if all(options):
            found = _better(found, _best_assignment(study, inputs, without, chosen, options, recovery))
    return found


def _better(one: Best | None, other: Best | None) -> Best | None:
    if one is None or other is None:
        return one or other
    if abs(one.objective - other.objective) <= 1e-9 * max(1.0, abs(one.objective)):
        return one if one.cost_usd_month <= other.cost_usd_month else other
    return one if one.objective < other.objective else other


def _planning(study, inputs):
    upper, tier = study.latency.bound == "upper", study.workload.home
    client = inputs.matrix.upper_ms if upper else inputs.matrix.estimate_ms
    if tier is None:
        return client
    (home,) = inputs.homes
    total = client * tier.client_trips
    for j in range(total.shape[1]):
        if tier.home_trips:
            total[:, j] += (home.upper_ms if upper else home.estimate_ms)[j] * tier.home_trips
    return total


def _places(selector, inputs):
    countries = set(selector.countries)
    for name in selector.jurisdictions:
        countries |= inputs.jurisdictions[name]
    return countries


def _selects(selector, client, inputs) -> bool:
    return client.country in _places(selector, inputs) or bool(set(selector.classes) & client.classes)


def _lost_with(study, inputs) -> list[set[int]]:
    """For each site, the sites that are lost when it, its metro or its Region is."""
    asked, sites = study.resilience, list(enumerate(inputs.sites))

    def alike(one, other):
        if one.kind == "outpost" or other.kind == "outpost" or not one.metro:
            return one is other
        return (one.metro, one.country) == (other.metro, other.country)

    lost = []
    for j, site in sites:
        gone = {k for k, other in sites if alike(site, other)} if asked.survive == "metro" else {j}
        names = {inputs.sites[k].id for k in gone}
        if asked.survive == "region" or asked.zones_fail_with_parent:
            gone |= {k for k, other in sites if other.kind.endswith("_zone") and other.parent in names}
        lost.append(gone)
    return lost


def _with_backups(study, inputs, without, i, chosen, served) -> list[tuple[int, int]]:
    """Every pair of site and backup for client ``i``."""
    lost, within = _lost_with(study, inputs), study.resilience.backup_within_ms
    # Everyday's limit on latency is none on the backup's.
    legal = _allowed_pairs(study, inputs, without | {"max_ms"})[i]
    milliseconds = _planning(study, inputs)[i]
    near = [legal[b] and (within is None or milliseconds[b] <= within) for b in range(len(chosen))]
    return [
        (j, b)
        for j in served
        for b in range(len(chosen))
        if chosen[b] and near[b] and not any(j in gone and b in gone for gone in lost)
    ]


def _worst(study, inputs, ways, share):
    """(ways, n) the largest share of demand that one failure hands to each site."""
    worst = np.zeros((len(ways), len(inputs.sites)))
    for gone in _lost_with(study, inputs):
        moved = np.isin(ways[:, :, 0], list(gone))
        for b in range(len(inputs.sites)):
            worst[:, b] = np.maximum(worst[:, b], (moved & (ways[:, :, 1] == b)) @ share)
    return worst


def _allowed_pairs(study, inputs, without) -> list[list[bool]]:
    latency = _planning(study, inputs)

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
            if isinstance(rule, GroupRule | CapacityRule):
                continue
            if rule.clients is None:
                chosen = rule.key in client.tags
            else:
                chosen = _selects(rule.clients, client, inputs)
            if not chosen:
                continue
            if isinstance(rule, TagsRule):
                equal = rule.key in client.tags and (rule.key, client.tags[rule.key]) in site.tags.items()
                if "tags" not in without and not equal:
                    return False
            elif isinstance(rule, ResidencyRule):
                homes = {site.country} | ({inputs.parent_country[site.id]} if site.parent else set())
                if "residency" not in without and not homes <= _places(rule.sites, inputs):
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
        if "service_link" not in without and site.id in inputs.links:
            link = inputs.links[site.id]
            if link.rtt_ms > 175 or (link.mbps or 500) < 500:
                return False
        zone = site.kind in ("local_zone", "wavelength_zone")
        if "parent" not in without and zone and not is_open.get(site.parent, False):
            return False
    for post in study.candidates.outposts:
        bought = sum(is_open.get(f"{post.id}.{name}", False) for name, _ in post.sizes)
        if bought > 1 and "one_size" not in without:
            return False
    if "group" not in without and not _groups_allow(study, inputs, is_open):
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


def metered(gigabytes, price):
    """Each GB at the price of its place in the month."""
    starts, rates = zip((0.0, price.usd), *price.tiers, strict=True)
    bill = np.zeros(len(gigabytes))
    for k, rate in enumerate(rates):
        above = starts[k + 1] if k + 1 < len(starts) else np.inf
        bill += rate * (np.minimum(gigabytes, above) - starts[k]).clip(min=0.0)
    return bill


def repaid(rack) -> float:
    """The equal monthly part that leaves nothing owed at the end: found by halving."""
    low, high = 0.0, rack.upfront_usd + 1.0
    for _ in range(80):
        part, owed = (low + high) / 2, rack.upfront_usd
        for _ in range(rack.term_months):
            owed += owed * rack.capital_rate / 12 - part
        low, high = (part, high) if owed > 0 else (low, part)
    return high


def _groups_allow(study, inputs, is_open) -> bool:
    for rule in study.rules:
        if not isinstance(rule, GroupRule):
            continue
        members: dict[object, int] = {}
        for site in inputs.sites:
            if not is_open[site.id] or (rule.kinds and site.kind not in rule.kinds):
                continue
            names = {
                "metro": [(site.metro, site.country) if site.metro else site.id],
                "country": [site.country],
                "parent": [site.parent or site.id],
                "provider": [site.provider],
                "jurisdiction": [
                    name for name in rule.jurisdictions if site.country in inputs.jurisdictions[name]
                ],
            }[rule.by]
            for name in names:
                members[name] = members.get(name, 0) + 1
        if rule.at_most is not None and any(count > rule.at_most for count in members.values()):
            return False
        if rule.at_least is not None and len(members) < rule.at_least:
            return False
    return True


def _named(study, site_id, patterns):
    racks = [post.id for post in study.candidates.outposts if site_id in post.site_ids]
    return any(fnmatch(name, pattern) for name in (site_id, *racks) for pattern in patterns)


def _loads_allowed(study, site, rps, handed, without):
    """(ways,) whether the open ``site`` carries neither too much nor too little: ``rps`` (ways,) everyday,
    and ``handed`` besides in a failure."""
    capacity = [] if site.outpost is None else [site.outpost.capacity_rps]
    fine = np.ones(len(rps), dtype=bool)
    for rule in study.rules:
        if isinstance(rule, CapacityRule) and _named(study, site.id, rule.sites):
            capacity += [] if rule.max_rps is None else [rule.max_rps]
            if "site_capacity" not in without:
                fine &= rps + handed <= (np.inf if rule.max_rps is None else rule.max_rps) * (1 + 1e-9)
                fine &= rps >= (rule.min_rps or 0) * (1 - 1e-9)
    if capacity:
        used = rps / min(capacity)
        if "max_utilisation" not in without:
            fine &= (used <= study.limits.max_utilisation + 1e-9) | (study.limits.max_utilisation == 1)
        if "min_utilisation" not in without:
            fine &= used >= study.limits.min_utilisation - 1e-9
    return fine


def _best_assignment(study, inputs, without, chosen, options, recovery) -> Best | None:
    """Of all ways to serve every client from its ``options``, pairs of site and backup (-1 = none); rows of
    ``ways`` are assignments."""
    pairs = np.array(list(itertools.product(*options)))
    ways, clients = pairs[:, :, 0], np.arange(pairs.shape[1])
    share = inputs.demand.weight / inputs.demand.weight.sum()
    worst = _worst(study, inputs, pairs, share) * study.demand.peak_rps
    latency = _planning(study, inputs)[clients, ways]
    keep = np.ones(len(ways), dtype=bool)
    if study.latency.slo_ms is not None and "coverage" not in without:
        covered = (latency <= study.latency.slo_ms) @ share
        keep &= covered >= study.latency.coverage - 1e-9
    cost = np.zeros(len(ways))
    for j, usd in enumerate(np.broadcast_to(recovery, len(inputs.sites))):
        cost += usd * ((ways == j) @ share)
    work = study.workload
    for j, (site, price) in enumerate(zip(inputs.sites, inputs.prices, strict=True)):
        if not chosen[j]:
            continue
        mine = (ways == j) @ share
        rps = mine * study.demand.peak_rps
        month_gb = mine * study.demand.requests_per_month * work.response_kb / 1e6
        keep &= _loads_allowed(study, site, rps, worst[:, j], without)
        if price.direct_gb is None:
            cost += metered(month_gb, price.egress_gb)
        else:
            apart = study.network.share
            cost += metered(month_gb * (1 - apart), price.egress_gb) + month_gb * apart * price.direct_gb.usd
            cost += study.network.ports * price.port_hour.usd * 730
        if price.zone_gb is not None:
            cost += mine * study.demand.requests_per_month * work.cross_zone_kb / 1e6 * price.zone_gb.usd
        if site.kind == "outpost":
            cost += repaid(site.outpost) + site.outpost.monthly_usd
            if "capacity" not in without:
                keep &= rps + worst[:, j] <= site.outpost.capacity_rps * (1 + 1e-9)
        else:
            peak = (rps + worst[:, j]) * (1 + work.headroom)
            machines = np.ceil(peak / work.rps_per_instance - 0.02).clip(min=work.min_instances)
            saved = price.commitment.discount * work.committed_share if price.commitment else 0.0
            cost += machines * price.instance_hour.usd * 730 * (1 - saved)
        if site.kind != "region":
            cost += work.home_share * month_gb * price.parent_gb.usd
        if work.home is not None:
            cost += work.home_share * month_gb * inputs.homes[0].usd_gb[j]
    if study.budget_usd_per_month is not None and "budget" not in without:
        keep &= cost <= study.budget_usd_per_month * (1 + 1e-9)
    if not keep.any():
        return None
    aims = {"cost": cost, "mean_latency": latency @ share, "max_latency": latency.max(axis=1)}
    objective = aims[study.minimize]
    least = objective[keep].min()
    reach = keep & (objective <= least + 1e-9 * max(1.0, abs(least)))
    return Best(float(least), float(cost[reach].min()))
