import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.latency.modes import SHARE, find_modes

SHAPES = {
    "normal": lambda rng, n: 50 + rng.normal(size=n),
    "lognormal": lambda rng, n: 50 * np.exp(0.4 * rng.normal(size=n)),
    "a floor and an exponential tail": lambda rng, n: 50 + rng.exponential(8, size=n),
    "a floor and a Pareto tail": lambda rng, n: 50 * (1 + 0.05 * rng.pareto(1.5, size=n)),
    "uniform": lambda rng, n: rng.uniform(40, 80, size=n),
    "whole milliseconds": lambda rng, n: np.round(50 + 3 * rng.normal(size=n)),
    "one value": lambda rng, n: np.full(n, 33.0),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_one_peak_is_one_level(shape):
    rng = np.random.default_rng(3)
    two = sum(len(find_modes(SHAPES[shape](rng, n), n)) > 1 for n in (10, 60, 400, 3000) for _ in range(100))
    assert two == 0


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("ratio", [1.1, 1.5, 4.0])
def test_two_routes_are_told_apart(share, ratio):
    rng = np.random.default_rng(4)
    longer = rng.random(2000) < share
    rtt = np.where(longer, 40 * ratio, 40.0) * np.exp(0.005 * rng.normal(size=2000)) + rng.exponential(
        0.3, 2000
    )
    low, high = find_modes(rtt, 1000)
    assert low.rtt_ms == pytest.approx(40.2, rel=0.01)
    assert high.rtt_ms == pytest.approx(40 * ratio + 0.2, rel=0.01)
    assert high.share == pytest.approx(share, abs=0.03)
    assert low.share + high.share == pytest.approx(1)


def test_too_little_is_no_second_level():
    rtt = np.r_[np.full(200, 40.0), np.full(200, 40.0 * 1.04)]
    assert len(find_modes(rtt, 400)) == 1  # hardly apart
    assert len(find_modes(np.r_[np.full(395, 40.0), np.full(5, 90.0)], 400)) == 1
    assert SHARE > 5 / 400
    both = np.r_[np.full(200, 40.0), np.full(200, 60.0)]
    assert len(find_modes(both, 400)) == 2
    assert len(find_modes(both, 10)) == 1  # ten rounds, five of each, are a coin's ten throws


def test_an_histogram_says_the_same():
    rng = np.random.default_rng(8)
    rtt = np.round(np.r_[rng.normal(40, 1, 900), rng.normal(70, 1, 300)], 1)
    value, count = np.unique(rtt, return_counts=True)
    assert find_modes(value, 300, count) == find_modes(rtt, 300)


def test_losses_are_passed_over():
    assert find_modes([math.inf, 20.0, math.inf], 3) == find_modes([20.0], 3)
    assert find_modes([math.inf], 1) == ()
    assert find_modes([], 0) == ()


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=200), st.integers(1, 200))
def test_a_level_was_seen(samples, rounds):
    found = find_modes(samples, rounds)
    assert all(mode.rtt_ms in samples for mode in found)
    assert sum(mode.share for mode in found) == pytest.approx(1)
    assert [mode.rtt_ms for mode in found] == sorted(mode.rtt_ms for mode in found)
