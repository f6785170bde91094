import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from planner.latency.effective import BATCHES, batch_of, bounded_quantile, effective_samples
from planner.latency.loss import loss_ratio
from planner.latency.statistics import quantile_ranks
from tests.planner.latency.order_statistics import sample_quantile


def test_batches_are_rounds_in_order_and_at_most_so_many():
    assert list(batch_of([7, 7, 9, 9, 12])) == [0, 0, 1, 1, 2]
    batch = batch_of(np.repeat(np.arange(100, 420, 3), 4))
    assert batch.max() == BATCHES - 1
    assert np.all(np.diff(batch) >= 0)
    rounds_in = np.bincount(batch[::4])
    assert rounds_in.max() - rounds_in.min() <= 1
    assert batch_of([]).size == 0


def test_two_batches_by_hand():
    # p = 9/20; the batches stray by 6 - 4.5 and 3 - 4.5, so V = 2/1 · 4.5/400 against p(1-p)/20.
    variance, independent = 2 * (1.5**2 + 1.5**2) / 400, 0.45 * 0.55 / 20
    factor = (student.ppf(0.975, 1) / 1.959963984540054) ** 2
    assert effective_samples([6, 3], [10, 10], 2) == pytest.approx(
        max(20 / (variance / independent * factor), 1)
    )
    sixty = effective_samples([601, 600], [1000, 1000], 2)
    assert sixty == pytest.approx(2000 / factor, rel=1e-6)  # as even as can be: only there being two costs


def test_the_worst_of_three_lengths_counts():
    # Each batch is like its neighbour and unlike the next two: pairs of batches say more than batches do.
    hits = np.tile([9, 9, 1, 1], 4)
    share, size = 0.5, 10.0
    by_length = []
    for number in (16, 8):
        joined = (hits - share * size).reshape(number, -1).sum(axis=1)
        variance = number / (number - 1) * (joined**2).sum() / 160**2
        by_length.append(variance / (0.25 / 160) * (student.ppf(0.975, number - 1) / 1.959963984540054) ** 2)
    assert by_length[1] > by_length[0]
    assert effective_samples(hits, np.full(16, 10), 16) == pytest.approx(160 / by_length[1])


def test_where_long_batches_show_more_than_short_ones_there_is_more_that_none_shows():
    # All of 16 batches above and all of the other 16 below: each strays by 4, and joined by fours by 16.
    hits, size = np.repeat([9, 1], 16), np.full(32, 10)
    short, long = 32 / 31 * 32 * 4**2 / 320**2, 8 / 7 * 8 * 16**2 / 320**2
    factor = (student.ppf(0.975, 7) / 1.959963984540054) ** 2
    assert long > 1.5 * short
    assert effective_samples(hits, size, 32) == pytest.approx(
        320 / ((3 * long - 2 * short) / (0.25 / 320) * factor)
    )
    # Where they alternate, long batches are alike, and what the short ones show is all.
    alone = (student.ppf(0.975, 31) / 1.959963984540054) ** 2
    assert effective_samples(np.tile([9, 1], 16), size, 32) == pytest.approx(
        320 / (short / (0.25 / 320) * alone)
    )


def test_where_nothing_shows_a_round_is_one_sample():
    assert effective_samples([5], [10], 1) == 1.0
    assert effective_samples([10, 10, 10], [10, 10, 10], 6) == 6.0
    assert effective_samples([0, 0], [10, 10], 5) == 5.0
    # A thousand rounds without a loss: at most a third of a per cent is lost, and not a tenth.
    worth = effective_samples(np.zeros(32), np.full(32, 157), 1000)
    assert float(loss_ratio(0, 32 * 157, worth).upper) == pytest.approx(3.8414588 / 1003.8414588)
    with pytest.raises(ValueError, match="one sample or more"):
        effective_samples([0, 1], [0, 3], 2)
    with pytest.raises(ValueError, match="one sample or more"):
        effective_samples([], [], 0)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 1)), min_size=1, max_size=40))
def test_never_worth_more_than_they_are_nor_less_than_one(batches):
    count = [size for size, _ in batches]
    hits = [round(size * share) for size, share in batches]
    worth = effective_samples(hits, count, len(count))
    assert 1.0 <= worth <= sum(count)
    assert effective_samples(hits, count, len(count), 0.999) <= worth + 1e-9


@settings(deadline=None)
@given(
    st.lists(st.floats(1, 1e3), min_size=1, max_size=80),
    st.integers(1, 20),
    st.sampled_from((0.5, 0.9, 0.95)),
)
def test_bounds_are_never_inside_those_of_independent_samples(samples, a_round, quantile):
    rounds = np.arange(len(samples)) // a_round
    found, alone = bounded_quantile(samples, rounds, quantile), sample_quantile(samples, 0, quantile)
    assert found.rtt_ms == alone.value
    assert found.lower_ms <= alone.lower <= alone.upper <= found.upper_ms


def test_ranks_of_few_at_the_shares_of_all():
    few, all_ = quantile_ranks(40, 0.5), quantile_ranks(400, 0.5, effective=40.9)
    assert int(all_.lower) == 10 * int(few.lower)
    assert 400 + 1 - int(all_.upper) == 10 * (40 + 1 - int(few.upper))
    assert int(all_.estimate) == 200
    none = quantile_ranks(400, 0.5, effective=3.0)
    assert (int(none.lower), int(none.upper)) == (0, 401)


def test_one_round_bounds_nothing():
    found = bounded_quantile(np.linspace(10, 20, 200), np.zeros(200), 0.5)
    assert (found.lower_ms, found.upper_ms, found.effective) == (0.0, math.inf, 1.0)


def test_where_the_quantile_is_lost_bounds_go_by_losses():
    rng = np.random.default_rng(5)
    rtt = np.where(rng.random(600) < 0.4, math.inf, 10 + rng.random(600))
    found = bounded_quantile(rtt, np.arange(600) // 3, 0.9)
    assert (found.rtt_ms, found.upper_ms) == (math.inf, math.inf)
    assert 100 < found.effective <= 600


def regimes(rng, rounds, stay):
    """Two routes, 10 ms and 16 ms, 30 % of the time the longer, each kept for some rounds; noise of 1 ms."""
    leave = np.where(np.arange(2) == 0, 0.3 / 0.7 / stay, 1 / stay)
    on, at = np.empty(rounds, int), int(rng.random() < 0.3)
    for number, dice in enumerate(rng.random(rounds)):
        at = 1 - at if dice < leave[at] else at
        on[number] = at
    return (10 + 6 * on[:, None] + rng.normal(size=(rounds, 4))).ravel(), np.repeat(np.arange(rounds), 4)


def test_bounds_hold_where_a_route_comes_and_goes():
    """The true median by bisection. Taken for independent, the same samples hold half as often."""
    low, high = 5.0, 25.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if 0.7 * _normal(middle - 10) + 0.3 * _normal(middle - 16) < 0.5 else (low, middle)
        )
    rng, held, naive = np.random.default_rng(7), 0, 0
    for _ in range(250):
        rtt, rounds = regimes(rng, 400, 6)
        found, alone = bounded_quantile(rtt, rounds, 0.5), sample_quantile(rtt, 0, 0.5)
        held += found.lower_ms <= low <= found.upper_ms
        naive += alone.lower <= low <= alone.upper
    assert naive / 250 < 0.6
    assert 0.92 <= held / 250 <= 0.99


def _normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))
