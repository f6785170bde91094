"""``compute`` = instances × hourly on-demand price × 730 h; nothing for an Outpost: its term pays for it."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import HOURS_PER_MONTH
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """Whole instances at the site's own price for the study's instance type."""
    zero = np.zeros(len(inputs.sites))
    hourly = np.array([price.instance_hour.usd if price.instance_hour else 0.0 for price in inputs.prices])
    return CostTerms("compute", zero, hourly * HOURS_PER_MONTH, zero)
