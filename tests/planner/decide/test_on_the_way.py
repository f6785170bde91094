"""Deciding from an earlier plan, and the plans told on the way: audited, honest, and the same in the end."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from planner.audit import PROVEN_GAP
from planner.decide import decide
from planner.inputs import load_inputs
from planner.solver import placement
from planner.solver.interrupt import stopped_by
from planner.study import load_study, shipped_studies
from planner.whatif import vary
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


@pytest.fixture
def no_short_cut(monkeypatch):
    """Send even the smallest problem the way of the large ones."""
    monkeypatch.setattr(placement, "SMALL_PAIRS", -1)


@pytest.mark.parametrize("minimize", ["cost", "mean_latency", "max_latency"])
def test_every_plan_on_the_way_is_audited_and_honest(no_short_cut, minimize):
    told = 0
    for seed in range(40):
        instance = draw(seed)
        study = replace(instance.study, minimize=minimize)
        expected = best(study, instance.inputs)
        heard = []
        plan = decide(study, instance.inputs, on_plan=heard.append)
        if expected is None:
            assert plan.termination == "infeasible"
            assert heard == []
            continue
        for each in heard:
            told += 1
            assert each.audit == (), seed
            assert each.termination == "feasible"
            assert each.objective >= expected.objective * (1 - 1e-7) - 1e-9, seed
            assert each.lower_bound <= expected.objective * (1 + 1e-7) + 1e-9, seed
            assert each.kpi is not None
        assert plan.objective == pytest.approx(expected.objective, rel=2 * PROVEN_GAP, abs=1e-9)
    assert told >= 10


@pytest.mark.parametrize("minimize", ["cost", "mean_latency", "max_latency"])
def test_a_start_changes_nothing_but_the_way(no_short_cut, minimize):
    compared = 0
    for seed in range(40):
        instance = draw(seed)
        study = replace(instance.study, minimize=minimize)
        before = decide(replace(study, budget_usd_per_month=None), instance.inputs)
        alone, started = (decide(study, instance.inputs, start=start) for start in (None, before))
        assert started.termination == alone.termination, seed
        assert started.audit == ()
        if alone.kpi is not None:
            compared += 1
            assert started.objective == pytest.approx(alone.objective, rel=2 * PROVEN_GAP, abs=1e-9), seed
    assert compared >= 15


def test_a_start_may_name_sites_and_clients_that_have_gone():
    path = next(path for path in shipped_studies() if path.stem == "factory-outposts")
    study = load_study(path)
    before = decide(study, load_inputs(study))
    # Whichever plan of the same cost it is: one of its Regions goes.
    gone = next(placement.site_id for placement in before.placements if placement.kind == "region")
    varied = vary(study, without=[gone], demand_factor=0.5)
    inputs = load_inputs(varied)
    alone, started = decide(varied, inputs), decide(varied, inputs, start=before)
    assert gone not in started.open
    assert started.audit == ()
    assert started.termination == alone.termination == "optimal"
    assert started.objective == pytest.approx(alone.objective, rel=2 * PROVEN_GAP)


def test_a_solve_that_nobody_waits_for_any_more_ends_with_what_it_has():
    study = load_study(next(path for path in shipped_studies() if path.stem == "worldwide-saas"))
    inputs, enough = load_inputs(study), threading.Event()
    with stopped_by(enough.is_set):
        plan = decide(study, inputs, on_plan=lambda plan: enough.set())
    assert plan.termination in ("time_limit", "optimal")
    assert plan.audit == ()
    assert plan.kpi is not None
    assert plan.gap < 0.5
