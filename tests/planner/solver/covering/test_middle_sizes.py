"""The covering problems against scipy's milp, and against themselves when a rule changes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack

from planner.solver import max_cover, p_center, set_cover


def milp_set_cover(covers, cost):
    """The optimum as HiGHS finds it."""
    rows = LinearConstraint(csr_array(covers.astype(float)), 1.0, np.inf)
    found = milp(cost, integrality=np.ones(len(cost)), bounds=Bounds(0, 1), constraints=rows)
    assert found.status == 0
    return found.fun


def milp_max_cover(weight, covers, p):
    """The optimum as HiGHS finds it."""
    m, n = covers.shape
    reached = hstack([csr_array(-covers.astype(float)), coo_array(np.eye(m))])
    sites = csr_array(np.append(np.ones(n), np.zeros(m))[None])
    rows = LinearConstraint(vstack([reached, sites]), -np.inf, np.append(np.zeros(m), p))
    cost, whole = np.append(np.zeros(n), -weight), np.append(np.ones(n), np.zeros(m))
    found = milp(cost, integrality=whole, bounds=Bounds(0, 1), constraints=rows)
    assert found.status == 0
    return -found.fun


def plane(m, n, seed):
    random = np.random.default_rng(seed)
    clients, sites = random.random((m, 2)), random.random((n, 2))
    return np.linalg.norm(clients[:, None] - sites[None], axis=2)


@pytest.mark.parametrize("seed", range(8))
def test_set_cover_is_what_milp_finds(seed):
    random = np.random.default_rng(seed)
    distance = plane(300, 80, seed)
    covers = distance <= np.maximum(0.15, distance.min(axis=1))[:, None]
    if seed % 2:
        covers |= random.random(covers.shape) < 0.02
    cost = [np.ones(80), random.uniform(1, 3, 80), random.integers(1, 60, 80).astype(float)][seed % 3]
    found = set_cover(covers, cost)
    assert found.termination == "optimal"
    assert found.objective == pytest.approx(milp_set_cover(covers, cost), rel=1e-6)
    rough = set_cover(covers, cost, gap=0.2)
    assert rough.termination == "optimal"
    assert rough.lower_bound <= found.objective * (1 + 1e-9)
    assert found.objective <= rough.objective * (1 + 1e-9)
    assert rough.objective * 0.8 <= rough.lower_bound * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_max_cover_is_what_milp_finds(seed):
    random = np.random.default_rng(seed)
    covers, p = plane(250, 60, seed) <= 0.13, 3 + 2 * seed
    weight = random.random(250) if seed % 2 else np.ceil(random.pareto(1.1, 250) * 100)
    found = max_cover(weight, covers, p)
    assert found.termination == "optimal"
    assert found.objective == pytest.approx(milp_max_cover(weight, covers, p), rel=1e-6)
    rough = max_cover(weight, covers, p, gap=0.1)
    assert rough.termination == "optimal"
    assert rough.objective <= found.objective * (1 + 1e-9)
    assert found.objective <= rough.lower_bound * (1 + 1e-9)
    assert rough.lower_bound <= rough.objective * 1.1 * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_no_smaller_radius_is_enough_for_milp(seed):
    distance, p = plane(150, 90, seed), 2 + 3 * seed
    found = p_center(distance, p)
    assert found.termination == "optimal"
    smaller = distance[distance < found.objective].max()
    within = distance <= smaller
    assert not within.any(axis=1).all() or milp_set_cover(within, np.ones(90)) > p + 0.5


@pytest.mark.parametrize("seed", range(10))
def test_what_helps_never_hurts(seed):
    random = np.random.default_rng(seed)
    distance, weight, cost = plane(80, 25, seed), random.random(80), random.uniform(1, 2, 25)
    centers = [p_center(distance, p).objective for p in range(1, 26)]
    assert centers == sorted(centers, reverse=True)
    fewer = distance[:, :20]
    assert p_center(fewer, 4).objective >= centers[3]
    masked = np.where(random.random(distance.shape) < 0.2, np.inf, distance)
    assert p_center(masked, 4).objective >= centers[3]
    covers = distance <= 0.2
    covered = [max_cover(weight, covers, p).objective for p in range(26)]
    assert all(more >= less * (1 - 1e-9) for less, more in itertools.pairwise(covered))
    assert max_cover(weight, covers[:, :20], 4).objective <= covered[4] * (1 + 1e-9)
    covers |= distance == distance[:, :20].min(axis=1)[:, None]
    best = set_cover(covers, cost).objective
    assert set_cover(covers[:, :20], cost[:20]).objective >= best * (1 - 1e-9)
    assert set_cover(covers[:40], cost).objective <= best * (1 + 1e-9)
