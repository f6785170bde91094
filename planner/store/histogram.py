"""Round trips counted in buckets of one relative width, so that days, vantages and machines can be added.
Pure.

    bucket k holds γ^(k-1) < x <= γ^k ms,  γ = (1 + α) / (1 - α),  and reads as 2 γ^k / (γ + 1)

so whatever lies in a bucket is at most α = 1 % off as it reads (DDSketch: Masson, Rim and Lee, VLDB 2019). A
quantile is that of the order statistic's bucket, and so within 1 % of the exact one. Lost probes are counted
beside the buckets, as +inf. Two histograms are merged by adding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

ACCURACY: Final = 0.01
GAMMA: Final = (1.0 + ACCURACY) / (1.0 - ACCURACY)
LOG_GAMMA: Final = float(np.log(GAMMA))

LOWEST: Final = -400
"""What is below 0.4 µs, and 0 itself, is in this bucket: it reads as nothing."""

HIGHEST: Final = 1100
"""Holds everything above 3.5e9 ms, which is nothing."""


@dataclass(frozen=True, slots=True)
class Histograms:
    """Of k pairs: ``count`` (k, buckets) int64, the first of bucket number ``first``, and ``lost`` (k,) int64
    beside it."""

    count: NDArray[np.int64]
    lost: NDArray[np.int64]
    first: int = LOWEST

    def total(self) -> NDArray[np.int64]:
        """Samples of each pair (k,), lost ones among them."""
        return np.asarray(self.count.sum(axis=1) + self.lost)

    def quantile(self, quantile: float) -> NDArray[np.float64]:
        """The ``quantile`` in (0, 1) of each pair in ms (k,), within 1 %: that of the sample of rank ceil(q
        n). +inf where that was lost, nan where there is no sample."""
        width = self.count.shape[1]
        # All pairs' in one line: that of pair i ends at upto[(i + 1) width - 1].
        upto = np.concatenate(([0], np.cumsum(self.count)))
        before, after = upto[:-1:width], upto[width::width]
        n = after - before + self.lost
        rank = np.clip(np.ceil(quantile * n - 1e-9), 1, None).astype(np.int64)
        place = np.searchsorted(upto[1:], before + rank) - width * np.arange(len(n))
        values = np.append(bucket_values(self.first, width), np.inf)
        return np.where(n > 0, values[np.where(before + rank > after, width, place)], np.nan)


def buckets(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket of each of these milliseconds, none of them nan."""
    with np.errstate(divide="ignore"):
        number = np.ceil(np.log(values) / LOG_GAMMA)
    return np.clip(number, LOWEST, HIGHEST).astype(np.int64)


def bucket_values(first: int = LOWEST, buckets: int = HIGHEST - LOWEST + 1) -> NDArray[np.float64]:
    """What so many buckets from number ``first`` read as, in ms."""
    number = first + np.arange(buckets, dtype=np.float64)
    return np.where(number == LOWEST, 0.0, 2.0 * GAMMA**number / (GAMMA + 1.0))
