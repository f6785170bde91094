"""What standing by costs and how long recovering takes, counted again for the audit.

Written from ``docs/design/0001-decision-model.md`` apart from ``planner/resilience.py`` and
``planner/standby_regions.py``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from planner.homes import Home
from planner.inputs import Inputs
from planner.recovery import Recovery
from planner.site_values import Site
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


def machines(study: Study, strategy: Strategy, standby: str | None, serving: Collection[str]) -> int:
    """Instances that run in the standby all the time; ``serving``: the open sites."""
    work = study.workload
    already = work.home is not None and study.resilience.survive != "none" and standby in serving
    if standby is None or (strategy.name == "active-active" and already):
        return 0
    needed = math.ceil(study.demand.peak_rps * (1 + work.headroom) / work.rps_per_instance - 0.02)
    return math.ceil(strategy.compute_fraction * max(work.min_instances, needed) - 1e-9)


def monthly(
    study: Study,
    inputs: Inputs,
    home: Home | None,
    strategy: Strategy,
    standby: str | None,
    share: Sequence[float],
    serving: Collection[str],
) -> Iterator[float]:
    """Compute, storage and replication, US dollars a month; nothing where the standby is no priced Region.

    ``share`` (n,): of demand, by site; ``serving``: the open ones. ``standby`` None: each client's backup.
    """
    hour = 0.0
    if standby is not None:
        at = next((j for j, site in enumerate(inputs.sites) if site.id == standby), None)
        price = None if at is None else inputs.prices[at].instance_hour
        if at is None or inputs.sites[at].kind != "region" or price is None:
            return
        hour = price.usd
    yield machines(study, strategy, standby, serving) * 730 * hour
    yield strategy.storage_usd_gb_month * study.resilience.data_gb
    each = [sending(study, inputs, home, standby, column) for column in range(len(inputs.sites))]
    yield math.fsum(mine * usd for mine, usd in zip(share, each, strict=True))


def sending(study: Study, inputs: Inputs, home: Home | None, standby: str | None, column: int) -> float:
    """US dollars a month if all that changes were sent to the standby from that site, or from the home."""
    a_month = study.resilience.change_gb_per_day * 365 / 12
    if home is not None:
        return a_month * home.leaving_usd_gb
    site, price = inputs.sites[column], inputs.prices[column]
    ends = [each for each in inputs.sites if standby is None or each.id == standby]
    if price.home_gb is None or any(_network(each) != _network(site) for each in ends):
        return a_month * price.egress_gb.usd
    return a_month * (price.home_gb.usd + (price.parent_gb.usd if price.parent_gb is not None else 0.0))


def standing_by(
    study: Study,
    inputs: Inputs,
    home: Home | None,
    stated: Recovery,
    share: Sequence[float],
    serving: Collection[str],
) -> float:
    """The bill of a stated recovery; zero where its strategy or its standby is none."""
    named = [each for each in load_strategies() if each.name == stated.strategy]
    if not named or (home is None and study.workload.home is not None):
        return 0.0
    return math.fsum(monthly(study, inputs, home, named[0], stated.standby, share, serving))


def falls_with(study: Study, region: Site, other: Site) -> bool:
    """Whether what is open at ``other`` is lost when all of the Region is, or its metro where one may be."""
    if other.kind == "outpost":
        return False
    if region.id in (other.id, other.parent):
        return True
    wide = study.resilience.survive in ("metro", "region") and region.metro != ""
    return wide and (other.country, other.metro) == (region.country, region.metro)


def _network(site: Site) -> tuple[str, str]:
    return site.provider, site.partition
