"""Delay variation between neighbouring probes. Pure.

    ipdv(i) = rtt(i) - rtt(i - 1)          (RFC 3393, of round-trip delay as our clocks are not shared)

RFC 3393 leaves open which packets are paired; its selection functions are here:

- *within* a round: each sample of a pair and the one started just before it in the same round. Milliseconds
  to seconds apart: what a stream feels.
- *between* rounds: the first sample of a round and the first of the pair's round before it. Minutes
  apart: how the path itself moves.

Where either of the two was lost the difference is undefined and left out; it is not taken to the next that
came back, so that a burst of losses does not pass for one large step. Jitter is a quantile of |ipdv|, the
smallest value that at least that share of the differences does not exceed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.latency.statistics import quantile_ranks


@dataclass(frozen=True, slots=True)
class Jitter:
    """Quantiles of |ipdv| in ms, nan where no two neighbours both came back; and of how many differences."""

    within_ms: float
    between_ms: float
    within_pairs: int
    between_pairs: int


def jitter(rtt_ms: ArrayLike, round_: ArrayLike, quantile: float) -> Jitter:
    """The jitter of one pair's samples (n,), in order of their start: ``rtt_ms``, +inf where lost, and the
    number of the ``round_`` of each, which never falls. Raises ``ValueError`` where it does."""
    rtt, rounds = np.asarray(rtt_ms, dtype=np.float64), np.asarray(round_, dtype=np.int64)
    if np.any(np.diff(rounds) < 0):
        raise ValueError("samples stand in the order of their rounds")
    within = _steps(rtt)[np.diff(rounds) == 0]
    first = rtt[np.concatenate(([True], np.diff(rounds) != 0))] if rtt.size else rtt
    between = _steps(first)
    return Jitter(*_quantiles((within, between), quantile))


def _steps(rtt: NDArray[np.float64]) -> NDArray[np.float64]:
    """|ipdv| of neighbours, nan where either was lost."""
    answered = np.where(np.isfinite(rtt), rtt, np.nan)
    return np.asarray(np.abs(np.diff(answered)), dtype=np.float64)


def _quantiles(
    steps: tuple[NDArray[np.float64], NDArray[np.float64]], quantile: float
) -> tuple[float, float, int, int]:
    found = [np.sort(each[~np.isnan(each)]) for each in steps]
    values = [
        float(each[int(quantile_ranks(each.size, quantile).estimate) - 1]) if each.size else math.nan
        for each in found
    ]
    return values[0], values[1], found[0].size, found[1].size
