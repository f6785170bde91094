"""The drift test against hand computation, brute force over rank sums, and what it promises on noise."""

from itertools import combinations

import numpy as np
import pytest

from planner.drift.change import (
    FALSE_ALARM,
    Series,
    _Ranked,
    _variances,
    find_step,
    significant,
    span_lengths,
)

START = np.datetime64("2026-03-02T00:00:00", "us")


def series(*figures, first=0, every_min=15):
    figures = np.array(figures, dtype=float)
    at = START + (first + np.arange(figures.shape[1])) * np.timedelta64(every_min, "m")
    return Series(at, figures)


def week(rng, rounds=672, course=0.0, **kw):
    hours = 2 * np.pi * np.arange(rounds) / 96
    return series(40 * (1 + course * np.sin(hours)) * np.exp(0.04 * rng.standard_normal(rounds)), **kw)


def test_placements_count_ties_by_half_and_only_the_same_hour():
    hour = np.array([0, 0, 0, 0, 1])
    ranked = _Ranked.of(np.array([10.0, 20.0, 20.0, np.inf, 1.0]), hour)
    recent = np.array([20.0, 15.0, np.inf, 5.0])
    assert ranked.placements(recent, np.zeros(4, dtype=int), 0.0).tolist() == [0.5, 0.25, 0.875, 0.0]
    assert ranked.placements(recent, np.ones(4, dtype=int), 0.0).tolist() == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(("margin", "placed"), [(0.03, 0.0), (0.02, 1.0), (-0.03, 1.0)])
def test_a_step_has_to_pass_the_margin(margin, placed):
    """25.6 is 2.4 % above 25: above it once that is raised by 2 %, not by 3 %."""
    ranked = _Ranked.of(np.array([25.0] * 4), np.zeros(4, dtype=int))
    assert ranked.placements(np.array([25.6]), np.zeros(1, dtype=int), margin).tolist() == [placed]


def test_the_variance_is_that_of_every_way_to_draw_the_rank_sum():
    """Two hours, each ranked by itself: over all ways to choose which of its rounds are the recent ones."""
    hour, of_hour = np.array([0, 0, 1]), np.array([3, 2] + [0] * 22)
    within = []
    for recent, reference in ((2, 3), (1, 2)):
        everyone = range(recent + reference)
        sums = []
        for chosen in combinations(everyone, recent):
            rest = [each for each in everyone if each not in chosen]
            sums.append(sum(sum(other < each for other in rest) / reference for each in chosen))
        within.append(np.var(sums))
        assert np.mean(sums) == pytest.approx(recent / 2)
    assert _variances(hour, of_hour, np.array([3]))[0] == pytest.approx(sum(within))


def test_spans_grow_up_to_all_rounds():
    assert span_lengths(6).tolist() == [6]
    spans = span_lengths(96)
    assert spans[0] == 6
    assert spans[-1] == 96
    assert (np.diff(spans) > 0).all()


@pytest.mark.parametrize(
    ("p_values", "fallen"),
    [
        ([0.001, 0.004, 0.2], [True, True, False]),  # 0.01/3, then 0.01/2
        ([0.004, 0.001, 0.006], [True, True, True]),
        ([0.004, 0.004, 0.004], [False, False, False]),
        ([], []),
    ],
)
def test_holm(p_values, fallen):
    assert significant(p_values, 0.01) == tuple(fallen)


@pytest.mark.parametrize("up", [True, False])
def test_a_step_is_found_where_it_is(up):
    rng = np.random.default_rng(5)
    whole = week(rng, 672 + 60).figures[0]
    whole[672 + 35 :] *= 1.15 if up else 1 / 1.15
    step = find_step(series(whole[:672]), series(whole[672:], first=672))
    assert step.p_value < 1e-6
    assert step.up == up
    assert abs(step.since - 35) <= 2


def test_a_daily_course_is_no_step():
    rng = np.random.default_rng(6)
    whole = week(rng, 672 + 96, course=0.25).figures[0]
    # Half a day, all of it above the mean of the week.
    step = find_step(series(whole[:672]), series(whole[672 : 672 + 40], first=672))
    assert step.p_value == 1.0


def test_rounds_lost_are_slower_than_any():
    rng = np.random.default_rng(7)
    past = week(rng)
    lost = series(np.full(12, np.inf), first=672)
    step = find_step(past, lost)
    assert step.up
    assert step.p_value < 1e-4
    back = find_step(series(np.full(672, np.inf)), series(np.full(12, 40.0), first=672))
    assert not back.up
    assert back.p_value < 1e-4


def test_what_shows_in_one_figure_only_is_found():
    """Losses that spare the median of a round show in its quantile."""
    rng = np.random.default_rng(8)
    median, top = week(rng, 712).figures[0], week(rng, 712).figures[0] * 1.1
    top[680:] = np.inf
    whole = series(median, top)
    step = find_step(whole.part(slice(0, 672)), whole.part(slice(672, None)))
    assert (step.figure, step.up) == (1, True)
    assert step.p_value < 1e-6


def test_too_little_to_compare_is_no_answer():
    rng = np.random.default_rng(9)
    assert find_step(week(rng, 19), series(np.full(30, 90.0), first=19)) is None
    assert find_step(week(rng), series(np.full(5, 90.0), first=672)) is None
    # A morning says nothing of the afternoon.
    assert find_step(week(rng, 24), series(np.full(30, 90.0), first=48)) is None
    # Two days of each hour are too few to know how days differ, three are not.
    assert find_step(week(rng, 192), series(np.full(30, 90.0), first=192)) is None
    assert find_step(week(rng, 288), series(np.full(30, 90.0), first=288)) is not None


def test_rounds_that_hang_together_count_less():
    rng = np.random.default_rng(10)
    noise, level = rng.standard_normal(2000), 0.0
    hanging = [level := 0.8 * level + 0.6 * each for each in noise]
    hour = np.zeros(2000, dtype=int)
    free = _Ranked.of(np.exp(noise), hour).inflation()
    assert 1.0 <= free < 1.6
    # Of a first-order process: (1 + 0.8) / (1 - 0.8) = 9; ranks hang together a little less.
    assert 6.0 < _Ranked.of(np.exp(hanging), hour).inflation() < 12.0


def test_false_alarms_are_rarer_than_promised():
    """200 checks of 10 pairs that are as ever, with a daily course; one in a hundred makes two alarms.
    The command that counts thousands is ``python -m benchmarks.drift``."""
    rng, alarms = np.random.default_rng(11), 0
    for _ in range(200):
        p_values = []
        for _ in range(10):
            whole = week(rng, 288 + 32, course=0.1).figures[0]
            p_values.append(find_step(series(whole[:288]), series(whole[288:], first=288)).p_value)
        alarms += any(significant(p_values, FALSE_ALARM))
    assert alarms <= 2


def test_a_slow_swing_is_no_step():
    """Rounds that hang together for hours (0.95 from one to the next): within an hour of a single day a swing
    is all there is, and three of four checks against such a day would raise an alarm."""
    rng, alarms = np.random.default_rng(12), 0
    for _ in range(100):
        level, hanging = rng.standard_normal(), []
        for each in rng.standard_normal(384):
            level = 0.95 * level + np.sqrt(1 - 0.95**2) * each
            hanging.append(level)
        figures = 40 * np.exp(0.1 * np.array(hanging))
        step = find_step(series(figures[:288]), series(figures[288:], first=288))
        alarms += step.p_value <= FALSE_ALARM
    assert alarms <= 4
