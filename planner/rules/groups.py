"""Σ_{j ∈ g} y_j ≤ at_most for every group g, and Σ_g max_{j ∈ g} y_j ≥ at_least."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Site
from planner.inputs import Inputs
from planner.rules.effect import Cover, Effect, Facts, Row
from planner.site_groups import group_key
from planner.study import GroupRule
from planner.wording import counted, with_article

PLURALS: Final = {"country": "countries"}


def effects(facts: Facts) -> tuple[Effect, ...]:
    """Open sites by metro, country, parent Region, provider or jurisdiction: so many in each, in so many."""
    found = []
    for position, rule in enumerate(facts.study.rules, start=1):
        if not isinstance(rule, GroupRule):
            continue
        groups = groups_of(rule, facts.inputs)
        rows: list[Row] = []
        if rule.at_most is not None:
            crowded = groups[groups.sum(axis=1) > rule.at_most]
            rows = [Row(-np.inf, float(rule.at_most), site=group.astype(np.float64)) for group in crowded]
        covers = () if rule.at_least is None else (Cover(rule.at_least, groups),)
        found.append(Effect(f"group[{position}]", _words(rule), rows=tuple(rows), covers=covers))
    return tuple(found)


def groups_of(rule: GroupRule, inputs: Inputs) -> NDArray[np.bool_]:
    """(g, n) True where the site is in the group. By jurisdiction, groups may share sites, or have none."""
    counted = [site for site in inputs.sites if not rule.kinds or site.kind in rule.kinds]
    column = {site.id: j for j, site in enumerate(inputs.sites)}
    if rule.by == "jurisdiction":
        named = [inputs.jurisdictions[name] for name in rule.jurisdictions]
        members = [[site for site in counted if site.country in countries] for countries in named]
    else:
        by_key: dict[tuple[str, ...], list[Site]] = {}
        for site in counted:
            by_key.setdefault(group_key(rule, site), []).append(site)
        members = list(by_key.values())
    groups = np.zeros((len(members), len(column)), dtype=bool)
    for group, sites in zip(groups, members, strict=True):
        group[[column[site.id] for site in sites]] = True
    return groups


def _words(rule: GroupRule) -> str:
    kinds = " or ".join(rule.kinds) or "site"
    parts = []
    if rule.at_most is not None:
        parts.append(f"at most {rule.at_most} open {kinds} in {with_article(rule.by)}{_named(rule)}")
    if rule.at_least is not None:
        parts.append(f"{at_least_words(rule)}{_named(rule)} with {with_article(f'open {kinds}')}")
    return ", ".join(parts)


def at_least_words(rule: GroupRule) -> str:
    """``at least 2 countries``."""
    assert rule.at_least is not None
    return f"at least {counted(rule.at_least, rule.by, PLURALS.get(rule.by, ''))}"


def _named(rule: GroupRule) -> str:
    return f" ({', '.join(rule.jurisdictions)})" if rule.jurisdictions else ""
