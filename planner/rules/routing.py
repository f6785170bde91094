"""y_j = 0 unless the policy is the one asked for, has the addresses asked for, and knows j's kind of site."""

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

    Under another policy than the one asked for, and under one without the static addresses asked for, no site
    may be open. One that is too slow for the ``rto`` breaks that rule.
    """
    asked, routing, inputs = facts.study.routing, facts.inputs.routing, facts.inputs
    if asked is None or routing is None:
        return ()
    policy = policy_of(facts.study, routing, inputs.sites, inputs.policy)
    nowhere = np.zeros(len(inputs.sites), dtype=bool)
    found = []
    if asked.policy != "auto":
        known = knows(routing.policies[asked.policy], inputs.sites)
        words = f"clients find their site by {NAMES[asked.policy]}"
        if not known.all():
            left = {site.kind for site, is_known in zip(inputs.sites, known, strict=True) if not is_known}
            where = " or ".join(name for kind, name in _KINDS.items() if kind in left)
            words = f"{NAMES[asked.policy]} cannot send clients to {where}"
        found.append(Effect("routing", words, sites=known if policy == asked.policy else nowhere))
    if asked.static_addresses:
        lasting = None if routing.policies[policy].static_addresses else nowhere
        found.append(Effect("static_addresses", "clients are given addresses that stay", sites=lasting))
    return tuple(found)
