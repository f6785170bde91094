"""Draws of a matrix: each pair within its bounds as often as they say, neighbours off together."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri, stdtr, stdtrit

from planner.demand import Client, Demand
from planner.geo import fibre_ms, great_circle_km
from planner.latency.draws import PLACE_PART, SITE_PART, errors_of
from planner.latency.matrix import MEASURED, MODELLED, Grounds, LatencyMatrix
from planner.measurements import PairDetail, PairStatistic, Vantage
from tests.planner.latency.test_matrix import site

PLACES = (("DE", 50.1, 8.7), ("DE", 50.9, 8.2), ("FR", 48.9, 2.3), ("PL", 52.2, 21.0))
SITES = (site("a", 50.0, 8.0), site("b", 40.0, -75.0))
DRAWS = 4_000


def matrix(estimate, low, high, provenance=MODELLED, vantage=-1):
    shape = len(PLACES), len(SITES)
    full = [np.full(shape, float(value)) for value in (estimate, low, high)]
    return LatencyMatrix(
        client_ids=tuple(str(i) for i in range(shape[0])),
        site_ids=("a", "b"),
        vantages=("v",),
        quantile=0.5,
        estimate_ms=full[0],
        lower_ms=full[1],
        upper_ms=full[2],
        samples=np.zeros(shape, dtype=np.int64),
        loss_ratio=np.zeros(shape),
        provenance=np.full(shape, provenance, dtype=np.int8),
        vantage=np.full(shape, vantage, dtype=np.int32),
    )


def drawn(given, client, at):
    clients = tuple(Client(f"{c}{n}", c, c, lat, lon, 1.0) for n, (c, lat, lon) in enumerate(PLACES))
    demand = Demand(clients, np.ones(len(clients)), "test")
    errors = errors_of(given, demand, SITES, np.array(client), np.array(at))
    return errors, np.array([errors.draw(1, number) for number in range(DRAWS)])


def test_a_modelled_pair_is_within_its_bounds_nine_times_in_ten():
    _, values = drawn(matrix(200.0, 150.0, 400.0), [0], [1])
    below, above = (values < 150.0).mean(), (values > 400.0).mean()
    assert abs(np.median(values) / 200.0 - 1.0) < 0.02
    assert abs(below - 0.05) < 4 * math.sqrt(0.05 * 0.95 / DRAWS)
    assert abs(above - 0.05) < 4 * math.sqrt(0.05 * 0.95 / DRAWS)


def test_most_errors_are_small_and_a_few_are_large():
    _, values = drawn(matrix(200.0, 150.0, 400.0), [0], [1])
    over = np.log(values / 200.0) / math.log(2.0)
    for share in (0.75, 0.90):
        assert np.quantile(over, share) == pytest.approx(stdtrit(2, share) / stdtrit(2, 0.95), rel=0.12)
    assert over.max() <= 3.0 + 1e-9


def test_a_measured_pair_is_within_its_bounds_nineteen_times_in_twenty():
    _, values = drawn(matrix(200.0, 190.0, 230.0, MEASURED, 0), [0], [1])
    assert abs((values > 230.0).mean() - 0.025) < 4 * math.sqrt(0.025 / DRAWS)
    assert abs((values < 190.0).mean() - 0.025) < 4 * math.sqrt(0.025 / DRAWS)


def test_clients_of_one_vantage_are_off_together():
    _, values = drawn(matrix(200.0, 150.0, 300.0, MEASURED, 0), [0, 3], [1, 1])
    assert np.array_equal(values[:, 0], values[:, 1])


def test_modelled_pairs_share_the_errors_of_their_site_and_of_their_place():
    _, values = drawn(matrix(200.0, 150.0, 400.0), [0, 1, 2, 0], [1, 1, 1, 0])
    error = np.log(values / 200.0)
    error = error / np.where(error > 0, math.log(2.0), math.log(200.0 / 150.0)) * stdtrit(2, 0.95)
    together = np.corrcoef(ndtri(np.clip(stdtr(2, error), 1e-9, 1 - 1e-9)).T)  # back to normal errors
    assert together[0, 1] == pytest.approx(1.0)  # one place, one site
    assert abs(together[0, 2] - SITE_PART) < 0.06  # one site only
    assert abs(together[0, 3] - PLACE_PART) < 0.06  # one place only


def test_no_draw_beats_light():
    _, values = drawn(matrix(70.0, 66.0, 90.0), [0], [1])
    floor = float(fibre_ms(great_circle_km(50.1, 8.7, 40.0, -75.0)))
    assert values.min() == pytest.approx(floor)
    assert (values >= floor - 1e-9).all()


def test_what_no_sample_bounds_gets_the_usual_width_and_what_is_lost_stays_lost():
    given = matrix(200.0, 150.0, 400.0)
    given.upper_ms[0, 1], given.lower_ms[0, 1], given.provenance[0, 1] = np.inf, 0.0, MEASURED
    given.estimate_ms[1, 1] = given.upper_ms[1, 1] = np.inf
    errors, values = drawn(given, [0, 1], [1, 1])
    assert errors.up[0] == pytest.approx(math.log(2.0) / ndtri(0.95))  # the middle of the others'
    assert np.isfinite(values[:, 0]).all()
    assert np.isinf(values[:, 1]).all()


def test_a_draw_is_the_same_whichever_others_are_drawn():
    errors, values = drawn(matrix(200.0, 150.0, 400.0), [0, 2], [1, 0])
    assert np.array_equal(errors.draw(1, 17), values[17])
    assert not np.array_equal(errors.draw(2, 17), values[17])


def test_the_probability_of_a_limit_is_how_often_draws_keep_it():
    errors, values = drawn(matrix(200.0, 150.0, 400.0), [0, 0], [1, 0])
    for limit in (160.0, 200.0, 290.0):
        chance = errors.within(limit)
        seen = (values <= limit).mean(axis=0)
        assert np.all(np.abs(chance - seen) < 4 * np.sqrt(0.25 / DRAWS))
    assert errors.within(60.0)[0] == 0.0  # nothing crosses the Atlantic in that
    assert errors.within(100.0)[1] > 0.0


def test_without_spread_a_limit_is_kept_or_broken():
    errors, _ = drawn(matrix(200.0, 200.0, 200.0), [0], [1])
    assert [errors.within(limit)[0] for limit in (199.0, 200.0, 201.0)] == [0.0, 1.0, 1.0]


def sampled(values, trips=1.0):
    """All pairs from one vantage that sampled ``b``, with the order statistics of its quantile."""
    given = matrix(trips * 100.0, trips * 90.0, trips * 130.0, MEASURED, 0)
    detail = PairDetail(50, 100.0, 0.0, 0.01, (), values)
    spoken = PairStatistic(
        Vantage("v", "DE", 50.0, 8.0),
        "b",
        0.5,
        100.0,
        92.0,
        126.0,
        500,
        0.0,
        "sampled",
        True,
        "test",
        detail=detail,
    )
    grounds = Grounds(
        np.full(given.estimate_ms.shape, 2.0), np.zeros(given.estimate_ms.shape), {(0, 1): spoken}
    )
    return replace(given, grounds=grounds.times(trips))


RISING = (85.0, 88.0, 92.0, 94.0, 96.0, 98.0, 100.0, 104.0, 110.0, 118.0, 126.0, 140.0, 160.0)


def test_a_sampled_pair_is_drawn_from_its_samples_and_as_much_wider_as_its_bounds():
    errors, values = drawn(sampled(RISING), [0, 3, 0], [1, 1, 0])
    assert errors.resampled is not None
    assert errors.resampled.pair.tolist() == [0, 1]  # nobody's samples speak for the third
    assert np.array_equal(values[:, 0], values[:, 1])
    # Bounds lie 2 ms below the samples' own and 4 ms above.
    for share, expected in ((0.025, 90.0), (0.5, 100.0), (0.975, 130.0)):
        assert np.quantile(values[:, 0], share) == pytest.approx(expected, rel=0.02)
    assert values[:, 0].max() <= 160.0 + 4.0 * 3.0 / 1.95
    for limit in (95.0, 100.0, 120.0):
        assert errors.within(limit)[0] == pytest.approx((values[:, 0] <= limit).mean(), abs=0.03)


def test_two_round_trips_are_off_twice_as_far():
    _, once = drawn(sampled(RISING), [0], [1])
    _, twice = drawn(sampled(RISING, 2.0), [0], [1])
    assert np.allclose(twice, 2.0 * once)


def test_where_some_samples_were_lost_a_draw_may_be():
    errors, values = drawn(sampled((*RISING[:9], np.inf, np.inf, np.inf, np.inf)), [0], [1])
    lost = np.isinf(values[:, 0]).mean()
    assert lost == pytest.approx(1.0 - errors.within(1e9)[0], abs=0.02)
    assert 0.08 < lost < 0.14
