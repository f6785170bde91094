"""*Drift*: empty without a plan, one message where it cannot be read, and what a check found."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from planner.cli import main
from planner.drift.evidence import PairChange
from planner.drift.timeline import Moment, Timeline
from planner.pages.drift_charts import timeline_chart
from planner.pages.theme import LIGHT
from tests.planner.drift import scene
from tests.planner.pages.test_pages import run_page, words

SERVING = ("berlin-1", "eu-north-1")


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A plan of yesterday, and a store in which a site has become slower since."""
    here = tmp_path_factory.mktemp("drift-page")
    made = scene.now() - timedelta(hours=12)
    first = scene.start(made)
    known = scene.rounds(first, scene.KNOWN)
    store = scene.as_file(here / "store.jsonl", known)
    study = scene.study(here)
    assert main(["plan", str(study), "--measurements", str(store), "--out", str(here / "plan")]) == 0
    file = here / "plan" / "plan.json"
    plan = json.loads(file.read_text())
    plan["made"]["at"] = made.isoformat()
    file.write_text(json.dumps(plan))
    later = scene.rounds(first, 40, skip=scene.KNOWN + 1, factors={SERVING: 1.15})
    scene.as_file(store, known, later)
    return here / "plan", store


def page(directory, store):
    app = run_page("drift_page", study="factory-outposts")
    for label, value in (("Store of", store), ("Directory of", directory)):
        box = next(box for box in app.text_input if box.label.startswith(label))
        app = box.set_value(str(value)).run()
    assert not app.exception
    return app


def test_without_a_plan_it_says_how_to_come_by_one():
    app = run_page("drift_page", study="factory-outposts")
    assert not app.exception
    assert not app.error
    assert not app.metric
    assert "Nothing is shown without them" in words(app)
    assert "edgeplan check plans/shop --measurements measurements" in app.code[0].value


def test_a_plan_that_is_none_is_one_message(checked, tmp_path):
    app = page(tmp_path, checked[1])
    assert len(app.error) == 1
    assert "plan.json: No such file or directory" in app.error[0].value.replace("\\", "")
    assert not app.metric


def test_what_was_found_is_shown(checked):
    app = page(*checked)
    (verdict,) = app.error
    assert "No longer right" in verdict.value
    assert "open eu-central-1 and close eu-north-1" in verdict.value.replace("\\", "")
    figures = {metric.label.replace("\u00a0", " "): metric.value for metric in app.metric}
    assert figures["Demand within 22 ms"].replace("\u00a0", " ") == "40 %"
    changes, better = (frame.value for frame in app.dataframe)
    assert changes[["Vantage", "Site"]].values.tolist() == [list(SERVING)]
    assert better["Candidate"].tolist() == ["eu-central-1"]


def test_the_chart_holds_what_was_measured_promised_and_lost():
    at = [np.datetime64(f"2026-03-02T{hour:02}:00:00", "us") for hour in range(3)]
    line = Timeline(
        1,
        (
            Moment(at[0], 20.0, 19.0, 21.5, 1.0, 0.6),
            Moment(at[1], 23.0, 22.0, math.inf, 0.4, 0.6),
            Moment(at[2], math.inf, 22.0, math.inf, 0.4, 0.6),
        ),
        20.5,
        0.6,
    )
    change = PairChange("<b>", "eu-north-1", at[1], 20.0, 23.0, "level", 1e-9)
    older = replace(change, vantage="c", since=at[2], by=True)
    chart = timeline_chart(line, 22.0, 0.95, [older, change], LIGHT)
    band, measured, planned, promised = chart.data
    bottom, top = chart.layout.yaxis.range
    assert list(measured.y) == [20.0, 23.0, top]
    assert list(measured.marker.symbol) == ["circle", "circle", "x"]
    assert "no bound" in measured.text[1]
    assert list(band.y) == [21.5, 23.0, top, 22.0, 22.0, 19.0]
    assert (set(planned.y), set(promised.y)) == ({20.5}, {22.0})
    assert bottom < 19.0
    assert top > 23.0
    assert [each.text for each in chart.layout.annotations] == [
        "&lt;b&gt; → eu-north-1",
        "c → eu-north-1, by then",
    ]
