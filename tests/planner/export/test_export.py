"""What a plan looks like as files; the plan here is written by hand."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from planner.demand import Client, Demand
from planner.export import (
    assignments_csv,
    frontier_csv,
    matrix_csv,
    matrix_document,
    placements_csv,
    promise_ms,
    write_plan,
    write_texts,
)
from planner.inputs import Inputs
from planner.latency.jitter import Jitter
from planner.latency.matrix import ABSENT, MEASURED, MODELLED, Grounds, LatencyMatrix
from planner.latency.modes import Mode
from planner.measurements import PairDetail, PairStatistic, Vantage
from planner.plan import Assignment, Certainty, Conflict, Kpi, Placement, Plan
from planner.plan_document import plan_json

GOLDEN = Path(__file__).parents[2] / "golden"

PLACEMENTS = (
    Placement(
        site_id="eu-central-1",
        provider="aws",
        kind="region",
        parent=None,
        country="DE",
        role="serving",
        instances=3,
        clients=2,
        demand_share=2 / 3,
        latency_p50_ms=12.3456789,
        latency_p95_ms=20.0,
        cost_usd_month=1000.0 / 3 + 200.0 / 7,
        cost_items={"compute": 1000.0 / 3, "egress": 200.0 / 7, "transfer": 0.0},
        decided_by="coverage, parent",
    ),
    Placement(
        site_id="eu-central-1-waw-1a",
        provider="aws",
        kind="local_zone",
        parent="eu-central-1",
        country="PL",
        role="serving",
        instances=2,
        clients=1,
        demand_share=1 / 3,
        latency_p50_ms=3.0,
        latency_p95_ms=3.0,
        cost_usd_month=400.1 + 0.07 + 1.2e-7,
        cost_items={"compute": 400.1, "egress": 0.07, "transfer": 1.2e-7},
    ),
)
ASSIGNMENTS = (
    Assignment("münchen", "DE", 1.0, "eu-central-1", None, 12.3456789, 11.0, 14.0, "measured", True),
    Assignment("köln", "DE", 0.00000012, "eu-central-1", None, 20.0, 18.0, math.inf, "modelled", False),
    Assignment("łódź", "PL", 1.0, "eu-central-1-waw-1a", None, 3.0, 2.0, 4.0, "modelled", True),
)
PLAN = Plan(
    study="shop",
    minimize="cost",
    termination="optimal",
    objective=762.075,
    lower_bound=762.074,
    gap=1.3e-06,
    seconds=0.25,
    placements=PLACEMENTS,
    assignments=ASSIGNMENTS,
    kpi=Kpi(10.0, 12.3456789, 20.0, 20.0, 0.99, 1000.0 / 3 + 200.0 / 7 + 400.17 + 1.2e-7, 0.5),
    cost_items={"compute": 1000.0 / 3 + 400.1, "egress": 200.0 / 7 + 0.07, "transfer": 1.2e-7},
    binding=("coverage",),
    audit=(),
    conflict=None,
    inputs={"study": "ab" * 32},
    set_aside={"eu-west-9": "it is planned"},
    notes=("1 of 2 sites has estimated prices",),
    certainty=Certainty(
        500, 0.25, 0.214, 0.29, (0.75, 0.995), (9.5, 12.25), (18.0, math.inf), (("eu-central-1", 0.125),)
    ),
)
NOTHING = replace(
    PLAN,
    termination="infeasible",
    objective=None,
    lower_bound=None,
    gap=None,
    placements=(),
    assignments=(),
    kpi=None,
    cost_items={},
    binding=(),
    certainty=None,
    conflict=Conflict(("budget", "coverage"), "within $10 nobody can be served", {"budget": "$12 a month"}),
)


def rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("write", "golden"),
    [
        (placements_csv, "placements.csv"),
        (assignments_csv, "assignments.csv"),
        (plan_json, "plan.json"),
        (lambda _: plan_json(NOTHING), "infeasible.json"),
        (lambda plan: frontier_csv([plan, NOTHING], complete=True), "frontier.csv"),
    ],
)
def test_the_very_text(write, golden):
    assert write(PLAN) == (GOLDEN / golden).read_bytes().decode("utf-8")


def test_columns_are_the_contracts():
    assert placements_csv(PLAN).splitlines()[0] == (
        "site_id,provider,kind,parent,country,role,instances,clients,demand_share,latency_p50_ms,latency_p95_ms,"
        "cost_usd_month,compute_usd_month,egress_usd_month,transfer_usd_month,decided_by"
    )
    assert assignments_csv(PLAN).splitlines()[0] == (
        "client_id,country,weight,site_id,backup_site_id,latency_ms,latency_lower_ms,latency_upper_ms,"
        "provenance,within_slo"
    )
    document = json.loads(plan_json(PLAN))
    assert {
        *("study", "inputs", "termination", "objective", "lower_bound", "gap", "seconds", "open", "kpi"),
        *("cost_items", "binding", "audit"),
    } <= set(document)
    assert {"mean_ms", "p50_ms", "p95_ms", "max_ms", "coverage", "cost_usd_month"} <= set(document["kpi"])


def test_items_as_printed_sum_to_the_cost_as_printed():
    table = pd.read_csv(io.StringIO(placements_csv(PLAN)))
    items = table.filter(regex="_usd_month$").drop(columns="cost_usd_month")
    assert np.allclose(items.sum(axis=1), table["cost_usd_month"], rtol=0, atol=1e-5)
    document = json.loads(plan_json(PLAN))
    assert table["cost_usd_month"].sum() == pytest.approx(document["kpi"]["cost_usd_month"], abs=1e-5)
    for item, usd in document["cost_items"].items():
        assert table[f"{item}_usd_month"].sum() == pytest.approx(usd, abs=1e-5)


def test_small_weights_survive():
    assert rows(assignments_csv(PLAN))[1]["weight"] == "1.2e-07"


def test_an_infinite_bound_is_blank():
    assert rows(assignments_csv(PLAN))[1]["latency_upper_ms"] == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_text_is_run_by_a_spreadsheet(start):
    evil = f'{start}cmd|"/c calc",x\r\ny'
    plan = replace(
        PLAN,
        placements=(replace(PLACEMENTS[0], site_id=evil, parent=evil),),
        assignments=(replace(ASSIGNMENTS[0], client_id=evil, site_id=evil),),
    )
    (place,), (served,) = rows(placements_csv(plan)), rows(assignments_csv(plan))
    assert place["site_id"] == place["parent"] == served["client_id"] == served["site_id"] == f"'{evil}"
    (front,) = rows(frontier_csv([plan], complete=False))
    assert front["open"] == f"'{evil}"
    assert front["complete"] == "false"
    # What is not text is a number, and keeps its sign.
    assert (
        rows(assignments_csv(replace(plan, assignments=(replace(ASSIGNMENTS[0], weight=-1.5),))))[0]["weight"]
        == "-1.5"
    )


@pytest.mark.parametrize("text", ["a\rb", "a\nb", 'a"b', "a,b", "a;b", " a ", "x\u2028y", ""])
def test_any_text_comes_back(text):
    plan = replace(PLAN, assignments=(replace(ASSIGNMENTS[0], client_id=text), ASSIGNMENTS[2]))
    table = pd.read_csv(io.StringIO(assignments_csv(plan)), keep_default_na=False)
    assert list(table["client_id"]) == [text, "łódź"]


def test_the_promise_is_what_the_share_is_served_within():
    even = replace(
        PLAN,
        assignments=tuple(
            replace(ASSIGNMENTS[0], weight=1.0, latency_ms=float(ms)) for ms in (40, 10, 30, 20)
        ),
    )
    assert [promise_ms(even, share) for share in (0.25, 0.5, 0.51, 0.75, 1.0)] == [10, 20, 30, 30, 40]
    assert promise_ms(NOTHING, 0.5) == math.inf


def test_written_whole(tmp_path):
    out = tmp_path / "a" / "b"
    paths = write_plan(PLAN, out)
    assert sorted(path.name for path in out.iterdir()) == ["assignments.csv", "placements.csv", "plan.json"]
    assert set(paths) == set(out.iterdir())
    assert (out / "plan.json").read_bytes() == plan_json(PLAN).encode("utf-8")
    assert (out / "assignments.csv").read_bytes() == assignments_csv(PLAN).encode("utf-8")


def test_written_over_an_older_plan(tmp_path):
    write_plan(PLAN, tmp_path)
    write_plan(replace(PLAN, study="later"), tmp_path)
    assert json.loads((tmp_path / "plan.json").read_text())["study"] == "later"
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("plan", [NOTHING, replace(PLAN, audit=("the cost is wrong",))])
def test_a_plan_nobody_should_act_on_is_not_written(plan, tmp_path):
    with pytest.raises(ValueError, match=r"nothing was decided|failed its audit"):
        write_plan(plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_nothing_is_left_behind_when_writing_fails(tmp_path):
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(IsADirectoryError):
        write_plan(PLAN, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_file_stands_as_it_was_when_another_cannot_be_written(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(FileNotFoundError):
        write_texts({tmp_path / "a.txt": "after", tmp_path / "none" / "b.txt": "after"})
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


SPOKEN = PairStatistic(
    vantage=Vantage("v1", "DE", 0.0, 0.0),
    site_id="s1",
    quantile=0.5,
    rtt_ms=1.0,
    lower_ms=0.5,
    upper_ms=1.5,
    samples=30,
    loss_ratio=0.1,
    kind="sampled",
    direct=True,
    source="a test",
    detail=PairDetail(10, 12.5, 0.04, 0.25, (Mode(1.0, 0.75), Mode(2.0, 0.25))),
)
JITTER = {("v1", "s1"): Jitter(0.125, float("nan"), 20, 0)}
MATRIX = LatencyMatrix(
    client_ids=("=c1", "c2"),
    site_ids=("s1", "s2"),
    vantages=("v1",),
    quantile=0.5,
    estimate_ms=np.array([[1.5, 2.5], [np.inf, 4.5]]),
    lower_ms=np.array([[1.0, 2.0], [np.inf, 4.0]]),
    upper_ms=np.array([[2.0, 3.0], [np.inf, 5.0]]),
    samples=np.array([[30, 0], [0, -1]]),
    loss_ratio=np.array([[0.1, np.nan], [np.nan, np.nan]]),
    provenance=np.array([[MEASURED, MODELLED], [ABSENT, MEASURED]], dtype=np.int8),
    vantage=np.array([[0, -1], [-1, 0]], dtype=np.int32),
    grounds=Grounds(
        np.array([[0.25, 0.0], [0.0, 1.0]]),
        np.array([[0.5, 0.5], [0.0, 0.0]]),
        {(0, 0): SPOKEN, (0, 1): replace(SPOKEN, site_id="s2", kind="published", detail=None)},
    ),
)
INPUTS = Inputs(
    demand=Demand(
        (Client("=c1", "", "DE", 0.0, 0.0, 1.0), Client("c2", "", "DE", 0.0, 0.0, 1.0)), np.ones(2), "a test"
    ),
    sites=(),
    prices=(),
    matrix=MATRIX,
    jurisdictions={},
    parent_country={},
    set_aside={},
    hashes={"study": "00"},
    notes=(),
)


def test_the_matrix_as_csv():
    assert matrix_csv(INPUTS, JITTER) == (
        "client_id,site_id,estimate_ms,lower_ms,upper_ms,samples,loss_ratio,provenance,vantage,"
        "widened_ms,access_ms,loss_lower,loss_upper,effective_samples,jitter_ms,jitter_between_ms,"
        "low_mode_ms,high_mode_ms,high_mode_share\n"
        "'=c1,s1,1.5,1,2,30,0.1,measured,v1,0.25,0.5,0.04,0.25,12.5,0.125,,1,2,0.25\n"
        "'=c1,s2,2.5,2,3,0,,modelled,,,0.5,,,,,,,,\n"
        "c2,s1,,,,0,,absent,,,0,,,,,,,,\n"
        "c2,s2,4.5,4,5,,,measured,v1,1,0,,,,,,,,\n"
    )


def test_the_matrix_as_json():
    document = json.loads(json.dumps(matrix_document(INPUTS), allow_nan=False))
    assert document["estimate_ms"] == [[1.5, 2.5], [None, 4.5]]
    assert document["samples"] == [[30, 0], [0, None]]
    assert document["provenance"] == [["measured", "modelled"], ["absent", "measured"]]
    assert document["vantage"] == [["v1", None], [None, "v1"]]
    assert document["widened_ms"] == [[0.25, 0], [0, 1]]
    assert document["access_ms"] == [[0.5, 0.5], [0, 0]]
    assert document["sampled"] == [
        {
            "vantage": "v1",
            "site": "s1",
            "loss_lower": 0.04,
            "loss_upper": 0.25,
            "effective_samples": 12.5,
            "jitter_ms": None,
            "jitter_between_ms": None,
            "low_mode_ms": 1.0,
            "high_mode_ms": 2.0,
            "high_mode_share": 0.25,
        }
    ]
