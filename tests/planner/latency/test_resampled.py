"""Draws of a quantile from its samples, held against bootstraps that draw samples."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import binom, norm

from planner.latency.effective import bounded_quantile
from planner.latency.resampled import DEVIATES, Resampled, curve_of, resampled_ranks, resampled_values


def test_of_independent_samples_it_is_the_bootstrap_itself():
    """The median of n draws from n samples is at most the k-th of them when so many draws are: P(Bin(n, k/n)
    ≥ r), counted out."""
    n, middle = 31, 16
    chance = binom.sf(middle - 1, n, np.arange(n + 1) / n)
    ranks = resampled_ranks(n, 0.5, n)
    assert [int(np.searchsorted(chance, share)) for share in norm.cdf(DEVIATES)] == ranks.tolist()


@pytest.mark.parametrize(("n", "quantile"), [(200, 0.9), (500, 0.5), (1000, 0.95)])
def test_and_elsewhere_within_a_rank(n, quantile):
    chance = binom.sf(math.ceil(quantile * n) - 1, n, np.arange(n + 1) / n)
    exact = np.searchsorted(chance, norm.cdf(DEVIATES))
    assert np.abs(resampled_ranks(n, quantile, n) - exact).max() <= 1


def autoregressive(rng, rounds, phi=0.7):
    """Rounds of five samples; half of the variance hangs together from round to round."""
    path = lfilter([math.sqrt(1.0 - phi**2)], [1.0, -phi], rng.normal(size=rounds + 100))[100:]
    return np.exp(4.0 + 0.2 * (path[:, None] + rng.normal(size=(rounds, 5))) / math.sqrt(2.0))


def block_bootstrap(rng, rtt, length, draws):
    """Medians of blocks of rounds drawn anew (Künsch)."""
    rounds = len(rtt)
    starts = rng.integers(0, rounds - length + 1, size=(draws, -(-rounds // length)))
    drawn = (starts[:, :, None] + np.arange(length)).reshape(draws, -1)[:, :rounds]
    return np.median(rtt[drawn].reshape(draws, -1), axis=1)


def test_of_samples_that_hang_together_it_spreads_like_a_bootstrap_of_blocks():
    rng, ours, theirs, alone = np.random.default_rng(8), [], [], []
    for _ in range(12):
        rtt = autoregressive(rng, 400)
        found = bounded_quantile(rtt.ravel(), np.repeat(np.arange(400), 5), 0.5)
        ours.append(np.log(found.drawn_ms[8] / found.drawn_ms[4]) / 2.0)  # a deviate to either side
        theirs.append(np.log(block_bootstrap(rng, rtt, 25, 300)).std())
        alone.append(np.log(block_bootstrap(rng, rtt.reshape(-1, 1), 1, 300)).std())
    # As wide, and a little wider, for what so few batches tell of how samples hang together is paid for.
    assert 1.0 <= np.mean(ours) / np.mean(theirs) <= 1.5
    assert np.mean(ours) > 2.0 * np.mean(alone)


def test_two_routes_are_drawn_and_nothing_between_them():
    values = resampled_values(np.array([50.0, 65.0]), np.array([52, 48]), 0, 0.5, 40.0)
    assert set(values) == {50.0, 65.0}
    assert list(values) == sorted(values)


def test_lost_samples_are_drawn_and_what_no_sample_tells_is_not():
    values = resampled_values(np.array([10.0, 20.0]), np.array([80, 14]), 6, 0.9, 100.0)
    assert (values[0], values[6], values[-1]) == (10.0, 20.0, math.inf)
    few = resampled_values(np.array([10.0, 20.0, 30.0]), np.ones(3, dtype=np.int64), 0, 0.5, 3.0)
    assert np.isnan([few[0], few[-1]]).all()
    assert few[6] == 20.0
    one_round = resampled_values(np.arange(1.0, 101.0), np.ones(100, dtype=np.int64), 0, 0.5, 1.0)
    assert np.isnan(np.delete(one_round, 6)).all()


@settings(deadline=None)
@given(
    st.lists(st.floats(1.0, 500.0), min_size=1, max_size=60),
    st.integers(0, 30),
    st.sampled_from((0.5, 0.9, 0.95)),
    st.floats(0.02, 1.0),
)
def test_a_curve_rises_and_goes_on_where_samples_do_not_tell(samples, lost, quantile, worth):
    value, count = np.unique(samples, return_counts=True)
    total = int(count.sum()) + lost
    drawn = resampled_values(value, count, lost, quantile, worth * total)
    middle = float(value[len(value) // 2])
    off = curve_of(drawn, middle, 0.3)
    assert not np.isnan(off).any()
    assert (np.diff(off[np.isfinite(off)]) >= 0.0).all()
    assert (middle + off > 0.0).all()


def test_the_probability_of_a_limit_is_how_often_draws_keep_it():
    off = np.array([curve_of((40, 41, 43, 45, 47, 49, 50, 52, 55, 60, 70, math.inf, math.inf), 50.0, 0.3)])
    one = Resampled(
        np.zeros(1, int), np.zeros(1, int), off, np.array([52.0]), np.array([2.0]), np.array([3.0])
    )
    deviates = np.random.default_rng(2).standard_normal(40_000)
    many = Resampled(
        np.arange(40_000),
        np.zeros(40_000, int),
        off,
        np.full(40_000, 52.0),
        np.full(40_000, 2.0),
        np.full(40_000, 3.0),
    )
    drawn = many.at(deviates)
    for limit in (38.0, 44.0, 52.0, 55.5, 68.0, 74.0, 90.0, 1e6):
        assert one.within(limit)[0] == pytest.approx((drawn <= limit).mean(), abs=0.01)
    assert one.within(30.0)[0] == 0.0
    # At 1.96 deviates the samples' own and the whole of what the bounds are wider.
    assert many.at(np.full(40_000, 1.959964))[0] == pytest.approx(52.0 + 20.0 + 3.0, abs=0.01)
    assert np.isinf(drawn.max())
