"""``outpost`` = up-front price spread evenly over the term + monthly price; Outposts only."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """Straight-line amortisation, no cost of capital."""
    zero = np.zeros(len(inputs.sites))
    racks = [site.outpost for site in inputs.sites]
    fixed = np.array(
        [rack.upfront_usd / rack.term_months + rack.monthly_usd if rack else 0.0 for rack in racks]
    )
    return CostTerms("outpost", fixed, zero, zero)
