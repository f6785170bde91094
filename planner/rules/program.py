"""x_ij = 0 for selected i unless every program of the rule is among those of j."""

from __future__ import annotations

import numpy as np

from planner.rules.effect import Effect, Facts
from planner.rules.residency import held_at_home
from planner.rules.selection import clients_of
from planner.study import ProgramRule


def effects(facts: Facts) -> tuple[Effect, ...]:
    """Certification scope by site: an input to a decision, not legal advice."""
    found = []
    for position, rule in enumerate(facts.study.rules, start=1):
        if isinstance(rule, ProgramRule):
            needed = frozenset(rule.programs)
            certified = np.array([needed <= site.programs for site in facts.inputs.sites], dtype=bool)
            chosen = clients_of(rule.clients, facts.inputs)
            pairs = ~chosen[:, None] | certified[None, :]
            words = f"selected clients only from sites within {', '.join(rule.programs)}"
            home = facts.inputs.home
            outside = home is not None and not needed <= home.site.programs and bool(chosen.any())
            found.append(Effect(f"program[{position}]", *held_at_home(words, facts, outside), pairs=pairs))
    return tuple(found)
