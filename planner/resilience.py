"""How the data come back when the home Region is lost, or any: strategy, standby, time and data lost, cost.

    RTO = check_interval_s × failure_threshold + switch + provisioning + data_gb × 8 / Gbit/s
    RPO = interval between backups, or lag of replication
    USD = ⌈fraction × fleet⌉ × hourly price × 730 + data_gb × storage + change_gb_per_day × 365/12 × transfer

Without a home tier the last part is that of :mod:`planner.standby_regions`. The switch is ``ttl_s`` +
``client_cache_s`` with Route 53, and where routing is not planned; with an accelerator, what it takes to send
clients elsewhere. The fleet is what the whole demand needs. A plan that survives a failure has the room for
active/active already, and pays no more compute for it while it does and the home's data stand by where a site
is open. The restored part counts only where data come from a backup.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from planner.catalog import Site
from planner.inputs import Inputs
from planner.recovery import Recovery
from planner.routing import policy_of, resolvers_words, switch_s, switch_words
from planner.rules.holding import may_hold
from planner.sizing import HOURS_PER_MONTH, instances_for, size
from planner.standby_regions import DAYS_PER_MONTH, apart_from, backups_hold
from planner.strategies import Strategy, load_strategies
from planner.study import ProgramRule, ResidencyRule, Study, TagsRule
from planner.study_values import Routing
from probes.duration import in_words

BITS_PER_BYTE: Final = 8
ACTIVE: Final = "active-active"
SURVIVAL: Final = frozenset({"survive"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to recover, the rules that forbid its standby and those it needs; None is no way at all."""

    recovery: Recovery | None
    forbidden_by: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()


def choices(study: Study, inputs: Inputs) -> Iterator[Choice]:
    """Every way that could be the cheapest one, with the tier at ``inputs.home`` if there is one, and none
    at all.

    With a home, of each strategy the standbys from the cheapest on, but for those under all the rules that
    forbid a cheaper one: never wanted, whichever rules are dropped. Without one, every standby may be: it is
    closed to sites.
    """
    yield Choice(None)
    apart = [
        j
        for j, site in enumerate(inputs.sites)
        if site.kind == "region"
        and (inputs.home is None or apart_from(study.resilience, inputs.home.site, site))
    ]
    standbys = list(zip(apart, forbidding(study, inputs, [inputs.sites[j] for j in apart]), strict=True))
    for strategy in load_strategies():
        if inputs.home is None and strategy.name == ACTIVE and backups_hold(study.resilience):
            yield Choice(recover(study, inputs, strategy, None), needs=SURVIVAL)
        yield from _each(study, inputs, strategy, standbys)
        if inputs.home is not None and strategy.name == ACTIVE and study.resilience.survive != "none":
            yield from _serving(study, inputs, replace(strategy, compute_fraction=0.0), standbys)


def _serving(
    study: Study, inputs: Inputs, strategy: Strategy, standbys: Sequence[tuple[int, frozenset[str]]]
) -> Iterator[Choice]:
    """Active/active on the fleet's own backups: a standby must be open, and any costs the same. One choice
    for each set of rules that forbid some of them."""
    alike: dict[frozenset[str], list[Recovery]] = {}
    for j, forbidden in standbys:
        recovery = recover(study, inputs, strategy, j)
        if recovery is not None:
            alike.setdefault(forbidden, []).append(recovery)
    for forbidden, ways in alike.items():
        among = tuple(way.where for way in ways)
        yield Choice(replace(ways[0], among=among), forbidden, SURVIVAL)


def _each(
    study: Study,
    inputs: Inputs,
    strategy: Strategy,
    standbys: Sequence[tuple[int, frozenset[str]]],
) -> Iterator[Choice]:
    """One strategy with each standby, cheapest first; with a home, those that dropping rules may call for."""
    priced = [
        (recovery, forbidden)
        for j, forbidden in standbys
        if (recovery := recover(study, inputs, strategy, j)) is not None
    ]
    cheaper = list[frozenset[str]]()
    for recovery, forbidden in sorted(priced, key=lambda pair: (pair[0].usd, pair[0].where)):
        if inputs.home is not None and any(rules <= forbidden for rules in cheaper):
            continue
        cheaper.append(forbidden)
        yield Choice(recovery, forbidden)


def forbidding(study: Study, inputs: Inputs, regions: Sequence[Site]) -> list[frozenset[str]]:
    """For each of ``regions`` the names of the rules under which it may not hold the data of everybody."""
    services = frozenset(study.workload.services)
    found = [set[str]() if services <= region.services else {"services"} for region in regions]
    for position, rule in enumerate(study.rules, start=1):
        kind = {ResidencyRule: "residency", ProgramRule: "program", TagsRule: "tags"}.get(type(rule))
        if kind is None:
            continue
        alone = Study(study.name, study.demand, study.candidates, rules=(rule,))
        held = np.asarray(may_hold(alone, inputs, regions).all(axis=0))
        for names, holds in zip(found, held.tolist(), strict=True):
            if not holds:
                names.add(f"{kind}[{position}]")
    return [frozenset(names) for names in found]


def recover(study: Study, inputs: Inputs, strategy: Strategy, standby: int | None) -> Recovery | None:
    """One strategy with one standby, or with everybody's backup; its arithmetic done. None where the standby
    has no price."""
    asked, routing, home = study.resilience, study.routing or Routing(), inputs.home
    site = None if standby is None else inputs.sites[standby]
    hour = None if standby is None else inputs.prices[standby].instance_hour
    if site is not None and hour is None:
        return None
    sizing = size(study, inputs)
    fraction = 0.0 if site is None else strategy.compute_fraction
    instances = math.ceil(fraction * instances_for(sizing.peak_rps, sizing) - 1e-9)
    restore = 0.0 if strategy.restore_gbps is None else asked.data_gb * BITS_PER_BYTE / strategy.restore_gbps
    leaving = 0.0 if home is None else home.leaving_usd_gb
    return Recovery(
        strategy=strategy.name,
        standby=None if site is None else site.id,
        country=None if site is None else site.country,
        detection=f"{routing.check_interval_s} s × {routing.failure_threshold} to find it down",
        failover=_switch(study, inputs)[1],
        detection_s=float(routing.check_interval_s * routing.failure_threshold),
        failover_s=_switch(study, inputs)[0],
        provision_s=strategy.provision_s,
        restore_s=restore,
        rpo_s=strategy.rpo_s,
        instances=instances,
        compute_usd=0.0 if hour is None else instances * hour.usd * HOURS_PER_MONTH,
        storage_usd=asked.data_gb * strategy.storage_usd_gb_month,
        replication_usd=asked.change_gb_per_day * DAYS_PER_MONTH * leaving,
        asked=", ".join(
            f"{name} {in_words(span_s)}"
            for name, span_s in (("rto", asked.rto_s), ("rpo", asked.rpo_s))
            if span_s is not None
        ),
    )


def _switch(study: Study, inputs: Inputs) -> tuple[float, str]:
    """Seconds from there until clients are sent to the standby, and their arithmetic."""
    routing = study.routing or Routing()
    if study.routing is None or inputs.routing is None:
        return routing.ttl_s + routing.client_cache_s, resolvers_words(routing)
    policy = policy_of(study, inputs.routing, inputs.sites, inputs.policy)
    seconds = switch_s(policy, routing, inputs.routing)
    return seconds, switch_words(policy, routing, inputs.routing)
