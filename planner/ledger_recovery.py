"""What standing by costs and how long recovering takes, counted again for the audit.

Written from ``docs/design/0001-decision-model.md`` apart from ``planner/resilience.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from planner.homes import Home
from planner.inputs import Inputs
from planner.recovery import Recovery
from planner.strategies import Strategy, load_strategies
from planner.study import Routing, Study


def promised(study: Study, strategy: Strategy, redirect_s: float | None = None) -> tuple[float, float]:
    """Seconds until the standby serves, and seconds of data lost; ``redirect_s`` is an accelerator's."""
    route = Routing() if study.routing is None else study.routing
    noticed = route.failure_threshold * route.check_interval_s
    told = route.client_cache_s + route.ttl_s if redirect_s is None else redirect_s
    copied = 0.0
    if strategy.restore_gbps:
        copied = 8 * study.resilience.data_gb / strategy.restore_gbps
    return math.fsum((noticed, told, strategy.provision_s, copied)), strategy.rpo_s


def machines(study: Study, strategy: Strategy) -> int:
    """Instances that run in the standby all the time."""
    work = study.workload
    if strategy.name == "active-active" and study.resilience.survive != "none":
        return 0
    needed = math.ceil(study.demand.peak_rps * (1 + work.headroom) / work.rps_per_instance - 0.02)
    return math.ceil(strategy.compute_fraction * max(work.min_instances, needed) - 1e-9)


def monthly(study: Study, inputs: Inputs, home: Home, strategy: Strategy, standby: str) -> Iterator[float]:
    """Compute, storage and replication, US dollars a month; nothing where the standby is no priced Region."""
    for site, price in zip(inputs.sites, inputs.prices, strict=True):
        if site.id == standby and site.kind == "region" and price.instance_hour is not None:
            yield machines(study, strategy) * 730 * price.instance_hour.usd
            yield strategy.storage_usd_gb_month * study.resilience.data_gb
            yield study.resilience.change_gb_per_day * 365 / 12 * home.leaving_usd_gb


def standing_by(study: Study, inputs: Inputs, home: Home | None, stated: Recovery) -> float:
    """The bill of a stated recovery; zero where its strategy or its standby is none."""
    named = [each for each in load_strategies() if each.name == stated.strategy]
    if home is None or not named:
        return 0.0
    return math.fsum(monthly(study, inputs, home, named[0], stated.standby))
