import math

import numpy as np
import pytest

from planner.latency.daily import daily_profile, hour_of
from planner.latency.effective import bounded_quantile
from tests.planner.latency.order_statistics import sample_quantile

MIDNIGHT = np.datetime64("2026-03-01T00:00:00", "us")


def series(days, per_hour, rtt_of_hour, rng, samples=2):
    """Rounds at even steps over ``days``: starts, round trips, rounds."""
    rounds = days * 24 * per_hour
    minutes = np.arange(rounds) * (60 / per_hour)
    started = MIDNIGHT + (minutes * 60e6).astype("timedelta64[us]")
    hour = (minutes // 60).astype(int) % 24
    rtt = np.asarray(rtt_of_hour)[hour][:, None] + rng.exponential(1.0, size=(rounds, samples))
    return np.repeat(started, samples), rtt.ravel(), np.repeat(np.arange(rounds), samples)


def test_hours_of_utc_and_of_the_sun():
    starts = np.array(["2026-03-01T00:00:00", "2026-03-01T23:59:59.999999"], dtype="datetime64[us]")
    assert list(hour_of(starts)) == [0, 23]
    assert list(hour_of(starts, lon=139.69)) == [9, 9]  # Tokyo: 9 h 18 min 46 s before UTC
    assert list(hour_of(starts, lon=-74.0)) == [19, 19]  # New York: 4 h 56 min after it
    assert list(hour_of(starts, lon=-180.0)) == [12, 11]
    assert list(hour_of(np.array(["1969-12-31T23:30:00"], dtype="datetime64[us]"))) == [23]


def test_an_hour_is_what_its_own_samples_say():
    rng = np.random.default_rng(1)
    started, rtt, rounds = series(6, 4, np.full(24, 20.0), rng)
    found = daily_profile(started, rtt, rounds, 0.5)
    assert [each.hour for each in found.hours] == list(range(24))
    mine = hour_of(started) == 7
    alone = bounded_quantile(rtt[mine], rounds[mine], 0.5)
    seventh = found.hours[7]
    assert (seventh.samples, seventh.days) == (48, 6)
    assert (seventh.rtt_ms, seventh.lower_ms, seventh.upper_ms) == (
        alone.rtt_ms,
        alone.lower_ms,
        alone.upper_ms,
    )
    together = bounded_quantile(rtt[mine], rounds[mine], 0.5, 1 - 0.05 / 24)
    assert (seventh.least_ms, seventh.most_ms) == (together.lower_ms, together.upper_ms)
    assert seventh.least_ms <= seventh.lower_ms <= seventh.upper_ms <= seventh.most_ms


def test_a_bad_evening_is_found_and_nothing_else_is_the_worst():
    evening = np.full(24, 20.0)
    evening[20] = 30.0
    started, rtt, rounds = series(60, 6, evening, np.random.default_rng(2))
    found = daily_profile(started, rtt, rounds, 0.9)
    assert found.worst.hour == 20
    assert found.may_be_worst == (20,)
    true = 30 + math.log(10)
    assert found.worst_lower_ms <= true <= found.worst_upper_ms
    # By the sun of Tokyo, 20 h UTC is half past five in the morning; hours straddle two of the clock's.
    assert daily_profile(started, rtt, rounds, 0.9, lon=139.69).worst.hour in (4, 5, 6)


def test_days_are_those_of_the_sun():
    started = MIDNIGHT + np.array([0, 30], dtype="timedelta64[m]")
    found = daily_profile(started, [10.0, 12.0], [0, 1], 0.5, lon=-3.75)  # a quarter of an hour behind
    assert [(each.hour, each.days) for each in found.hours] == [(0, 1), (23, 1)]


def test_losses_are_infinite_and_counted():
    started = np.repeat(MIDNIGHT, 4)
    found = daily_profile(started, [10.0, math.inf, math.inf, 11.0], [0, 0, 1, 1], 0.9)
    assert (found.worst.rtt_ms, found.worst.loss_ratio) == (math.inf, 0.5)
    with pytest.raises(ValueError, match="needs a sample"):
        daily_profile(np.zeros(0, "datetime64[us]"), [], [], 0.5)


def test_the_worst_of_24_equal_hours_is_bounded_as_promised():
    """All hours alike, and the worst chosen by luck: its bounds hold, where plain ones do not."""
    rng, true, held, alone = np.random.default_rng(11), 20 + math.log(2), 0, 0
    for _ in range(50):
        started, rtt, rounds = series(14, 2, np.full(24, 20.0), rng)
        found = daily_profile(started, rtt, rounds, 0.5)
        held += found.worst.least_ms <= true <= found.worst.most_ms
        chosen = sample_quantile(rtt[hour_of(started) == found.worst.hour], 0, 0.5)
        alone += chosen.lower <= true <= chosen.upper
        assert len(found.may_be_worst) > 3
    assert held >= 48
    assert alone < 45
