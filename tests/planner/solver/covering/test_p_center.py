"""p_center against enumeration, published optima and the edges of its contract."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import p_center


def enumerate_p_center(distance, p):
    """The optimum over all sets of p sites; inf when every set leaves a client without a site."""
    n = distance.shape[1]
    return min(
        (distance[:, list(chosen)].min(axis=1).max() for chosen in itertools.combinations(range(n), p)),
        default=np.inf,
    )


def sound(found, distance, p):
    """Whether a solution is what it says it is."""
    m, n = distance.shape
    assert len(found.open) == min(p, n)
    assert list(found.open) == sorted(set(found.open.tolist()))
    reached = distance[np.arange(m), found.assignment]
    assert (reached == distance[:, found.open].min(axis=1)).all()
    assert set(found.assignment) <= set(found.open)
    assert found.objective == reached.max()
    assert found.lower_bound <= found.objective


def draw(seed):
    random = np.random.default_rng(seed)
    m, n = random.integers(1, 10), random.integers(1, 9)
    kind = seed % 4
    if kind == 0:  # many ties
        distance = random.integers(0, 4, (m, n)).astype(float)
    elif kind == 1:
        distance = random.random((m, n))
    elif kind == 2:  # pairs that are not allowed
        distance = random.integers(0, 30, (m, n)).astype(float)
        distance[random.random((m, n)) < 0.4] = np.inf
    else:  # clients and sites in the plane, some at the same place
        clients, sites = random.integers(0, 5, (m, 2)), random.integers(0, 5, (n, 2))
        distance = np.linalg.norm(clients[:, None] - sites[None], axis=2)
    return distance, int(random.integers(1, n + 1))


@pytest.mark.parametrize("block", range(10))
def test_it_is_what_enumeration_finds(block):
    for seed in range(block * 200, block * 200 + 200):
        distance, p = draw(seed)
        expected = enumerate_p_center(distance, p)
        found = p_center(distance, p)
        if np.isinf(expected):
            assert found.termination == "infeasible", seed
            assert found.open.size == 0
            assert (found.assignment == -1).all()
            continue
        assert found.termination == "optimal", seed
        assert found.objective == found.lower_bound == expected, seed
        assert found.gap == 0.0
        sound(found, distance, p)
