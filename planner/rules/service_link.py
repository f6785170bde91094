"""y_j = 0 for an Outpost unless rtt(j, parent(j)) ≤ 175 ms and its service link has ≥ 500 Mbps."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts


def effects(facts: Facts) -> tuple[Effect, ...]:
    """The provider's limits (limits.csv). A bandwidth nobody said is a note, and forbids nothing."""
    links = facts.inputs.links
    if not links:
        return ()
    least, most = (max(getattr(link, side) for link in links.values()) for side in ("least_mbps", "most_ms"))
    kept = [site.id not in links or links[site.id].suffices for site in facts.inputs.sites]
    words = f"an Outpost's service link has at most {most:g} ms"
    words += f" and at least {least:g} Mbps to its parent" if least else " to its parent"
    return (Effect("service_link", words, sites=np.array(kept, dtype=bool)),)
