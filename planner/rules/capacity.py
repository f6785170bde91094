"""min_rps_j y_j ≤ Σ_i load_i x_ij ≤ max_rps_j y_j, for Outposts and for the sites of a capacity rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs
from planner.rules.effect import Effect, Facts, Row
from planner.rules.selection import sites_of
from planner.study import CapacityRule, Study


def effects(facts: Facts) -> tuple[Effect, ...]:
    """A rack carries what it carries; a Region grows, unless a rule says how far."""
    found = []
    for column, site in enumerate(facts.inputs.sites):
        if site.outpost is not None:
            capacity = site.outpost.capacity_rps
            row = load_row(facts, column, most=capacity)
            found.append(
                Effect(f"capacity[{site.id}]", f"{site.id} carries {capacity:,.10g} rps", rows=(row,))
            )
    for position, rule in enumerate(facts.study.rules, start=1):
        if isinstance(rule, CapacityRule):
            rows = []
            for j in np.nonzero(sites_of(rule.sites, facts.inputs))[0]:
                if rule.max_rps is not None:
                    rows.append(load_row(facts, int(j), most=rule.max_rps))
                if rule.min_rps:
                    rows.append(load_row(facts, int(j), least=rule.min_rps))
            found.append(Effect(f"capacity[{position}]", _words(rule, rule.sites), rows=tuple(rows)))
    return tuple(found)


def load_row(facts: Facts, j: int, *, least: float | None = None, most: float | None = None) -> Row:
    """The load of site ``j``, in requests per second, is at least or at most so much while it is open."""
    column = np.zeros(len(facts.inputs.sites))
    column[j] = 1.0
    low, high, bound = (0.0, np.inf, least) if most is None else (-np.inf, 0.0, most)
    return Row(low, high, site=-(bound or 0.0) * column, pair=facts.sizing.peak_rps * column)


def capacities(study: Study, inputs: Inputs) -> NDArray[np.float64]:
    """(n,) requests per second that each site carries at most: the least that its rack or a rule says."""
    racks = [np.inf if site.outpost is None else site.outpost.capacity_rps for site in inputs.sites]
    most = np.array(racks, dtype=np.float64)
    for rule in study.rules:
        if isinstance(rule, CapacityRule) and rule.max_rps is not None:
            chosen = sites_of(rule.sites, inputs)
            most[chosen] = np.minimum(most[chosen], rule.max_rps)
    return most


def _words(rule: CapacityRule, sites: Sequence[str]) -> str:
    limits = []
    if rule.min_rps is not None:
        limits.append(f"at least {rule.min_rps:,.10g}")
    if rule.max_rps is not None:
        limits.append(f"at most {rule.max_rps:,.10g}")
    return f"an open site of {', '.join(sites)} carries {' and '.join(limits)} rps"
