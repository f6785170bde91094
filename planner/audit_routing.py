"""How clients find their site, checked apart from what chose it: ability, arithmetic, and who ends up where.

See :mod:`planner.audit`, of which this is a part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Site
from planner.geo import great_circle_km
from planner.ledger import Ledger, close_to, is_quantile
from planner.ledger_routing import health_check, paid_once
from planner.plan import RoutingPlan
from planner.routing_facts import EXPLICIT, PolicyFacts
from planner.study import ProgramRule, ResidencyRule, TagsRule
from planner.wording import with_article

PROVEN_GAP: Final = 1e-4


def routing(case: Ledger) -> Iterator[str]:
    """The policy does what the study asks, at these sites; under "auto" no other does it for less."""
    asked, stated, facts = case.study.routing, case.plan.routing, case.inputs.routing
    if asked is None or facts is None:
        if stated is not None:
            yield "routing: the plan routes clients and the study does not ask for it"
        for entry in case.plan.assignments:
            if entry.routed_site_id is not None:
                yield f"as routed: client {entry.client_id} is sent to {entry.routed_site_id}, by no policy"
        return
    if stated is None:
        yield "routing: the plan does not say how clients find their site"
        return
    if stated.policy not in EXPLICIT or asked.policy not in ("auto", stated.policy):
        yield f"routing: the plan's policy is {stated.policy}, the study asks for {asked.policy}"
        return
    yield from (f"routing: {fault}" for fault in _faults(case, stated.policy))
    takes = _down_for(case, stated.policy)
    if not close_to(stated.failover_s, takes):
        yield f"routing: failover_s is stated as {stated.failover_s} and is {takes:g}"
    bill = _bill(case, stated.policy)
    if not close_to(stated.usd_month, bill):
        yield f"routing: usd_month is stated as {stated.usd_month} and is {bill:.9g}"
    if asked.policy == "auto" and case.study.minimize == "cost" and case.plan.termination == "optimal":
        slack = 2 * PROVEN_GAP * abs(case.plan.objective or 0.0)
        for other in EXPLICIT:
            if _bill(case, other) < bill - slack and not list(_faults(case, other)):
                less = _bill(case, other)
                yield f"routing: {other} would do for {less:.9g} USD, {stated.policy} costs {bill:.9g}"
    yield from _as_routed(case, stated)


def _faults(case: Ledger, policy: str) -> Iterator[str]:
    """What keeps a policy from serving the plan's open sites as the study asks."""
    assert case.study.routing is not None
    does, rto_s = _does(case, policy), case.study.resilience.rto_s
    if case.study.routing.static_addresses and not does.static_addresses:
        yield f"{policy} has no static addresses"
    if rto_s is not None and _down_for(case, policy) > rto_s:
        yield f"{policy} takes {_down_for(case, policy):g} s to fail over, rto is {rto_s:g} s"
    for site_id in sorted(case.open_ids):
        site = case.inputs.sites[case.site_column[site_id]]
        if not _reaches(does, site):
            yield f"{policy} cannot send clients to {site_id}, {with_article(site.kind)} of {site.provider}"


def _does(case: Ledger, policy: str) -> PolicyFacts:
    assert case.inputs.routing is not None
    return next(facts for name, facts in case.inputs.routing.policies.items() if name == policy)


def _reaches(does: PolicyFacts, site: Site) -> bool:
    on_premises = site.kind == "outpost"
    return site.kind in does.kinds and (site.provider == "aws" or on_premises or does.elsewhere)


def _down_for(case: Ledger, policy: str) -> float:
    """Seconds until the clients of a failed site are elsewhere."""
    asked = case.study.routing
    assert asked is not None
    waits = _does(case, policy).redirect_s
    if waits is None:
        waits = asked.ttl_s + asked.client_cache_s
    return asked.failure_threshold * asked.check_interval_s + waits


def _bill(case: Ledger, policy: str) -> float:
    checks = [health_check(policy, case.study, case.inputs, case.site_column[each]) for each in case.open_ids]
    return paid_once(policy, case.study, case.inputs) + math.fsum(checks)


def _as_routed(case: Ledger, stated: RoutingPlan) -> Iterator[str]:
    """Each client goes to the best recorded site by the policy's own view; the figures follow from that."""
    recorded = sorted({int(j) for j in (*case.column, *case.standby) if j >= 0})
    where = {entry.client_id: entry.routed_site_id for entry in case.plan.assignments}
    routed = np.full(len(case.column), -1, dtype=np.int64)
    for row, client in enumerate(case.inputs.demand.clients):
        site_id = where.get(client.id)
        column = case.site_column.get(site_id or "", -1)
        if column not in recorded:
            yield f"as routed: client {client.id} is sent to {site_id}, which is not among the sites recorded"
            continue
        routed[row] = column
        view = _view(case, stated.policy, row)
        if view[column] > min(view[j] for j in recorded) * (1 + 1e-9):
            yield f"as routed: client {client.id} is sent to {site_id}, not the best for {stated.policy}"
    if (routed < 0).any():
        return
    latency = np.array([case.planning_ms(row, int(column)) for row, column in enumerate(routed)])
    slo, figures, weighted = case.study.latency.slo_ms, stated.as_routed, case.share > 0
    for name, said, actual in (
        ("mean_ms", figures.mean_ms, float((case.share[weighted] * latency[weighted]).sum())),
        ("max_ms", figures.max_ms, float(latency.max())),
        ("coverage", figures.coverage, 1.0 if slo is None else math.fsum(case.share[latency <= slo])),
        ("differs", figures.differs, math.fsum(case.share[routed != case.column])),
        ("forbidden", figures.forbidden, math.fsum(case.share[_forbidden(case, routed)])),
        *(
            (f"the share of {site.id}", figures.shares.get(site.id, 0.0), math.fsum(case.share[routed == j]))
            for j, site in enumerate(case.inputs.sites)
        ),
    ):
        if not close_to(said, actual):
            yield f"as routed: {name} is stated as {said} and is {actual:.9g}"
    for name, said, level in (("p50_ms", figures.p50_ms, 0.50), ("p95_ms", figures.p95_ms, 0.95)):
        if not is_quantile(said, level, latency, case.share):
            yield f"as routed: {name} is stated as {said}, which is not that quantile of demand"


def _view(case: Ledger, policy: str, row: int) -> NDArray[np.float64]:
    """(n,) what a policy compares sites by, for one client."""
    if policy != "route53-geoproximity":
        return np.asarray(case.inputs.matrix.estimate_ms[row], dtype=np.float64)
    client, sites = case.inputs.demand.clients[row], case.inputs.sites
    return great_circle_km(client.lat, client.lon, [site.lat for site in sites], [site.lon for site in sites])


def _forbidden(case: Ledger, routed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(m,) True where residency, a program or a tag forbids the site that the client is sent to."""
    found = np.zeros(len(routed), dtype=bool)
    for rule in case.study.rules:
        if isinstance(rule, TagsRule):
            for row, client in enumerate(case.inputs.demand.clients):
                own = client.tags.get(rule.key)
                asked = own is not None if rule.clients is None else row in {*case.selected(rule.clients)}
                its = case.inputs.sites[routed[row]].tags.get(rule.key)
                found[row] |= asked and (own is None or own != its)
        if not isinstance(rule, ResidencyRule | ProgramRule):
            continue
        for row in case.selected(rule.clients):
            site = case.inputs.sites[routed[row]]
            if isinstance(rule, ProgramRule):
                found[row] |= not frozenset(rule.programs) <= site.programs
            else:
                homes = {site.country} | (
                    {case.inputs.parent_country.get(site.id, "")} if site.parent else set()
                )
                found[row] |= not homes <= case.countries(rule.sites)
    return found
