"""y_j = 0 unless the routing policy can send clients to sites of j's kind, and does what the study asks."""

from __future__ import annotations

import numpy as np

from planner.routing import NAMES, able, knows, policy_of, shortcomings
from planner.routing_facts import EXPLICIT
from planner.rules.effect import Effect, Facts


def effects(facts: Facts) -> tuple[Effect, ...]:
    """Latency records name a Region, and an accelerator's endpoints stand in one; geoproximity knows all.

    A policy that fails over too slowly for the ``rto``, or has no static addresses where they are asked for,
    can send nobody anywhere.
    """
    study, routing = facts.study, facts.inputs.routing
    if study.routing is None or routing is None:
        return ()
    policy = policy_of(study, routing, facts.inputs.sites)
    if not able(study, routing):
        tried = EXPLICIT if study.routing.policy == "auto" else (policy,)
        words = "; ".join(f"{NAMES[p]} {', and '.join(shortcomings(p, study, routing))}" for p in tried)
        return (Effect("routing", words, sites=np.zeros(len(facts.inputs.sites), dtype=bool)),)
    known = knows(routing.policies[policy], facts.inputs.sites)
    if known.all():
        return ()
    kinds = sorted(
        {site.kind for site, is_known in zip(facts.inputs.sites, known, strict=True) if not is_known}
    )
    words = f"{NAMES[policy]} cannot send clients to every site: not to a {' or a '.join(kinds)}"
    return (Effect("routing", words.replace("_", " "), sites=known),)
