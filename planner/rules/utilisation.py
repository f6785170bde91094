"""min_utilisation · capacity_j y_j ≤ Σ_i load_i x_ij ≤ max_utilisation · capacity_j y_j."""

from __future__ import annotations

import numpy as np

from planner.rules.capacity import capacities, load_row
from planner.rules.effect import Effect, Facts
from planner.wording import percent


def effects(facts: Facts) -> tuple[Effect, ...]:
    """How full an open site may, and must, be: of its rack's capacity or of what a capacity rule gives it."""
    limits, capacity = facts.study.limits, capacities(facts.study, facts.inputs)
    limited, found = [int(j) for j in np.nonzero(np.isfinite(capacity))[0]], []
    if limits.min_utilisation > 0:
        least = limits.min_utilisation * capacity
        words = f"an open site uses at least {percent(limits.min_utilisation)} of its capacity"
        rows = tuple(load_row(facts, j, least=float(least[j])) for j in limited)
        found.append(Effect("min_utilisation", words, rows=rows))
    if limits.max_utilisation < 1:
        most = limits.max_utilisation * capacity
        words = f"an open site uses at most {percent(limits.max_utilisation)} of its capacity"
        rows = tuple(load_row(facts, j, most=float(most[j])) for j in limited)
        found.append(Effect("max_utilisation", words, rows=rows))
    return tuple(found)
