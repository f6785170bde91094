"""Stopped early, each covering problem says what it has and what is proven."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

from planner.solver import max_cover, p_center, set_cover


def plane(m, n, seed):
    """Distances between clients and sites in a square: with many sites to choose, hard."""
    random = np.random.default_rng(seed)
    clients, sites = random.random((m, 2)), random.random((n, 2))
    return np.linalg.norm(clients[:, None] - sites[None], axis=2)


HARD = plane(900, 900, 1)
WEIGHT = np.random.default_rng(2).integers(1, 4, 900).astype(float)
PROBLEMS = {
    "p_center": lambda limit: p_center(HARD, 25, time_limit_s=limit),
    "max_cover": lambda limit: max_cover(WEIGHT, HARD <= 0.1, 30, time_limit_s=limit),
    "set_cover": lambda limit: set_cover(HARD <= 0.08, np.ones(900), time_limit_s=limit),
}


@pytest.fixture(scope="module", autouse=True)
def _compiled():
    for solve in PROBLEMS.values():
        solve(2.0)


def sound(name, found):
    chosen = HARD[:, found.open]
    if name == "p_center":
        assert found.objective == chosen.min(axis=1).max()
        assert found.lower_bound < found.objective
        assert (HARD[np.arange(900), found.assignment] == chosen.min(axis=1)).all()
    elif name == "max_cover":
        assert found.objective == WEIGHT[(chosen <= 0.1).any(axis=1)].sum()
        assert found.lower_bound > found.objective
    else:
        assert (chosen <= 0.08).any(axis=1).all()
        assert found.lower_bound < found.objective == len(found.open)
    assert found.gap == pytest.approx(abs(found.objective - found.lower_bound) / found.objective)
    assert found.gap > 0.0


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("limit", [0.0, 0.5])
def test_a_time_limit_leaves_a_point_and_a_bound(name, limit):
    found = PROBLEMS[name](limit)
    assert found.termination == "time_limit"
    sound(name, found)


@pytest.mark.parametrize("name", PROBLEMS)
def test_more_time_makes_no_bound_worse(name):
    short, longer = PROBLEMS[name](0.0), PROBLEMS[name](1.0)
    sign = -1.0 if name == "max_cover" else 1.0
    assert sign * short.lower_bound <= sign * longer.lower_bound
    assert sign * longer.objective <= sign * short.objective
    # What one has found is nothing that the other has ruled out.
    assert sign * longer.lower_bound <= sign * longer.objective


@pytest.mark.parametrize("name", PROBLEMS)
def test_ctrl_c_leaves_a_point_and_a_bound(name):
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    found = PROBLEMS[name](30.0)
    timer.join()
    assert found.termination == "time_limit"
    sound(name, found)


def test_no_point_is_invented_where_none_was_found():
    distance = plane(300, 300, 3)
    distance[distance > 0.1] = np.inf
    found = p_center(distance, 30, time_limit_s=0.0)
    assert found.termination == "time_limit"
    assert found.objective == np.inf
    assert np.isfinite(found.lower_bound)
    assert (found.assignment == -1).all()
