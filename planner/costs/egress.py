"""``egress`` = GB to the internet at the site's price, which falls with the month's volume, tier by tier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Price
from planner.costs.terms import CostTerms, Lines
from planner.inputs import Inputs
from planner.sizing import by_internet, size
from planner.study import Study


def terms(study: Study, inputs: Inputs) -> CostTerms:
    """Responses leave from the site that serves them; each open site's volume is counted by itself.

    A tier's price is for what lies in it, so the bill is concave in the volume: the least of the lines that
    continue each tier in both directions. A zone's volume is not added to its parent's: that errs high.
    """
    n, zero = len(inputs.sites), np.zeros(len(inputs.sites))
    volume = size(study, inputs).gb_month * by_internet(study, inputs)
    drawn = [_lines(price.egress_gb, float(gb)) for price, gb in zip(inputs.prices, volume, strict=True)]
    width = max(len(fixed) for fixed, _, _ in drawn)
    fixed, per_share = np.zeros((n, width)), np.zeros((n, width))
    starts = np.full((n, width), np.inf)
    least = np.array([rate[-1] for _, rate, _ in drawn])
    for j, (at_none, rate, start) in enumerate(drawn):
        fixed[j, : len(rate)] = at_none
        per_share[j, : len(rate)] = rate - rate[-1]
        starts[j, : len(rate)] = start
    lines = Lines(fixed, per_share, starts) if width > 1 else None
    return CostTerms("egress", zero, zero, least, lines)


def _lines(
    price: Price, volume: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """For each tier that ``volume`` GB reach: its line's cost at none, its rate, and its start in shares."""
    tiers = [(0.0, price.usd), *((start, usd) for start, usd in price.tiers if start < volume)]
    fixed, bill, before = [0.0], 0.0, tiers[0]
    for start, usd in tiers[1:]:
        bill += (start - before[0]) * before[1]
        fixed.append(bill - usd * start)
        before = (start, usd)
    rate = np.array([usd for _, usd in tiers]) * volume
    start_share = np.array([start for start, _ in tiers]) / max(volume, 1e-300)
    return np.array(fixed), rate, start_share
