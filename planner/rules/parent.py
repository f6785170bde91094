"""y_j ≤ y_parent(j) for Local Zones and Wavelength Zones; with no such candidate, y_j = 0."""

from __future__ import annotations

import numpy as np

from planner.catalog import ZONE_KINDS
from planner.rules.effect import Effect, Facts, Row


def effects(facts: Facts) -> tuple[Effect, ...]:
    """A zone is an extension of its parent Region, which runs its control plane and keeps its snapshots."""
    sites = facts.inputs.sites
    column = {site.id: j for j, site in enumerate(sites)}
    allowed, rows = np.ones(len(sites), dtype=bool), []
    for j, site in enumerate(sites):
        if site.kind not in ZONE_KINDS:
            continue
        parent = column.get(site.parent or "")
        if parent is None:
            allowed[j] = False
        else:
            coefficients = np.zeros(len(sites))
            coefficients[j], coefficients[parent] = 1.0, -1.0
            rows.append(Row(-np.inf, 0.0, site=coefficients))
    if not rows and allowed.all():
        return ()
    return (Effect("parent", "a zone needs its parent Region", sites=allowed, rows=tuple(rows)),)
