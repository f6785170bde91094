"""Warm starts, answers on the way, interruption: each changes how soon, never what is right."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from planner.problem import build_problem
from planner.solver import placement
from planner.solver.decision import State, broken_rules
from planner.solver.formulation import slo_row
from planner.solver.frontier import promise, trace_frontier
from planner.solver.gathering import gathered, point_of
from planner.solver.heuristic import settled
from planner.solver.interrupt import stop_asked, stoppable
from planner.solver.placement import solve_placement
from planner.solver.root import narrowed, root_of, tighten
from tests.planner.solver.middling_instances import middling
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


@pytest.fixture
def no_short_cut(monkeypatch):
    """Send even the smallest problem the way of the large ones."""
    monkeypatch.setattr(placement, "SMALL_PAIRS", -1)


def varied(study, random):
    """The study with one thing changed, as a slider would."""
    latency, demand = study.latency, study.demand
    if latency.slo_ms is not None and random.random() < 0.4:
        return replace(study, latency=replace(latency, slo_ms=latency.slo_ms * random.choice([0.5, 2.0])))
    if random.random() < 0.5:
        coverage = float(random.choice([0.4, 0.7, 0.9]))
        return replace(study, latency=replace(latency, coverage=coverage))
    factor = float(random.choice([0.5, 1.4]))
    return replace(study, demand=replace(demand, peak_rps=demand.peak_rps * factor))


def test_a_start_changes_nothing_but_the_way(no_short_cut):
    compared = 0
    for seed in range(170):
        instance = draw(seed, "coverage")
        study = replace(instance.study, minimize=("cost", "mean_latency")[seed % 2])
        before = solve_placement(build_problem(study, instance.inputs))
        after = varied(study, np.random.default_rng(seed))
        expected = best(after, instance.inputs)
        found = solve_placement(build_problem(after, instance.inputs), start=before)
        if expected is None:
            assert found.termination == "infeasible", seed
            continue
        compared += before.open is not None
        assert found.termination == "optimal", seed
        assert found.objective <= expected.objective * (1 + 1.1e-4) + 1e-9, seed
        assert found.lower_bound <= expected.objective * (1 + 1e-7) + 1e-9, seed
    assert compared >= 40


def test_a_start_that_presolve_leaves_behind_is_not_the_answer():
    for seed in range(28, 36):
        instance = draw(seed, "max_sites")
        study = replace(instance.study, minimize=("cost", "mean_latency")[seed % 2])
        limits = study.limits
        before = solve_placement(build_problem(study, instance.inputs))
        looser = replace(study, limits=replace(limits, max_sites=limits.max_sites + 1))
        expected = best(looser, instance.inputs)
        if expected is not None:
            found = solve_placement(build_problem(looser, instance.inputs), start=before)
            assert found.termination == "optimal", seed
            assert found.objective <= expected.objective * (1 + 1.1e-4) + 1e-9, seed


def moved(problem, decision, *, by_more_than, at_most):
    """The decision with clients served from other open sites, worse by a part of it between the two."""
    assignment = decision.assignment.copy()
    for client in range(len(assignment)):
        for site in np.nonzero(decision.open & problem.allowed[client])[0]:
            other = assignment.copy()
            other[client] = site
            plan = settled(problem, decision.open, other, -np.inf)
            if plan is None or plan.objective > decision.objective * (1 + at_most):
                continue
            assignment = other
            if plan.objective > decision.objective * (1 + by_more_than):
                return plan
    return None


def started(problem, plan):
    names = problem.client_ids, problem.site_ids
    linked = np.empty((0, 2), dtype=np.intp)
    return replace(plan, state=State(*names, plan.open, plan.assignment, linked, stays=True))


def test_a_plan_as_good_as_any_within_the_gap_stays_and_a_worse_one_does_not():
    stayed = 0
    for seed in range(4):
        problem = middling(seed)
        optimum = solve_placement(problem)
        near = moved(problem, optimum, by_more_than=1e-6, at_most=4e-5)
        far = moved(problem, optimum, by_more_than=3e-4, at_most=0.1)
        if near is not None and near.objective <= optimum.lower_bound * (1 + 9e-5):
            found = solve_placement(problem, start=started(problem, near))
            assert found.termination == "optimal", seed
            if near.objective <= found.lower_bound * (1 + 1e-4):
                stayed += 1
                assert (found.assignment == near.assignment).all(), seed
                assert found.objective == near.objective
        if far is not None:
            found = solve_placement(problem, start=started(problem, far))
            assert found.gap <= 1e-4, seed
            assert found.objective < far.objective, seed
    assert stayed >= 1


def test_every_answer_on_the_way_is_sound_and_its_bound_holds(no_short_cut):
    answers = 0
    for seed in range(100):
        instance = draw(seed)
        study = replace(instance.study, minimize=("cost", "mean_latency")[seed % 2])
        problem = build_problem(study, instance.inputs)
        told = []
        final = solve_placement(problem, on_answer=told.append)
        expected = best(study, instance.inputs)
        gaps = [answer.gap for answer in told]
        for answer in told:
            answers += 1
            assert broken_rules(problem, answer.open, answer.assignment, answer.backup) == (), seed
            assert answer.lower_bound <= expected.objective * (1 + 1e-7) + 1e-9, seed
            assert expected.objective <= answer.objective * (1 + 1e-7) + 1e-9, seed
            assert answer.termination == ("optimal" if answer.gap <= 1e-4 else "feasible")
        if final.open is not None:
            assert told, seed
            assert gaps == sorted(gaps, reverse=True), seed
            assert told[-1].objective == final.objective
    assert answers >= 80


def test_at_middle_sizes_the_lean_way_finds_what_the_binary_model_finds():
    for seed in range(3):
        problem = middling(seed)
        told = []
        found = solve_placement(problem, on_answer=told.append)
        exact = solve_placement_binary(problem)
        assert found.termination == exact.termination == "optimal"
        assert found.lower_bound <= exact.objective * (1 + 1e-7), seed
        assert exact.lower_bound <= found.objective * (1 + 1e-7), seed
        assert all(answer.lower_bound <= exact.objective * (1 + 1e-7) for answer in told)
        assert all(
            broken_rules(problem, answer.open, answer.assignment, answer.backup) == () for answer in told
        )


def solve_placement_binary(problem):
    """The binary model itself."""
    return solve_with(problem, SMALL_PAIRS=10**9)


def solve_with(problem, **constants):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in constants.items():
            patch.setattr(placement, name, value)
        return solve_placement(problem)


def test_sites_are_closed_only_if_no_better_plan_opens_them():
    closed = 0
    for seed in range(6):
        problem = middling(seed)
        decision = solve_placement(problem)
        answers = placement.Answers(problem, 1e-4, None)
        root = root_of(problem, np.empty((0, 2), dtype=np.intp))
        assert tighten(root, answers, placement.Deadline.after(None))
        assert answers.lower <= decision.objective * (1 + 1e-9)
        answers.offer(replace(decision, objective=decision.objective * 1.002))
        smaller = narrowed(root, answers)
        if smaller is not None:
            closed += 1
            assert smaller.problem.may_open[decision.open].all(), seed
    assert closed >= 1


def test_a_placement_is_a_point_of_the_lean_model():
    for seed in range(4):
        problem = middling(seed)
        decision = solve_placement(problem)
        for exact in (False, True):
            lean = gathered(problem, slo_row(problem), exact=exact)
            counted = placement.tally(problem, decision.open, decision.assignment)
            x = point_of(problem, lean, decision.open, decision.assignment, counted.instances)
            assert lean.model.value(x) == pytest.approx(decision.objective, rel=1e-9)
            lean.model.restrict(np.arange(len(x)), x, x)
            assert lean.model.solve(gap=0.0, time_limit_s=None).termination == "optimal"


def test_a_first_interrupt_returns_what_there_is_and_a_second_ends():
    problem, told = middling(1), []

    def press(answer):
        told.append(answer)
        os.kill(os.getpid(), signal.SIGINT)

    found = solve_with_answers(problem, press)
    assert found.open is not None
    assert found.termination in ("time_limit", "optimal")
    assert found.lower_bound <= told[-1].objective
    assert broken_rules(problem, found.open, found.assignment, found.backup) == ()
    assert not stop_asked()
    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def press_twice():
    with stoppable():
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_asked()
        os.kill(os.getpid(), signal.SIGINT)


def solve_with_answers(problem, press):
    pressed = []

    def once(answer):
        if not pressed:
            pressed.append(True)
            press(answer)

    return solve_placement(problem, on_answer=once)


def test_points_of_a_front_are_what_independent_solves_find():
    problem = middling(2).without({"coverage"})
    front = trace_frontier(problem, 0.9, points=6)
    assert front.complete
    assert len(front.points) >= 4
    for point in front.points:
        alone = solve_placement(promise(problem, point.reached_ms, 0.9))
        assert alone.lower_bound <= point.decision.objective * (1 + 1e-7)
        assert point.decision.lower_bound <= alone.objective * (1 + 1e-7)
        assert point.decision.gap <= 1e-4


def test_a_front_interrupted_keeps_its_points():
    problem = middling(2).without({"coverage"})

    def press(done, total, words):
        if done == 2 and not stop_asked():
            os.kill(os.getpid(), signal.SIGINT)

    front = trace_frontier(problem, 0.9, points=8, progress=press)
    assert not front.complete
    assert 1 <= len(front.points) <= 3
    assert all(point.decision.termination == "optimal" for point in front.points)
