"""Quantiles of round-trip times with distribution-free confidence bounds. Pure functions.

A lost probe is a round trip that never ended: it counts as +inf in a quantile (so that a site which drops one
probe in ten has an infinite p95) and, separately, in the loss ratio (RFC 6673). Which order statistic is
asked for is reckoned here; ``planner.store.query`` looks it up in SQL.

The estimate of the q-quantile of n samples is the order statistic of rank ceil(q·n), the smallest value
that at least that share of the samples does not exceed. Its bounds are order statistics too. Whatever
the distribution, the number of samples below its q-quantile is binomial (n, q) at most (David and
Nagaraja, Order Statistics, 7.1), so the ranks come from the binomial's own quantiles, each tail given
half of 1 - confidence. With few samples a rank falls off an end: below the first sample the bound is 0,
above the last it is +inf. That is honest: five samples say nothing of how bad a p95 may be (59 are
needed for any finite upper bound of it, one-sided; 72 at the 97.5 % used here).

Samples of one round, and of neighbouring rounds, are not independent. Told how many independent samples they
are worth (``planner.latency.effective``), the ranks are those of so few samples, at the same shares of
all: whatever shape the distribution has, two routes' worth of modes included, since only ranks are used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

# scipy.special and not scipy.stats, whose import alone takes over a second.
from scipy.special import bdtr, bdtrik, ndtri

CONFIDENCE: Final = 0.95
"""Two-sided confidence of the bounds of a sampled quantile."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """1-based ranks of order statistics, int64, shaped like ``count``.

    ``lower`` 0 means that no sample bounds the quantile from below (the bound is 0); ``upper`` n + 1
    that none bounds it from above (the bound is +inf).
    """

    estimate: NDArray[np.int64]
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]


def quantile_ranks(
    count: ArrayLike, quantile: float, confidence: float = CONFIDENCE, *, effective: ArrayLike | None = None
) -> Ranks:
    """Which order statistics of ``count`` ≥ 1 samples estimate and bound the ``quantile`` in (0, 1).

    ``lower`` is the largest rank r with P(X_(r) > x_q) ≤ (1 - confidence) / 2, that is
    P(Bin(n, q) < r) ≤ tail; ``upper`` the smallest s with P(Bin(n, q) ≥ s) ≤ tail. With ``effective``
    (shaped like ``count``), what the samples are worth, they are those of so many, rounded down, moved
    outwards to ranks of all. Raises ``ValueError`` outside these ranges.
    """
    every = np.asarray(count, dtype=np.int64)
    if not 0.0 < quantile < 1.0 or not 0.0 < confidence < 1.0 or np.any(every < 1):
        raise ValueError("quantile and confidence lie in (0, 1), and a sample has one value or more")
    worth = every if effective is None else np.floor(np.asarray(effective, dtype=np.float64))
    n = np.clip(worth, 1, every).astype(np.int64)
    tail = (1.0 - confidence) / 2.0
    # P(Bin(n, q) >= s) <= tail  <=>  P(Bin(n, q) <= s - 1) >= 1 - tail; the lower rank mirrors it, counting
    # the samples above instead of those below.
    upper = _binomial_ppf(1.0 - tail, n, quantile) + 1
    lower = n - _binomial_ppf(1.0 - tail, n, 1.0 - quantile)
    estimate = estimate_ranks(every, quantile)
    lower, upper = lower * every // n, -((1 - upper) * every // n) + 1
    return Ranks(*(np.asarray(x).astype(np.int64) for x in (estimate, lower, upper)))


def estimate_ranks(count: ArrayLike, quantile: ArrayLike) -> NDArray[np.int64]:
    """Which order statistic of ``count`` samples estimates the ``quantile``, from 1 (of none as well); both
    broadcast."""
    # 0.95 * 20 is 19.000000000000004 in some orders of evaluation; a hair must not cost a rank.
    rank = np.ceil(np.asarray(quantile) * np.asarray(count) - 1e-9)
    return np.asarray(np.maximum(np.minimum(rank, count), 1), dtype=np.int64)


def _binomial_ppf(share: float, n: NDArray[np.int64], quantile: float) -> NDArray[np.int64]:
    """The smallest k with P(Bin(n, quantile) <= k) >= share."""
    # bdtrik inverts a continuous extension (nan where the answer is 0), so its ceiling can be one off.
    k = np.ceil(np.nan_to_num(bdtrik(share, n, quantile), nan=0.0))
    k = np.where((k > 0) & (bdtr(k - 1.0, n, quantile) >= share), k - 1.0, k)
    k = np.where((k < n) & (bdtr(k, n, quantile) < share), k + 1.0, k)
    return np.asarray(np.clip(k, 0, n), dtype=np.int64)


def lognormal_quantile(
    quantile: ArrayLike, first: tuple[float, ArrayLike], second: tuple[float, ArrayLike]
) -> NDArray[np.float64]:
    """The ``quantile`` of the lognormal that has two given ones, each ``(quantile, value)``; broadcasts.

    ln x_q = μ + σ·z_q with z the standard normal quantile. A ``second`` value below the ``first`` (two
    publishers, two years) would turn the tail over; σ is then 0 and the first value stands.
    """
    z, z_first, z_second = (ndtri(x) for x in (np.asarray(quantile), first[0], second[0]))
    start = np.log(np.asarray(first[1], dtype=np.float64))
    sigma = np.maximum((np.log(np.asarray(second[1], dtype=np.float64)) - start) / (z_second - z_first), 0.0)
    return np.asarray(np.exp(start + sigma * (z - z_first)), dtype=np.float64)
