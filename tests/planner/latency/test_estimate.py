import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.geo import fibre_ms, great_circle_km
from planner.latency.estimate import COVERAGE, MIN_PAIRS, PRIOR, fit_distance_model
from planner.latency.networks import pair_model
from planner.measurements import read_published

GRID_KM = np.concatenate((np.linspace(0, 2000, 2001), np.linspace(2000, 20037, 3000)))


def shipped(quantile=0.5):
    return pair_model([], read_published(quantile, "aws").statistics).distance


def places(count, seed=7):
    rng = np.random.default_rng(seed)
    return np.column_stack((rng.uniform(-60, 70, count), rng.uniform(-180, 180, count)))


def pairs(count):
    """Each of ``count`` places to each, and the distances."""
    at = places(count)
    start, end = np.repeat(at, count, axis=0), np.tile(at, (count, 1))
    return start, end, great_circle_km(start[:, 0], start[:, 1], end[:, 0], end[:, 1])


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
def test_monotone_enclosed_and_never_faster_than_light(quantile):
    estimate, lower, upper = shipped(quantile).predict(GRID_KM)
    for curve in (estimate, lower, upper):
        assert np.all(np.diff(curve) >= -1e-9)
        assert np.all(curve >= fibre_ms(GRID_KM) - 1e-9)
    assert np.all(lower <= estimate)
    assert np.all(estimate <= upper)


def test_across_town_is_a_few_milliseconds_and_not_25():
    estimate, lower, upper = shipped().predict([0.0, 20.0, 50.0])
    assert np.all((estimate > 2) & (estimate < 6))
    assert np.all(lower < estimate)
    assert np.all((upper > estimate) & (upper < 15))


def test_better_than_a_straight_line_on_pairs_it_has_not_seen():
    statistics = [s for s in read_published(0.5, "aws").statistics if s.source == "cloudping-1y"]
    held_out = shipped().held_out
    assert held_out is not None
    km = np.array([great_circle_km(s.vantage.lat, s.vantage.lon, *s.site_position) for s in statistics])
    rtt = np.array([s.rtt_ms for s in statistics])
    # The line even sees the pairs it is judged by.
    line = np.polyval(np.polyfit(km, rtt, 1), km)
    assert held_out.median_relative_error < 0.9 * np.median(np.abs(line / rtt - 1))
    assert held_out.pairs == 1089


@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_the_interval_covers_what_it_promises_on_pairs_it_has_not_seen(quantile):
    held_out = shipped(quantile).held_out
    assert held_out is not None
    assert COVERAGE - 0.02 <= held_out.coverage <= COVERAGE + 0.04


def test_a_known_curve_is_found_again():
    start, end, km = pairs(24)
    noise = np.exp(np.random.default_rng(1).normal(0, 0.05, km.size))
    model = fit_distance_model(start, end, np.maximum((4.0 + 0.08 * km**0.85) * noise, fibre_ms(km)))
    expected = 4.0 + 0.08 * GRID_KM**0.85
    assert np.all(np.abs(model.estimate_ms(GRID_KM) / expected - 1) < 0.08)


def test_a_few_absurd_routes_do_not_bend_it():
    start, end, km = pairs(24)
    rtt = 4.0 + 0.08 * km**0.85
    straight = fit_distance_model(start, end, rtt)
    rtt[::20] *= 6
    bent = fit_distance_model(start, end, rtt)
    assert np.all(np.abs(bent.estimate_ms(GRID_KM) / straight.estimate_ms(GRID_KM) - 1) < 0.05)


def test_lost_and_impossible_pairs_teach_nothing():
    start, end, km = pairs(12)
    rtt = 3.0 + 0.05 * km**0.9
    clean = fit_distance_model(start, end, rtt)
    spoilt = np.concatenate((rtt, [math.inf, 0.0, math.nan, 0.2]))
    far = np.array([[0.0, 0.0]] * 4), np.array([[0.0, 90.0]] * 4)
    model = fit_distance_model(np.concatenate((start, far[0])), np.concatenate((end, far[1])), spoilt)
    assert model.pairs == clean.pairs == 144
    assert np.allclose(model.estimate_ms(GRID_KM), clean.estimate_ms(GRID_KM))


def test_too_few_pairs_leave_the_prior():
    start, end, km = pairs(10)
    few = slice(0, MIN_PAIRS - 1)
    assert fit_distance_model(start[few], end[few], km[few] / 20 + 50) is PRIOR
    assert fit_distance_model([], [], []) is PRIOR


def test_the_prior_is_what_the_shipped_table_gives():
    found, prior = shipped(), PRIOR
    for expected, got in zip(found.predict(GRID_KM), prior.predict(GRID_KM), strict=True):
        assert np.all(np.abs(got / expected - 1) < 0.15)
    assert np.all(np.abs(prior.estimate_ms(GRID_KM) / found.estimate_ms(GRID_KM) - 1) < 0.03)


@settings(deadline=None, max_examples=25)
@given(st.integers(6, 20), st.floats(0.1, 40), st.floats(0.005, 1.0), st.integers(0, 2**31))
def test_any_table_gives_a_sane_model(count, intercept, slope, seed):
    start, end, km = pairs(count)
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.5, km.size))
    model = fit_distance_model(start, end, (intercept + slope * km) * noise)
    estimate, lower, upper = model.predict(GRID_KM)
    assert np.all(np.isfinite(upper))
    assert np.all((fibre_ms(GRID_KM) <= lower + 1e-9) & (lower <= estimate) & (estimate <= upper))
    assert all(np.all(np.diff(curve) >= -1e-9) for curve in (estimate, lower, upper))


def test_a_fit_takes_well_under_a_second():
    start, end, km = pairs(300)
    begun = time.process_time()
    fit_distance_model(start, end, 3.0 + 0.05 * km**0.9)
    assert time.process_time() - begun < 1.0
