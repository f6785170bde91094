"""How many independent samples a series of rounds is worth. Pure.

    n_eff = n / D,   D = max over B of  max(1, V_B / (p (1 - p) / n)) · (t_(B-1) / z)²,   B = 32, 16, 8

Samples of one round share a minute's queues, neighbouring rounds a route: a thousand samples of one bad
afternoon are not a thousand. What is asked of a quantile is how the share p of samples at or below it
spreads. Its variance V_B is estimated from B batches of consecutive rounds (batch means: Schmeiser,
Operations Research 30, 1982; with a ratio estimator, since rounds differ in size), and D, the design effect
(Kish, Survey Sampling, 1965), is that over the variance which as many independent samples would have. Long
batches see long dependence, many batches are surer of what they see: so batches of three lengths are tried,
the worst counts, and Student's t (its quantile over the normal's) pays for there being few.

Batches of any length miss what reaches from one into the next, and the shorter the more. So where V_8 is
above V_32 by :data:`GROWS`, 3 V_8 - 2 V_32 is tried as well (lugsail: Vats and Flegal, Biometrika 109, 2022),
which errs upwards.

``benchmarks/bounds.py`` prints how often bounds with n_eff hold: 94 to 98 in a hundred where the series is
some twenty times as long as it remembers, where bounds that take samples for independent hold for 20 to 80.
A series shorter than that has not seen enough of itself, and no estimate made from it alone can know.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri, stdtrit

from planner.latency.resampled import resampled_values
from planner.latency.statistics import CONFIDENCE, quantile_ranks

BATCHES: Final = 32
"""The most batches a series is cut into; halves and quarters of that number are tried as well."""

FEWEST: Final = 6
"""Fewer batches than this are not made by joining: Student's t would swallow what they tell."""

GROWS: Final = 1.5
"""Where the longest batches show so much more variance than the shortest, they do not show all of it."""


@dataclass(frozen=True, slots=True)
class BoundedQuantile:
    """A quantile in ms with its bounds, +inf where it falls on lost samples; ``effective``: what they are
    worth. ``drawn_ms``: the order statistics that draws of it go by (``planner/latency/resampled.py``)."""

    rtt_ms: float
    lower_ms: float
    upper_ms: float
    effective: float
    drawn_ms: tuple[float, ...]


def batch_of(round_: ArrayLike) -> NDArray[np.int64]:
    """The batch, from 0, of each sample (n,) of one pair, from its round's number ``round_`` (n,).

    Rounds are in order of time; they need neither begin at 0 nor be without gaps. Batches hold as many rounds
    each, give or take one.
    """
    _, order = np.unique(np.asarray(round_), return_inverse=True)
    rounds = int(order.max()) + 1 if order.size else 0
    return np.asarray(order * min(BATCHES, rounds) // max(rounds, 1), dtype=np.int64)


def effective_samples(
    hits: ArrayLike, count: ArrayLike, rounds: int, confidence: float = CONFIDENCE
) -> float:
    """What the samples of one pair are worth, between 1 and their number.

    ``hits`` (b,) of the ``count`` (b,) samples in each batch, in order of time, are at or below the quantile
    (or are lost, where the loss ratio is asked about). A single batch is worth one sample. Where all or none
    are hits, nothing shows how samples hang together, and each of the ``rounds`` is worth one. ``confidence``
    is that of the bounds they are for.
    Raises ``ValueError`` for an empty batch.
    """
    found, size = np.asarray(hits, dtype=np.float64), np.asarray(count, dtype=np.float64)
    if size.size == 0 or np.any(size < 1.0):
        raise ValueError("a batch has one sample or more")
    total, batches = float(size.sum()), size.size
    share = float(found.sum()) / total
    if batches == 1 or not 0.0 < share < 1.0:
        return 1.0 if batches == 1 else min(float(rounds), total)
    point = 0.5 + confidence / 2.0
    independent = share * (1.0 - share) / total
    numbers = [batches, *(n for n in (batches // 2, batches // 4) if n >= FEWEST)]
    spread = [_variance(found - share * size, n) / (total**2 * independent) for n in numbers]
    effect = max(max(each, 1.0) * _student(n, point) for each, n in zip(spread, numbers, strict=True))
    if len(numbers) == 3 and spread[2] > GROWS * spread[0]:
        effect = max(effect, (3.0 * spread[2] - 2.0 * spread[0]) * _student(numbers[2], point))
    return max(total / effect, 1.0)


def _variance(stray: NDArray[np.float64], number: int) -> float:
    """Of the sum of ``stray`` (b,), from that many batches joined of these."""
    joined = np.bincount(np.arange(stray.size) * number // stray.size, stray)
    return number / (number - 1) * float(joined @ joined)


def _student(number: int, point: float) -> float:
    """How much wider, squared, bounds are that a variance from so few batches makes."""
    return float(stdtrit(number - 1, point) / ndtri(point)) ** 2


def bounded_quantile(
    rtt_ms: ArrayLike, round_: ArrayLike, quantile: float, confidence: float = CONFIDENCE
) -> BoundedQuantile:
    """The ``quantile`` of one pair's samples (n,) ≥ 1: ``rtt_ms``, +inf where lost, and the number of the
    ``round_`` each was taken in."""
    rtt, rounds = np.asarray(rtt_ms, dtype=np.float64), np.asarray(round_)
    batch = batch_of(rounds)
    # The 0 before the first and the inf after the last are the ranks 0 and n + 1: no bound.
    ordered = np.concatenate(([0.0], np.sort(rtt), [np.inf]))
    value = float(ordered[int(quantile_ranks(rtt.size, quantile).estimate)])
    hits = rtt <= value if np.isfinite(value) else np.isfinite(rtt)
    hit, count = np.bincount(batch, hits), np.bincount(batch)
    worth = effective_samples(hit, count, np.unique(rounds).size, confidence)
    ranks = quantile_ranks(rtt.size, quantile, confidence, effective=worth)
    answered = ordered[1:-1][np.isfinite(ordered[1:-1])]
    each = np.ones(answered.size, dtype=np.int64)
    drawn = resampled_values(answered, each, rtt.size - answered.size, quantile, worth)
    return BoundedQuantile(
        value, float(ordered[int(ranks.lower)]), float(ordered[int(ranks.upper)]), worth, drawn
    )
