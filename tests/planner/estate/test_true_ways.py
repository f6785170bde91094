"""An estate and the plan decided anew see one truth: as planned, as routed, and as latencies are drawn."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from planner.decide import decide
from planner.estate import Scenario, estate_of, failing, outcome_of
from planner.estate.redecide import _seen, best_for
from planner.inputs import at_home, load_inputs
from planner.study import parse_study

DEMAND = """
name = "small"
[demand]
cities = { countries = ["DE", "FR", "IT", "ES"], top = 16 }
peak_rps = 4000
requests_per_month = 2.0e8
[candidates]
include = ["eu-central-1", "eu-west-3", "eu-south-1", "eu-south-2"]
kinds = ["region"]
[workload]
rps_per_instance = 500
min_instances = 2
response_kb = 4
"""
ROUTED = """
[latency]
slo_ms = 25
coverage = 0.7
[limits]
min_sites = 3
[[rule]]
kind = "residency"
clients = { countries = ["FR"] }
sites = { countries = ["FR", "DE"] }
[routing]
policy = "route53-latency"
"""
AT_HOME = """
[workload.home]
region = "{}"
home_trips = 1
[latency]
slo_ms = 60
coverage = 0.7
[limits]
min_sites = 2
"""


@cache
def planned(text):
    study = parse_study(DEMAND + text, name="small", directory=Path())
    inputs = load_inputs(study)
    plan = decide(study, inputs)
    return study, inputs, plan, estate_of(study, inputs, plan)


def test_a_routed_estate_in_peace_is_its_plan_as_routed():
    _, inputs, plan, estate = planned(ROUTED)
    said = plan.routing.as_routed
    found = outcome_of(estate, failing(estate, []))
    assert found.cost_usd_month == pytest.approx(said.cost_usd_month, rel=1e-9)
    assert found.mean_ms == pytest.approx(said.mean_ms, rel=1e-9)
    assert found.coverage == pytest.approx(said.coverage, rel=1e-9)
    assert {each.site_id: each.rps for each in found.sites} == pytest.approx(
        {each.site_id: each.rps for each in said.sites}
    )
    assert found.moves == ()
    # Whoever routes goes by latency alone, so that somebody in France is sent abroad when Paris is down.
    lost = outcome_of(estate, failing(estate, ["eu-west-3"]))
    allowed = {"eu-west-3", "eu-central-1"}
    there = {client.id: client.country for client in inputs.demand.clients}
    expected = 0.0
    left = [j for j, site in enumerate(estate.site_ids) if site != "eu-west-3"]
    for i, row in enumerate(plan.assignments):
        j = int(estate.assignment[i])
        if estate.site_ids[j] == "eu-west-3":
            j = min(left, key=lambda j: estate.view[i, j])
        if there[row.client_id] == "FR" and estate.site_ids[j] not in allowed:
            expected += estate.share[i]
    assert lost.forbidden == pytest.approx(expected)
    assert expected > 0


def test_who_decides_anew_sees_what_the_estate_sees():
    study, inputs, plan, estate = planned(AT_HOME.format("auto"))
    drawn = Scenario("drawn", latency_draw=(3, 7))
    seen = _seen(inputs, load_inputs(study), drawn)
    whole = at_home(study, seen, plan.home.region).matrix.estimate_ms
    assert estate.seen((3, 7))[0] == pytest.approx(whole[:, estate.column])
    assert not np.allclose(whole[:, estate.column], estate.latency_ms)
    # Another home is another way, and known as well.
    other = next(home.site.id for home in seen.homes if home.site.id != plan.home.region)
    assert not np.allclose(at_home(study, seen, other).matrix.estimate_ms, whole)
    # With nothing drawn, what is decided anew is the plan.
    best = best_for(study, inputs, failing(estate, []), 20.0)
    assert best.open == plan.open
    assert best.cost_usd_month == pytest.approx(outcome_of(estate, failing(estate, [])).cost_usd_month)


def test_fewer_sites_are_drawn_alike():
    study, inputs, _, _ = planned(AT_HOME.format("auto"))
    fewer = load_inputs(replace(study, candidates=replace(study.candidates, exclude=("eu-south-1",))))
    drawn = Scenario("drawn", latency_draw=(3, 7))
    all_of_them, some = _seen(inputs, load_inputs(study), drawn), _seen(inputs, fewer, drawn)
    place = {site.id: j for j, site in enumerate(inputs.sites)}
    columns = [place[site.id] for site in fewer.sites]
    assert len(columns) == 3
    assert np.array_equal(some.matrix.estimate_ms, all_of_them.matrix.estimate_ms[:, columns])
    way = {home.site.id: home.estimate_ms for home in all_of_them.homes}
    for home in some.homes:
        assert np.array_equal(home.estimate_ms, way[home.site.id][columns])


def test_where_the_home_that_is_named_is_lost_another_may_be_it():
    study, inputs, _, estate = planned(AT_HOME.format("eu-west-3"))
    lost = failing(estate, ["region:eu-west-3"])
    best = best_for(study, inputs, replace(lost, latency_draw=(1, 0)), 20.0)
    assert best.cost_usd_month is not None
    assert "eu-west-3" not in best.open
