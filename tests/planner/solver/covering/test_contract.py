"""Edges of the covering problems' contract: what is empty, impossible, wrong, or the same again."""

from __future__ import annotations

import numpy as np
import pytest

from planner.solver import max_cover, p_center, set_cover


def test_nobody_to_serve():
    center = p_center(np.empty((0, 3)), 2)
    assert (center.objective, center.termination, len(center.open)) == (0.0, "optimal", 2)
    cover = set_cover(np.empty((0, 3), dtype=bool), [1.0, 0.0, -2.0])
    assert (cover.objective, cover.lower_bound, cover.termination) == (-2.0, -2.0, "optimal")
    assert list(cover.open) == [2]
    most = max_cover([], np.empty((0, 3), dtype=bool), 2)
    assert (most.objective, most.gap, most.termination) == (0.0, 0.0, "optimal")
    for found in (center, cover, most):
        assert found.assignment.shape == (0,)


def test_nothing_to_open():
    assert p_center(np.empty((2, 0)), 1).termination == "infeasible"
    assert set_cover(np.empty((2, 0), dtype=bool), []).termination == "infeasible"
    most = max_cover([1.0, 2.0], np.empty((2, 0), dtype=bool), 1)
    assert (most.objective, most.termination, list(most.assignment)) == (0.0, "optimal", [-1, -1])
    assert p_center([[1.0, 2.0]], 0).termination == "infeasible"
    assert max_cover([1.0], [[True, True]], 0).objective == 0.0


def test_a_client_out_of_reach():
    distance = np.array([[1.0, 2.0], [np.inf, np.inf]])
    center = p_center(distance, 2)
    assert (center.termination, center.objective, center.lower_bound) == ("infeasible", np.inf, np.inf)
    covers = np.isfinite(distance)
    assert set_cover(covers, [1.0, 1.0]).termination == "infeasible"
    assert list(max_cover([1.0, 9.0], covers, 1).assignment) == [0, -1]


def test_too_few_sites_for_the_masks():
    apart = np.where(np.eye(5, dtype=bool), 1.0, np.inf)
    assert p_center(apart, 4).termination == "infeasible"
    assert p_center(apart, 5).objective == 1.0
    assert p_center(apart, 9).objective == 1.0


def test_sites_that_cost_nothing_or_less():
    covers = np.array([[1, 0, 1, 0], [0, 1, 1, 0]])
    free = set_cover(covers, [0.0, 0.0, 1.0, 0.0])
    assert (free.objective, list(free.open)) == (0.0, [0, 1])
    paid = set_cover(covers, [0.0, 5.0, 1.0, -3.0])
    assert (paid.objective, paid.lower_bound) == (-2.0, -2.0)
    assert list(paid.assignment) == [2, 2]
    assert list(paid.open) == [2, 3]


def test_weights_that_count_for_nothing():
    most = max_cover([0.0, 0.0], [[True, False], [False, True]], 1)
    assert (most.objective, most.gap, most.termination) == (0.0, 0.0, "optimal")
    # A client that weighs nothing is served all the same where it is covered.
    assert sorted(most.assignment) == [-1, 0]


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 7.0, 1e6, 1e12])
def test_the_unit_does_not_matter(scale):
    random = np.random.default_rng(7)
    covers, cost = random.random((40, 25)) < 0.15, random.uniform(1, 3, 25)
    covers[np.arange(40), random.integers(0, 25, 40)] = True
    weight = random.random(40)
    one, other = set_cover(covers, cost), set_cover(covers, cost * scale)
    assert other.objective == pytest.approx(one.objective * scale, rel=1e-12)
    assert list(one.open) == list(other.open)
    most, scaled = max_cover(weight, covers, 4), max_cover(weight * scale, covers, 4)
    assert scaled.objective == pytest.approx(most.objective * scale, rel=1e-9)


def test_negative_distances_are_distances():
    found = p_center([[-5.0, -1.0], [-3.0, -2.0]], 1)
    assert (found.objective, found.lower_bound, list(found.open)) == (-3.0, -3.0, [0])


def test_twins_change_nothing():
    random = np.random.default_rng(8)
    distance = random.integers(0, 50, (30, 12)).astype(float)
    twice = np.tile(distance, (2, 2))
    covers, cost = distance < 12, random.integers(1, 9, 12).astype(float)
    covers[np.arange(30), random.integers(0, 12, 30)] = True
    for p in (1, 3, 6):
        assert p_center(distance, p).objective == p_center(twice, p).objective
        one = max_cover(np.ones(30), covers, p).objective
        assert max_cover(np.ones(60), np.tile(covers, (2, 2)), p).objective == 2 * one
    both = set_cover(np.tile(covers, (2, 2)), np.tile(cost, 2))
    assert both.objective == set_cover(covers, cost).objective


def test_the_same_answer_every_time():
    distance = np.linalg.norm(np.random.default_rng(9).random((120, 1, 2)) - 0.5, axis=2)
    distance = np.abs(distance - distance.T) + np.random.default_rng(10).random((120, 120))
    first, again = p_center(distance, 8), p_center(distance, 8)
    assert (first.open == again.open).all()
    assert (first.assignment == again.assignment).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: p_center([1.0, 2.0], 1), "is not"),
        (lambda: p_center([[1.0, np.nan]], 1), "distance must be finite"),
        (lambda: p_center([[1.0, -np.inf]], 1), "distance must be finite"),
        (lambda: p_center([[1.0, 2.0]], -1), "p = -1 is negative"),
        (lambda: p_center([[1.0, 2.0]], 1.5), "p = 1.5 is not a whole number"),
        (lambda: p_center([[1.0, 2.0]], 1, time_limit_s=np.nan), "time_limit_s"),
        (lambda: set_cover([True], [1.0]), "is not"),
        (lambda: set_cover([[0.5, 1.0]], [1.0, 1.0]), "zeros and ones"),
        (lambda: set_cover([[True, True]], [1.0]), "opening_cost"),
        (lambda: set_cover([[True, True]], [1.0, np.inf]), "opening_cost must be finite"),
        (lambda: set_cover([[True]], [1.0], gap=1.0), "gap"),
        (lambda: max_cover([1.0, 1.0], [[True]], 1), "weight"),
        (lambda: max_cover([-1.0], [[True]], 1), "weight must not be below 0"),
        (lambda: max_cover([1.0], [[True]], -1), "p = -1 is negative"),
    ],
)
def test_wrong_input_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()
