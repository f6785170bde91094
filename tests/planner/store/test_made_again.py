"""A plan says which version of a store it was made from, and that version makes it again."""

import json

import pytest

from planner.decide import decide
from planner.inputs import load_inputs
from planner.plan_document import plan_document
from planner.store.ingest import ingest
from planner.study import load_study
from tests.planner.store.inbox_writing import put, samples

STUDY = """\
name = "s"
[demand]
csv = "clients.csv"
[candidates]
kinds = ["region"]
include = ["eu-west-1", "eu-west-3"]
[latency]
statistic = "p50"
[objective]
minimize = "mean_latency"
[limits]
max_sites = 1
"""


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "clients.csv").write_text("id,country,lat,lon,weight\nparis,FR,48.86,2.35,1\n")
    (tmp_path / "study.toml").write_text(STUDY)
    study = load_study(tmp_path / "study.toml")

    def made(url):
        return plan_document(decide(study, load_inputs(study, [url])))

    return made


def measured(store, run, near_ms, far_ms):
    place = {"vantage": "paris-1", "vantage_country": "FR", "vantage_lat": 48.86, "vantage_lon": 2.35}
    rows = samples(*[near_ms] * 5, site="eu-west-3", run_id=run, **place)
    put(store, rows + samples(*[far_ms] * 5, site="eu-west-1", run_id=run, **place), run, "paris-1")


def test_a_plan_is_made_again_from_the_version_it_names(tmp_path, plan):
    store = tmp_path / "store"
    measured(store, "a", 5.0, 30.0)
    waiting = plan(str(store))
    assert waiting["stores"] == [{"url": str(store), "version": None, "inbox_objects": 1, "again": None}]
    ingest(str(store))
    first = plan(str(store))
    assert first["stores"] == [{"url": str(store), "version": 1, "inbox_objects": 0, "again": f"{store}@1"}]
    assert first["open"] == waiting["open"] == ["eu-west-3"]
    # The path changes for the worse, and another is better now.
    for run in "bcd":
        measured(store, run, 95.0, 30.0)
    ingest(str(store))
    assert plan(str(store))["open"] == ["eu-west-1"]
    again = plan(first["stores"][0]["again"])
    changing = {"seconds", "stores", "inputs", "notes"}
    assert {k: v for k, v in again.items() if k not in changing} == {
        k: v for k, v in first.items() if k not in changing
    }
    assert again["inputs"][f"{store}@1"] == first["inputs"][str(store)]
    assert again["audit"] == []
    json.dumps(again, allow_nan=False)
