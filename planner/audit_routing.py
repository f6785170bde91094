"""How clients find their site, checked apart from what chose it: ability and arithmetic.

See :mod:`planner.audit`, of which this is a part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from planner.audit_routed import as_routed
from planner.catalog import Site
from planner.ledger import Ledger, close_to
from planner.ledger_routing import health_check, paid_once
from planner.routing_facts import EXPLICIT, PolicyFacts
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
    yield from as_routed(case, stated)


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
