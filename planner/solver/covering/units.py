"""When is a bound close enough: whole costs leave no value between two neighbours, others a tolerance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLOSE = 5e-10
"""Relative: solutions better by less than this are not looked for; half of what "optimal" allows."""


def common_unit(cost: NDArray[np.float64]) -> float:
    """The greatest number all costs are whole multiples of, where they are whole; 0 = there is none."""
    if not len(cost) or cost.max() >= 2.0**40 or (cost != np.rint(cost)).any():
        return 0.0
    return float(np.gcd.reduce(cost.astype(np.int64)))
