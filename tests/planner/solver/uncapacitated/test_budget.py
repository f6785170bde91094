"""The budgeted problem and its front against enumeration of all choices of sites."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import budgeted_location, latency_cost_front

DRAWN = 400


def draw(seed):
    """Prices and costs with ties, zeros and forbidden pairs; some prices are tenths, which no float is."""
    random = np.random.default_rng([seed, 6])
    n, m = int(random.integers(1, 7)), int(random.integers(1, 9))
    cost = np.round(random.random((m, n)) * 10 + 0.01, int(random.integers(0, 3)))
    cost[random.random((m, n)) < random.choice([0, 0.3])] = np.inf
    price = np.round(random.random(n) * 5, int(random.integers(0, 2)))
    price[random.random(n) < 0.2] = 0
    return price, cost


def choices(price, cost):
    """(spent, assignment cost) of every choice of sites that serves everyone."""
    n = len(price)
    every = [list(some) for k in range(1, n + 1) for some in itertools.combinations(range(n), k)]
    valued = [(price[some].sum(), cost[:, some].min(axis=1).sum()) for some in every]
    return [one for one in valued if np.isfinite(one[1])]


def best_within(valued, budget):
    return min((value for spent, value in valued if spent <= budget * (1 + 1e-12)), default=np.inf)


def budgets_of(price, valued, random):
    """None of it, some, exactly that of a choice, a little less than one, all."""
    exact = [spent for spent, _ in valued] or [1.0]
    one = exact[int(random.integers(len(exact)))]
    return (0.0, one, one * (1 - 1e-6), float(random.random() * price.sum()), np.inf)


def test_it_is_the_least_within_the_budget():
    infeasible = 0
    for seed in range(DRAWN):
        price, cost = draw(seed)
        valued = choices(price, cost)
        before = np.inf
        for budget in sorted(budgets_of(price, valued, np.random.default_rng(seed))):
            best = best_within(valued, budget)
            found = budgeted_location(price, cost, budget)
            if np.isinf(best):
                assert found.termination == "infeasible"
                infeasible += 1
                continue
            assert found.termination == "optimal", (seed, budget)
            assert found.objective == pytest.approx(best, rel=1e-9, abs=1e-12), (seed, budget)
            assert found.lower_bound <= best * (1 + 1e-12)
            assert price[found.open].sum() <= budget * (1 + 1e-12)
            assert found.objective == pytest.approx(cost[np.arange(len(cost)), found.assignment].sum())
            assert found.objective <= before * (1 + 1e-9)  # more money is never worse
            before = found.objective
    assert infeasible > DRAWN // 20


@pytest.mark.parametrize("gap", [1e-3, 0.2])
def test_a_gap_is_honest(gap):
    for seed in range(60):
        price, cost = draw(seed)
        valued = choices(price, cost)
        budget = float(price.sum() / 2)
        best, found = best_within(valued, budget), budgeted_location(price, cost, budget, gap=gap)
        if np.isfinite(best):
            assert found.termination == "optimal"
            assert found.lower_bound <= best * (1 + 1e-12) <= found.objective * (1 + 1e-9)
            assert found.gap <= gap


def test_every_point_of_the_front_is_the_least_for_its_budget():
    for seed in range(150):
        price, cost = draw(seed)
        valued = choices(price, cost)
        front = latency_cost_front(price, cost, points=6, gap=0.0)
        assert front.complete
        if not valued:
            assert not front.points
            continue
        for point in front.points:
            assert point.solution.objective == pytest.approx(best_within(valued, point.budget), rel=1e-9)
            assert point.spent <= point.budget * (1 + 1e-12)
        for cheaper, dearer in itertools.pairwise(front.points):
            assert cheaper.spent < dearer.spent
            assert cheaper.solution.objective > dearer.solution.objective
        assert front.points[0].spent == pytest.approx(min(spent for spent, _ in valued))
        assert front.points[-1].solution.objective == pytest.approx(min(value for _, value in valued))


def test_a_front_of_budgets_given_says_which_serve_nobody():
    price, cost = np.array([1.0, 2.0, 4.0]), np.array([[5.0, 3.0, 1.0], [6.0, 2.0, np.inf]])
    told = []
    front = latency_cost_front(
        price, cost, budgets=[6.0, 0.5, 1.0, 3.0], progress=lambda *say: told.append(say)
    )
    assert [point.budget for point in front.points] == [1.0, 3.0, 6.0]
    assert [point.solution.objective for point in front.points] == [11.0, 5.0, 3.0]
    assert front.words == "3 budgets, each proven; 0 or less does not serve everyone"
    assert [done for done, _, _ in told] == [0, 1, 2, 3]


def test_a_front_out_of_time_says_so():
    random = np.random.default_rng(3)
    cost = random.integers(1000, 2000, (120, 120)).astype(float)
    front = latency_cost_front(random.integers(100, 200, 120), cost, time_limit_s=0.0)
    assert not front.complete
    assert front.words.startswith("stopped at a budget of")
    assert all(point.solution.termination == "optimal" for point in front.points)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], [[1.0]], np.nan), "a budget is a number"),
        (([-1.0], [[1.0]], 1.0), "zero or more"),
        ((np.ones(2), np.empty((0, 2)), 1.0), "needs a client"),
    ],
)
def test_senseless_budgets_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        budgeted_location(*arguments)


def test_a_gap_below_zero_is_refused():
    with pytest.raises(ValueError, match="gap -3"):
        latency_cost_front([1.0], [[1.0]], gap=-3)


@pytest.mark.parametrize(
    "asked", [{"points": 0}, {"points": -1}, {"points": 2.5}, {"budgets": [[1.0], [2.0]]}]
)
def test_a_front_of_no_points_is_refused(asked):
    with pytest.raises(ValueError, match="points"):
        latency_cost_front([1.0], [[1.0]], **asked)
