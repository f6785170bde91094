"""``egress`` = GB to the internet × the site's first-tier price. Volume tiers are cheaper: this errs high."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import by_internet, size
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """Responses leave from the site that serves them."""
    zero = np.zeros(len(inputs.sites))
    per_gb = np.array([price.egress_gb.usd for price in inputs.prices])
    return CostTerms("egress", zero, zero, per_gb * size(study, inputs).gb_month * by_internet(study, inputs))
