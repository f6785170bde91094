"""The way large problems take (relax, repair, prove), held against enumeration on small ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.problem import build_problem
from planner.solver import placement
from planner.solver.decision import broken_rules
from planner.solver.formulation import pooled, slo_row, strong
from planner.solver.merging import merge_identical
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


@pytest.fixture
def no_short_cut(monkeypatch):
    """Send even the smallest problem the way of the large ones."""
    monkeypatch.setattr(placement, "SMALL_PAIRS", -1)


@pytest.mark.parametrize("minimize", ["cost", "mean_latency"])
def test_relax_and_repair_finds_the_optimum(no_short_cut, minimize):
    feasible = infeasible = 0
    for seed in range(120):
        instance = draw(seed)
        study = replace(instance.study, minimize=minimize)
        expected = best(study, instance.inputs)
        problem = build_problem(study, instance.inputs)
        found = placement.solve_placement(problem)
        if expected is None:
            infeasible += 1
            assert found.termination == "infeasible", seed
            continue
        feasible += 1
        assert found.termination == "optimal", seed
        assert found.lower_bound <= expected.objective * (1 + 1e-7) + 1e-9, seed
        assert found.objective <= expected.objective * (1 + 1.1e-4) + 1e-9, seed
        assert broken_rules(problem, found.open, found.assignment) == ()
    assert feasible >= 30
    assert infeasible >= 10


def test_pooled_and_strong_relaxations_have_the_same_integer_optimum():
    compared = 0
    for seed in range(200):
        instance = draw(seed, "coverage")
        problem = build_problem(replace(instance.study, minimize="cost"), instance.inputs)
        row = slo_row(problem)
        if row is None or not problem.allowed.any(axis=1).all():
            continue
        groups = merge_identical(problem)
        one = strong(problem, groups, whole=False)[0].model.solve(gap=0.0, time_limit_s=None)
        other = pooled(problem, groups, row)[0].model.solve(gap=0.0, time_limit_s=None)
        assert one.termination == other.termination, seed
        if one.x is not None:
            compared += 1
            assert other.objective == pytest.approx(one.objective, rel=1e-6, abs=1e-6), seed
    assert compared >= 50


def test_identical_clients_merge_and_others_do_not():
    problem = build_problem(replace(draw(3, "coverage").study, minimize="cost"), draw(3, "coverage").inputs)
    groups = merge_identical(problem)
    assert groups.share.sum() == pytest.approx(1.0)
    row = slo_row(problem)
    for client, group in enumerate(groups.group):
        first = groups.first[group]
        assert (problem.allowed[client] == problem.allowed[first]).all()
        if row is not None:
            allowed = problem.allowed[client]
            assert (row.pair[client][allowed] == row.pair[first][allowed]).all()
    signatures = {(problem.allowed[i].tobytes(),) for i in groups.first}
    assert len(groups.first) >= len(signatures)


def test_a_time_limit_is_kept_and_honest():
    instance = draw(1)
    problem = build_problem(replace(instance.study, minimize="cost"), instance.inputs)
    found = placement.solve_placement(problem, time_limit_s=0.0)
    if found.termination != "infeasible":
        assert found.termination == "time_limit"
        assert found.open is None
        assert not np.isfinite(found.objective)
