"""Whether the plan recovers in time, lawfully and at the least cost: the audit's ``rto`` and ``rpo``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from planner.ledger import Ledger, close_to
from planner.ledger_recovery import falls_with, machines, monthly, promised
from planner.recovery import Recovery
from planner.site_values import Site
from planner.strategies import load_strategies
from planner.study import ProgramRule, ResidencyRule, TagsRule


def recovery(case: Ledger) -> Iterator[str]:
    """A recovery where none is asked for, or none; a standby that may not hold the data, or is lost with what
    it stands by for; too slow, too much lost; figures that are not so; a cheaper way that would do."""
    asked, stated, home = case.study.resilience, case.plan.recovery, case.home
    limits = (
        math.inf if asked.rto_s is None else asked.rto_s,
        math.inf if asked.rpo_s is None else asked.rpo_s,
    )
    wanted = asked.rto_s is not None or asked.rpo_s is not None
    if stated is None or not wanted:
        if wanted != (stated is not None):
            yield f"recovery: the plan has {'one' if stated else 'none'}, the study asks for {limits}"
        return
    if home is None and case.study.workload.home is not None:
        return  # said elsewhere
    sites: dict[str | None, Site] = {site.id: site for site in case.inputs.sites}
    strategy = next((each for each in load_strategies() if each.name == stated.strategy), None)
    known = stated.standby in sites or (stated.standby is None and _by_backups(case, stated.strategy))
    if strategy is None or not known:
        yield f"recovery: {stated.strategy} in {stated.where} is no way to recover"
        return
    if stated.standby is not None:
        for wrong in _unfit(case, sites[stated.standby]):
            yield f"recovery: the standby {stated.standby} {wrong}"
    yield from _row(case, stated, sites)
    redirect_s = _redirect_s(case)
    reached = promised(case.study, strategy, redirect_s)
    serving = case.open_ids
    parts = tuple(monthly(case.study, case.inputs, home, strategy, stated.standby, case.shares, serving))
    for name, said, actual in (
        ("rto_s", stated.rto_s, reached[0]),
        ("rpo_s", stated.rpo_s, reached[1]),
        ("instances", stated.instances, machines(case.study, strategy, stated.standby, serving)),
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
    yield from _cheaper(case, limits, redirect_s, math.fsum(parts))


def _row(case: Ledger, stated: Recovery, sites: Mapping[str | None, Site]) -> Iterator[str]:
    """The row of the standby, which bears the whole of the item."""
    row = case.plan.standby
    if row is None or stated.standby is None:
        if (row is None) != (stated.standby is None):
            yield f"recovery: the standby {stated.where} has {'no' if row is None else 'a'} row in the plan"
        return
    site, usd = sites[stated.standby], case.standby_usd
    for name, said, actual in (
        ("site_id", row.site_id, site.id),
        ("provider", row.provider, site.provider),
        ("kind", row.kind, site.kind),
        ("country", row.country, site.country),
        ("role", row.role, "standby"),
        ("instances", row.instances, stated.instances),
        ("clients", row.clients, 0),
        ("demand_share", row.demand_share, 0.0),
    ):
        if said != actual:
            yield f"recovery: {name} of the standby's row is stated as {said} and is {actual}"
    for name, said, actual in (
        ("cost_usd_month", row.cost_usd_month, usd),
        ("recovery", row.cost_items.get("recovery", 0.0), usd),
        ("all items", math.fsum(row.cost_items.values()), usd),
    ):
        if not close_to(said, actual):
            yield f"recovery: {name} of the standby's row is stated as {said} USD and is {actual:.9g} USD"


def _by_backups(case: Ledger, strategy: str) -> bool:
    """Whether every client's backup outlives the loss of a Region, so that all of them are active."""
    asked = case.study.resilience
    outlive = asked.survive != "none" and (asked.survive == "region" or asked.zones_fail_with_parent)
    return case.study.workload.home is None and strategy == "active-active" and outlive


def _cheaper(
    case: Ledger, limits: tuple[float, float], redirect_s: float | None, bill: float
) -> Iterator[str]:
    """Another strategy or standby that is quick enough, fit with these sites open, and costs less."""
    for other in load_strategies():
        reaches = promised(case.study, other, redirect_s)
        if any(got > limit for got, limit in zip(reaches, limits, strict=True)):
            continue
        backups = _by_backups(case, other.name)
        for site in (None, *case.inputs.sites) if backups else case.inputs.sites:
            where = None if site is None else site.id
            cost = tuple(
                monthly(case.study, case.inputs, case.home, other, where, case.shares, case.open_ids)
            )
            fit = site is None or not any(_unfit(case, site))
            if cost and math.fsum(cost) < bill * (1 - 1e-6) - 1e-9 and fit:
                yield f"recovery: {other.name} in {where or 'backups'} would do for {math.fsum(cost):.9g} USD"
                return


def _unfit(case: Ledger, site: Site) -> Iterator[str]:
    """Why a Region may not stand by."""
    home = case.home
    if case.study.workload.home is None:
        lost = [
            j for j in case.open_ids if falls_with(case.study, site, case.inputs.sites[case.site_column[j]])
        ]
        regions = {each.id: each for each in case.inputs.sites if each.kind == "region"}
        for j in case.open_ids:  # a zone goes with its parent, wherever that one falls
            zone = case.inputs.sites[case.site_column[j]]
            if zone.kind not in ("region", "outpost") and zone.parent in regions:
                lost += [j] if falls_with(case.study, site, regions[zone.parent]) else []
        if lost:
            yield f"falls with {min(lost)}"
        if site.kind != "region":
            yield "is no Region"
    elif home is None or site.id == home.site.id:
        yield "falls with the home"
        return
    else:
        one_metro = site.metro != "" and (site.country, site.metro) == (home.site.country, home.site.metro)
        if one_metro and case.study.resilience.survive in ("metro", "region"):
            yield "stands in the home's metro"
        network = site.provider, site.partition
        if site.kind != "region" or network != (home.site.provider, home.site.partition):
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
