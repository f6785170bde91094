"""Checking a plan against its study and inputs by arithmetic that shares nothing with the optimiser.

The specification is ``docs/design/0001-decision-model.md``; this module is its second reading. It,
:mod:`planner.audit_rules` and :mod:`planner.ledger` import neither the problem, the rules, the cost items nor
the solver, so that a mistake there cannot hide here.

Tolerance: 1e-6 relative on sums of money, load and demand; latencies, bounds and masks are exact.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np

from planner.audit_home import home_tier
from planner.audit_recovery import recovery
from planner.audit_routing import routing
from planner.audit_rules import groups_kept, links_kept, loads_kept, tags_kept
from planner.audit_supposed import announced_kept, prices_kept
from planner.audit_survival import survival
from planner.inputs import Inputs
from planner.latency.matrix import MEASURED, PROVENANCES
from planner.ledger import Ledger, close_to, is_quantile, lay_over
from planner.plan import Placement, Plan
from planner.study import ProgramRule, ResidencyRule, Study

PROVEN_GAP: Final = 1e-4
"""A plan that calls itself optimal must have proven a gap no larger than this."""


def audit_plan(plan: Plan, study: Study, inputs: Inputs) -> tuple[str, ...]:
    """Every violation found in ``plan``, one sentence each; empty when the plan is sound.

    Recomputes from placements and assignments alone: who is served from where and how fast, sizes, every cost
    item, every rule, the key figures, the objective and the consistency of the proof. Raises nothing on a
    wrong plan; a wrong plan is what it is for.
    """
    found = list(_labels(plan, study, inputs))
    if plan.termination == "infeasible" or (plan.termination == "time_limit" and plan.objective is None):
        return (*found, *_nothing_decided(plan))
    lined_up = tuple(client.id for client in inputs.demand.clients) == inputs.matrix.client_ids
    if not lined_up or tuple(site.id for site in inputs.sites) != inputs.matrix.site_ids:
        return (*found, "the matrix's rows and columns are not the demand's clients and the candidate sites")
    case = lay_over(plan, study, inputs)
    for check in _CHECKS:
        found.extend(check(case))
    return tuple(found)


def _labels(plan: Plan, study: Study, inputs: Inputs) -> Iterator[str]:
    if plan.study != study.name:
        yield f"the plan is of study {plan.study!r}, not of {study.name!r}"
    if plan.minimize != study.minimize:
        yield f"the plan minimises {plan.minimize}, the study asks for {study.minimize}"
    for name, digest in inputs.hashes.items():
        if plan.inputs.get(name) != digest:
            yield f"the plan records {plan.inputs.get(name)} as the hash of input {name}, which is {digest}"
    if plan.sources != inputs.sources:
        yield f"the plan is said to be made from {plan.sources}, and was made from {inputs.sources}"
    for source in plan.sources:
        if plan.inputs.get(source.url) != source.sha256:
            yield f"the plan has no hash of the store {source.url} as it was read"


def _nothing_decided(plan: Plan) -> Iterator[str]:
    if plan.placements or plan.assignments:
        yield (
            f"the plan ended {plan.termination} yet has {len(plan.placements)} placements"
            f" and {len(plan.assignments)} assignments"
        )
    if plan.objective is not None or plan.gap is not None or plan.kpi is not None:
        yield f"the plan ended {plan.termination} yet states an objective, a gap or key figures"
    if any(plan.cost_items.values()):
        yield f"the plan ended {plan.termination} yet states costs"
    if plan.termination == "infeasible" and (plan.conflict is None or not plan.conflict.rules):
        yield "the plan is infeasible and names no rules in conflict"


def _sites(case: Ledger) -> Iterator[str]:
    """Open sites exist, once, and may be open: services, parents, number of sites and of changes."""
    for site_id, times in Counter(placement.site_id for placement in case.plan.placements).items():
        if times > 1:
            yield f"site {site_id} is placed {times} times"
        if site_id not in case.site_column:
            yield f"site {site_id} is open and not a candidate"
    wanted = frozenset(case.study.workload.services)
    for site_id in sorted(case.open_ids):
        site = case.inputs.sites[case.site_column[site_id]]
        if missing := wanted - site.services:
            yield f"services: site {site_id} is open without {', '.join(sorted(missing))}"
        if site.kind in ("local_zone", "wavelength_zone") and site.parent not in case.open_ids:
            yield f"parent: {site.kind} {site_id} is open while its parent {site.parent} is not"
    for post in case.study.candidates.outposts:
        if len(bought := sorted(case.open_ids.intersection(post.site_ids))) > 1:
            yield f"one_size: {', '.join(bought)} are open, sizes of one rack"
    limits, count = case.study.limits, len(case.open_ids)
    if count < limits.min_sites:
        yield f"limits: {count} sites are open, min_sites is {limits.min_sites}"
    if limits.max_sites is not None and count > limits.max_sites:
        yield f"limits: {count} sites are open, max_sites is {limits.max_sites}"
    changes = len(case.open_ids ^ frozenset(case.study.current_open))
    if limits.max_changes is not None and changes > limits.max_changes:
        yield f"changes: {changes} sites differ from what is open today, max_changes is {limits.max_changes}"


def _assignments(case: Ledger) -> Iterator[str]:
    """Each client once, at an open site, with the pair's own latency, bounds and provenance."""
    for client_id, times in Counter(entry.client_id for entry in case.plan.assignments).items():
        if client_id not in case.client_row:
            yield f"client {client_id} is assigned and not in the demand"
        elif times > 1:
            yield f"client {client_id} is assigned {times} times"
    assigned = {entry.client_id for entry in case.plan.assignments}
    for client in case.inputs.demand.clients:
        if client.id not in assigned:
            yield f"client {client.id} is assigned to no site"
    slo = case.study.latency.slo_ms
    for entry in case.plan.assignments:
        row, column = case.client_row.get(entry.client_id), case.site_column.get(entry.site_id)
        pair = f"client {entry.client_id} at site {entry.site_id}"
        if entry.site_id not in case.open_ids:
            yield f"{pair}: the site is not open"
        if entry.backup_site_id is not None:
            if entry.backup_site_id not in case.open_ids:
                yield f"{pair}: the backup {entry.backup_site_id} is not open"
            elif entry.backup_site_id == entry.site_id:
                yield f"{pair}: the backup is the same site"
        if row is None or column is None:
            continue
        client = case.inputs.demand.clients[row]
        if entry.country != client.country:
            yield f"{pair}: the country is stated as {entry.country} and is {client.country}"
        estimate, lower, upper = case.request_ms(row, column)
        latency = upper if case.study.latency.bound == "upper" else estimate
        for name, stated, actual in (
            ("weight", entry.weight, float(case.inputs.demand.weight[row])),
            ("latency_ms", entry.latency_ms, latency),
            ("latency_lower_ms", entry.latency_lower_ms, lower),
            ("latency_upper_ms", entry.latency_upper_ms, upper),
        ):
            if stated != actual:
                yield f"{pair}: {name} is stated as {stated} and is {actual}"
        provenance = PROVENANCES[case.measured(row, column)]
        if entry.provenance != provenance:
            yield f"{pair}: provenance is stated as {entry.provenance} and is {provenance}"
        within = slo is None or latency <= slo
        if entry.within_slo != within:
            yield f"{pair}: within_slo is stated as {entry.within_slo} at {latency:g} ms"
        if not math.isfinite(latency):
            yield f"{pair}: the pair has no latency, it is not allowed"
        elif case.study.latency.max_ms is not None and latency > case.study.latency.max_ms:
            yield f"max_ms: {pair} has {latency:g} ms, above {case.study.latency.max_ms:g} ms"


def _compliance(case: Ledger) -> Iterator[str]:
    """Residency and program rules, client by client, backups included."""
    for number, rule in enumerate(case.study.rules, start=1):
        if not isinstance(rule, ResidencyRule | ProgramRule):
            continue
        kind = "residency" if isinstance(rule, ResidencyRule) else "program"
        for row in case.selected(rule.clients):
            for column in {case.column[row], case.standby[row]} - {-1}:
                site = case.inputs.sites[column]
                client = case.inputs.demand.clients[row].id
                pair = f"{kind} (rule {number}): client {client} at site {site.id}"
                if isinstance(rule, ResidencyRule):
                    allowed, home = case.countries(rule.sites), case.inputs.parent_country.get(site.id)
                    if site.country not in allowed:
                        yield f"{pair}, which is in {site.country}"
                    elif site.parent is not None and home not in allowed:
                        yield f"{pair}, whose parent {site.parent} is in {home or 'no known country'}"
                elif missing := frozenset(rule.programs) - site.programs:
                    yield f"{pair}, which is outside {', '.join(sorted(missing))}"


def _placements(case: Ledger) -> Iterator[str]:
    """Each open site's parent, size, share, latency and cost."""
    for placement in case.plan.placements:
        column = case.site_column.get(placement.site_id)
        if column is None:
            continue
        site, mine = case.inputs.sites[column], case.column == column
        clients, where = int(mine.sum()), f"site {site.id}"
        for name, stated, actual in (
            ("provider", placement.provider, site.provider),
            ("kind", placement.kind, site.kind),
            ("parent", placement.parent, site.parent),
            ("country", placement.country, site.country),
            ("instances", placement.instances, case.instances(column)),
            ("clients", placement.clients, clients),
        ):
            if stated != actual:
                yield f"{where}: {name} is stated as {stated} and is {actual}"
        if clients and placement.role != "serving":
            yield f"{where}: the role is stated as {placement.role} and it serves {clients} clients"
        stands_by = bool((case.standby == column).any())
        if not clients and stands_by and placement.role != "backup":
            yield f"{where}: the role is stated as {placement.role} and it serves nobody but in a failure"
        zones = any(child.parent == site.id and child.id in case.open_ids for child in case.inputs.sites)
        if not clients and not stands_by and zones and placement.role != "parent":
            yield f"{where}: the role is stated as {placement.role} and it serves nobody but its zones"
        share = math.fsum(case.share[mine])
        if not close_to(placement.demand_share, share):
            yield f"{where}: demand_share is stated as {placement.demand_share} and is {share:.9g}"
        for name, stated_ms, level in (
            ("latency_p50_ms", placement.latency_p50_ms, 0.50),
            ("latency_p95_ms", placement.latency_p95_ms, 0.95),
        ):
            if (stated_ms is None) != (clients == 0):
                yield f"{where}: {name} is stated as {stated_ms} with {clients} clients"
            elif stated_ms is not None and not is_quantile(
                stated_ms, level, case.latency[mine], case.share[mine]
            ):
                yield f"{where}: {name} is stated as {stated_ms}, which is not that quantile of its clients"
        if site.outpost is not None and case.peak[column] > site.outpost.capacity_rps * (1 + 1e-6):
            load, capacity = case.peak[column], site.outpost.capacity_rps
            yield f"capacity: {where} carries {load:.9g} requests per second, above {capacity:g}"
        yield from _site_cost(case, placement, column)


def _site_cost(case: Ledger, placement: Placement, column: int) -> Iterator[str]:
    site, bill = case.inputs.sites[column], case.bill(column)
    if site.kind != "outpost" and case.inputs.prices[column].instance_hour is None:
        yield f"site {site.id}: it is open and has no hourly price"
    yield from _items_differ(f"site {site.id}", placement.cost_items, bill)
    if not close_to(placement.cost_usd_month, math.fsum(bill.values())):
        stated, actual = placement.cost_usd_month, math.fsum(bill.values())
        yield f"site {site.id}: cost_usd_month is stated as {stated} and is {actual:.9g}"


def _items_differ(what: str, stated: Mapping[str, float], actual: Mapping[str, float]) -> Iterator[str]:
    for item in sorted(stated.keys() | actual.keys()):
        if item not in actual:
            yield f"{what}: {item} is no cost item"
        elif not close_to(stated.get(item, 0.0), actual[item]):
            yield f"{what}: {item} is stated as {stated.get(item, 0.0)} USD and is {actual[item]:.9g} USD"


def _totals(case: Ledger) -> Iterator[str]:
    """Costs add up, the key figures are right, and the sums obey budget and coverage."""
    plan, latency_rule = case.plan, case.study.latency
    items = case.total_bill()
    total = math.fsum(items.values())
    yield from _items_differ("the plan", plan.cost_items, items)
    budget = case.study.budget_usd_per_month
    if budget is not None and total > budget * (1 + 1e-6):
        yield f"budget: the plan costs {total:.9g} USD a month, above {budget:g} USD"
    covered = case.coverage()
    if latency_rule.slo_ms is not None and covered < latency_rule.coverage * (1 - 1e-6):
        yield (
            f"coverage: {covered:.9g} of demand is within {latency_rule.slo_ms:g} ms,"
            f" below {latency_rule.coverage:g}"
        )
    shares = math.fsum(placement.demand_share for placement in plan.placements)
    if not close_to(shares, 1.0):
        yield f"the placements' demand shares sum to {shares:.9g}, not 1"
    if plan.conflict is not None:
        yield f"the plan ended {plan.termination} yet states a conflict"
    kpi = plan.kpi
    if kpi is None:
        yield f"the plan ended {plan.termination} without key figures"
        return
    measured = np.array([case.measured(row, j) == MEASURED for row, j in enumerate(case.column)])
    for name, stated, actual in (
        ("mean_ms", kpi.mean_ms, case.mean_ms()),
        ("max_ms", kpi.max_ms, case.max_ms()),
        ("coverage", kpi.coverage, covered),
        ("cost_usd_month", kpi.cost_usd_month, total),
        ("measured_share", kpi.measured_share, math.fsum(case.share[measured & (case.column >= 0)])),
    ):
        if not close_to(stated, actual):
            yield f"the plan: {name} is stated as {stated} and is {actual:.9g}"
    for name, stated, level in (("p50_ms", kpi.p50_ms, 0.50), ("p95_ms", kpi.p95_ms, 0.95)):
        if not is_quantile(stated, level, case.latency, case.share):
            yield f"the plan: {name} is stated as {stated}, which is not that quantile of demand"


def _proof(case: Ledger) -> Iterator[str]:
    """The objective is the recomputed one, and objective, bound, gap and termination agree."""
    plan = case.plan
    if plan.objective is None or plan.lower_bound is None or plan.gap is None:
        yield f"the plan ended {plan.termination} without objective, lower bound and gap"
        return
    if case.study.minimize == "cost":
        actual = math.fsum(case.total_bill().values())
    else:
        actual = case.mean_ms() if case.study.minimize == "mean_latency" else case.max_ms()
    if not close_to(plan.objective, actual):
        yield f"the objective is stated as {plan.objective} and is {actual:.9g}"
    if not plan.lower_bound <= plan.objective + 1e-6 * max(abs(plan.objective), 1e-9):
        yield f"the lower bound {plan.lower_bound} is above the objective {plan.objective}"
    gap = (plan.objective - plan.lower_bound) / max(abs(plan.objective), 1e-9)
    if not abs(plan.gap - gap) <= 1e-6:
        yield f"the gap is stated as {plan.gap} and is {gap:.9g}"
    if plan.termination == "optimal" and not plan.gap <= PROVEN_GAP:
        yield f"the plan calls itself optimal with a gap of {plan.gap}"


_CHECKS: Final[tuple[Callable[[Ledger], Iterator[str]], ...]] = (
    _sites,
    _assignments,
    _compliance,
    home_tier,
    recovery,
    survival,
    tags_kept,
    groups_kept,
    loads_kept,
    links_kept,
    announced_kept,
    prices_kept,
    routing,
    _placements,
    _totals,
    _proof,
)
