"""Variances against every way to draw ranks, and against series whose spread is known."""

from itertools import combinations

import numpy as np
import pytest
from scipy.special import ndtr, polygamma

from planner.drift.spread import (
    Prior,
    Spread,
    Weights,
    _inflation,
    _trigamma_inverse,
    day_of,
    on_their_own,
    prior_of,
    spread_of,
    tail,
    weights_of,
)
from tests.planner.drift.series import at

DAYS, SLOTS = np.arange(7).repeat(96), np.arange(672)


def test_days_are_counted_from_the_origin():
    moments = np.array([at(-97), at(-96), at(-1), at(0), at(95), at(96)], dtype="datetime64[us]")
    assert day_of(moments, at(0)).tolist() == [-2, -1, -1, 0, 0, 1]


def test_the_variance_of_rounds_is_that_of_every_way_to_draw_the_rank_sum():
    """Two hours, each ranked by itself: over all ways to choose which of its rounds are the recent ones. Of
    ranks, v is 1/12, and there is n / 12 m more, for they are of few."""
    sizes, exact = ((2, 3), (1, 2)), 0.0
    for recent, reference in sizes:
        sums = []
        for chosen in combinations(range(recent + reference), recent):
            rest = [each for each in range(recent + reference) if each not in chosen]
            sums.append(sum(sum(other < each for other in rest) / reference for each in chosen))
        exact += float(np.var(sums))
    found = weights_of(
        np.array([0, 0, 1]), np.zeros(3, int), np.array([0, 0, 0, 1, 1]), np.arange(5), 2, np.array([3, 1])
    )
    added = sum(n / (12 * m) for n, m in sizes)
    assert found.rounds[0] / 12 + added == pytest.approx(exact)
    assert found.rounds[1] / 12 == pytest.approx((1 + 1 / 2) / 12)  # the last round alone


def test_the_weight_of_days_is_what_whole_days_do_to_the_sum():
    """Three days of two hours, unevenly measured, and two recent days: a day's level goes with its rounds."""
    rng = np.random.default_rng(1)
    past_stratum, past_day = rng.integers(0, 2, 30), rng.integers(-3, 0, 30)
    stratum, day = rng.integers(0, 2, 9), np.array([0] * 5 + [1] * 4)
    by_hand = 0.0
    for shifted in (0, 1):
        by_hand += float((day == shifted).sum()) ** 2
    for shifted in (-3, -2, -1):
        drawn = [np.mean(past_day[past_stratum == hour] == shifted) for hour in stratum]
        by_hand += float(np.sum(drawn)) ** 2
    found = weights_of(stratum, day, past_stratum, past_day, 2, np.array([9]))
    assert found.days[0] == pytest.approx(by_hand)


def test_rounds_that_hang_together_count_less():
    rng = np.random.default_rng(10)
    noise, level = rng.standard_normal(4000), 0.0
    hanging = np.array([level := 0.8 * level + 0.6 * each for each in noise])
    assert 1.0 <= _inflation(noise)[0] < 1.6
    # Of a first-order process: (1 + 0.8) / (1 - 0.8) = 9.
    assert 6.5 < _inflation(hanging)[0] < 11.5
    day = np.arange(40).repeat(100)
    free, bound = (spread_of(each, np.arange(4000), day, 0.0) for each in (noise, hanging))
    assert free.variance == pytest.approx(1.0, rel=0.6)
    assert 6.5 < bound.variance < 12.0
    assert bound.freedom < free.freedom / 4
    # By round the days of either are alike.
    assert 0.5 < free.ratio < 1.6
    assert 0.5 < bound.ratio < 1.6


def test_days_that_stray_show_in_their_ratio():
    """t of 0.3 of a round's deviation: R = 1 + 96 x 0.09 in the mean."""
    rng, ratios = np.random.default_rng(5), []
    for _ in range(60):
        level = 0.3 * rng.standard_normal(7)
        scores = level[DAYS] + rng.standard_normal(len(DAYS))
        ratios.append(spread_of(scores - scores.mean(), SLOTS, DAYS, 0.0).ratio)
    assert np.mean(ratios) == pytest.approx(1 + 96 * 0.09, rel=0.35)


def test_pairs_that_stray_together_count_as_one():
    """Four pairs a slot, each round half the slot's and half its own: the sum of four strays by 2 + 8 of
    where four on their own would by 4; and the rounds of one slot are no neighbours in time."""
    rng = np.random.default_rng(8)
    shared = rng.standard_normal((672, 1)) + rng.standard_normal((672, 4))
    slot, day = np.arange(672).repeat(4), DAYS.repeat(4)
    together = spread_of(shared.ravel(), slot, day, 0.0)
    assert together.inflation == pytest.approx((4 + 16) / (4 * 2), rel=0.25)
    assert together.variance == pytest.approx(5.0, rel=0.25)
    alone = spread_of(rng.standard_normal(4 * 672), slot, day, 0.0)
    assert alone.inflation < 1.4
    level, hanging = np.zeros(4), []
    for each in rng.standard_normal((672, 4)):
        level = 0.6 * level + 0.8 * each
        hanging.append(level)
    # (1 + 0.6) / (1 - 0.6) = 4, though the neighbours in order are other pairs.
    assert spread_of(np.ravel(hanging), slot, day, 0.0).inflation == pytest.approx(4.0, rel=0.45)


def spreads(rng, stray, number=40, shared=False):
    found = []
    common = rng.standard_normal(7)
    for _ in range(number):
        level = stray * (common if shared else rng.standard_normal(7))
        scores = level[DAYS] + rng.standard_normal(len(DAYS))
        found.append(spread_of(scores - scores.mean(), SLOTS, DAYS, 0.0))
    return found


def test_what_series_have_in_common_is_worth_days():
    rng = np.random.default_rng(6)
    alike, straying = prior_of(spreads(rng, 0.0)), prior_of(spreads(rng, 0.5))
    assert alike.ratio == pytest.approx(1.0, abs=0.5)
    assert straying.ratio == pytest.approx(1 + 96 * 0.25, rel=0.4)
    assert alike.freedom > 60
    assert prior_of([]) == prior_of(spreads(rng, 0.0, 1)) == Prior()
    # Half of them stray and half do not: they have little in common.
    assert prior_of(spreads(rng, 0.0) + spreads(rng, 1.0)).freedom < 6


def test_series_that_stray_as_one_are_worth_one():
    rng = np.random.default_rng(7)
    assert on_their_own(spreads(rng, 2.0, shared=True)) < 1.5
    assert on_their_own(spreads(rng, 2.0)) > 10
    assert prior_of(spreads(rng, 2.0, shared=True)).freedom < 9


@pytest.mark.parametrize("value", [1e-8, 1e-3, 0.2, 3.0, 1e4, 1e9])
def test_trigamma_backwards(value):
    assert float(polygamma(1, _trigamma_inverse(value))) == pytest.approx(value, rel=1e-4)


def test_the_tail_is_normal_where_everything_is_known_and_students_where_days_are_few():
    weights = Weights(np.array([10.0, 96.0]), np.array([100.0, 96.0**2]))
    known = Spread(1.0, 1e6, 1.0, 1.0, 96.0, np.arange(7), np.zeros(7))
    sums = 4.0 * np.sqrt(weights.rounds)
    sure, unsure = tail(sums, weights, known, Prior(1.0, 1e6)), tail(sums, weights, known, Prior())
    assert sure == pytest.approx([float(ndtr(-4.0))] * 2, rel=1e-2)
    # Ten rounds of a day hardly ask about days; all of its rounds do: six degrees of freedom.
    assert unsure[0] < 2.0 * sure[0]
    assert unsure[1] == pytest.approx(0.00356, rel=0.01)  # of Student's t with 6, 4 or more
    straying = tail(sums, weights, known, Prior(10.0, 1e6))
    assert straying[1] == pytest.approx(float(ndtr(-4.0 / np.sqrt(10.0))), rel=1e-2)
