"""The front: strictly monotone, every point proven, sound and the cheapest for its promise."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from planner.decide import decide_frontier
from planner.problem import build_problem
from planner.solver import frontier
from planner.solver.frontier import weighted_quantile
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


def test_every_point_is_the_cheapest_for_its_promise():
    points = 0
    for seed in range(55):
        instance = draw(seed)
        plans = decide_frontier(instance.study, instance.inputs, points=8).plans
        free = replace(instance.study, minimize="cost", budget_usd_per_month=None)
        if not plans:
            promise_free = replace(free, latency=replace(free.latency, slo_ms=None))
            assert best(promise_free, instance.inputs) is None
            continue
        reached = [_reached(plan, instance.study.latency.coverage) for plan in plans]
        costs = [plan.kpi.cost_usd_month for plan in plans]
        assert all(a < b for a, b in itertools.pairwise(costs))
        assert all(a > b for a, b in itertools.pairwise(reached))
        for plan, latency in zip(plans, reached, strict=True):
            points += 1
            assert plan.audit == ()
            assert plan.termination == "optimal"
            at = replace(free, latency=replace(free.latency, slo_ms=latency))
            assert plan.objective == pytest.approx(best(at, instance.inputs).objective, rel=1.1e-4)
    assert points >= 40


def test_the_fast_end_is_on_the_front():
    compared = 0
    for seed in range(60):
        instance = draw(seed)
        front = decide_frontier(instance.study, instance.inputs, points=8)
        assert front.complete
        if not front.plans:
            continue
        level = instance.study.latency.coverage
        free = replace(instance.study, minimize="cost", budget_usd_per_month=None)
        problem = build_problem(replace(free, latency=replace(free.latency, slo_ms=None)), instance.inputs)
        nearest = np.where(problem.allowed, problem.latency_ms, np.inf).min(axis=1)
        fastest = weighted_quantile(nearest, problem.sizing.share, level)
        at = replace(free, latency=replace(free.latency, slo_ms=fastest))
        if best(at, instance.inputs) is not None:
            compared += 1
            assert _reached(front.plans[-1], level) == pytest.approx(fastest)
        else:
            assert _reached(front.plans[-1], level) > fastest
    assert compared >= 10


def test_a_front_that_time_cuts_short_says_so():
    instance = next(
        drawn for drawn in map(draw, range(100)) if decide_frontier(drawn.study, drawn.inputs, points=3).plans
    )
    front = decide_frontier(instance.study, instance.inputs, points=8, time_limit_s=1e-6)
    assert not front.complete
    assert front.words.startswith("stopped")


@pytest.mark.parametrize(("open_gap", "goes_on"), [(5e-4, True), (5e-3, False)])
def test_a_point_that_is_all_but_proven_does_not_end_the_front(monkeypatch, open_gap, goes_on):
    solve = frontier.solve_placement

    def unproven(problem, **options):
        """Leaves every promise with a gap; the cheapest plan of all, where the front starts, is proven."""
        found = solve(problem, **options)
        if found.open is None or "start" not in options:
            return found
        return replace(found, termination="time_limit", lower_bound=found.objective * (1 - open_gap))

    drawn = ((each, decide_frontier(each.study, each.inputs, points=8)) for each in map(draw, range(100)))
    instance, whole = next((each, front) for each, front in drawn if len(front.plans) >= 3)
    monkeypatch.setattr(frontier, "solve_placement", unproven)
    front = decide_frontier(instance.study, instance.inputs, points=8)
    assert front.complete is goes_on
    costs = [plan.kpi.cost_usd_month for plan in front.plans]
    if goes_on:
        assert costs == pytest.approx([plan.kpi.cost_usd_month for plan in whole.plans])
        assert max(plan.gap for plan in front.plans) == pytest.approx(open_gap)
    else:
        assert "others are missing" in front.words


def _reached(plan, coverage):
    """Latency within which that share of demand is served."""
    entries = sorted((entry.latency_ms, entry.weight) for entry in plan.assignments)
    total, running = sum(weight for _, weight in entries), 0.0
    for latency, weight in entries:
        running += weight
        if running >= coverage * total * (1 - 1e-9):
            return latency
    raise AssertionError("the weights do not add up")
