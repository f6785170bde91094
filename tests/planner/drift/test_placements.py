"""Scores against places counted one by one and scipy's normal distribution."""

import numpy as np
import pytest
from scipy.stats import norm

from planner.drift.placements import Ranked, joined
from planner.drift.series import Figure, series_of
from tests.planner.drift.series import at, comparison, scored, series


def figure(*rounds):
    return Figure(
        np.array([value for of in rounds for value in of], dtype=float),
        np.repeat(np.arange(len(rounds)), [len(of) for of in rounds]),
    )


def test_a_round_is_told_by_its_samples_and_by_their_quantile():
    begun = [at(1), at(0), at(0), at(1), at(0)]
    found = series_of(
        np.array(begun, dtype="datetime64[us]"),
        np.array([7, 3, 3, 7, 3]),
        np.array([5.0, 2, np.inf, 4, 1]),
        0.6,
    )
    assert found.at.tolist() == [at(0).item(), at(1).item()]
    level, top = found.figures
    assert (level.values.tolist(), level.of.tolist()) == ([1.0, 2.0, np.inf, 4.0, 5.0], [0, 0, 0, 1, 1])
    assert top.values.tolist() == [2.0, 5.0]  # of three the ceil(1.8) = 2nd, of two the ceil(1.2) = 2nd
    later = found.part(slice(1, None))
    assert (later.figures[0].values.tolist(), later.figures[0].of.tolist()) == ([4.0, 5.0], [0, 0])


def mean_normal(low, high):
    """The mean of a standard normal variable between two of its quantiles, by its density at either."""
    return (norm.pdf(norm.ppf(low)) - norm.pdf(norm.ppf(high))) / (high - low)


def test_a_score_is_a_normal_one_of_the_same_place_within_hours():
    """Two hours, one twice as slow as the other and twice as far apart in logarithms: told by their own."""
    first, second = [0.0, 1.0, 2.0, 3.0, 7.0], [10.0, 12.0, 14.0, 16.0, 24.0]
    hour = np.repeat([0, 1], [5, 5])
    ranked = Ranked.of(figure(*[[np.exp(each)] for each in (*first, *second)]), hour)
    common = 2.0  # the median of 2 1 0 1 5 and of 4 2 0 2 10
    scale = [np.sqrt((5 * own**2 + 30 * common**2) / 35) for own in (1.0, 2.0)]
    assert ranked.centre[:2] == pytest.approx([2.0, 14.0])
    assert ranked.scale[:2] == pytest.approx(scale)
    told = [(each - 2) / scale[0] for each in first] + [(each - 14) / scale[1] for each in second]
    bare = np.empty(10)
    for value in set(told):
        tied = [k for k, each in enumerate(told) if each == pytest.approx(value)]
        low = sum(each < value - 1e-9 for each in told)
        bare[tied] = mean_normal(low / 10, (low + len(tied)) / 10)
    level = [bare[:5].mean(), bare[5:].mean()]
    expected = (bare - np.repeat(level, 5)) * np.sqrt(5 / 4)
    assert ranked.own == pytest.approx(expected)
    # New ones: as one of the reference, and above all of the reference and lost.
    now = ranked.scores(figure([np.exp(3.0)], [np.exp(20.0)], [np.inf]), np.array([0, 0, 0]), 0.0)
    top = mean_normal(0.9, 1.0) - level[0]
    assert now == pytest.approx([bare[3] - level[0], top, top])


def test_the_score_of_a_round_is_the_mean_over_its_samples():
    rng = np.random.default_rng(2)
    rounds = rng.lognormal(size=(40, 3))
    ranked = Ranked.of(figure(*rounds), np.zeros(40, dtype=int))
    place = np.argsort(np.argsort(rounds.ravel()))
    bare = np.array([mean_normal(k / 120, (k + 1) / 120) for k in place]).reshape(40, 3).mean(axis=1)
    assert ranked.own == pytest.approx((bare - bare.mean()) * np.sqrt(40 / 39))
    assert ranked.ties < 1e-3


def test_ties_count_as_if_they_were_broken_by_lot():
    """Three samples that all tie: the mean of three normal scores. Half of all lost: above the median, where
    a normal variable's variance is 1 - 2/π."""
    hour = np.zeros(200, dtype=int)
    assert Ranked.of(figure(*[[5.0] * 3] * 200), hour).ties == pytest.approx(1 / 3)
    half = Ranked.of(figure(*[[np.inf]] * 100, *np.arange(1.0, 101.0)[:, None]), hour)
    assert half.ties == pytest.approx((1 - 2 / np.pi) / 2, abs=0.003)


@pytest.mark.parametrize(("margin", "up"), [(0.03, False), (0.02, True), (-0.03, True)])
def test_a_step_has_to_pass_the_margin(margin, up):
    """25.6 is 2.4 % above 25: above it once that is raised by 2 %, not by 3 %."""
    ranked = Ranked.of(figure(*[[25.0]] * 4), np.zeros(4, dtype=int))
    (score,) = ranked.scores(figure([25.6]), np.zeros(1, dtype=int), margin)
    assert score == pytest.approx(mean_normal(0.75, 1.0) if up else mean_normal(0.0, 0.25))
    (lost,) = ranked.scores(figure([np.inf]), np.zeros(1, dtype=int), margin)
    assert lost == pytest.approx(mean_normal(0.75, 1.0))


def test_too_little_to_compare_is_no_answer():
    def week(rounds):
        return 40 * np.exp(0.04 * np.random.default_rng(9).standard_normal(rounds))

    slow = series(np.full(30, 90.0), first=19)
    assert scored(series(week(19)), slow) is None
    assert scored(series(week(672)), series(np.full(5, 90.0), first=672)) is None
    # A morning says nothing of the afternoon.
    assert scored(series(week(24)), series(np.full(30, 90.0), first=48)) is None
    # Two days of each hour are too few to know how days differ, three are not.
    assert scored(series(week(192)), series(np.full(30, 90.0), first=192)) is None
    assert scored(series(week(288)), series(np.full(30, 90.0), first=288)) is not None


def test_pairs_joined_stand_in_the_order_of_time_each_in_its_own_hours():
    rng = np.random.default_rng(4)
    first = comparison(rng.lognormal(size=(312, 2)), 288)
    second = comparison(rng.lognormal(size=(312, 2)) * 7.0, 288)
    both = joined([first, second])
    assert both.strata == 48
    assert (np.diff(both.past_at) >= np.timedelta64(0)).all()
    assert (np.diff(both.at) >= np.timedelta64(0)).all()
    for part, low in ((first, 0), (second, 24)):
        own = (both.stratum >= low) & (both.stratum < low + 24)
        for figure_, margin in ((0, 0.0), (1, -0.01)):
            assert both.scores(figure_, margin)[own].tolist() == part.scores(figure_, margin).tolist()
        past = (both.past_stratum >= low) & (both.past_stratum < low + 24)
        assert both.past[:, past].tolist() == part.past.tolist()
        assert (both.past_stratum[past] - low).tolist() == part.past_stratum.tolist()
    # The rounds of both that start together are one slot.
    assert np.bincount(both.past_slot).tolist() == [2] * 288
