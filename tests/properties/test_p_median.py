"""p_median against enumeration, against a strong integer programme, and against itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse.csgraph import floyd_warshall

from planner.solver import facility_location, p_median
from tests.properties.location_instances import (
    FAMILIES,
    Drawn,
    Optimum,
    check,
    check_nothing,
    check_placement,
    draw,
    enumerate_open_sets,
    proven,
    strong_milp,
)

EACH = 500
"""Instances of every family held against enumeration."""
CHANGED = 100
"""Instances of every family that are changed in one thing and solved again."""


def fixed(family: str, seed: int, **options) -> tuple[Drawn, int]:
    """A problem of a family without opening costs and with a number of sites to open."""
    problem = draw(family, seed, **options)
    n = len(problem.opening)
    p = int(np.random.default_rng(seed).integers(1, n + 1))
    return replace(problem, opening=np.zeros(n), low=p, high=p), p


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_optimum_and_says_so(family):
    feasible = 0
    for seed in range(EACH):
        problem, p = fixed(family, seed, most=12 if seed % 8 == 0 else 8)
        optimum, found = enumerate_open_sets(problem), p_median(problem.cost, p)
        check(found, problem, optimum)
        if np.isfinite(optimum.value):
            feasible += 1
            assert len(found.open) == p
            assert proven(found, optimum), (family, seed)
        else:
            assert found.termination == "infeasible", (family, seed)
    assert feasible > EACH // 3


@pytest.mark.parametrize("gap", [1e-4, 0.05])
def test_with_a_gap_it_is_as_good_as_it_says(gap):
    for family in FAMILIES:
        for seed in range(EACH // 10):
            problem, p = fixed(family, 10_000 + seed)
            check(p_median(problem.cost, p, gap=gap), problem, enumerate_open_sets(problem), gap)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_site_more_never_hurts_and_a_forbidden_pair_never_helps(family):
    for seed in range(CHANGED):
        problem, _ = fixed(family, 20_000 + seed, scale=1.0)
        random = np.random.default_rng(seed)
        m, n = problem.cost.shape
        by_p = [p_median(problem.cost, p).objective for p in range(1, n + 1)]
        size = np.abs(problem.cost[np.isfinite(problem.cost)]).sum()
        tiny = 1e-9 * size
        assert all(after <= before + tiny for before, after in pairwise(by_p))
        forbidden = problem.cost.copy()
        forbidden[random.integers(m), random.integers(n)] = np.inf
        p = int(random.integers(1, n + 1))
        assert p_median(forbidden, p).objective >= by_p[p - 1] - tiny, (family, seed)
        more = np.column_stack([problem.cost, random.uniform(0, 10, m)])
        assert p_median(more, p).objective <= by_p[p - 1] + tiny, (family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_middle_sizes_are_what_a_strong_integer_programme_finds(family):
    for seed in range(2):
        problem, p = fixed(family, 40_000 + seed, most=30, scale=1.0)
        if family == "wide":  # beyond the tolerances of that programme
            problem = replace(problem, cost=np.log(problem.cost + 2))
        expected, found = strong_milp(problem), p_median(problem.cost, p)
        if expected == np.inf:
            assert found.termination == "infeasible"
            continue
        check_placement(found, problem)
        assert found.termination == "optimal"
        assert len(found.open) == p
        assert abs(found.objective - expected) <= 1e-6 * max(1.0, abs(expected))


@pytest.mark.parametrize("p", [1, 2, 4, 9])
def test_medians_of_a_network(p):
    """Whole distances along a sparse network, as OR-Library's instances are made."""
    random = np.random.default_rng(p)
    nodes = 45
    edges = np.full((nodes, nodes), np.inf)
    ring = np.arange(nodes)
    edges[ring, (ring + 1) % nodes] = random.integers(1, 100, nodes)
    a, b = random.integers(nodes, size=(2, 60))
    edges[a, b] = random.integers(1, 100, 60)
    distance = floyd_warshall(np.minimum(edges, edges.T))
    np.fill_diagonal(distance, 0.0)
    problem = Drawn(np.zeros(nodes), distance, p, p)
    found = p_median(distance, p)
    expected = round(strong_milp(problem))
    check(found, problem, Optimum(expected, expected))
    assert found.termination == "optimal"
    assert found.objective == expected


def test_a_weight_is_as_many_clients():
    for seed in range(CHANGED):
        random = np.random.default_rng(seed)
        distance, weight = random.integers(0, 9, (6, 7)).astype(float), random.integers(0, 4, 6)
        weighted = p_median(weight[:, None] * distance, 3)
        repeated = p_median(np.repeat(distance, weight, axis=0), 3)
        assert weighted.objective == repeated.objective


def test_a_fixed_number_is_a_lower_and_an_upper_bound():
    for family in FAMILIES:
        problem, p = fixed(family, 50_000, scale=1.0)
        one = p_median(problem.cost, p)
        other = facility_location(problem.opening, problem.cost, min_open=p, max_open=p)
        assert one.objective == other.objective
        assert np.array_equal(one.open, other.open)


@pytest.mark.parametrize("seconds", [0.0, 1e-3, 0.02])
def test_whatever_the_time_the_point_and_the_bound_are_valid(seconds):
    for family in FAMILIES:
        for seed in range(4):
            problem, p = fixed(family, 60_000 + seed)
            found = p_median(problem.cost, p, time_limit_s=seconds)
            check(found, problem, enumerate_open_sets(problem))


def test_the_same_problem_has_the_same_answer():
    for family in FAMILIES:
        problem, p = fixed(family, 70_000, most=12)
        one, two = p_median(problem.cost, p), p_median(problem.cost, p)
        assert np.array_equal(one.open, two.open)
        assert np.array_equal(one.assignment, two.assignment)
        assert (one.objective, one.lower_bound) == (two.objective, two.lower_bound)


def test_all_sites_or_none():
    cost = np.array([[1.0, 4.0], [np.inf, 2.0]])
    every = p_median(cost, 2)
    assert (every.objective, list(every.open), list(every.assignment)) == (3.0, [0, 1], [0, 1])
    none = p_median(cost, 0)
    assert none.termination == "infeasible"
    check_nothing(none, 2)
    nobody = p_median(np.empty((0, 3)), 2)
    assert (nobody.objective, len(nobody.open), nobody.termination) == (0.0, 2, "optimal")
