"""A sample's quantile the plain way, to hold against what SQL makes of it."""

import math
from typing import NamedTuple

from planner.latency.statistics import quantile_ranks


class Quantile(NamedTuple):
    value: float
    lower: float
    upper: float


def sample_quantile(samples, lost, quantile):
    """Of ``samples`` (finite, any order) with ``lost`` more that never came back: those are +inf."""
    ordered = [0.0, *sorted(samples), *[math.inf] * (lost + 1)]
    ranks = quantile_ranks(len(samples) + lost, quantile)
    return Quantile(*(ordered[int(rank)] for rank in (ranks.estimate, ranks.lower, ranks.upper)))
