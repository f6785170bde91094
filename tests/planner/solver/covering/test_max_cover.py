"""max_cover against enumeration and scipy's milp, and the edges of its contract."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import max_cover


def enumerate_max_cover(weight, covers, p):
    """The most weight any p sites cover."""
    n = covers.shape[1]
    return max(
        weight[covers[:, list(chosen)].any(axis=1)].sum()
        for chosen in itertools.combinations(range(n), min(p, n))
    )


def sound(found, weight, covers, p):
    """Whether a solution is what it says it is."""
    m, n = covers.shape
    assert len(found.open) == min(p, n)
    assert list(found.open) == sorted(set(found.open.tolist()))
    served = found.assignment >= 0
    assert (served == covers[:, found.open].any(axis=1)).all()
    assert covers[np.arange(m)[served], found.assignment[served]].all()
    assert set(found.assignment[served]) <= set(found.open)
    assert found.objective == pytest.approx(weight[served].sum(), rel=1e-12)
    assert found.lower_bound >= found.objective


def draw(seed):
    random = np.random.default_rng(seed)
    m, n = random.integers(1, 14), random.integers(1, 9)
    covers = random.random((m, n)) < random.choice([0.1, 0.3, 0.6])
    kind = seed % 4
    if kind == 0:
        weight = np.ones(m)
    elif kind == 1:
        weight = random.integers(0, 5, m).astype(float)
    elif kind == 2:
        weight = random.random(m) * 10.0 ** random.integers(-6, 7)
    else:
        weight = random.choice([0.0, 0.1, 0.2, 0.3, 1e6], m)
    return weight, covers, int(random.integers(0, n + 2))


@pytest.mark.parametrize("block", range(10))
def test_it_is_what_enumeration_finds(block):
    for seed in range(block * 200, block * 200 + 200):
        weight, covers, p = draw(seed)
        expected = enumerate_max_cover(weight, covers, p)
        found = max_cover(weight, covers, p)
        assert found.termination == "optimal", seed
        assert found.objective == pytest.approx(expected, rel=1e-9, abs=1e-12), seed
        assert found.gap <= 1e-9
        sound(found, weight, covers, p)
