"""facility_location against enumeration, against a strong integer programme, and against itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.solver import facility_location
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

EACH = 800
"""Instances of every family held against enumeration."""
CHANGED = 120
"""Instances of every family that are changed in one thing and solved again."""


def solve(problem: Drawn, **options):
    return facility_location(
        problem.opening, problem.cost, min_open=problem.low, max_open=problem.high, **options
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_the_optimum_and_says_so(family):
    feasible = 0
    for seed in range(EACH):
        problem = draw(family, seed, most=12 if seed % 8 == 0 else 8)
        optimum, found = enumerate_open_sets(problem), solve(problem)
        check(found, problem, optimum)
        if np.isfinite(optimum.value):
            feasible += 1
            assert proven(found, optimum), (family, seed)
        else:
            assert found.termination == "infeasible", (family, seed)
    assert feasible > EACH // 2


@pytest.mark.parametrize("gap", [1e-4, 0.02, 0.3])
def test_with_a_gap_it_is_as_good_as_it_says(gap):
    for family in FAMILIES:
        for seed in range(EACH // 8):
            problem = draw(family, 10_000 + seed)
            optimum, found = enumerate_open_sets(problem), solve(problem, gap=gap)
            check(found, problem, optimum, gap)
            assert proven(found, optimum) or not np.isfinite(optimum.value), (family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_site_never_hurts_and_a_tighter_rule_never_helps(family):
    for seed in range(CHANGED):
        problem = draw(family, 20_000 + seed, scale=1.0)
        random = np.random.default_rng(seed)
        m, n = problem.cost.shape
        now = solve(problem).objective
        tiny = 1e-9 * enumerate_open_sets(problem).size if np.isfinite(now) else 0.0
        more = replace(
            problem,
            opening=np.append(problem.opening, random.uniform(0, 2)),
            cost=np.column_stack([problem.cost, problem.cost[random.permutation(m), random.integers(n)]]),
        )
        assert solve(more).objective <= now + tiny, (family, seed)
        forbidden = problem.cost.copy()
        forbidden[random.integers(m), random.integers(n)] = np.inf
        assert solve(replace(problem, cost=forbidden)).objective >= now - tiny, (family, seed)
        fewest, most = problem.bounds
        if most > max(fewest, 1):
            assert solve(replace(problem, high=most - 1)).objective >= now - tiny, (family, seed)
        if fewest < most:
            assert solve(replace(problem, low=fewest + 1)).objective >= now - tiny, (family, seed)
        dearer = problem.opening + random.uniform(0, 1, n)
        assert solve(replace(problem, opening=dearer)).objective >= now - tiny, (family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_names_and_repeats_of_clients_and_sites_do_not_matter(family):
    for seed in range(CHANGED):
        problem = draw(family, 30_000 + seed, scale=1.0)
        random = np.random.default_rng(seed)
        m, n = problem.cost.shape
        clients, sites = random.permutation(m), random.permutation(n)
        now = solve(problem).objective
        tiny = 1e-9 * enumerate_open_sets(problem).size if np.isfinite(now) else 0.0
        shuffled = replace(problem, opening=problem.opening[sites], cost=problem.cost[np.ix_(clients, sites)])
        repeated = replace(
            problem, opening=2.0 * problem.opening, cost=np.concatenate([problem.cost, problem.cost])
        )
        for same, expected in ((shuffled, now), (repeated, 2.0 * now)):
            found = solve(same).objective
            assert found == expected or abs(found - expected) <= 2.0 * tiny, (family, seed)


@pytest.mark.parametrize("family", FAMILIES)
def test_middle_sizes_are_what_a_strong_integer_programme_finds(family):
    for seed in range(2):
        problem = draw(family, 40_000 + seed, most=30, scale=1.0)
        if family == "wide":  # beyond the tolerances of that programme
            problem = replace(problem, opening=np.log(problem.opening + 2), cost=np.log(problem.cost + 2))
        expected, found = strong_milp(problem), solve(problem)
        if expected == np.inf:
            assert found.termination == "infeasible"
            continue
        check_placement(found, problem)
        assert found.termination == "optimal"
        size = np.abs(problem.opening[found.open]).sum() + abs(expected)
        assert abs(found.objective - expected) <= 1e-6 * size
        assert found.lower_bound <= expected + 1e-6 * size


@pytest.mark.parametrize("seconds", [0.0, 1e-6, 1e-3, 0.02])
def test_whatever_the_time_the_point_and_the_bound_are_valid(seconds):
    for family in FAMILIES:
        for seed in range(4):
            problem = draw(family, 50_000 + seed)
            check(solve(problem, time_limit_s=seconds), problem, enumerate_open_sets(problem))
        problem = draw(family, 50_100, most=40, scale=1.0)
        exact, found = solve(problem), solve(problem, time_limit_s=seconds)
        size = np.abs(problem.opening).sum() + abs(exact.objective)
        check(found, problem, Optimum(exact.objective, size))


def test_the_same_problem_has_the_same_answer():
    for family in FAMILIES:
        for seed in range(4):
            problem = draw(family, 60_000 + seed, most=12)
            one, two = solve(problem), solve(problem)
            assert np.array_equal(one.open, two.open)
            assert np.array_equal(one.assignment, two.assignment)
            assert (one.objective, one.lower_bound, one.termination) == (
                two.objective,
                two.lower_bound,
                two.termination,
            )


def test_its_arguments_are_left_as_they_were():
    for family in FAMILIES:
        problem = draw(family, 70_000, most=12)
        opening, cost = problem.opening.copy(), problem.cost.copy()
        problem.opening.flags.writeable = problem.cost.flags.writeable = False
        solve(problem)
        assert np.array_equal(opening, problem.opening)
        assert np.array_equal(cost, problem.cost)
        fortran = Drawn(opening, np.asfortranarray(cost), problem.low, problem.high)
        assert solve(fortran).objective == solve(problem).objective


@pytest.mark.parametrize("n", [0, 1, 3])
def test_without_clients_only_sites_that_pay_or_must_are_open(n):
    opening = np.array([2.0, -1.0, 5.0])[:n]
    none = Drawn(opening, np.empty((0, n)))
    found = solve(none)
    check(found, none, enumerate_open_sets(none))
    assert found.termination == "optimal"
    assert found.assignment.shape == (0,)
    if n == 3:
        assert list(found.open) == [1]
        assert list(solve(replace(none, low=2)).open) == [0, 1]
        assert list(solve(replace(none, high=0)).open) == []


def test_without_sites_nobody_is_served():
    found = solve(Drawn(np.empty(0), np.empty((3, 0))))
    assert found.termination == "infeasible"
    check_nothing(found, 3)


@pytest.mark.parametrize(
    "problem",
    [
        Drawn(np.ones(2), np.array([[1.0, 2.0], [np.inf, np.inf]])),
        Drawn(np.ones(2), np.array([[1.0, np.inf], [np.inf, 1.0]]), high=1),
        Drawn(np.ones(2), np.ones((2, 2)), high=0),
        Drawn(np.ones(2), np.ones((2, 2)), low=3, high=4),
        Drawn(np.ones(3), np.where(np.eye(3), 1.0, np.inf), high=2),
    ],
    ids=["client of nobody", "two needed", "none allowed", "more than there are", "three needed"],
)
def test_what_cannot_be_is_infeasible(problem):
    found = solve(problem)
    assert found.termination == "infeasible"
    check_nothing(found, len(problem.cost))


def test_one_site_serves_all():
    problem = Drawn(np.array([4.0]), np.array([[1.0], [0.0], [2.5]]))
    found = solve(problem)
    check(found, problem, Optimum(7.5, 7.5))
    assert found.termination == "optimal"
    assert (found.objective, list(found.assignment)) == (7.5, [0, 0, 0])


def test_all_costs_zero():
    problem = Drawn(np.zeros(4), np.zeros((5, 4)))
    found = solve(problem)
    check(found, problem, Optimum(0.0, 0.0))
    assert (found.objective, found.lower_bound, found.gap) == (0.0, 0.0, 0.0)
    assert found.termination == "optimal"
