"""Rules on tags, groups, capacity and utilisation, laid over an instance that has none of them.

They come from a generator of their own, so that an instance without them is the same as ever.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.service_links import ServiceLink
from planner.study import CapacityRule, GroupRule, Selector, TagsRule
from planner.study_values import GROUPS_BY

FURTHER = ("tags", "group", "site_capacity", "min_utilisation", "max_utilisation", "service_link")
PROJECTS = ("apollo", "gemini")


def further(seed, rule, study, inputs):
    """The study and its inputs with ``rule``, and each of the others in one of twenty."""
    random = np.random.default_rng([seed, *(rule or "any").encode()])
    present = {name for name in FURTHER if random.random() < 0.05} | {rule} & set(FURTHER)
    rules = list(study.rules)
    if "tags" in present:
        inputs = _tagged(random, inputs)
        rules.append(TagsRule("project", None if random.random() < 0.7 else _clients(random)))
    if "group" in present:
        rules += [_group(random, inputs) for _ in range(random.integers(1, 3))]
    if {"site_capacity", "min_utilisation", "max_utilisation"} & present:
        rules += [_capacity(random, inputs) for _ in range(random.integers(1, 3))]
    if "service_link" in present:
        inputs = _linked(random, inputs)
    limits = replace(
        study.limits,
        min_utilisation=float(random.choice([0.3, 0.5, 0.9])) if "min_utilisation" in present else 0.0,
        max_utilisation=float(random.choice([0.9, 0.95])) if "max_utilisation" in present else 1.0,
    )
    return replace(study, rules=tuple(rules), limits=limits), inputs


def _several(random, values, at_least=1):
    chosen = random.choice(len(values), random.integers(at_least, len(values) + 1), replace=False)
    return tuple(values[i] for i in sorted(chosen))


def _tagged(random, inputs):
    def tags(chance):
        return {"project": str(random.choice(PROJECTS))} if random.random() < chance else {}

    sites = tuple(replace(site, tags=tags(0.8)) for site in inputs.sites)
    clients = tuple(replace(client, tags=tags(0.5)) for client in inputs.demand.clients)
    return replace(inputs, sites=sites, demand=replace(inputs.demand, clients=clients))


def _linked(random, inputs):
    """A line for every rack, good or bad."""
    links = {
        site.id: ServiceLink(
            float(random.choice([5, 175, 176])), "stated", random.choice([None, 499.0, 500.0]), 175.0, 500.0
        )
        for site in inputs.sites
        if site.kind == "outpost"
    }
    return replace(inputs, links=links)


def _clients(random) -> Selector:
    return Selector(("EEA",) if random.random() < 0.3 else (), _several(random, ("CH", "US"), 0), ("card",))


def _group(random, inputs) -> GroupRule:
    by, least = str(random.choice(GROUPS_BY)), random.random() < 0.5
    return GroupRule(
        by,
        kinds=_several(random, ("region", "local_zone", "outpost")) if random.random() < 0.3 else (),
        jurisdictions=_several(random, tuple(inputs.jurisdictions)) if by == "jurisdiction" else (),
        at_most=None if least and random.random() < 0.7 else int(random.integers(0, 3)),
        at_least=int(random.integers(1, 4)) if least else None,
    )


def _capacity(random, inputs) -> CapacityRule:
    """Over some of the sites by id, a rack in every size among them, or all of one kind by pattern."""
    ids, patterns = (
        tuple(dict.fromkeys(name for site in inputs.sites for name in site.ids)),
        ("region-*", "local*", "*"),
    )
    sites = _several(random, ids) if random.random() < 0.5 else (str(random.choice(patterns)),)
    low, high = float(random.choice([0, 100, 250, 333])), float(random.choice([333, 450, 600, 900]))
    sort = random.integers(3)
    return CapacityRule(sites, low if sort != 1 else None, high if sort != 0 else None)
