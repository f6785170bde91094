"""The drift test: what it finds, where, and what it promises on noise. The command that counts thousands of
checks is ``python -m benchmarks.drift``."""

import numpy as np
import pytest

from planner.drift.change import find_steps, span_lengths
from planner.drift.families import FALSE_ALARM, fallen
from planner.drift.placements import joined
from tests.planner.drift.series import at, comparison, scored, series


def noisy(rng, rounds, course=0.0, samples=1):
    hours = 2 * np.pi * np.arange(rounds)[:, None] / 96
    return 40 * (1 + course * np.sin(hours)) * np.exp(0.04 * rng.standard_normal((rounds, samples)))


_SHAPE = (20, 678, 1)
QUIET = [
    comparison(each, 672) for each in 40 * np.exp(0.1 * np.random.default_rng(1).standard_normal(_SHAPE))
]


def step(samples, reference):
    """Of one pair among twenty others that are as ever, so that it is known how days are."""
    return find_steps([comparison(samples, reference), *QUIET], at(reference))[0]


def test_spans_grow_up_to_all_rounds():
    assert span_lengths(6).tolist() == [6]
    spans = span_lengths(96)
    assert spans[0] == 6
    assert spans[-1] == 96
    assert (np.diff(spans) > 0).all()


@pytest.mark.parametrize("up", [True, False])
def test_a_step_is_found_where_it_is(up):
    rng = np.random.default_rng(5)
    whole = noisy(rng, 672 + 60)
    whole[672 + 35 :] *= 1.15 if up else 1 / 1.15
    found = step(whole, 672)
    assert found.p_value < 1e-6
    assert found.up == up
    assert abs(found.since - at(672 + 35)) <= np.timedelta64(30, "m")


def test_a_daily_course_is_no_step():
    rng = np.random.default_rng(6)
    # Half a day, all of it above the mean of the week.
    assert step(noisy(rng, 672 + 40, course=0.25), 672).p_value == 1.0


def test_rounds_lost_are_slower_than_any():
    rng = np.random.default_rng(7)
    lost = step(np.vstack([noisy(rng, 672), np.full((12, 1), np.inf)]), 672)
    assert lost.up
    assert lost.p_value < 1e-4
    back = step(np.vstack([np.full((672, 1), np.inf), np.full((12, 1), 40.0)]), 672)
    assert not back.up
    assert back.p_value < 1e-4


def test_what_shows_in_one_figure_only_is_found():
    """Losses of one probe in five say more of a round's quantile than of its level."""
    rng = np.random.default_rng(8)
    whole = noisy(rng, 712, samples=5)
    whole[680:, 0] = np.inf
    found = step(whole, 672)
    assert (found.figure, found.up) == (1, True)
    assert found.p_value < 1e-6


def test_several_samples_a_round_tell_more_than_their_median():
    """A step of 15 % where samples stray by 20 %: as a rule five times as sure after twenty rounds."""
    rng, gained = np.random.default_rng(21), []
    for _ in range(9):
        whole = 40 * np.exp(0.2 * rng.standard_normal((672 + 20, 5)))
        whole[672:] *= 1.15
        gained.append(step(np.sort(whole, axis=1)[:, 2:3], 672).p_value / step(whole, 672).p_value)
    assert np.median(gained) > 5


def test_a_site_tells_more_than_its_pairs():
    """Four ways of the same site step by what none of them shows yet."""
    rng = np.random.default_rng(22)
    pairs = []
    for _ in range(4):
        whole = 40 * np.exp(0.1 * rng.standard_normal(672 + 12))
        whole[672:] *= 1.1
        pairs.append(comparison(whole, 672))
    alone = find_steps(pairs, at(672))
    (together,) = find_steps([joined(pairs)], at(672))
    assert together.up
    assert together.p_value < 1e-2 * min(each.p_value for each in alone)
    keys = [(f"v{k}", "site") for k in range(4)]
    found = fallen(dict(zip(keys, (each.p_value for each in alone), strict=True)), {"site": together.p_value})
    assert found.sites == {"site"}


def alarms(checks, draw, reference, every_min=15):
    found = 0
    for _ in range(checks):
        pairs = [comparison(draw(), reference, every_min) for _ in range(5)]
        steps = find_steps(pairs, at(reference, every_min))
        (whole,) = find_steps([joined(pairs)], at(reference, every_min))
        p_values = {(f"v{k}", "site"): each.p_value for k, each in enumerate(steps)}
        found += bool(fallen(p_values, {"site": whole.p_value}).pairs)
    return found


def test_false_alarms_are_rarer_than_promised():
    """25 checks of 5 pairs that are as ever, with a daily course; one in a hundred makes a quarter of one."""
    rng = np.random.default_rng(11)
    assert alarms(25, lambda: noisy(rng, 288 + 32, course=0.1), 288) <= 1


def test_a_slow_swing_is_no_step():
    """Rounds that hang together for hours (0.95 from one to the next): within an hour of a single day a swing
    is all there is, and three of four checks against such a day would raise an alarm."""
    rng = np.random.default_rng(12)

    def hanging():
        level, found = rng.standard_normal(), []
        for each in rng.standard_normal(384):
            level = 0.95 * level + np.sqrt(1 - 0.95**2) * each
            found.append(level)
        return 40 * np.exp(0.1 * np.array(found))

    assert alarms(15, hanging, 288) <= 2


def test_days_that_differ_are_no_step():
    """Whole days differ by 0.3 of what rounds do: without a term for days, nine checks of twenty see it."""
    rng = np.random.default_rng(13)

    def days():
        level = 0.3 * rng.standard_normal(8).repeat(96)[: 672 + 90]
        return 40 * np.exp(0.1 * (level + rng.standard_normal(672 + 90)))

    assert alarms(20, days, 672) <= 2


def test_the_rare_round_that_is_lost_is_no_step():
    """One round in a hundred is lost and all others tie: three lost in six come by chance now and then."""
    rng = np.random.default_rng(14)
    past = np.where(rng.random(672) < 0.01, np.inf, 40.0)
    for burst, found in ((3, False), (8, True)):
        now = np.r_[np.full(10, 40.0), np.full(burst, np.inf)]
        whole = scored(series(past), series(now, first=672))
        (sign,) = find_steps([whole], at(672))
        assert (sign.p_value < FALSE_ALARM) == found
