"""``recovery`` = standby instances × hour × 730 + GB × storage + changed GB × price between Regions."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """What stands by for the home Region, one sum for the plan, borne by its sites as they share demand."""
    zero = np.zeros(len(inputs.sites))
    usd = 0.0 if inputs.recovery is None else inputs.recovery.usd
    return CostTerms("recovery", zero, zero, np.full(len(inputs.sites), usd))
