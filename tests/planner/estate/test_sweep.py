"""Hundreds of scenarios: the same numbers here, in other processes, and on a Dask cluster of two workers."""

import csv
import io
import json
import math
from functools import partial

import numpy as np
import pytest
from distributed import LocalCluster

from planner.cli import main
from planner.decide import decide
from planner.estate import Hazards, drawn, estate_of, failing, outcome_of
from planner.estate.redecide import best_for
from planner.estate.report import scenarios_csv
from planner.estate.sweep import ClusterError, executor_at, outcomes_of, sweep
from planner.inputs import load_inputs
from planner.study import parse_study
from planner.study_lookup import find_study

STUDY = find_study("factory-outposts")


@pytest.fixture(scope="module")
def planned():
    inputs = load_inputs(STUDY)
    plan = decide(STUDY, inputs)
    return inputs, plan, estate_of(STUDY, inputs, plan)


def test_an_estate_in_peace_is_its_plan(planned):
    _, plan, estate = planned
    found = outcome_of(estate, failing(estate, []))
    assert found.cost_usd_month == pytest.approx(plan.kpi.cost_usd_month, rel=1e-9)
    assert found.mean_ms == pytest.approx(plan.kpi.mean_ms, rel=1e-9)
    assert found.coverage == pytest.approx(plan.kpi.coverage, rel=1e-9)
    assert {each.site_id: each.instances for each in found.sites} == {
        each.site_id: each.instances for each in plan.placements
    }


def test_the_same_numbers_wherever_they_are_worked_out(planned):
    _, _, estate = planned
    scenarios = drawn(estate, Hazards(site=0.1), 60, seed=7)
    here = outcomes_of(estate, scenarios)
    work = partial(outcomes_of, estate)
    heard = []
    with executor_at(None, 2) as (executor, workers):
        assert sweep(work, scenarios, executor, workers, lambda *said: heard.append(said)) == here
    assert heard[-1][:2] == (60, 60)
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, executor_at(cluster.scheduler_address) as (executor, workers):
        assert workers == 2
        assert sweep(work, scenarios, executor, workers) == here
    rows = list(csv.DictReader(io.StringIO(scenarios_csv(here, []))))
    assert len(rows) == 60
    assert float(rows[3]["coverage"]) == pytest.approx(here[3].coverage)


def test_a_hundred_are_the_first_of_two_hundred_and_another_seed_is_other(planned):
    _, _, estate = planned
    assert drawn(estate, Hazards(), 100, 1) == drawn(estate, Hazards(), 200, 1)[:100]
    assert drawn(estate, Hazards(), 100, 1) != drawn(estate, Hazards(), 100, 2)


def test_hazards_are_as_likely_as_they_say(planned):
    _, _, estate = planned
    count = 4_000
    scenarios = drawn(estate, Hazards(site=0.05, region=0.2, metro=0.0, demand_spread=0.3), count, 3)
    for name in estate.domains:
        chance = {"region": 0.2, "metro": 0.0}.get(name.partition(":")[0], 0.05)
        seen = sum(name in each.down for each in scenarios) / count
        assert abs(seen - chance) <= 4.5 * math.sqrt(chance * (1 - chance) / count)
    logs = np.log([each.demand_factor for each in scenarios])
    assert abs(logs.mean()) < 4 * 0.3 / math.sqrt(count)
    assert logs.std() == pytest.approx(0.3, rel=0.06)


def test_perfect_information_is_no_dearer_where_the_plan_holds(planned):
    inputs, plan, estate = planned
    best = best_for(STUDY, inputs, failing(estate, []), 60.0)
    assert best.cost_usd_month == pytest.approx(plan.kpi.cost_usd_month, rel=2e-4)
    lost = failing(estate, [plan.open[0]])
    without = best_for(STUDY, inputs, lost, 60.0)
    assert plan.open[0] not in without.open


def test_no_scheduler_answers(monkeypatch):
    monkeypatch.setattr("planner.estate.sweep.CONNECT_S", 0.3)
    with pytest.raises(ClusterError, match="no Dask scheduler answers"), executor_at("tcp://127.0.0.1:9"):
        pass


def test_the_command(tmp_path, capsys):
    out = tmp_path / "scenarios.csv"
    arguments = ["whatif", "factory-outposts", "--scenarios", "8", "--jobs", "1", "--seed", "3"]
    arguments += ["--hazard", "site=0.5,region=0", "--fail", "op-gyor-2"]
    assert main([*arguments, "--json", "--out", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["summary"]["scenarios"] == len(said["outcomes"]) == 8
    assert said["summary"]["with_failures"] == sum(
        bool(each["scenario"]["down"]) for each in said["outcomes"]
    )
    assert len(list(csv.DictReader(out.open()))) == 8
    downs = [each["scenario"]["down"] for each in said["outcomes"]]
    assert all(down[0] == "op-gyor-2" and down.count("op-gyor-2") == 1 for down in downs)
    assert len({*map(tuple, downs)}) > 1
    assert main(["whatif", "factory-outposts", "--fail", "op-gyor-2", "--redecide"]) == 0
    printed = capsys.readouterr().out
    assert "op-gyor-2" in printed
    assert "decided anew: no plan keeps the rules then" in printed  # no other rack can stand there in time


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fail", "op-gyor"], "did you mean 'op-gyor-2'?"),
        (["--scenarios", "2", "--hazard", "sight=1"], "did you mean 'site'?"),
        (["--scenarios", "2", "--hazard", "site=2"], "not a number from 0 to 1"),
        (["--scenarios", "none"], "is not a whole number"),
        (["--redecide"], "--redecide: is about --fail and --scenarios, and neither is given"),
        (["--out", "runs.csv"], "--out: is about --fail and --scenarios"),
        (["--fail", "op-gyor-2", "--seed", "2"], "--seed: is of random scenarios: say how many"),
        (["--jobs", "2"], "--jobs: is of random scenarios"),
        (["--fail", "op-gyor-2", "--demand", "X0"], "--demand: 0 is not a factor above 0"),
        (["--scenarios", "2", "--demand=-2"], "--demand: -2 is not a factor above 0"),
        (
            ["--scenarios", "2", "--cluster", "tpc://a:1"],
            "'tpc' is none of tcp, tls, ws, wss, ucx; did you mean",
        ),
        (["--scenarios", "2", "--cluster", ""], "--cluster: names nothing"),
        (["--scenarios", "2", "--hazard", "demand_spread=9"], "not a number from 0 to 5"),
    ],
)
def test_bad_input_is_one_error(arguments, said, capsys):
    try:
        code = main(["whatif", "factory-outposts", *arguments])
    except SystemExit as fault:
        code = fault.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_rack_that_fails_is_to_be_had_in_no_other_size(tmp_path):
    (tmp_path / "clients.csv").write_text("id,country,lat,lon,weight\nmadrid,ES,40.42,-3.7,1\n")
    size = (
        '[[candidates.outpost.size]]\nname = "{}"\ncapacity_rps = {}\nupfront_usd = 1e5\nmonthly_usd = {}\n'
    )
    study = parse_study(
        'name = "racks"\n[demand]\ncsv = "clients.csv"\npeak_rps = 500\nrequests_per_month = 1e8\n'
        '[candidates]\nkinds = ["outpost"]\n[[candidates.outpost]]\nid = "op-madrid"\ncountry = "ES"\n'
        'lat = 40.42\nlon = -3.7\nparent = "eu-south-2"\nterm_months = 36\n'
        + size.format("small", 1000, 4000)
        + size.format("large", 4000, 9000),
        name="racks",
        directory=tmp_path,
    )
    inputs = load_inputs(study)
    plan = decide(study, inputs)
    assert plan.open == ("op-madrid.small",)
    estate = estate_of(study, inputs, plan)
    best = best_for(study, inputs, failing(estate, ["op-madrid.small"]), 10.0)
    assert (best.termination, best.open) == ("infeasible", ())
