"""Σ_{j ∈ current} (1 − y_j) + Σ_{j ∉ current} y_j ≤ max_changes."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts, Row
from planner.wording import counted


def effects(facts: Facts) -> tuple[Effect, ...]:
    """How far the estate may move from today's. A current site that is no candidate counts as closed."""
    allowed = facts.study.limits.max_changes
    if allowed is None:
        return ()
    current = frozenset(facts.study.current_open)
    runs = np.array([site.id in current for site in facts.inputs.sites], dtype=bool)
    row = Row(-np.inf, float(allowed - len(current)), site=np.where(runs, -1.0, 1.0))
    return (Effect("max_changes", f"at most {counted(allowed, 'site')} opened or closed", rows=(row,)),)
