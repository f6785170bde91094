"""x_ij = 0 for selected i unless country(j) and country(parent(j)) are both among the rule's countries."""

from __future__ import annotations

import numpy as np

from planner.inputs import Inputs
from planner.rules.effect import Effect, Facts
from planner.rules.selection import clients_of, countries_of
from planner.study import ResidencyRule, Selector


def effects(facts: Facts) -> tuple[Effect, ...]:
    """A zone's snapshots, metrics and control plane live in its parent Region, so that country counts too."""
    found = []
    for position, rule in enumerate(facts.study.rules, start=1):
        if isinstance(rule, ResidencyRule):
            allowed = countries_of(rule.sites, facts.inputs)
            resident = resident_sites(allowed, facts.inputs)
            pairs = ~clients_of(rule.clients, facts.inputs)[:, None] | resident[None, :]
            words = (
                f"clients in {_words(rule.clients)} only from sites in {_words(rule.sites)}, parents included"
            )
            found.append(Effect(f"residency[{position}]", words, pairs=pairs))
    return tuple(found)


def resident_sites(allowed: frozenset[str], inputs: Inputs) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) True where the site and its parent both stand in an allowed country."""
    return np.array(
        [
            site.country in allowed and inputs.parent_country.get(site.id, site.country) in allowed
            for site in inputs.sites
        ],
        dtype=bool,
    )


def _words(selector: Selector) -> str:
    return ", ".join(
        (*selector.jurisdictions, *selector.countries, *(f"class {c}" for c in selector.classes))
    )
