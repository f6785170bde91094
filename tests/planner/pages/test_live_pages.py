"""The plan while things happen to it, and what to measure next, on the page."""

from __future__ import annotations

import csv
import io
import time
import zipfile
from threading import Event

import pytest
from streamlit.testing.v1 import AppTest

from planner.decide import decide
from planner.estate import Hazards, drawn, estate_of, failing, outcome_of
from planner.estate.report import scenarios_csv
from planner.estate.sweep import outcomes_of
from planner.inputs import load_inputs
from planner.pages import work
from planner.pages.failure_map import failure_map, served_after
from planner.pages.failure_part import domain_words
from planner.pages.job import Jobs
from planner.pages.projection import natural_earth
from planner.pages.scenarios_part import WORST
from planner.pages.session import Edited
from planner.pages.site_names import site_names
from planner.pages.spread_charts import spread_chart
from planner.pages.survey_page import opened_chart, zipped
from planner.pages.theme import LIGHT
from planner.pages.words import share
from planner.solver.interrupt import stop_asked
from planner.study import parse_study
from planner.study_lookup import find_study
from planner.survey import Wanted, survey
from planner.survey_agents import configurations, known_targets, racks_of, without_address
from planner.survey_words import worth_words

STUDY = find_study("factory-outposts")


@pytest.fixture(scope="module")
def planned():
    inputs = load_inputs(STUDY)
    plan = decide(STUDY, inputs)
    return inputs, plan, estate_of(STUDY, inputs, plan)


def run_page(module: str, **query: str) -> AppTest:
    app = AppTest.from_string(f"from planner.pages import {module}\n{module}.render()\n", default_timeout=120)
    for key, value in {"study": "factory-outposts", **query}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    assert not app.error
    return app


def said(app: AppTest) -> str:
    parts = (*app.markdown, *app.caption, *app.success, *app.warning, *app.info)
    return "\n".join(str(part.value) for part in parts).replace("\u00a0", " ").replace("\\", "")


def busiest(outcome) -> str:
    return max(outcome.sites, key=lambda each: each.rps).site_id


def test_a_failure_is_what_the_estate_makes_of_it(planned):
    _, _, estate = planned
    down = busiest(outcome_of(estate, failing(estate, [])))
    expected = outcome_of(estate, failing(estate, [down], 2.0))
    app = run_page("whatif_page", part="stands", fail=down, demand="2")
    moves, loads = (part.value for part in app.dataframe)
    assert dict(zip(zip(moves["From"], moves["To"], strict=True), moves["Demand"] / 100, strict=True)) == (
        pytest.approx({(each.site_id, each.to or "nobody"): each.share for each in expected.moves})
    )
    assert down not in set(loads["Site"])
    assert loads.set_index("Site")["Instances"].str.split(" → ").str[-1].astype(int).to_dict() == {
        each.site_id: each.instances for each in expected.sites
    }
    over = {each.site_id for each in expected.sites if each.over_rps}
    assert over  # twice the demand and a site less
    assert set(loads.loc[loads["Above it"] != "", "Site"]) == over
    full = {each.site_id for each in expected.sites if each.no_room_rps}
    assert full  # racks do not grow
    assert set(loads.loc[loads["Turned away"] != "", "Site"]) == full
    assert not expected.kept
    assert "The promise is broken" in said(app)
    turned_away = share(expected.no_room).replace("\u00a0", " ")
    assert f"{turned_away} is turned away where nothing can grow" in said(app)
    metrics = {each.label: each.value for each in app.metric}
    assert metrics["Cost a month"] == f"${expected.cost_usd_month:,.0f}"


def test_what_fails_is_picked_by_name_and_stands_in_the_address(planned):
    _, _, estate = planned
    app = run_page("whatif_page", part="stands")
    (box,) = app.multiselect
    assert len(box.options) == len(estate.domains)
    region = next(name for name in estate.domains if name.startswith("region:"))
    box.set_value([region]).run()
    assert not app.exception
    assert app.query_params["fail"] == region
    assert "Time it takes" in said(app)
    next(button for button in app.button if button.label == "Undo").click().run()
    assert "fail" not in app.query_params


def test_what_is_no_part_of_the_plan_cannot_fail():
    app = run_page("whatif_page", part="stands", fail="us-east-1,region:nowhere")
    assert "Not part of this plan, so they cannot fail: us-east-1, region:nowhere" in said(app)


def test_the_parts_of_what_if_are_in_the_address():
    app = run_page("whatif_page")
    assert "part" not in app.query_params
    (part,) = app.button_group
    part.set_value("stands").run()
    assert not app.exception
    assert app.query_params["part"] == "stands"
    assert "Nobody decides anew here" in said(app)


def test_many_scenarios_are_those_of_the_command(planned):
    _, _, estate = planned
    hazards = Hazards(site=0.2, region=0.1, demand_spread=0.3)
    expected = outcomes_of(estate, drawn(estate, hazards, 40, 7))
    query = {"scenarios": "40", "seed": "7", "lose_site": "0.2", "lose_region": "0.1", "spread": "0.3"}
    app = run_page("whatif_page", part="many", **query)
    kept = sum(each.kept for each in expected) / 40
    assert 0 < kept < 1  # so that the figure can be wrong
    metrics = {each.label: each.value for each in app.metric}
    assert metrics["Promise holds"] == share(kept)
    (worst,) = (part.value for part in app.dataframe)
    assert worst["In time"].tolist() == pytest.approx(
        sorted(100 * each.coverage for each in expected)[:WORST]
    )
    assert "for you to say" in said(app)
    rows = list(csv.DictReader(io.StringIO(scenarios_csv(expected, ()))))
    first = worst.iloc[0]
    assert float(rows[int(first["Scenario"])]["coverage"]) == pytest.approx(first["In time"] / 100)


def test_a_hazard_that_is_moved_moves_the_scenarios():
    app = run_page("whatif_page", part="many", scenarios="20")
    before = app.dataframe[0].value
    field = next(field for field in app.number_input if field.label == "A site is lost, %")
    field.set_value(60.0).run()
    assert not app.exception
    assert app.query_params["lose_site"] == "0.6"
    assert app.dataframe[0].value["In time"].sum() < before["In time"].sum()


def test_the_map_shows_who_serves_whom_then(planned):
    inputs, plan, estate = planned
    down = busiest(outcome_of(estate, failing(estate, [])))
    outcome = outcome_of(estate, failing(estate, [down]))
    rows = served_after(plan, estate, inputs, outcome)
    weight = sum(row.weight for row in plan.assignments)
    assert all(row.site_id != down for row in rows)
    assert 1.0 - sum(row.weight for row in rows) / weight == pytest.approx(outcome.unserved)
    room = {each.site_id: 1 - each.no_room_rps / max(each.rps, 1e-9) for each in outcome.sites}
    assert min(room.values()) < 1
    in_time = sum(row.weight * room[row.site_id] for row in rows if row.within_slo) / weight
    assert in_time == pytest.approx(outcome.coverage)
    clients = {client.id: client for client in inputs.demand.clients}
    chart = failure_map(plan, estate, inputs, outcome, clients, LIGHT)
    names = {trace.name: trace for trace in chart.data}
    assert list(names["Down (1)"].texttemplate) == [f"<b>{down}</b>"]
    moved = [trace for trace in chart.data if trace.legendgroup == "moves"]
    assert len(moved) == sum(move.to is not None for move in outcome.moves)
    gone = next(site for site in inputs.sites if site.id == down)
    for trace in moved:
        assert (trace.x[0], trace.y[0]) == pytest.approx(natural_earth(gone.lon, gone.lat))
    assert any(name.startswith("Served by nobody") for name in names if name) is (outcome.unserved > 0)


def test_what_may_fail_has_a_name(planned):
    inputs, _, estate = planned
    sites = {site.id: site for site in inputs.sites}
    for name in estate.domains:
        words = domain_words(name, estate, sites, site_names(inputs.sites))
        assert name.rpartition(":")[2] in words
        assert ("open" in words or "home" in words) is (":" in name)


def test_a_spread_holds_every_scenario_once():
    values = [0.5, 0.7, None, 0.9, float("inf"), 0.7]
    chart = spread_chart(values, [True, False, True, False, False, True], 0.8, "share", LIGHT)
    calm, hurt = chart.data
    assert (sum(calm.y), sum(hurt.y)) == (2, 2)
    alike = spread_chart([3.0, 3.0], [False, False], None, "ms", LIGHT)
    assert sum(alike.data[0].y) == 2
    assert not spread_chart([None], [True], None, "usd", LIGHT).data


TINY = """
name = "tiny"
[demand]
cities = { countries = ["DE", "FR", "ES"], top = 12 }
peak_rps = 2000
requests_per_month = 1.0e8
[candidates]
provider = "aws"
include = ["eu-central-1", "eu-west-3", "eu-south-2", "us-west-2"]
[latency]
statistic = "p50"
slo_ms = 20
coverage = 0.8
"""


def test_the_survey_is_asked_for_and_then_shown(tmp_path):
    app = AppTest.from_string(
        "from planner.pages import survey_page\nsurvey_page.render()\n", default_timeout=120
    )
    app.session_state["edgeplan.edited"] = Edited(TINY, "tiny.toml", tmp_path)
    app.query_params["study"] = "edited"
    app.run()
    assert not app.exception
    assert not app.dataframe
    next(button for button in app.button if button.label.startswith("Find what")).click().run()
    assert not app.exception
    study = parse_study(TINY, name="tiny.toml", directory=tmp_path)
    inputs = load_inputs(study)
    expected = survey(study, inputs, decide(study, inputs))
    assert expected.pairs
    (table,) = (part.value for part in app.dataframe)
    assert table["To"].tolist() == [each.site_id for each in expected.pairs[:20]]
    assert table["Served so"].tolist() == pytest.approx([100 * each.used for each in expected.pairs[:20]])
    assert table["Gain"].tolist() == pytest.approx([each.gain for each in expected.pairs[:20]])
    assert any(worth_words(expected).replace("$", "\\$")[1:40] in part.value for part in app.markdown)
    written = configurations(expected.pairs[:20], known_targets(study), {})
    (chosen,) = (box for box in app.selectbox if box.label == "One of them")
    assert chosen.options == list(written)
    assert app.code[0].value.strip() == written[chosen.value].strip()
    with zipfile.ZipFile(io.BytesIO(zipped(written))) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == written


def test_who_leaves_a_survey_stops_it(monkeypatch):
    jobs, going = Jobs(), Event()

    def work_on(say, tell):
        going.set()
        while not stop_asked():
            time.sleep(0.01)
        return "cut short"

    monkeypatch.setattr(work, "_jobs", lambda: jobs)
    monkeypatch.setattr(work.session, "name", lambda: "me")
    kept = []
    job = jobs.start("survey", "me", work_on, kept.append)
    assert going.wait(10)
    assert not job.unwanted()
    work.leave("another")
    assert not job.unwanted()
    work.leave("survey")
    for _ in range(1000):
        if job.done:
            break
        time.sleep(0.01)
    assert job.done
    assert job.stopped
    assert not kept  # half a survey is no answer


def test_a_rack_in_sizes_is_probed_by_its_own_name(planned):
    _, plan, _ = planned
    racks, targets = racks_of(STUDY), known_targets(STUDY)
    size = next(site_id for site_id in plan.open if racks.get(site_id, site_id) != site_id)
    pair = Wanted(
        *("Somewhere", "PL", 51.1, 17.0, size, 0.1, 3.0, 1.0, 8.0, "modelled", None, 0.9, 1.0, True, 9.0, 0.5)
    )
    (text,) = configurations([pair], targets, racks).values()
    assert f'site = "{racks[size]}"' in text
    assert without_address([pair], targets, racks) == []
    assert without_address([pair], [], racks) == [racks[size]]


def test_sites_that_plausible_plans_open_are_told_apart():
    chart = opened_chart({"a": 1.0, "b": 0.4}, ["a"], LIGHT)
    now, other = chart.data
    assert (list(now.y), list(now.x)) == (["a"], [1.0])
    assert (list(other.y), list(other.x)) == (["b"], [0.4])
