"""What routing costs, counted for the audit from the decision model alone."""

from __future__ import annotations

import math
from typing import Final

from planner.catalog import Price
from planner.inputs import Inputs
from planner.routing_facts import EXPLICIT
from planner.study import Study

HOURS_PER_MONTH: Final = 730
KB_PER_GB: Final = 1e6


def routing_bill(policy: str, study: Study, inputs: Inputs, column: int, share: float) -> float:
    """US dollars per month of one open site: its health check, and its share of what is paid once."""
    if study.routing is None or inputs.routing is None or policy not in EXPLICIT:
        return 0.0
    return share * paid_once(policy, study, inputs) + health_check(policy, study, inputs, column)


def health_check(policy: str, study: Study, inputs: Inputs, column: int) -> float:
    """An HTTPS check, every ten seconds for a further charge; an accelerator's checks are free."""
    facts, site = inputs.routing, inputs.sites[column]
    if facts is None or study.routing is None or not policy.startswith("route53"):
        return 0.0
    inside = site.provider == "aws" and site.kind in ("region", "local_zone", "wavelength_zone")
    each, option = (
        (facts.check_inside.usd, facts.option_inside.usd)
        if inside
        else (facts.check_outside.usd, facts.option_outside.usd)
    )
    return each + option + (option if study.routing.check_interval_s < 30 else 0.0)


def paid_once(policy: str, study: Study, inputs: Inputs) -> float:
    """The hosted zone, DNS queries by volume, and for an accelerator its hours and its premium."""
    facts, routing = inputs.routing, study.routing
    if facts is None or routing is None:
        return 0.0
    million = (routing.queries_per_month or 0.0) / 1e6
    once = facts.zone_month.usd + _metered(million, next(p for k, p in facts.queries.items() if k == policy))
    if policy == "global-accelerator":
        weight = inputs.demand.weight
        premium = math.fsum(w * p.usd for w, p in zip(weight, facts.premium_gb, strict=True)) / math.fsum(
            weight
        )
        once += facts.accelerator_hour.usd * HOURS_PER_MONTH
        once += premium * study.demand.requests_per_month * study.workload.response_kb / KB_PER_GB
    return once


def _metered(volume: float, price: Price) -> float:
    bill, rate, below = 0.0, price.usd, 0.0
    for start, cheaper in price.tiers:
        if volume <= start:
            break
        bill, rate, below = bill + rate * (start - below), cheaper, start
    return bill + rate * (volume - below)
