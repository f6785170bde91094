"""A problem solved again and again after changes: every answer against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import Resolver, facility_location

SEQUENCES, STEPS = 150, 6
WEIGHTS = (0.0, 1e-9, 0.02, 0.03, 0.1, 1.0, 1.5, 1e3, 1e9)


def draw(random):
    """Whole or fractional costs, of one magnitude or another; some pairs forbidden."""
    n, m = int(random.integers(2, 8)), int(random.integers(2, 20))
    kinds = (
        random.integers(0, 4, (m, n)).astype(float),
        random.random((m, n)) * 10,
        np.round(random.random((m, n)), 1) * random.choice([1e-6, 1.0, 1e6]),
    )
    cost = kinds[int(random.integers(3))]
    cost[random.random((m, n)) < random.choice([0, 0, 0.3])] = np.inf
    opening = random.integers(0, 60, n).astype(float)
    return (opening if random.random() < 0.6 else np.round(random.random(n) * 30, 1)), cost


def setting_of(random, opening):
    """The arguments of a step, and what they mean: (opening as counted, price, budget, low, high, closed)."""
    n = len(opening)
    asked, price, budget, low, high, closed = {}, None, np.inf, 0, n, set()
    if random.random() < 0.3:
        opening = asked["opening_cost"] = np.round(opening * random.random(n), 2)
    if random.random() < 0.3:
        closed = asked["without"] = {int(random.integers(n))}
    if random.random() < 0.3:
        low = asked["min_open"] = int(random.integers(0, n + 1))
    if random.random() < 0.4:
        high = asked["max_open"] = int(random.integers(max(low, 1), n + 1))
    if random.random() < 0.3:
        budget = asked["budget"] = float(np.round(opening[random.random(n) < 0.5].sum(), 6))
        return asked, (np.zeros(n), opening, budget, low, high, closed)
    weight = asked["weight"] = float(random.choice(WEIGHTS))
    return asked, (opening * weight, price, budget, low, high, closed)


def enumerated(cost, counted, price, budget, low, high, closed):
    best, usable = np.inf, [j for j in range(cost.shape[1]) if j not in closed]
    for count in range(max(low, 1), min(high, len(usable)) + 1):
        for chosen in itertools.combinations(usable, count):
            some = list(chosen)
            if price is None or price[some].sum() <= budget * (1 + 1e-12):
                best = min(best, cost[:, some].min(axis=1).sum() + counted[some].sum())
    return best


def test_every_answer_holds_and_the_exact_one_is_the_optimum():
    feasible = 0
    for seed in range(SEQUENCES):
        random = np.random.default_rng([seed, 7])
        opening, cost = draw(random)
        resolver = Resolver(opening, cost)
        for _ in range(STEPS):
            asked, means = setting_of(random, opening)
            best = enumerated(cost, *means)
            first, exact = resolver.solve(**asked), resolver.exact()
            if np.isinf(best):
                assert first.termination == exact.termination == "infeasible", (seed, asked)
                continue
            feasible += 1
            rounding = 1e-9 * abs(best)
            for answer in (first, exact):
                assert answer.lower_bound <= best + rounding, (seed, asked)
                assert answer.objective >= best - rounding, (seed, asked)
            assert first.gap <= 5e-3 or first.termination == "feasible", (seed, asked)
            assert exact.termination == "optimal", (seed, asked)
            assert exact.objective == pytest.approx(best, rel=2e-9), (seed, asked)
    assert feasible > SEQUENCES * STEPS // 2


def test_a_fractional_weight_does_not_pass_for_whole_costs():
    """Values then lie closer than one unit of cost."""
    random = np.random.default_rng(5)
    for _ in range(40):
        cost, opening = random.integers(0, 4, (20, 12)), random.integers(20, 60, 12)
        resolver = Resolver(opening, cost)
        for weight in random.uniform(0.02, 0.1, 4):
            resolver.solve(weight=weight)
            fresh = facility_location(opening * weight, cost)
            assert resolver.exact().objective == pytest.approx(fresh.objective, rel=2e-9)


def test_many_dear_sites_that_masks_force_open():
    cost = np.where(np.eye(40, dtype=bool), 1.0, np.inf)
    resolver = Resolver(np.arange(1.0, 41.0), cost)
    for weight in (1.0, 1e3, 1e9, 1e-6):
        resolver.solve(weight=weight)
        exact = resolver.exact()
        assert exact.termination == "optimal"
        assert exact.objective == pytest.approx(40 + weight * 820)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"weight": -1.0}, "not negative"),
        ({"weight": np.inf}, "finite"),
        ({"without": [7]}, "not among the 3 sites"),
        ({"min_open": 2, "max_open": 1}, "do not fit"),
        ({"budget": np.nan}, "a budget is a number"),
        ({"opening_cost": [1.0]}, "do not fit"),
        ({"gap": 2.0}, "gap 2.0"),
        ({"without": np.array([True, False, False])}, "without = True"),
        ({"without": [0.7]}, "not a whole number"),
        ({"opening_cost": [1e300, 1.0, 1.0], "weight": 1e12}, "finite"),
    ],
)
def test_senseless_settings_are_refused(asked, words):
    with pytest.raises(ValueError, match=words):
        Resolver([1.0, 2.0, 3.0], np.ones((2, 3))).solve(**asked)


def test_more_sites_than_there_are_is_infeasible():
    assert Resolver([1.0], [[1.0]]).solve(min_open=2).termination == "infeasible"


def test_nobody_to_serve_is_refused():
    with pytest.raises(ValueError, match="a client and a site"):
        Resolver([1.0], np.empty((0, 1)))


def test_other_scales_merge_other_clients():
    """Multipliers of one scale must not reach the lists of another."""
    random = np.random.default_rng(4)
    cost = np.round(random.random((600, 12)), 3)
    resolver = Resolver(random.random(12), cost)
    for weight in (1e18, 1.0, 1e18, 1.0):
        first, exact = resolver.solve(weight=weight, max_open=4), resolver.exact()
        assert first.lower_bound <= exact.objective * (1 + 1e-9)
        assert exact.termination == "optimal"
