from dataclasses import replace

import numpy as np
import pytest

from planner.latency.estimate import COVERAGE
from planner.latency.intervals import NEW, Errors, calibrate


def errors(count, new, seed, spread=lambda km, near: 0.05 * (1 + near / 300)):
    """Errors whose size is known."""
    rng = np.random.default_rng(seed)
    km, near = rng.uniform(50, 15_000, count), rng.uniform(0, 3_000, count)
    log_ratio = rng.standard_t(4, count) * spread(km, near)
    return Errors(log_ratio, km, near, np.full(count, new), rng.integers(0, 40, count))


def kinds(count, seed=0, **more):
    return [errors(count, new, seed + number, **more) for number, new in enumerate(NEW)]


def covered(intervals, each):
    low, high = intervals.ratios(each.km, each.nearest_km, each.new)
    ratio = np.exp(each.log_ratio)
    return np.mean((low <= ratio) & (ratio <= high))


@pytest.mark.parametrize("new", NEW)
def test_nine_in_ten_of_errors_of_the_same_kind_lie_inside(new):
    intervals, _ = calibrate(kinds(3_000))
    fresh = errors(20_000, new, 99)
    assert covered(intervals, fresh) == pytest.approx(COVERAGE, abs=0.02)
    # And not only over all: near a measured pair and far from one.
    for here in (fresh.nearest_km < 300, fresh.nearest_km > 2_000):
        assert covered(intervals, fresh.at(here)) == pytest.approx(COVERAGE, abs=0.06)


def test_errors_that_hang_together_get_wider_bounds():
    """The error of a group is its own: what other groups teach holds for it less often than ranks promise."""
    alone, shared = [], []
    for seed in range(12):
        plain = kinds(240, seed)
        rng = np.random.default_rng(1_000 + seed)
        together = [
            replace(each, log_ratio=rng.normal(0, 0.3, 40)[each.group] + rng.normal(0, 0.01, each.km.size))
            for each in plain
        ]
        alone += [held.coverage for held in calibrate(plain)[1]]
        shared += [held.coverage for held in calibrate(together)[1]]
    assert min(alone) >= COVERAGE
    assert np.mean(shared) >= COVERAGE - 0.01


def test_bounds_hold_one_and_widen_the_less_is_known():
    intervals, _ = calibrate(kinds(500))
    km, near = np.full(50, 4_000.0), np.linspace(0, 5_000, 50)
    low, high = intervals.ratios(km, near, np.zeros(50))
    assert np.all((low <= 1.0) & (high >= 1.0))
    assert np.all(np.diff(low) <= 0.0)
    assert np.all(np.diff(high) >= 0.0)


def test_nothing_jumps_where_a_place_begins_to_be_new():
    intervals, _ = calibrate(kinds(500))
    new = np.linspace(0.0, 2.0, 2_001)
    for bound in intervals.ratios(np.full_like(new, 4_000.0), 1_000.0 * new, new):
        assert np.max(np.abs(np.diff(np.log(bound)))) < 0.01
