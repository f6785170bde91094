"""``direct_connect`` = ``ports`` × port price × 730 h + ``share`` × GB × the price of leaving by it."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.sizing import HOURS_PER_MONTH, by_internet, size
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """At the sites that ``network.direct_connect`` names: ports are paid by the hour, used or not."""
    zero = np.zeros(len(inputs.sites))
    port = np.array([price.port_hour.usd if price.port_hour else 0.0 for price in inputs.prices])
    per_gb = np.array([price.direct_gb.usd if price.direct_gb else 0.0 for price in inputs.prices])
    leaving = size(study, inputs).gb_month * (1.0 - by_internet(study, inputs))
    return CostTerms("direct_connect", study.network.ports * port * HOURS_PER_MONTH, zero, per_gb * leaving)
