"""A pair by the hour of the day, and its worst hour. Pure.

Hours are of UTC, or of the sun where the client lives: UTC + longitude / 15° (mean solar time, within an
hour of most clocks in winter, and without any government's say).

The worst of 24 hours is partly so by luck. Its bounds are therefore simultaneous: each hour's are taken at
the confidence 1 - (1 - c)/k, k hours having samples (Bonferroni), so that with probability c all of them
hold together, whatever ties the hours to each other. Then the worst hour's own quantile is within its bounds,
whichever hour that turned out to be; the worst quantile of any hour is within the largest lower and the
largest upper; and an hour whose upper bound is below that largest lower is not the worst one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.latency.effective import bounded_quantile
from planner.latency.statistics import CONFIDENCE

HOURS: Final = 24
_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour's quantile in ms over all days, and its bounds at the confidence asked for; lost is +inf.

    ``least_ms`` and ``most_ms``: bounds that hold for all hours together. ``effective``: what its ``samples``
    of so many ``days`` are worth.
    """

    hour: int
    samples: int
    days: int
    effective: float
    rtt_ms: float
    lower_ms: float
    upper_ms: float
    least_ms: float
    most_ms: float
    loss_ratio: float


@dataclass(frozen=True, slots=True)
class Profile:
    """``hours`` that have samples, in order; ``worst`` of them by its quantile, the earliest of equals.

    ``worst_lower_ms`` and ``worst_upper_ms`` bound the largest quantile of any of these hours;
    ``may_be_worst`` are those that it may belong to.
    """

    hours: tuple[Hour, ...]
    worst: Hour
    worst_lower_ms: float
    worst_upper_ms: float
    may_be_worst: tuple[int, ...]


def hour_of(started_at: ArrayLike, lon: float = 0.0) -> NDArray[np.int64]:
    """The hour of the day, 0 to 23, of each start (n,) datetime64 in UTC, by the sun at longitude ``lon``."""
    return _hours(started_at, lon) % HOURS


def _hours(started_at: ArrayLike, lon: float) -> NDArray[np.int64]:
    """Whole hours since 1970 by the sun at ``lon``."""
    shift = np.timedelta64(round(lon / 15.0 * _HOUR_US), "us")
    started = np.asarray(started_at, dtype="datetime64[us]") + shift
    return np.asarray(started.astype(np.int64) // _HOUR_US, dtype=np.int64)


def daily_profile(
    started_at: ArrayLike,
    rtt_ms: ArrayLike,
    round_: ArrayLike,
    quantile: float,
    *,
    lon: float = 0.0,
    confidence: float = CONFIDENCE,
) -> Profile:
    """The profile of one pair's samples (n,) in order of their start: UTC starts, ``rtt_ms`` (+inf where
    lost) and the number of each one's round. Raises ``ValueError`` without samples."""
    rtt, rounds = np.asarray(rtt_ms, dtype=np.float64), np.asarray(round_, dtype=np.int64)
    if rtt.size == 0:
        raise ValueError("a profile needs a sample")
    since = _hours(started_at, lon)
    hour, day = since % HOURS, since // HOURS
    present = np.unique(hour)
    together = 1.0 - (1.0 - confidence) / present.size
    hours = tuple(
        _hour(
            int(each),
            rtt[hour == each],
            rounds[hour == each],
            day[hour == each],
            quantile,
            (confidence, together),
        )
        for each in present
    )
    worst = max(hours, key=lambda each: each.rtt_ms)
    floor = max(each.least_ms for each in hours)
    return Profile(
        hours=hours,
        worst=worst,
        worst_lower_ms=floor,
        worst_upper_ms=max(each.most_ms for each in hours),
        may_be_worst=tuple(each.hour for each in hours if each.most_ms >= floor),
    )


def _hour(
    hour: int,
    rtt: NDArray[np.float64],
    rounds: NDArray[np.int64],
    days: NDArray[np.int64],
    quantile: float,
    confidences: tuple[float, float],
) -> Hour:
    alone, together = (bounded_quantile(rtt, rounds, quantile, confidence) for confidence in confidences)
    return Hour(
        hour=hour,
        samples=rtt.size,
        days=int(np.unique(days).size),
        effective=alone.effective,
        rtt_ms=alone.rtt_ms,
        lower_ms=alone.lower_ms,
        upper_ms=alone.upper_ms,
        least_ms=together.lower_ms,
        most_ms=together.upper_ms,
        loss_ratio=float(np.mean(np.isinf(rtt))),
    )
