"""``routing`` = hosted zone + DNS queries + health checks of open sites, or accelerator + premium × GB."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Price
from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.routing import policy_of
from planner.routing_facts import RoutingFacts
from planner.sizing import HOURS_PER_MONTH, size
from planner.study import Routing, Study
from planner.study_values import Policy


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """What routing costs as a whole is charged by share of demand; a health check, by open site.

    Shares add up to one, so the whole is paid once wherever clients are served. Without ``[routing]``, none.
    """
    zero = np.zeros(len(inputs.sites))
    if study.routing is None or inputs.routing is None:
        return CostTerms("routing", zero, zero, zero)
    policy = policy_of(study, inputs.routing, inputs.sites, inputs.policy)
    whole = _whole(policy, study, inputs, inputs.routing)
    checks = zero
    if policy != "global-accelerator":  # an accelerator checks its endpoints itself
        checks = _checks(study.routing, inputs, inputs.routing)
    return CostTerms("routing", checks, zero, np.full(len(inputs.sites), whole))


def _whole(policy: Policy, study: Study, inputs: Inputs, facts: RoutingFacts) -> float:
    assert study.routing is not None
    queries = (study.routing.queries_per_month or 0.0) / 1e6
    usd = facts.zone_month.usd + _tiered(queries, facts.queries[policy])
    if policy == "global-accelerator":
        sizing = size(study, inputs)
        premium = np.array([price.usd for price in facts.premium_gb])
        usd += facts.accelerator_hour.usd * HOURS_PER_MONTH
        usd += float(sizing.share @ premium) * sizing.gb_month
    return usd


def _checks(routing: Routing, inputs: Inputs, facts: RoutingFacts) -> NDArray[np.float64]:
    """An HTTPS check of each site; the fast interval is a second option."""
    options = 2 if routing.check_interval_s == 10 else 1
    inside = facts.check_inside.usd + options * facts.option_inside.usd
    outside = facts.check_outside.usd + options * facts.option_outside.usd
    ours = [site.provider == "aws" and site.kind != "outpost" for site in inputs.sites]
    return np.where(ours, inside, outside)


def _tiered(volume: float, price: Price) -> float:
    """Each unit at the price of its tier."""
    starts = [0.0, *(start for start, _ in price.tiers), math.inf]
    rates = [price.usd, *(usd for _, usd in price.tiers)]
    return sum(
        rate * max(min(volume, end) - start, 0.0)
        for rate, start, end in zip(rates, starts[:-1], starts[1:], strict=True)
    )
