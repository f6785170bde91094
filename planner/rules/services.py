"""y_j = 0 unless every service the workload needs is offered at j."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts


def effects(facts: Facts) -> tuple[Effect, ...]:
    """A Local Zone has no Lambda, an Outpost no DynamoDB: such sites are not candidates."""
    needed = frozenset(facts.study.workload.services)
    offered = np.array([needed <= site.services for site in facts.inputs.sites], dtype=bool)
    home = facts.inputs.home
    if home is not None and not needed <= home.site.services:
        offered[:] = False
    what = "a site" if home is None else "a site, and the home Region,"
    return (Effect("services", f"{what} offers {', '.join(sorted(needed))}", sites=offered),)
