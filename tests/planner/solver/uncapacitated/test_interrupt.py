"""Stopped by Ctrl-C or by the clock, what was found so far is returned with what is proven of it."""

from __future__ import annotations

import _thread
import threading

import numpy as np
import pytest

from planner.solver import facility_location

SITES = 300


def unstructured(seed):
    """Costs without any structure, as Körkel and Ghosh draw them: far from closed in seconds."""
    random = np.random.default_rng(seed)
    return random.integers(1000, 2000, SITES), random.integers(1000, 2000, (SITES, SITES))


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    facility_location(*unstructured(0), time_limit_s=1.0)


def check_stopped(found, opening, cost):
    assert found.termination == "time_limit"
    assert len(found.open) > 0
    assert (cost[np.arange(SITES), found.assignment] == cost[:, found.open].min(axis=1)).all()
    assert found.objective == opening[found.open].sum() + cost[:, found.open].min(axis=1).sum()
    # No choice is cheaper than everyone's nearest site; all of it proven must lie between.
    assert cost.min(axis=1).sum() < found.lower_bound < found.objective
    assert found.gap == pytest.approx((found.objective - found.lower_bound) / found.objective)


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("after", [0.2, 0.5])
def test_ctrl_c_returns_the_incumbent_and_its_bound(seed, after):
    opening, cost = unstructured(seed)
    timer = threading.Timer(after, _thread.interrupt_main)
    timer.start()
    try:
        found = facility_location(opening, cost, time_limit_s=60.0)
    finally:
        timer.cancel()
    assert found.seconds < 60.0
    check_stopped(found, opening, cost)


@pytest.mark.parametrize("seed", [3, 4])
def test_a_bound_proven_in_little_time_is_below_what_more_time_finds(seed):
    opening, cost = unstructured(seed)
    short, longer = (facility_location(opening, cost, time_limit_s=limit) for limit in (0.2, 1.0))
    for found in (short, longer):
        check_stopped(found, opening, cost)
    assert max(short.lower_bound, longer.lower_bound) < min(short.objective, longer.objective)


def test_the_same_answer_twice():
    random = np.random.default_rng(1)
    cost = np.linalg.norm(random.random((300, 1, 2)) - random.random((1, 60, 2)), axis=2)
    one, two = (facility_location(np.full(60, 2.0), cost) for _ in range(2))
    assert one.termination == "optimal"
    assert np.array_equal(one.open, two.open)
    assert np.array_equal(one.assignment, two.assignment)
    assert (one.objective, one.lower_bound, one.gap) == (two.objective, two.lower_bound, two.gap)
