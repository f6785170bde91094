"""``compute`` = instances × hourly price × 730 h × (1 − ``committed_share`` × discount); not for racks."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import HOURS_PER_MONTH
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """Whole instances, for the peak and its headroom, at the site's own price; a rack's term pays for those.

    The discount is that of the study's commitment, where it holds for the instance's family.
    """
    zero = np.zeros(len(inputs.sites))
    hourly = np.array([price.instance_hour.usd if price.instance_hour else 0.0 for price in inputs.prices])
    discount = np.array([price.commitment.discount if price.commitment else 0.0 for price in inputs.prices])
    paid = 1.0 - study.workload.committed_share * discount
    return CostTerms("compute", zero, hourly * HOURS_PER_MONTH * paid, zero)
