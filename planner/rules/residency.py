"""x_ij = 0 for selected i unless country(j) and country(parent(j)) are both among the rule's countries."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
            chosen = clients_of(rule.clients, facts.inputs)
            pairs = ~chosen[:, None] | resident[None, :]
            words = (
                f"clients in {_words(rule.clients)} only from sites in {_words(rule.sites)}, parents included"
            )
            home = facts.inputs.home
            outside = home is not None and home.site.country not in allowed and bool(chosen.any())
            found.append(Effect(f"residency[{position}]", *held_at_home(words, facts, outside), pairs=pairs))
    return tuple(found)


def held_at_home(words: str, facts: Facts, outside: bool) -> tuple[str, NDArray[np.bool_] | None]:
    """A rule's words and its mask of sites, which forbids them all where the home may not hold the data.

    The home holds everybody's: a rule on some clients' data is a rule on where it stands.
    """
    if facts.inputs.home is None:
        return words, None
    region = facts.inputs.home.site
    nowhere = np.zeros(len(facts.inputs.sites), dtype=bool) if outside else None
    return f"{words}; so too the home Region ({region.id}, {region.country})", nowhere


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
