"""Where routing sends everybody, and which rules hold there: counted again for the audit.

See :mod:`planner.audit`, of which this is a part. The ledger is laid over once more, with every client where
the policy sends it and, while something is down, at the best of what is left.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from planner.geo import great_circle_km
from planner.ledger import Ledger, close_to, is_quantile
from planner.ledger_failures import losses
from planner.plan import AsRouted, RoutingPlan
from planner.study import CapacityRule, ProgramRule, ResidencyRule, TagsRule

Broken = Mapping[tuple[str, str | None], tuple[float, float]]
"""By rule, and site where it is about one: what is asked, and what comes of it."""

SLACK = 1e-6


def as_routed(case: Ledger, stated: RoutingPlan) -> Iterator[str]:
    """Each client goes to the best recorded site by the policy's own view; the figures follow from that."""
    recorded = sorted({int(j) for j in (*case.column, *case.standby) if j >= 0})
    view = np.array([_view(case, stated.policy, row) for row in range(len(case.column))])
    where = {entry.client_id: entry.routed_site_id for entry in case.plan.assignments}
    routed = np.full(len(case.column), -1, dtype=np.int64)
    for row, client in enumerate(case.inputs.demand.clients):
        site_id = where.get(client.id)
        column = case.site_column.get(site_id or "", -1)
        if column not in recorded:
            yield f"as routed: client {client.id} is sent to {site_id}, which is not among the sites recorded"
            continue
        routed[row] = column
        if view[row, column] > min(view[row, recorded]) * (1 + 1e-9):
            yield f"as routed: client {client.id} is sent to {site_id}, not the best for {stated.policy}"
    if (routed < 0).any():
        return
    there, unbacked = _there(case, routed, recorded, view)
    yield from _figures(case, there, stated.as_routed, routed)
    # Machines for what the plan assigns and hands over as well as for this.
    both = replace(there, peak=np.maximum(case.peak, there.peak))
    cost_usd = math.fsum(both.total_bill().values())
    if not close_to(said_usd := stated.as_routed.cost_usd_month, cost_usd):
        yield f"as routed: cost_usd_month is stated as {said_usd} and is {cost_usd:.9g}"
    yield from _sites(there, both, stated.as_routed)
    broken = dict(_broken(there, unbacked, cost_usd))
    said = {(each.rule, each.site_id): (each.asked, each.reached) for each in stated.as_routed.breaks}
    for key in sorted(broken.keys() | said.keys(), key=str):
        name = key[0] if key[1] is None else f"{key[0]} at {key[1]}"
        if key not in said:
            yield f"as routed: {name} does not hold, and the plan does not say so: {broken[key]}"
        elif key not in broken:
            yield f"as routed: {name} holds, and the plan says it does not"
        elif not all(map(close_to, said[key], broken[key])):
            yield f"as routed: {name} is stated as {said[key]} and is {broken[key]}"
    forbidden = min(1.0, math.fsum(_forbidden(there, broken)))
    if not close_to(stated.as_routed.forbidden, forbidden):
        yield f"as routed: forbidden is stated as {stated.as_routed.forbidden} and is {forbidden:.9g}"


def _there(
    case: Ledger, routed: NDArray[np.int64], recorded: list[int], view: NDArray[np.float64]
) -> tuple[Ledger, NDArray[np.bool_]]:
    """The ledger of everybody where they are sent; and (m,) who has, in some failure, no allowed backup.

    ``peak`` is what the worst failure makes of each site.
    """
    n, sites = len(case.inputs.sites), case.inputs.sites
    load: NDArray[np.float64] = np.bincount(routed, case.share, n).astype(np.float64)
    worst, unbacked = load.copy(), np.zeros(len(routed), dtype=bool)
    events = losses(case.study, sites)
    if events:
        events = (*events, *(frozenset({sites[j].id}) for j in recorded))
    maximal = [gone for gone in events if len(gone) == 1 or not any(gone < other for other in events)]
    for gone in maximal:
        moved = np.array([row for row, j in enumerate(routed) if sites[j].id in gone], dtype=np.int64)
        left = [j for j in recorded if sites[j].id not in gone]
        if not moved.size:
            continue
        if not left:
            unbacked[moved] = True
            continue
        to = np.array(left)[view[moved][:, left].argmin(axis=1)]
        worst = np.maximum(worst, load + np.bincount(to, case.share[moved], n))
        backups = np.full(len(routed), -1, dtype=np.int64)
        backups[moved] = to
        within = case.study.resilience.backup_within_ms
        for row in moved:
            far = case.planning_ms(int(row), int(backups[row]))
            unbacked[row] |= not math.isfinite(far) or (within is not None and far > within)
        for _, off in _off(case, backups):
            unbacked |= off
    latency = np.array([case.planning_ms(row, int(column)) for row, column in enumerate(routed)])
    month_gb = case.study.demand.requests_per_month * case.study.workload.response_kb / 1e6
    there = replace(
        case,
        column=routed,
        latency=latency,
        load=load * case.study.demand.peak_rps,
        gigabytes=load * month_gb,
        peak=worst * case.study.demand.peak_rps,
    )
    return there, unbacked


def _figures(case: Ledger, there: Ledger, figures: AsRouted, routed: NDArray[np.int64]) -> Iterator[str]:
    share, slo, weighted = case.share, case.study.latency.slo_ms, case.share > 0
    mean_ms = float((share[weighted] * there.latency[weighted]).sum())
    for name, said, actual in (
        ("mean_ms", figures.mean_ms, mean_ms),
        ("max_ms", figures.max_ms, float(there.latency.max())),
        ("coverage", figures.coverage, 1.0 if slo is None else math.fsum(share[there.latency <= slo])),
        ("differs", figures.differs, math.fsum(share[routed != case.column])),
        *(
            (f"the share of {site.id}", figures.shares.get(site.id, 0.0), math.fsum(share[routed == j]))
            for j, site in enumerate(case.inputs.sites)
        ),
    ):
        if not close_to(said, actual):
            yield f"as routed: {name} is stated as {said} and is {actual:.9g}"
    for name, said, level in (("p50_ms", figures.p50_ms, 0.50), ("p95_ms", figures.p95_ms, 0.95)):
        if not is_quantile(said, level, there.latency, share):
            yield f"as routed: {name} is stated as {said}, which is not that quantile of demand"


def _sites(there: Ledger, both: Ledger, figures: AsRouted) -> Iterator[str]:
    """Loads, machines and the bill of each open site."""
    said = {site.site_id: site for site in figures.sites}
    if said.keys() != there.open_ids or len(figures.sites) != len(said):
        yield f"as routed: the sites are stated as {sorted(said)} and are {sorted(there.open_ids)}"
        return
    for site_id, site in said.items():
        column = there.site_column[site_id]
        for name, stated, actual in (
            ("rps", site.rps, float(there.load[column])),
            ("worst_rps", site.worst_rps, float(there.peak[column])),
            ("instances", site.instances, both.instances(column)),
            ("cost_usd_month", site.cost_usd_month, math.fsum(both.bill(column).values())),
        ):
            if not close_to(stated, actual):
                yield f"as routed: {name} of {site_id} is stated as {stated} and is {actual:.9g}"


def _broken(
    there: Ledger, unbacked: NDArray[np.bool_], cost_usd: float
) -> Iterator[tuple[tuple[str, str | None], tuple[float, float]]]:
    """Every rule that does not hold for a ledger of everybody where they are sent."""
    study, share, limit = there.study, there.share, there.study.latency.max_ms
    for name, off in _off(there, there.column):
        if off.any():
            yield (name, None), (0.0, math.fsum(share[off]))
    if limit is not None and (far := there.latency > limit).any():
        yield ("max_ms", None), (0.0, math.fsum(share[far]))
    if unbacked.any():
        yield ("survive", None), (0.0, math.fsum(share[unbacked]))
    if study.latency.slo_ms is not None and there.coverage() < study.latency.coverage * (1 - SLACK):
        yield ("coverage", None), (study.latency.coverage, there.coverage())
    if study.budget_usd_per_month is not None and cost_usd > study.budget_usd_per_month * (1 + SLACK):
        yield ("budget", None), (study.budget_usd_per_month, cost_usd)
    for site_id in sorted(there.open_ids):
        for rule, bound, carried, upper in _bounds(there, site_id):
            if carried > bound * (1 + SLACK) if upper else carried < bound * (1 - SLACK):
                yield (rule, site_id), (bound, carried)


def _bounds(there: Ledger, site_id: str) -> Iterator[tuple[str, float, float, bool]]:
    """Rules on what a site carries: name, bound, what it carries, and whether the bound is from above."""
    column, limits = there.site_column[site_id], there.study.limits
    site, load, peak = there.inputs.sites[column], float(there.load[column]), float(there.peak[column])
    capacity = math.inf
    if site.outpost is not None:
        capacity = site.outpost.capacity_rps
        yield f"capacity[{site_id}]", capacity, peak, True
    racks = [post.id for post in there.study.candidates.outposts if site_id in post.site_ids]
    for number, rule in enumerate(there.study.rules, start=1):
        if not isinstance(rule, CapacityRule):
            continue
        if not any(fnmatch.filter({site_id, *racks}, pattern) for pattern in rule.sites):
            continue
        if rule.max_rps is not None:
            capacity = min(capacity, rule.max_rps)
            yield f"capacity[{number}]", rule.max_rps, peak, True
        if rule.min_rps:
            yield f"capacity[{number}]", rule.min_rps, load, False
    if math.isfinite(capacity):
        if limits.max_utilisation < 1:
            yield "max_utilisation", limits.max_utilisation * capacity, load, True
        if limits.min_utilisation > 0:
            yield "min_utilisation", limits.min_utilisation * capacity, load, False


def _forbidden(there: Ledger, broken: Broken) -> Iterator[float]:
    """Shares of demand: at a site it may not be at, above a capacity, and short of the coverage."""
    off = np.zeros(len(there.column), dtype=bool)
    if (limit := there.study.latency.max_ms) is not None:
        off |= there.latency > limit
    for _, also in _off(there, there.column):
        off |= also
    yield math.fsum(there.share[off])
    for site_id in there.open_ids:
        above = [
            carried - bound
            for rule, bound, carried, upper in _bounds(there, site_id)
            if upper and rule.startswith("capacity") and (rule, site_id) in broken
        ]
        yield max([0.0, *above]) / there.study.demand.peak_rps
    if ("coverage", None) in broken:
        asked, reached = broken["coverage", None]
        yield asked - reached


def _view(case: Ledger, policy: str, row: int) -> NDArray[np.float64]:
    """(n,) what a policy compares sites by, for one client."""
    if policy != "route53-geoproximity":
        return np.asarray(case.inputs.matrix.estimate_ms[row], dtype=np.float64)
    client, sites = case.inputs.demand.clients[row], case.inputs.sites
    return great_circle_km(client.lat, client.lon, [site.lat for site in sites], [site.lon for site in sites])


def _off(case: Ledger, column: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """For each rule on pairs but ``max_ms``: (m,) True where it forbids ``column``'s site; -1 is none."""
    for number, rule in enumerate(case.study.rules, start=1):
        found, kind = np.zeros(len(column), dtype=bool), ""
        if isinstance(rule, TagsRule):
            kind = "tags"
            for client in case.tagged(rule):
                row = case.client_row[client.id]
                own, its = client.tags.get(rule.key), case.inputs.sites[column[row]].tags.get(rule.key)
                found[row] = own is None or own != its
        elif isinstance(rule, ResidencyRule | ProgramRule):
            kind = "residency" if isinstance(rule, ResidencyRule) else "program"
            for row in case.selected(rule.clients):
                site = case.inputs.sites[column[row]]
                if isinstance(rule, ProgramRule):
                    found[row] = not frozenset(rule.programs) <= site.programs
                    continue
                parent = {case.inputs.parent_country.get(site.id, "")} if site.parent else set()
                found[row] = not {site.country} | parent <= case.countries(rule.sites)
        if kind:
            yield f"{kind}[{number}]", found & (column >= 0)
