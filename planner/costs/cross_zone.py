"""``cross_zone`` = requests × ``cross_zone_kb`` × the price between zones at both ends; Regions only."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import KB_PER_GB
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """A service spread over the zones of a Region talks across them; a Local Zone or a rack is one zone."""
    zero = np.zeros(len(inputs.sites))
    per_gb = np.array([price.zone_gb.usd if price.zone_gb else 0.0 for price in inputs.prices])
    gb_month = study.demand.requests_per_month * study.workload.cross_zone_kb / KB_PER_GB
    return CostTerms("cross_zone", zero, zero, per_gb * gb_month)
