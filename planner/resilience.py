"""How the stateful tier comes back when its home Region is lost: strategy, standby, time and data lost, cost.

    RTO = check_interval_s × failure_threshold + switch + provisioning + data_gb × 8 / Gbit/s
    RPO = interval between backups, or lag of replication
    USD = ⌈fraction × fleet⌉ × hourly price × 730 + data_gb × storage + change_gb_per_day × 365/12 × transfer

The switch is ``ttl_s`` + ``client_cache_s`` with Route 53, and where routing is not planned; with an
accelerator, what it takes to send clients elsewhere. The fleet is what the whole demand needs. A plan that
survives a failure has the room for active/active already, and pays no more compute for it. The restored part
counts only where data come from a backup.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from planner.catalog import Site
from planner.inputs import Inputs
from planner.recovery import Recovery
from planner.routing import policy_of, switch_s
from planner.rules.holding import may_hold
from planner.sizing import HOURS_PER_MONTH, instances_for, size
from planner.strategies import Strategy, load_strategies
from planner.study import ProgramRule, ResidencyRule, Study, TagsRule
from planner.study_values import Routing

DAYS_PER_MONTH: Final = 365 / 12
BITS_PER_BYTE: Final = 8


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to recover, and the rules that forbid its standby. ``recovery`` None: not at all."""

    recovery: Recovery | None
    forbidden_by: frozenset[str] = frozenset()


def choices(study: Study, inputs: Inputs) -> Iterator[Choice]:
    """Every way that could be the cheapest one, with the tier at ``inputs.home``, and none at all.

    Of each strategy the standbys from the cheapest on, up to the first that every rule allows: a dearer one
    is never wanted, whichever rules are dropped.
    """
    yield Choice(None)
    standbys = [
        (j, site, forbidding(study, inputs, site))
        for j, site in enumerate(inputs.sites)
        if _apart(study, inputs, site)
    ]
    for strategy in load_strategies():
        priced = [
            (recovery, forbidden)
            for j, _, forbidden in standbys
            if (recovery := recover(study, inputs, strategy, j)) is not None
        ]
        for recovery, forbidden in sorted(priced, key=lambda pair: (pair[0].usd, pair[0].standby)):
            yield Choice(recovery, forbidden)
            if not forbidden:
                break


def _apart(study: Study, inputs: Inputs, site: Site) -> bool:
    """A Region outside the home's, of the same network: replication crosses no provider. Who prepares for
    the loss of a metro, or of a Region, does not stand by in the home's own metro."""
    home = inputs.home
    if home is None or site.kind != "region" or site.id == home.site.id:
        return False
    wide = study.resilience.survive in ("metro", "region")
    if wide and site.metro and (site.metro, site.country) == (home.site.metro, home.site.country):
        return False
    return (site.provider, site.partition) == (home.site.provider, home.site.partition)


def forbidding(study: Study, inputs: Inputs, region: Site) -> frozenset[str]:
    """Names of the rules under which ``region`` may not hold the data of everybody."""
    found = set[str]()
    if not frozenset(study.workload.services) <= region.services:
        found.add("services")
    for position, rule in enumerate(study.rules, start=1):
        kind = {ResidencyRule: "residency", ProgramRule: "program", TagsRule: "tags"}.get(type(rule))
        if kind is None:
            continue
        alone = Study(study.name, study.demand, study.candidates, rules=(rule,))
        if not may_hold(alone, inputs, (region,)).all():
            found.add(f"{kind}[{position}]")
    return frozenset(found)


def recover(study: Study, inputs: Inputs, strategy: Strategy, standby: int) -> Recovery | None:
    """One strategy with one standby, its arithmetic done; None where the standby has no price."""
    asked, routing, home = study.resilience, study.routing or Routing(), inputs.home
    hour = inputs.prices[standby].instance_hour
    if home is None or hour is None:
        return None
    sizing = size(study, inputs)
    fraction = strategy.compute_fraction
    if strategy.name == "active-active" and asked.survive != "none":
        fraction = 0.0
    instances = math.ceil(fraction * instances_for(sizing.peak_rps, sizing) - 1e-9)
    restore = 0.0 if strategy.restore_gbps is None else asked.data_gb * BITS_PER_BYTE / strategy.restore_gbps
    return Recovery(
        strategy=strategy.name,
        standby=inputs.sites[standby].id,
        country=inputs.sites[standby].country,
        detection_s=float(routing.check_interval_s * routing.failure_threshold),
        failover_s=_switch_s(study, inputs),
        provision_s=strategy.provision_s,
        restore_s=restore,
        rpo_s=strategy.rpo_s,
        instances=instances,
        compute_usd=instances * hour.usd * HOURS_PER_MONTH,
        storage_usd=asked.data_gb * strategy.storage_usd_gb_month,
        replication_usd=asked.change_gb_per_day * DAYS_PER_MONTH * home.leaving_usd_gb,
    )


def _switch_s(study: Study, inputs: Inputs) -> float:
    routing = study.routing or Routing()
    if study.routing is None or inputs.routing is None:
        return routing.ttl_s + routing.client_cache_s
    return switch_s(policy_of(study, inputs.routing, inputs.sites), routing, inputs.routing)
