"""Σ_i load_i x_ij ≤ capacity_rps_j y_j, for Outposts."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts, Row


def effects(facts: Facts) -> tuple[Effect, ...]:
    """A rack carries what it carries; a Region grows."""
    n = len(facts.inputs.sites)
    found = []
    for j, site in enumerate(facts.inputs.sites):
        if site.outpost is not None:
            column = np.zeros(n)
            column[j] = 1.0
            capacity = site.outpost.capacity_rps
            row = Row(-np.inf, 0.0, site=-capacity * column, pair=facts.sizing.peak_rps * column)
            found.append(Effect(f"capacity[{site.id}]", f"{site.id} carries {capacity:g} rps", rows=(row,)))
    return tuple(found)
