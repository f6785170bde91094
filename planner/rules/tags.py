"""x_ij = 0 for selected i unless tag_j[key] = tag_i[key]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs
from planner.rules.effect import Effect, Facts
from planner.rules.selection import clients_of
from planner.study import TagsRule


def effects(facts: Facts) -> tuple[Effect, ...]:
    """As attribute-based access compares principal and resource: what has no tag equals nothing."""
    found = []
    for position, rule in enumerate(facts.study.rules, start=1):
        if isinstance(rule, TagsRule):
            who = "clients that carry it" if rule.clients is None else "selected clients"
            words = f"{who} only from sites with their own value of the tag {rule.key}"
            found.append(Effect(f"tags[{position}]", words, pairs=_pairs(rule, facts.inputs)))
    return tuple(found)


def _pairs(rule: TagsRule, inputs: Inputs) -> NDArray[np.bool_]:
    """(m, n) True where the tags agree, and for clients the rule does not speak of."""
    own = [client.tags.get(rule.key) for client in inputs.demand.clients]
    its = [site.tags.get(rule.key) for site in inputs.sites]
    if rule.clients is None:
        selected = np.array([value is not None for value in own], dtype=bool)
    else:
        selected = clients_of(rule.clients, inputs)
    numbers = {value: number for number, value in enumerate(dict.fromkeys((*own, *its)))}
    client = np.array([numbers[value] for value in own])
    site = np.array([-1 if value is None else numbers[value] for value in its])
    return np.asarray(~selected[:, None] | (client[:, None] == site[None, :]))
