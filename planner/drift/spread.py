"""How far a sum of scores strays though nothing changed: from round to round, and from day to day. Pure.

A score is e + d: what its round adds, and what its whole day does. Over the last rounds of a series, n_s of
them in stratum s against m_s reference rounds there, and n_d in day d, a sum of scores has the variance

    A·v + B·t²,   A = Σ_s n_s (1 + n_s / m_s),   B = Σ_d n_d² + Σ_r (Σ_s n_s m_sr / m_s)²,

with m_sr of the m_s rounds on day r of the reference. What is estimated, from the reference's own scores:

- v, the long-run variance of a round within its day, 1 + 2 Σ ρ_l times its own, summed by Geyer's initial
  positive sequence over L lags. Rounds taken side by side, of several pairs, are first added up. Scores are
  centred within hours, over D days, and for this within days of b rounds, so that of what lasts for hours
  (1 - 1/D) (1 - L/b) is left: the excess is raised by as much. What breaking ties by lot would add is added.
- t², by the ratio of mean squares R = D / (D - 1) Σ_r U_r² / (v Σ m_r), U_r being the sum of day r: where
  days are alike R is 1 in the mean, and else R = 1 + b t²/v, with b = Σ m_r² / Σ m_r.

A week has seven days and so says little of t². It says as much for every other series of the same check, so
the ratios are shrunk towards what they have in common, by a prior that is worth as many days as they agree
(the moderated variances of Smyth), but no more than there are series that stray each on its own. What is
still not known goes into Student's t, by Satterthwaite's degrees of freedom. For the rounds of an hour days
matter little and the tail is nearly normal; for a whole day they are all that counts.

Sources: P. van Elteren (1960), On the combination of independent two sample tests of Wilcoxon (strata); C. J.
Geyer (1992), Practical Markov chain Monte Carlo; G. K. Smyth (2004), Linear models and empirical Bayes
methods for assessing differential expression; F. E. Satterthwaite (1946), An approximate distribution of
estimates of variance components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# scipy.special and not scipy.stats, whose import alone takes over a second.
from scipy.special import polygamma, psi, stdtr

DAY: Final = np.timedelta64(86_400_000_000, "us")

_MANY: Final = 1e6
"""Degrees of freedom that are as good as any."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Of one figure of one series: ``variance`` v of a round, its degrees of ``freedom`` and its
    ``inflation`` i over a round's own; ``ratio`` R of mean squares; ``day_sums`` (D,) of the scores and the
    ``days`` (D,) they are of, ascending; ``rounds_a_day`` b."""

    variance: float
    freedom: float
    inflation: float
    ratio: float
    rounds_a_day: float
    days: NDArray[np.int64]
    day_sums: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """What the series of a check have in common: the ``ratio`` of mean squares, and the degrees of
    ``freedom`` it is worth to each of them."""

    ratio: float = 1.0
    freedom: float = 0.0


def day_of(at: NDArray[np.datetime64], origin: np.datetime64) -> NDArray[np.int64]:
    """The number of the 24 hours, counted from ``origin``, that each moment is in; negative before it."""
    return np.asarray(np.floor((at - origin) / DAY), dtype=np.int64)


def spread_of(
    scores: NDArray[np.float64], slot: NDArray[np.int64], day: NDArray[np.int64], ties: float
) -> Spread:
    """Of the reference rounds' scores (m,) in the order of time, the slot (m,) that those share which were
    taken side by side, the day (m,) each is of, and what ``ties`` add to their variance."""
    days, which = np.unique(day, return_inverse=True)
    sums: NDArray[np.float64] = np.bincount(which, scores).astype(np.float64)
    sizes = np.bincount(which)
    widened = len(days) / max(len(days) - 1, 1)
    rounds = float(len(scores))
    rounds_a_day = float(sizes @ sizes) / rounds
    own = float(scores @ scores) / rounds
    centred = scores - (sums / sizes)[which]
    first = np.flatnonzero(np.diff(slot, prepend=slot[0] - 1))
    together = np.add.reduceat(centred, first)
    # Of pairs that go against each other the sum strays less than each: that is not relied on.
    alike = max(float(together @ together) / max(float(centred @ centred), 1e-300), 1.0)
    inflation, lags = _inflation(together)
    short = 1.0 - min(lags * rounds / len(together) / rounds_a_day, 0.5)
    inflation = alike * (1.0 + (inflation - 1.0) * widened / short)
    variance = own * inflation + ties
    return Spread(
        variance=variance,
        freedom=max(rounds / inflation, 1.0),
        inflation=inflation,
        ratio=widened * float(sums @ sums) / (variance * rounds),
        rounds_a_day=rounds_a_day,
        days=days,
        day_sums=sums,
    )


def _inflation(scores: NDArray[np.float64]) -> tuple[float, int]:
    """By how much what hangs together from round to round widens a sum's variance, 1 at the least; and over
    how many lags, of both signs, that was summed."""
    scale, total, lags = float(scores @ scores), -1.0, 0
    if scale <= 0.0:
        return 1.0, 0
    for lag in range(0, len(scores) // 3, 2):
        pair = sum(float(scores[k:] @ scores[: len(scores) - k]) / scale for k in (lag, lag + 1))
        if pair <= 0.0:
            break
        total, lags = total + 2.0 * pair, 2 * lag + 3
    return max(total, 1.0), lags


def prior_of(spreads: Sequence[Spread]) -> Prior:
    """What several series have in common; nothing where there are none to compare."""
    told = [each for each in spreads if len(each.days) > 1 and each.ratio > 0.0]
    if len(told) < 2:
        return Prior()
    freedom = np.array([len(each.days) - 1.0 for each in told])
    logs = np.log([each.ratio for each in told]) - psi(freedom / 2.0) + np.log(freedom / 2.0)
    apart = float(np.var(logs, ddof=1)) - float(polygamma(1, freedom / 2.0).mean())
    worth = _MANY if apart <= 0.0 else 2.0 * _trigamma_inverse(apart)
    common = float(np.exp(logs.mean() + (psi(worth / 2.0) - np.log(worth / 2.0) if apart > 0.0 else 0.0)))
    return Prior(common, min(worth, float(freedom.mean()) * on_their_own(told)))


def on_their_own(spreads: Sequence[Spread]) -> float:
    """How many of these series stray from day to day each on its own: n / (1 + (n - 1) r²), r² the mean
    square of the correlations between the sums of their days, less what so few days show by chance."""
    days = np.unique(np.concatenate([each.days for each in spreads]))
    table = np.zeros((len(spreads), len(days)))
    for row, each in zip(table, spreads, strict=True):
        row[np.searchsorted(days, each.days)] = each.day_sums
    table /= np.maximum(np.sqrt((table**2).sum(axis=1, keepdims=True)), 1e-12)
    number = len(spreads)
    if number < 2 or len(days) < 3:
        return 1.0
    # The squares of all products of two rows, by the smaller of the two matrices that have them.
    total = float(((table.T @ table) ** 2).sum())
    chance = 1.0 / (len(days) - 1)
    shared = ((total - number) / (number * (number - 1)) - chance) / (1.0 - chance)
    return number / (1.0 + (number - 1) * min(max(shared, 0.0), 1.0))


def _trigamma_inverse(value: float) -> float:
    """x with trigamma(x) = value > 0, by Newton's method on 1 / trigamma, which is nearly straight."""
    if value > 1e7:
        return float(value**-0.5)
    if value < 1e-6:
        return 1.0 / value
    x = 0.5 + 1.0 / value
    for _ in range(50):
        now = float(polygamma(1, x))
        change = now * (1.0 - now / value) / float(polygamma(2, x))
        x += change
        if -change / x < 1e-9:
            break
    return x


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A and B of the module's formula for several spans of last rounds, (l,) each."""

    rounds: NDArray[np.float64]
    days: NDArray[np.float64]


def weights_of(
    stratum: NDArray[np.int64],
    day: NDArray[np.int64],
    past_stratum: NDArray[np.int64],
    past_day: NDArray[np.int64],
    strata: int,
    spans: NDArray[np.int64],
) -> Weights:
    """``stratum`` and ``day`` (k,) of the recent rounds, of whose last ``spans`` (l,) sums are formed, and
    those of the reference (m,)."""
    past_days, which = np.unique(past_day, return_inverse=True)
    cells = np.bincount(past_stratum * len(past_days) + which, minlength=strata * len(past_days))
    table = cells.reshape(strata, len(past_days)).astype(np.float64)
    size = np.maximum(table.sum(axis=1), 1.0)
    rounds, days = np.zeros(len(spans)), np.zeros(len(spans))
    for place, span in enumerate(spans.tolist()):
        count = np.bincount(stratum[-span:], minlength=strata).astype(np.float64)
        own = np.unique(day[-span:], return_counts=True)[1].astype(np.float64)
        drawn = (count / size) @ table
        rounds[place] = float((count * (1.0 + count / size)).sum())
        days[place] = float(own @ own + drawn @ drawn)
    return Weights(rounds, days)


def tail(sums: NDArray[np.float64], weights: Weights, spread: Spread, prior: Prior) -> NDArray[np.float64]:
    """(l,) the probability that a sum of scores is as large as this, and larger, though nothing changed."""
    own = len(spread.days) - 1.0
    freedom = max(own + prior.freedom, 1e-6)
    ratio = max((prior.freedom * prior.ratio + own * spread.ratio) / freedom, 1.0)
    scale = weights.days / spread.rounds_a_day
    variance = weights.rounds + scale * (ratio - 1.0)
    by_days = np.minimum(scale * ratio / variance, 1.0)
    uncertain = (1.0 - by_days) ** 2 / spread.freedom + by_days**2 / freedom
    student = 1.0 / np.maximum(uncertain, 1.0 / _MANY)
    return np.asarray(stdtr(student, -sums / np.sqrt(variance * spread.variance)))
