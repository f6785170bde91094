"""Which Regions may hold a client's data, by the same law as serves it: residency, programs and tags.

For whoever places data and not requests: the home of the stateful tier, the site of disaster recovery.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Site
from planner.inputs import Inputs
from planner.rules.selection import clients_of, countries_of, of_tag
from planner.study import ProgramRule, ResidencyRule, Study, TagsRule


def may_hold(study: Study, inputs: Inputs, regions: Sequence[Site]) -> NDArray[np.bool_]:
    """(m, r) True where Region r may hold what client i brings: under every residency rule that selects the
    client its country is allowed, it is inside every program of those that do, and its tags are the client's.

    ``regions`` need not be candidates. A Region that may hold the data of everybody is
    ``may_hold(...).all(axis=0)``; that of one data class, the same over the clients of that class.
    """
    held = np.ones((len(inputs.demand.clients), len(regions)), dtype=bool)
    for rule in study.rules:
        if isinstance(rule, ResidencyRule):
            countries = countries_of(rule.sites, inputs)
            fit = np.array([region.country in countries for region in regions], dtype=bool)
        elif isinstance(rule, ProgramRule):
            fit = np.array([frozenset(rule.programs) <= region.programs for region in regions], dtype=bool)
        elif isinstance(rule, TagsRule):
            held &= of_tag(rule, inputs, regions)
            continue
        else:
            continue
        held &= ~clients_of(rule.clients, inputs)[:, None] | fit[None, :]
    return held
