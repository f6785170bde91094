"""``recovery`` = standby instances × hour × 730 + GB × storage + changed GB × price between Regions."""

from __future__ import annotations

import numpy as np

from planner.costs.terms import CostTerms
from planner.inputs import Inputs
from planner.standby_regions import copying_usd
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """What stands by for a lost Region, one sum, decided by share of demand; it is the standby's own bill.

    Shares add up to one, so the whole is paid once. Without a home each site copies what its clients change.
    """
    zero, recovery = np.zeros(len(inputs.sites)), inputs.recovery
    if recovery is None:
        return CostTerms("recovery", zero, zero, zero)
    share = np.full(len(inputs.sites), recovery.usd)
    if inputs.home is None:
        share += copying_usd(study, inputs, recovery.standby)
    return CostTerms("recovery", zero, zero, share)
