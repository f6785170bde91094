"""How clients find their site: which policies can do it, and how long they take when a site is gone.

- Route 53: failover = check interval × failure threshold + TTL + what clients remember beyond it. Health
  checks find the site down, then resolvers and clients go on with the old answer until they forget it.
- Global Accelerator: failover = check interval × failure threshold + the time its edge takes to send clients
  elsewhere (``redirect_s`` of the data). The addresses stay, so nobody has to forget anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Site
from planner.routing_facts import EXPLICIT, PolicyFacts, RoutingFacts
from planner.study import Routing, Study
from planner.study_values import Policy

NAMES: Final[Mapping[Policy, str]] = {
    "route53-latency": "Route 53 latency records",
    "route53-geoproximity": "Route 53 geoproximity records",
    "global-accelerator": "Global Accelerator",
}


def failover_s(policy: Policy, routing: Routing, facts: RoutingFacts) -> float:
    """Seconds from the failure of a site until its clients are sent to another."""
    return routing.check_interval_s * routing.failure_threshold + switch_s(policy, routing, facts)


def switch_s(policy: Policy, routing: Routing, facts: RoutingFacts) -> float:
    """The part of the failover that comes after the site was found to be down."""
    redirect = facts.policies[policy].redirect_s
    return routing.ttl_s + routing.client_cache_s if redirect is None else redirect


def failover_words(policy: Policy, routing: Routing, facts: RoutingFacts) -> str:
    """The arithmetic of :func:`failover_s`."""
    parts = f"{routing.check_interval_s} s × {routing.failure_threshold} to find a site down"
    return f"{failover_s(policy, routing, facts):g} s = {parts} + {switch_words(policy, routing, facts)}"


def switch_words(policy: Policy, routing: Routing, facts: RoutingFacts) -> str:
    """The arithmetic of :func:`switch_s`."""
    redirect = facts.policies[policy].redirect_s
    if redirect is None:
        return resolvers_words(routing)
    return f"{redirect:g} s to send clients elsewhere (not verified)"


def resolvers_words(routing: Routing) -> str:
    """How long the old answer of a DNS query is believed."""
    return f"{routing.ttl_s:g} s TTL + {routing.client_cache_s:g} s that clients remember it"


def knows(policy: PolicyFacts, sites: Sequence[Site]) -> NDArray[np.bool_]:
    """(n,) True where a policy can send clients to the site."""
    return np.array(
        [
            site.kind in policy.kinds
            and (policy.elsewhere or site.provider == "aws" or site.kind == "outpost")
            for site in sites
        ],
        dtype=bool,
    )


def shortcomings(policy: Policy, study: Study, facts: RoutingFacts) -> tuple[str, ...]:
    """What the study asks for that a policy cannot do, wherever the sites are; empty when it can."""
    routing, rto_s = study.routing, study.resilience.rto_s
    assert routing is not None
    found = []
    if routing.static_addresses and not facts.policies[policy].static_addresses:
        found.append("has no static addresses")
    takes = failover_s(policy, routing, facts)
    if rto_s is not None and takes > rto_s:
        found.append(f"takes {takes:g} s to fail over, and rto is {rto_s:g} s")
    return tuple(found)


def policy_of(
    study: Study, facts: RoutingFacts, sites: Sequence[Site], decided: Policy | None = None
) -> Policy:
    """The policy that was ``decided`` on, or the study's; while it is "auto", one that knows most sites."""
    assert study.routing is not None
    if decided is not None:
        return decided
    if study.routing.policy != "auto":
        return study.routing.policy
    lasting = [policy for policy in EXPLICIT if facts.policies[policy].static_addresses]
    among = (lasting if study.routing.static_addresses else EXPLICIT) or EXPLICIT
    return max(among, key=lambda policy: int(knows(facts.policies[policy], sites).sum()))


def settled(study: Study, policy: Policy) -> Study:
    """The study with that policy in place of "auto"."""
    assert study.routing is not None
    return replace(study, routing=replace(study.routing, policy=policy))
