"""``transfer`` = ``home_share`` × GB × (price from zone or rack to parent + price from there to the home)."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import size
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """The share of requests that need the stateful tier travels on to the parent Region, or to the home.

    The first part is nothing in a Region, the second nothing within the home Region or without one.
    """
    zero = np.zeros(len(inputs.sites))
    per_gb = np.array([price.parent_gb.usd if price.parent_gb else 0.0 for price in inputs.prices])
    if inputs.home is not None:
        per_gb = per_gb + inputs.home.usd_gb
    return CostTerms(
        "transfer", zero, zero, per_gb * study.workload.home_share * size(study, inputs).gb_month
    )
