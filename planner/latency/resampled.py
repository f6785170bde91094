"""What a quantile may truly be, as a bootstrap of the samples it was taken from would say. Pure.

    x = F⁻¹(U),        U ~ Beta(q · n_eff + ½, (1 - q) · n_eff + ½)

F is the distribution of the samples. A bootstrap draws n of n samples anew and takes the value of rank r;
that value is F⁻¹ of the r-th of n uniform numbers, which is Beta(r, n - r + 1) (Efron, Annals of Statistics
7, 1979; Maritz and Jarrett, JASA 73, 1978): nothing need be drawn but U. With r = q·n + ½ it is the above;
for the median of an odd number of samples that is exact, and else within half a rank. Where samples hang
together, blocks of rounds are drawn instead (Künsch, Annals of Statistics 17, 1989), and the share of them
below a value spreads like that of n_eff independent samples: so n_eff (``planner/latency/effective.py``)
takes the place of n. ``benchmarks/bounds.py`` holds this against a bootstrap of blocks.

Of a pair, F⁻¹ is kept at :data:`DEVIATES` only: order statistics, at the ranks of :func:`resampled_ranks`.
Beyond the outermost of n_eff samples nothing is known, and the usual width of a modelled pair stands for it.
A value that was lost is +inf, and so may a draw be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtr, ndtri

from planner.latency.statistics import CONFIDENCE

Floats = NDArray[np.float64]

DEVIATES: Final = np.array([-3.0, -2.5, -1.96, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 1.96, 2.5, 3.0])
"""Standard normal deviates at whose probabilities the quantile of U is looked up; no draw is beyond."""
DEVIATES.flags.writeable = False

_LAST: Final = len(DEVIATES) - 1


def resampled_ranks(count: ArrayLike, quantile: float, effective: ArrayLike) -> NDArray[np.int64]:
    """(..., 13) the 1-based ranks among ``count`` (...) samples at :data:`DEVIATES`, which are worth
    ``effective`` (...); 0 and ``count`` + 1 where the samples do not tell."""
    n = np.asarray(count, dtype=np.float64)[..., None]
    worth = np.clip(np.asarray(effective, dtype=np.float64)[..., None], 1.0, n)
    share = betaincinv(quantile * worth + 0.5, (1.0 - quantile) * worth + 0.5, ndtr(DEVIATES))
    ranks = np.clip(np.ceil(share * n - 1e-9), 1.0, n)
    ranks = np.where(share * (worth + 1.0) < 1.0, 0.0, ranks)
    return np.where(share * (worth + 1.0) > worth, n + 1.0, ranks).astype(np.int64)


def resampled_values(
    value_ms: Floats, count: NDArray[np.int64], lost: int, quantile: float, effective: float
) -> tuple[float, ...]:
    """(13,) the order statistics at :data:`DEVIATES` of samples that are worth ``effective``: ``count`` (v,)
    of each of ``value_ms`` (v,), ascending, and so many ``lost``, which are +inf. nan where they do not
    tell."""
    below = np.concatenate((np.cumsum(count), [int(count.sum()) + lost]))
    ranks = resampled_ranks(int(below[-1]), quantile, effective)
    found = np.append(value_ms, np.inf)[np.minimum(np.searchsorted(below, ranks), len(value_ms))]
    return tuple(np.where((ranks < 1) | (ranks > below[-1]), np.nan, found).tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Those of some pairs that have samples of their own: ``pair`` (s,), which.

    ``off_ms`` (c, 13), ascending: what each of some curves adds at :data:`DEVIATES` to the ``centre_ms``
    (s,), +inf where lost; ``curve`` (s,) says whose. ``less_ms`` and ``more_ms`` (s,): by how much the
    bounds, which are at 1.96 deviates, are wider than the samples' own, for the client's distance to the
    vantage.
    """

    pair: NDArray[np.intp]
    curve: NDArray[np.intp]
    off_ms: Floats
    centre_ms: Floats
    less_ms: Floats
    more_ms: Floats

    def at(self, deviate: Floats) -> Floats:
        """(s,) latencies in ms at these standard normal deviates (s,)."""
        z = np.clip(deviate, DEVIATES[0], DEVIATES[-1])
        left = np.clip(np.searchsorted(DEVIATES, z, side="right") - 1, 0, _LAST - 1)
        way = (z - DEVIATES[left]) / (DEVIATES[left + 1] - DEVIATES[left])
        low, high = self.off_ms[self.curve, left], self.off_ms[self.curve, left + 1]
        # Between a value and a lost one there is nothing: the nearer counts.
        with np.errstate(invalid="ignore"):
            off = np.where(np.isfinite(high), low + way * (high - low), np.where(way < 0.5, low, high))
        return np.asarray(self.centre_ms + off + self._wider(z))

    def slowest_ms(self) -> Floats:
        """(s,) the largest value at a deviate that was not lost, no less than the centre."""
        return np.asarray(
            self.centre_ms + np.where(np.isfinite(self.off_ms), self.off_ms, 0.0).max(axis=1)[self.curve]
        )

    def within(self, limit_ms: float) -> Floats:
        """(s,) the probability of at most ``limit_ms``."""
        found = np.full(len(self.pair), DEVIATES[0])
        before = self._knot(0)
        known = before <= limit_ms
        for k in range(1, _LAST + 1):
            here = self._knot(k)
            with np.errstate(divide="ignore", invalid="ignore"):
                way = np.where(np.isfinite(here), (limit_ms - before) / (here - before), 0.5)
            way = np.where(here <= limit_ms, 1.0, way)
            step = DEVIATES[k - 1] + way * (DEVIATES[k] - DEVIATES[k - 1])
            found = np.where(before <= limit_ms, step, found)
            before = here
        return np.where(before <= limit_ms, 1.0, np.where(known, ndtr(found), 0.0))

    def _knot(self, k: int) -> Floats:
        knot = self.centre_ms + self.off_ms[self.curve, k] + self._wider(np.full(1, DEVIATES[k]))
        return np.asarray(knot)

    def _wider(self, z: Floats) -> Floats:
        wider = np.where(z > 0.0, self.more_ms, self.less_ms)
        return np.asarray(wider * z / float(ndtri(0.5 + CONFIDENCE / 2.0)))


def curve_of(values_ms: Sequence[float], rtt_ms: float, usual: float) -> Floats:
    """(13,) what to add to the statistic ``rtt_ms`` at :data:`DEVIATES`, from the order statistics there.

    Where they do not tell (nan) it goes on by ``usual``, a standard deviation of the logarithm.
    """
    off = np.array(values_ms) - rtt_ms
    guess = rtt_ms * np.expm1(usual * DEVIATES)
    told = np.flatnonzero(~np.isnan(off))
    if not told.size:
        return guess
    first, last = int(told[0]), int(told[-1])
    off[:first] = np.minimum(guess[:first], off[first])
    off[last + 1 :] = np.maximum(guess[last + 1 :], off[last])
    return off
