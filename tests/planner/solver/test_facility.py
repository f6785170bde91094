"""facility_location and p_median against enumeration, and the edges of their contract."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from planner.solver import facility_location, p_median


def enumerate_uflp(opening, cost, low, high):
    """The optimum over all open sets, inf when none is feasible."""
    n = len(opening)
    best = np.inf
    for size in range(low, high + 1):
        for chosen in itertools.combinations(range(n), size):
            if size == 0:
                continue
            nearest = cost[:, list(chosen)].min(axis=1)
            best = min(best, opening[list(chosen)].sum() + nearest.sum())
    return best


def draw(seed):
    random = np.random.default_rng(seed)
    n, m = random.integers(1, 8), random.integers(1, 9)
    # Short lists of values make ties common; a third of the instances have forbidden pairs and free sites.
    cost = random.choice([0.0, 1.0, 2.5, 7.0, 1e4], size=(m, n)).astype(float)
    if seed % 3 == 0:
        cost[random.random((m, n)) < 0.3] = np.inf
    opening = random.choice([0.0, 3.0, 10.0], size=n).astype(float)
    return opening, cost


@pytest.mark.parametrize("seed", range(60))
def test_uflp_is_what_enumeration_finds(seed):
    opening, cost = draw(seed)
    n = len(opening)
    low = seed % 3 % (n + 1)
    high = max(low, n - seed % 2)
    expected = enumerate_uflp(opening, cost, low, high)
    found = facility_location(opening, cost, min_open=low, max_open=high)
    if not np.isfinite(expected):
        assert found.termination == "infeasible"
        assert found.open.size == 0
        assert (found.assignment == -1).all()
        return
    assert found.termination == "optimal"
    assert found.objective == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert found.lower_bound <= found.objective
    assert found.gap <= 1e-9
    assert low <= len(found.open) <= high
    assert list(found.open) == sorted(found.open)
    assert set(found.assignment) <= set(found.open)
    paid = opening[found.open].sum() + cost[np.arange(len(cost)), found.assignment].sum()
    assert paid == pytest.approx(found.objective)


@pytest.mark.parametrize("seed", range(30))
def test_p_median_is_what_enumeration_finds(seed):
    _, cost = draw(seed)
    n = cost.shape[1]
    p = 1 + seed % n
    expected = enumerate_uflp(np.zeros(n), cost, p, p)
    found = p_median(cost, p)
    if np.isfinite(expected):
        assert found.objective == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert len(found.open) == p
    else:
        assert found.termination == "infeasible"


def test_a_gap_is_honest():
    random = np.random.default_rng(5)
    cost = np.linalg.norm(random.random((60, 1, 2)) - random.random((1, 25, 2)), axis=2)
    exact = facility_location(np.full(25, 1.5), cost)
    rough = facility_location(np.full(25, 1.5), cost, gap=0.2)
    assert rough.lower_bound <= exact.objective <= rough.objective
    assert rough.objective <= exact.objective / (1 - 0.2) + 1e-9
    assert rough.termination == "optimal"


def test_no_time_is_a_value_not_an_exception():
    # Assignment costs without any structure: far from closed when the first look is over.
    random = np.random.default_rng(3)
    opening, cost = random.integers(100, 200, 120), random.integers(1000, 2000, (120, 120))
    found = facility_location(opening, cost, time_limit_s=0.0)
    assert found.termination == "time_limit"
    assert found.lower_bound < found.objective == opening[found.open].sum() + cost[:, found.open].min(1).sum()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([1.0], [[1.0, 2.0]]), "do not fit"),
        (([1.0, np.inf], [[1.0, 2.0]]), "opening_cost must be finite"),
        (([1.0, 1.0], [[1.0, np.nan]]), "assignment_cost must be finite"),
        (([1.0, 1.0], [1.0, 2.0]), "do not fit"),
    ],
)
def test_wrong_arrays_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        facility_location(*arguments)


def test_impossible_numbers_of_sites_are_refused():
    with pytest.raises(ValueError, match="p = 3"):
        p_median([[1.0, 2.0]], 3)
    with pytest.raises(ValueError, match="do not fit"):
        facility_location([1.0, 1.0], [[1.0, 2.0]], min_open=2, max_open=1)
    with pytest.raises(ValueError, match="gap"):
        p_median([[1.0, 2.0]], 1, gap=1.5)


@pytest.mark.parametrize("big", [1e6, 1e9, 1e12, 1e15])
def test_one_prohibitive_pair_does_not_blur_the_others(big):
    random = np.random.default_rng(int(np.log10(big)))
    for _ in range(15):
        opening, cost = random.uniform(0, 3, 6), random.uniform(0, 1, (8, 6))
        cost[random.integers(8), random.integers(6)] = big
        expected = enumerate_uflp(opening, cost, 1, 6)
        found = facility_location(opening, cost)
        assert found.termination == "optimal"
        assert found.objective == pytest.approx(expected, rel=1e-9)
        two = p_median(cost, 2)
        assert two.objective == pytest.approx(enumerate_uflp(np.zeros(6), cost, 2, 2), rel=1e-9)


@pytest.mark.parametrize(
    ("opening", "cost", "max_open"),
    [
        (
            [-0.2, 5.2],
            [[2.8e-10, 0.0], [0.0, 3e-10]],
            1,
        ),  # what a pair costs is lost beside the opening costs
        ([910.0, -400.0], [[0.0, 2e-14]], 2),
    ],
)
def test_opening_that_pays_keeps_the_pairs_it_needs(opening, cost, max_open):
    found = facility_location(opening, cost, max_open=max_open)
    expected = enumerate_uflp(np.array(opening), np.array(cost), 0, max_open)
    assert found.termination == "optimal"
    assert found.objective == pytest.approx(expected, rel=1e-9)


def test_no_cost_is_too_small_to_be_proven():
    random = np.random.default_rng(2)
    opening, cost = random.random(60) * 1e-25, random.random((300, 60)) * 1e-25
    found = facility_location(opening, cost, time_limit_s=0.0)
    assert found.gap == pytest.approx((found.objective - found.lower_bound) / found.objective)
    assert (found.termination == "optimal") == (found.gap <= 1e-9)


def test_a_rough_answer_keeps_its_bound_below_the_optimum():
    """An incumbent found on the way narrows the margin that closed the node before."""
    random = np.random.default_rng(11)
    for _ in range(1500):
        n, m = int(random.integers(3, 9)), int(random.integers(3, 12))
        opening, cost = random.random(n) * 3, random.random((m, n)) * random.integers(1, 9, (m, 1))
        rough = facility_location(opening, cost, gap=float(random.choice([0.05, 0.2, 0.4])))
        expected = enumerate_uflp(opening, cost, 0, n)
        assert rough.lower_bound <= expected * (1 + 1e-12)
        assert rough.gap <= 0.4


@pytest.mark.parametrize("p", [1.5, "2", True, -1])
def test_a_number_of_sites_is_a_whole_number(p):
    with pytest.raises(ValueError, match="p = "):
        p_median(np.ones((3, 4)), p)


def test_numbers_of_any_integer_type_serve():
    found = p_median(np.ones((3, 4)), np.int32(2))
    assert len(found.open) == 2
    assert len(facility_location(np.ones(4), np.ones((3, 4)), min_open=np.int64(3)).open) == 3


def test_a_time_limit_is_a_number():
    with pytest.raises(ValueError, match="time_limit_s"):
        facility_location([1.0], [[1.0]], time_limit_s=np.nan)
