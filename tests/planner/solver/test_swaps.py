"""What a plan says is tight: rules that a certificate shows to cost something do; so the promise is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.datadir import data_dir
from planner.decide import decide
from planner.inputs import load_inputs
from planner.problem import build_problem
from planner.solver.placement import solve_placement
from planner.solver.swaps import costly_by_swap
from planner.study import load_study
from tests.planner.routing.estate import STUDY, inputs
from tests.properties.small_instances import draw


def test_dropping_a_rule_that_forbids_a_better_swap_saves_what_the_swap_does():
    found = 0
    for seed in range(150):
        instance = draw(seed)
        problem = build_problem(instance.study, instance.inputs).aiming_at("cost")
        decision = solve_placement(problem)
        if decision.open is None:
            continue
        for rule in costly_by_swap(problem, decision):
            found += 1
            free = solve_placement(problem.without({rule}))
            assert free.objective < decision.objective * (1 - 1e-4), (seed, rule)
    assert found >= 15


def test_one_rack_that_the_promise_alone_pays_for():
    # A rack of 100 a month serves Berlin and Rouen; Frankfurt would do it for less, and not in time.
    known = inputs(("fra", "rack"))
    estimate = np.array([[30.0, 3.0], [30.0, 4.0]])
    matrix = replace(known.matrix, estimate_ms=estimate, lower_ms=estimate, upper_ms=estimate)
    known = replace(known, matrix=matrix)
    study = replace(
        STUDY, minimize="cost", routing=None, workload=replace(STUDY.workload, rps_per_instance=400.0)
    )
    assert decide(study, known).open == ("fra",)
    promised = replace(study, latency=replace(study.latency, slo_ms=10.0, coverage=0.9))
    plan = decide(promised, known)
    assert plan.open == ("rack",)
    assert plan.binding == ("coverage",)


def test_the_promise_of_the_factories_is_among_what_is_tight():
    study = load_study(data_dir() / "studies" / "factory-outposts.toml")
    plan = decide(study, load_inputs(study))
    # It holds with several points to spare, and without it most racks would stay closed.
    assert plan.kpi.coverage > study.latency.coverage
    assert "coverage" in plan.binding
