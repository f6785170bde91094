"""Whether the plan recovers in time, lawfully and at the least cost: the audit's ``rto`` and ``rpo``."""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.ledger import Ledger, close_to
from planner.ledger_recovery import machines, monthly, promised, standing_by
from planner.site_values import Site
from planner.strategies import load_strategies
from planner.study import ProgramRule, ResidencyRule, TagsRule


def recovery(case: Ledger) -> Iterator[str]:
    """A recovery where none is asked for, or none; a standby that may not hold the data, or falls with the
    home; too slow, too much lost; figures that are not so; a cheaper way that would do."""
    asked, stated, home = case.study.resilience, case.plan.recovery, case.home
    limits = (
        math.inf if asked.rto_s is None else asked.rto_s,
        math.inf if asked.rpo_s is None else asked.rpo_s,
    )
    wanted = asked.rto_s is not None or asked.rpo_s is not None
    if stated is None or home is None or not wanted:
        if wanted != (stated is not None):
            yield f"recovery: the plan has {'one' if stated else 'none'}, the study asks for {limits}"
        return
    sites = {site.id: site for site in case.inputs.sites}
    strategy = next((each for each in load_strategies() if each.name == stated.strategy), None)
    if strategy is None or stated.standby not in sites:
        yield f"recovery: {stated.strategy} in {stated.standby} is no way to recover"
        return
    for wrong in _unfit(case, sites[stated.standby]):
        yield f"recovery: the standby {stated.standby} {wrong}"
    redirect_s = _redirect_s(case)
    reached = promised(case.study, strategy, redirect_s)
    parts = tuple(monthly(case.study, case.inputs, home, strategy, stated.standby))
    for name, said, actual in (
        ("rto_s", stated.rto_s, reached[0]),
        ("rpo_s", stated.rpo_s, reached[1]),
        ("instances", stated.instances, machines(case.study, strategy)),
        *zip(
            ("compute_usd", "storage_usd", "replication_usd"),
            (stated.compute_usd, stated.storage_usd, stated.replication_usd),
            parts,
            strict=False,
        ),
    ):
        if not close_to(said, actual):
            yield f"recovery: {name} is stated as {said} and is {actual:.9g}"
    for name, actual, limit in zip(("rto", "rpo"), reached, limits, strict=True):
        if actual > limit:
            yield f"{name}: {stated.strategy} takes {actual:g} s, above {limit:g} s"
    bill = standing_by(case.study, case.inputs, home, stated)
    for other in load_strategies():
        reaches = promised(case.study, other, redirect_s)
        if any(got > limit for got, limit in zip(reaches, limits, strict=True)):
            continue
        for site in case.inputs.sites:
            cost = tuple(monthly(case.study, case.inputs, home, other, site.id))
            if cost and math.fsum(cost) < bill * (1 - 1e-6) - 1e-9 and not any(_unfit(case, site)):
                yield f"recovery: {other.name} in {site.id} would do for {math.fsum(cost):.9g} USD"
                return


def _unfit(case: Ledger, site: Site) -> Iterator[str]:
    """Why a Region may not stand by."""
    home = case.home
    if home is None or site.id == home.site.id:
        yield "falls with the home"
        return
    one_metro = site.metro != "" and (site.country, site.metro) == (home.site.country, home.site.metro)
    if one_metro and case.study.resilience.survive in ("metro", "region"):
        yield "stands in the home's metro"
    if site.kind != "region" or (site.provider, site.partition) != (home.site.provider, home.site.partition):
        yield "is no Region of the home's network"
    if not frozenset(case.study.workload.services) <= site.services:
        yield "lacks a service"
    for number, rule in enumerate(case.study.rules, start=1):
        if isinstance(rule, TagsRule):
            tags = {client.tags.get(rule.key) for client in case.tagged(rule)}
            if tags and (None in tags or tags != {site.tags.get(rule.key)}):
                yield f"may not hold the data (rule {number})"
        if isinstance(rule, ResidencyRule | ProgramRule) and any(True for _ in case.selected(rule.clients)):
            if isinstance(rule, ResidencyRule):
                kept = site.country in case.countries(rule.sites)
            else:
                kept = frozenset(rule.programs) <= site.programs
            if not kept:
                yield f"may not hold the data (rule {number})"


def _redirect_s(case: Ledger) -> float | None:
    """What the plan's way of routing takes to send clients elsewhere; None where they wait for DNS."""
    if case.plan.routing is None or case.inputs.routing is None:
        return None
    policies = case.inputs.routing.policies
    return next(
        (facts.redirect_s for name, facts in policies.items() if name == case.plan.routing.policy), None
    )
