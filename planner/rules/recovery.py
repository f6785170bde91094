"""RTO of the recovery ≤ rto, and RPO of the recovery ≤ rpo: no site is open where it is not so."""

from __future__ import annotations

import math

import numpy as np

from planner.rules.effect import Effect, Facts


def effects(facts: Facts) -> tuple[Effect, ...]:
    """When the home Region is lost, its data are back in time, and no more than the last few are missing."""
    asked, recovery = facts.study.resilience, facts.inputs.recovery
    found = []
    for name, limit, reached, words in (
        ("rto", asked.rto_s, math.inf if recovery is None else recovery.rto_s, "back within"),
        (
            "rpo",
            asked.rpo_s,
            math.inf if recovery is None else recovery.rpo_s,
            "losing no more than the last",
        ),
    ):
        if limit is not None:
            nowhere = np.zeros(len(facts.inputs.sites), dtype=bool)
            sites = None if reached <= limit else nowhere
            found.append(Effect(name, f"the home's data are {words} {limit:g} s", sites=sites))
    return tuple(found)
