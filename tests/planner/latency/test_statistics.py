import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.latency.statistics import CONFIDENCE, lognormal_quantile, quantile_ranks
from tests.planner.latency.order_statistics import sample_quantile

QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def binomial(n, q):
    return [math.comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(n + 1)]


@pytest.mark.parametrize("quantile", QUANTILES)
# None at which a tail ties with a probability exactly: rounding decides those.
@pytest.mark.parametrize("confidence", [0.53, 0.88, CONFIDENCE, 0.99])
def test_ranks_equal_those_counted_out(quantile, confidence):
    tail = (1 - confidence) / 2
    for n in (*range(1, 40), 59, 72, 120):
        mass = binomial(n, quantile)
        lower = max((r for r in range(1, n + 1) if sum(mass[:r]) <= tail), default=0)
        upper = min((s for s in range(1, n + 1) if sum(mass[s:]) <= tail), default=n + 1)
        ranks = quantile_ranks(n, quantile, confidence)
        assert (int(ranks.lower), int(ranks.upper)) == (lower, upper), n


@pytest.mark.parametrize("quantile", QUANTILES)
def test_bounds_hold_as_often_as_they_say(quantile):
    """Exactly, for any continuous distribution: lower <= x_q <= upper iff r <= Bin(n, q) < s."""
    for n in (5, 20, 100, 300):
        ranks, mass = quantile_ranks(n, quantile), binomial(n, quantile)
        assert sum(mass[int(ranks.lower) : int(ranks.upper)]) >= CONFIDENCE - 1e-12


def test_the_estimate_is_the_smallest_value_that_enough_samples_do_not_exceed():
    for n in range(1, 60):
        for quantile in QUANTILES:
            rank = int(quantile_ranks(n, quantile).estimate)
            share = [r / n >= quantile - 1e-9 for r in range(1, n + 1)]
            assert rank == share.index(True) + 1


@settings(deadline=None)
@given(
    st.lists(st.floats(0.01, 1e4), max_size=60),
    st.integers(0, 30),
    st.sampled_from(QUANTILES),
)
def test_bounds_enclose_the_estimate_and_a_loss_never_helps(samples, lost, quantile):
    if len(samples) + lost == 0:
        with pytest.raises(ValueError, match="one value or more"):
            sample_quantile(samples, lost, quantile)
        return
    found = sample_quantile(samples, lost, quantile)
    assert 0 <= found.lower <= found.value <= found.upper
    assert found.value == math.inf or found.value in samples
    worse = sample_quantile(samples, lost + 1, quantile)
    assert worse.value >= found.value


def test_lost_probes_count_as_infinite():
    nine, one = [10.0] * 9, 1
    assert sample_quantile(nine, one, 0.90).value == 10.0
    assert sample_quantile(nine, one, 0.95).value == math.inf


def test_few_samples_bound_nothing():
    found = sample_quantile([10.0, 11.0, 12.0, 13.0, 14.0], 0, 0.5)
    assert (found.lower, found.value, found.upper) == (0.0, 12.0, math.inf)


def test_72_samples_are_needed_to_bound_a_p95_from_above():
    assert int(quantile_ranks(71, 0.95).upper) == 72
    assert int(quantile_ranks(72, 0.95).upper) == 72


@pytest.mark.parametrize("arguments", [(0, 0.5), (5, 0.0), (5, 1.0), (5, 0.5, 1.0)])
def test_nonsense_is_refused(arguments):
    with pytest.raises(ValueError, match="lie in"):
        quantile_ranks(*arguments)


def test_lognormal_goes_through_both_points():
    ends = ((0.5, 20.0), (0.9, 26.0))
    assert math.isclose(float(lognormal_quantile(0.5, *ends)), 20.0)
    assert math.isclose(float(lognormal_quantile(0.9, *ends)), 26.0)
    # sigma = ln(1.3) / z(0.9), so p99 = 20 * exp(sigma * z(0.99)); z from a table.
    assert math.isclose(float(lognormal_quantile(0.99, *ends)), 20 * 1.3 ** (2.32635 / 1.28155), rel_tol=1e-5)


def test_a_tail_that_turns_over_is_flat():
    values = lognormal_quantile(np.array([0.5, 0.9, 0.99]), (0.5, 20.0), (0.9, 19.0))
    assert np.allclose(values, 20.0)
