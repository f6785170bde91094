"""min_sites ≤ Σ_j y_j ≤ max_sites."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts, Row
from planner.wording import counted


def effects(facts: Facts) -> tuple[Effect, ...]:
    """How many sites the team is willing to run."""
    limits, ones = facts.study.limits, np.ones(len(facts.inputs.sites))
    found = []
    if limits.min_sites > 1:
        row = Row(float(limits.min_sites), np.inf, site=ones)
        found.append(Effect("min_sites", f"at least {counted(limits.min_sites, 'site')}", rows=(row,)))
    if limits.max_sites is not None:
        row = Row(-np.inf, float(limits.max_sites), site=ones)
        found.append(Effect("max_sites", f"at most {counted(limits.max_sites, 'site')}", rows=(row,)))
    return tuple(found)
