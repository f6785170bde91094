"""y_j = 0 unless the routing policy can send clients to sites of j's kind, and does what the study asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from planner.routing import NAMES, knows, policy_of
from planner.rules.effect import Effect, Facts
from planner.site_values import SiteKind

_KINDS: Final[Mapping[SiteKind, str]] = {
    "region": "Regions of other providers",
    "local_zone": "Local Zones",
    "wavelength_zone": "Wavelength Zones",
    "outpost": "Outposts",
}


def effects(facts: Facts) -> tuple[Effect, ...]:
    """Latency records name a Region, and an accelerator's endpoints stand in one; geoproximity knows all.

    A policy without the static addresses asked for can send nobody anywhere; one that is too slow for the
    ``rto`` breaks that rule.
    """
    study, routing = facts.study, facts.inputs.routing
    if study.routing is None or routing is None:
        return ()
    policy = policy_of(study, routing, facts.inputs.sites)
    if study.routing.static_addresses and not routing.policies[policy].static_addresses:
        words = f"{NAMES[policy]} have no static addresses"
        return (Effect("routing", words, sites=np.zeros(len(facts.inputs.sites), dtype=bool)),)
    known = knows(routing.policies[policy], facts.inputs.sites)
    if known.all():
        return ()
    left_out = {site.kind for site, is_known in zip(facts.inputs.sites, known, strict=True) if not is_known}
    where = " or ".join(words for kind, words in _KINDS.items() if kind in left_out)
    return (Effect("routing", f"{NAMES[policy]} cannot send clients to {where}", sites=known),)
