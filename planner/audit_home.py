"""Whether the stateful tier may stand where the plan puts it: the audit's reading of ``[workload.home]``.

Latencies through the home and the traffic to it are counted where all others are (:mod:`planner.ledger`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.ledger import Ledger, close_to
from planner.study import ProgramRule, ResidencyRule, TagsRule


def home_tier(case: Ledger) -> Iterator[str]:
    """A home where none is asked for, or none where one is; the wrong Region; a Region that may not hold what
    any client's rule forbids it to; a stated part of the latency that is not it."""
    tier, stated = case.study.workload.home, case.plan.home
    if tier is None or stated is None:
        if (tier is None) != (stated is None):
            asked = None if tier is None else tier.region
            yield f"home: the plan states {stated and stated.region}, the study asks for {asked}"
        return
    if tier.region not in ("auto", stated.region):
        yield f"home: the plan states {stated.region}, the study asks for {tier.region}"
    if case.home is None:
        yield f"home: {stated.region} is no Region where it may stand"
        return
    site = case.home.site
    if stated.country != site.country:
        yield f"home: the country is stated as {stated.country} and is {site.country}"
    if missing := frozenset(case.study.workload.services) - site.services:
        yield f"home: {site.id} is without {', '.join(sorted(missing))}"
    for number, rule in enumerate(case.study.rules, start=1):
        if isinstance(rule, TagsRule):
            for client in case.tagged(rule):
                own, its = client.tags.get(rule.key), site.tags.get(rule.key)
                if own is None or own != its:
                    yield f"home (rule {number}): {site.id} has {rule.key}={its}, client {client.id} {own}"
                    break
        if not isinstance(rule, ResidencyRule | ProgramRule):
            continue
        someone = next(iter(case.selected(rule.clients)), None)
        if someone is None:
            continue
        who = f"home (rule {number}): {site.id} holds the data of {case.inputs.demand.clients[someone].id}"
        if isinstance(rule, ResidencyRule):
            if site.country not in case.countries(rule.sites):
                yield f"{who} in {site.country}"
        elif outside := frozenset(rule.programs) - site.programs:
            yield f"{who} outside {', '.join(sorted(outside))}"
    legs = case.home.upper_ms if case.study.latency.bound == "upper" else case.home.estimate_ms
    mean = math.fsum(
        share * tier.home_trips * float(legs[column])
        for share, column in zip(case.share, case.column, strict=True)
        if column >= 0 and tier.home_trips
    )
    if not close_to(stated.mean_ms, mean):
        yield f"home: mean_ms is stated as {stated.mean_ms} and is {mean:.9g}"
