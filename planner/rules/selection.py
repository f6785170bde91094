"""Which clients and which sites a rule speaks of, and which countries it names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Site
from planner.inputs import Inputs
from planner.study import Selector, TagsRule


def countries_of(selector: Selector, inputs: Inputs) -> frozenset[str]:
    """The countries named directly or through jurisdictions."""
    named = [inputs.jurisdictions[name] for name in selector.jurisdictions]
    return frozenset(selector.countries).union(*named)


def clients_of(selector: Selector, inputs: Inputs) -> NDArray[np.bool_]:
    """(m,) True for clients whose country or one of whose data classes is selected."""
    countries, classes = countries_of(selector, inputs), frozenset(selector.classes)
    return np.array(
        [client.country in countries or bool(client.classes & classes) for client in inputs.demand.clients],
        dtype=bool,
    )


def of_tag(rule: TagsRule, inputs: Inputs, sites: Sequence[Site]) -> NDArray[np.bool_]:
    """(m, len(sites)) True where the tags agree, and for clients the rule does not speak of."""
    own = [client.tags.get(rule.key) for client in inputs.demand.clients]
    its = [site.tags.get(rule.key) for site in sites]
    if rule.clients is None:
        selected = np.array([value is not None for value in own], dtype=bool)
    else:
        selected = clients_of(rule.clients, inputs)
    numbers = {value: number for number, value in enumerate(dict.fromkeys((*own, *its)))}
    client = np.array([numbers[value] for value in own])
    site = np.array([-1 if value is None else numbers[value] for value in its])
    return np.asarray(~selected[:, None] | (client[:, None] == site[None, :]))


def sites_of(patterns: Sequence[str], inputs: Inputs) -> NDArray[np.bool_]:
    """(n,) True for sites that one of ``patterns``, ids or globs, means."""
    return np.array([site.matches(*patterns) for site in inputs.sites], dtype=bool)
