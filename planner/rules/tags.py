"""x_ij = 0 for selected i unless tag_j[key] = tag_i[key]."""

from __future__ import annotations

from planner.rules.effect import Effect, Facts
from planner.rules.residency import held_at_home
from planner.rules.selection import of_tag
from planner.study import TagsRule


def effects(facts: Facts) -> tuple[Effect, ...]:
    """As attribute-based access compares principal and resource: what has no tag equals nothing."""
    found = []
    for position, rule in enumerate(facts.study.rules, start=1):
        if isinstance(rule, TagsRule):
            who = "clients with a" if rule.clients is None else "the selected clients, by their"
            words = f"{who} tag {rule.key} only from sites with the same value of it"
            home, inputs = facts.inputs.home, facts.inputs
            outside = home is not None and not of_tag(rule, inputs, (home.site,)).all()
            about_home = held_at_home(words, facts, outside)
            found.append(Effect(f"tags[{position}]", *about_home, pairs=of_tag(rule, inputs, inputs.sites)))
    return tuple(found)
