"""``outpost`` = annuity of the up-front price over the term + monthly price; Outposts only."""

from __future__ import annotations

import numpy as np

from planner.catalog import OutpostTerms
from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """What is paid up front is paid back with the cost of its capital, in equal monthly parts."""
    zero = np.zeros(len(inputs.sites))
    racks = [site.outpost for site in inputs.sites]
    monthly = np.array([rack.monthly_usd + annuity(rack) if rack is not None else 0.0 for rack in racks])
    return CostTerms("outpost", monthly, zero, zero)


def annuity(rack: OutpostTerms) -> float:
    """US dollars per month: P·r / (1 − (1 + r)^−n), at r = ``capital_rate`` / 12; P / n where that is 0.

    The ordinary annuity (Brealey, Myers & Allen, Principles of Corporate Finance, chapter 2).
    """
    rate, months = rack.capital_rate / 12.0, rack.term_months
    if rate == 0.0:
        return rack.upfront_usd / months
    return float(rack.upfront_usd * rate / -np.expm1(-months * np.log1p(rate)))
