"""set_cover against enumeration and scipy's milp, and the edges of its contract."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import set_cover


def enumerate_set_cover(covers, cost):
    """The optimum over all sets of sites; inf when a client is covered by none."""
    n = len(cost)
    best = np.inf
    for size in range(n + 1):
        for chosen in itertools.combinations(range(n), size):
            if covers[:, list(chosen)].any(axis=1).all():
                best = min(best, cost[list(chosen)].sum())
    return best


def sound(found, covers, cost):
    """Whether a solution is what it says it is."""
    m = len(covers)
    assert list(found.open) == sorted(set(found.open.tolist()))
    assert covers[np.arange(m), found.assignment].all()
    assert set(found.assignment) <= set(found.open)
    assert found.objective == pytest.approx(cost[found.open].sum(), rel=1e-12)
    assert found.lower_bound <= found.objective


def draw(seed):
    random = np.random.default_rng(seed)
    m, n = random.integers(1, 12), random.integers(1, 9)
    covers = random.random((m, n)) < random.choice([0.2, 0.4, 0.7])
    if seed % 3:
        covers[np.arange(m), random.integers(0, n, m)] = True
    kind = seed % 5
    if kind == 0:
        cost = np.ones(n)
    elif kind == 1:
        cost = random.integers(1, 5, n).astype(float)
    elif kind == 2:
        cost = random.integers(-2, 4, n).astype(float)
    elif kind == 3:
        cost = random.random(n) * 10.0 ** random.integers(-6, 7)
    else:
        cost = random.choice([0.0, 0.1, 0.2, 0.3, 1e6], n)
    return covers, cost


@pytest.mark.parametrize("block", range(10))
def test_it_is_what_enumeration_finds(block):
    for seed in range(block * 200, block * 200 + 200):
        covers, cost = draw(seed)
        expected = enumerate_set_cover(covers, cost)
        found = set_cover(covers, cost)
        if np.isinf(expected):
            assert found.termination == "infeasible", seed
            assert found.open.size == 0
            assert (found.assignment == -1).all()
            continue
        assert found.termination == "optimal", seed
        assert found.objective == pytest.approx(expected, rel=1e-9, abs=1e-12), seed
        assert found.gap <= 1e-9
        sound(found, covers, cost)
