"""The way large problems take (relax, repair, prove), held against enumeration on small ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.decide import decide
from planner.problem import build_problem
from planner.solver import placement
from planner.solver.decision import Deadline, broken_rules
from planner.solver.formulation import slo_row, strong
from planner.solver.gathering import gathered
from planner.solver.heuristic import quick_placement
from planner.solver.merging import merge_by
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


@pytest.fixture
def no_short_cut(monkeypatch):
    """Send even the smallest problem the way of the large ones."""
    monkeypatch.setattr(placement, "SMALL_PAIRS", -1)


@pytest.mark.parametrize("rule", [None, "survive", "group", "site_capacity", "min_utilisation"])
@pytest.mark.parametrize("minimize", ["cost", "mean_latency"])
def test_relax_and_repair_finds_the_optimum(no_short_cut, minimize, rule):
    feasible = infeasible = 0
    for seed in range(120):
        instance = draw(seed, rule)
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
        assert broken_rules(problem, found.open, found.assignment, found.backup) == ()
    assert feasible >= 20
    assert infeasible >= 10


def test_lean_and_strong_relaxations_have_the_same_integer_optimum():
    compared = relaxed = 0
    for seed in range(200):
        instance = draw(seed, "coverage")
        problem = build_problem(replace(instance.study, minimize="cost"), instance.inputs)
        row = slo_row(problem)
        if row is None or not problem.allowed.any(axis=1).all():
            continue
        one = strong(problem, everything_tells(problem), whole=False)[0].model.solve(
            gap=0.0, time_limit_s=None
        )
        other = gathered(problem, row, exact=True).model.solve(gap=0.0, time_limit_s=None)
        loose = gathered(problem, row).model.solve(gap=0.0, time_limit_s=None)
        assert one.termination == other.termination, seed
        if one.x is not None:
            compared += 1
            assert other.objective == pytest.approx(one.objective, rel=1e-6, abs=1e-6), seed
            assert loose.objective <= one.objective * (1 + 1e-6) + 1e-6, seed
            relaxed += loose.x is not None
    assert compared >= 50
    assert relaxed >= 50


def everything_tells(problem):
    """Clients merged by every site they may use."""
    return merge_by(problem, problem.allowed, np.zeros(len(problem.client_ids), dtype=np.intp))


def test_identical_clients_merge_and_others_do_not():
    problem = build_problem(replace(draw(3, "coverage").study, minimize="cost"), draw(3, "coverage").inputs)
    groups = everything_tells(problem)
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


@pytest.mark.parametrize("limit_s", [0.0, 1e-3, 0.02])
def test_out_of_time_there_is_still_a_sound_placement_and_an_honest_bound(no_short_cut, limit_s):
    found = stopped = 0
    for seed in range(110):
        instance = draw(seed)
        study = replace(instance.study, minimize=("cost", "mean_latency")[seed % 2])
        expected = best(study, instance.inputs)
        problem = build_problem(study, instance.inputs)
        decision = placement.solve_placement(problem, time_limit_s=limit_s)
        if decision.termination == "infeasible":
            assert expected is None
            continue
        assert np.isfinite(decision.lower_bound)
        stopped += decision.termination == "time_limit"
        if decision.open is not None:
            found += 1
            assert broken_rules(problem, decision.open, decision.assignment, decision.backup) == ()
            assert decision.lower_bound <= expected.objective * (1 + 1e-7) + 1e-9
            assert expected.objective <= decision.objective * (1 + 1e-7) + 1e-9
            plan = decide(study, instance.inputs, time_limit_s=max(limit_s, 1e-6))
            assert plan.audit == (), seed
    assert found >= 20
    if limit_s == 0.0:
        assert stopped >= 20


@pytest.mark.parametrize("minimize", ["cost", "mean_latency"])
def test_the_drop_heuristic_breaks_no_rule_and_is_often_near(minimize):
    feasible = placed = near = 0
    for seed in range(150):
        instance = draw(seed)
        study = replace(instance.study, minimize=minimize)
        expected = best(study, instance.inputs)
        problem = build_problem(study, instance.inputs)
        if not problem.allowed.any(axis=1).all():
            continue
        quick = quick_placement(problem, 0.0, Deadline.after(None))
        if expected is None:
            assert quick is None
            continue
        feasible += 1
        if quick is not None:
            placed += 1
            assert broken_rules(problem, quick.open, quick.assignment, quick.backup) == ()
            assert quick.objective >= expected.objective * (1 - 1e-7) - 1e-9
            near += quick.objective <= 1.1 * expected.objective + 1e-9
    assert placed >= 0.7 * feasible
    assert near >= 0.6 * placed
