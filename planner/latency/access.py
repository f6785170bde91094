"""What the last mile adds to a latency that was measured, or modelled, between data centres. Pure.

    F(t) = share on no line + Σ over lines of  share · Φ( ln(t / p50) / σ ),   σ = ln(p95 / p50) / z(0.95)

A line's delay is taken as lognormal through its two figures. Clients on different lines are a mixture, and
what is added is the mixture's own quantile, never an average of lines: where 70 % have Wi-Fi and 30 % a
satellite, the median client waits as Wi-Fi lets it and the p95 client as the satellite does. Quantile is
added to quantile, as if the slowest line met the slowest path: in the tail that errs on the high side.
Bounds are those of lines ``off`` times faster and slower.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from planner.latency.matrix import Grounds, LatencyMatrix


@dataclass(frozen=True, slots=True)
class Line:
    """What a line adds to a round trip, in ms: its median and 95th percentile, either of which may be ``off``
    times less or more."""

    p50_ms: float
    p95_ms: float
    off: float = 1.0

    def times(self, factor: float) -> Line:
        """The same line, so many times slower."""
        return replace(self, p50_ms=self.p50_ms * factor, p95_ms=self.p95_ms * factor)


def added_ms(
    shares: Collection[tuple[str, float]], lines: Mapping[str, Line], quantile: float
) -> tuple[float, float, float]:
    """``(estimate, lower, upper)`` of what these shares of requests by kind of line add at the ``quantile``.

    Shares add up to at most 1; the rest is on a line that adds nothing.
    """
    mix = [(share, lines[kind]) for kind, share in shares]
    return (
        _mixture(mix, quantile),
        _mixture([(share, line.times(1.0 / line.off)) for share, line in mix], quantile),
        _mixture([(share, line.times(line.off)) for share, line in mix], quantile),
    )


def _mixture(mix: Collection[tuple[float, Line]], quantile: float) -> float:
    """The quantile by bisection on the logarithm; 0 where that many are on no line."""
    if 1.0 - math.fsum(share for share, _ in mix) >= quantile - 1e-9:
        return 0.0
    # Above the quantile asked for of the whole, some line is above its own; below 1, each is finite.
    ends = [line.p50_ms * (line.p95_ms / line.p50_ms) ** z for _, line in mix for z in (-4.0, 6.0)]
    low, high = math.log(min(ends)), math.log(max(ends))
    none = max(1.0 - math.fsum(share for share, _ in mix), 0.0)
    for _ in range(80):
        middle = (low + high) / 2.0
        below = none + math.fsum(share * _below(line, middle) for share, line in mix)
        low, high = (middle, high) if below < quantile else (low, middle)
    return math.exp(high)


def _below(line: Line, log_ms: float) -> float:
    """The share of a line's round trips that add at most exp(``log_ms``)."""
    past, width = log_ms - math.log(line.p50_ms), math.log(line.p95_ms / line.p50_ms)
    if width <= 0.0:
        return float(past >= 0.0)
    return float(ndtr(past * float(ndtri(0.95)) / width))


def with_access(
    matrix: LatencyMatrix, added: NDArray[np.float64], included: Collection[str] = ()
) -> LatencyMatrix:
    """The matrix with each client's line ``added`` (m, 3), of estimate, lower and upper bound.

    Nothing is added where a vantage speaks whose id matches one of ``included``, ids or globs: its figures
    hold such a line already.
    """
    behind = np.array(
        [any(fnmatchcase(name, pattern) for pattern in included) for name in matrix.vantages] + [False]
    )
    own = behind[matrix.vantage]  # -1, nobody, is the last
    adds = [np.where(own, 0.0, added[:, kind][:, None]) for kind in range(3)]
    grounds = matrix.grounds or Grounds.none(matrix.estimate_ms.shape)
    figures = [
        np.asarray(array + add)
        for array, add in zip((matrix.estimate_ms, matrix.lower_ms, matrix.upper_ms), adds, strict=True)
    ]
    for array in (*figures, adds[0]):
        array.flags.writeable = False
    return replace(
        matrix,
        estimate_ms=figures[0],
        lower_ms=figures[1],
        upper_ms=figures[2],
        grounds=replace(grounds, access_ms=adds[0]),
    )
