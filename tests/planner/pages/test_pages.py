"""Each page run by Streamlit's own test harness, without a browser."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from planner.decide import decide
from planner.inputs import load_inputs
from planner.pages.menu import PAGES
from planner.pages.session import Edited
from planner.pages.work import KEPT, Shelf
from planner.remedies import NO_VALUE, NOT_ALONE, NOT_EXAMINED
from planner.study import load_study, shipped_studies
from planner.whatif import vary
from tests.planner.store.inbox_writing import SAMPLE, put

ROOT = Path(__file__).parents[3]


def run_page(module: str, **query: str) -> AppTest:
    """One page as a script of its own: the harness cannot click its way through a menu."""
    script = f"from planner.pages import {module}\n{module}.render()\n"
    app = AppTest.from_string(script, default_timeout=120)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def words(app: AppTest) -> str:
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption, *app.error, *app.info))


@pytest.mark.parametrize(
    ("module", "study"),
    [
        ("plan_page", "factory-outposts"),
        ("tradeoffs_page", "eu-regulated"),
        ("latency_page", "factory-outposts"),
        ("whatif_page", "factory-outposts"),
        ("survey_page", "factory-outposts"),
        ("study_page", "worldwide-saas"),
    ],
)
def test_every_page_runs(module, study):
    app = run_page(module, study=study)
    assert not app.exception
    assert not app.error
    assert app.title[0].value


def test_the_latency_page_tells_of_a_pair_s_own_samples(tmp_path):
    plain = words(run_page("latency_page", study="factory-outposts"))
    assert "No samples of your own speak for any client here" in plain
    assert "No access line is added" in plain
    rows = [
        replace(
            SAMPLE,
            run_id=f"r{number}",
            sample=sample,
            started_at=f"2026-11-2{number // 24}T{number % 24:02}:00:0{sample}.000000Z",
            vantage="regensburg",
            vantage_country="DE",
            vantage_lat=49.02,
            vantage_lon=12.096,
            site="eu-central-1",
            rtt_ms=20.0 + sample + (15.0 if number % 24 in (18, 19) else 0.0),
        )
        for number in range(96)
        for sample in range(3)
    ]
    put(tmp_path, rows)
    app = AppTest.from_string(
        "from planner.pages import latency_page\nlatency_page.render()\n", default_timeout=120
    )
    app.query_params["study"] = "factory-outposts"
    app.session_state["edgeplan.store"] = str(tmp_path)
    app.run()
    assert not app.exception
    assert not app.error
    said = words(app).replace("\\", "").replace("\u00a0", " ")
    assert "288 in 96 rounds, worth" in said
    assert "p50 of |ipdv|: 1.0 ms within a round, 0.0 ms from round to round" in said
    assert "Worst from 18:00 to 19:00 UTC: 36 ms" in said
    assert (
        "regensburg to eu-central-1"
        in next(box for box in app.selectbox if box.label == "Vantage and site").options
    )


def test_the_menu_has_the_pages_and_app_py_is_small():
    assert [title for title, _, _ in PAGES] == [
        *("Plan", "Why", "Tradeoffs", "Latency", "Drift", "Next measurements", "What if", "Study")
    ]
    assert len((ROOT / "app.py").read_text("utf-8").splitlines()) < 60


def test_the_plan_page_says_what_is_measured_proven_and_audited():
    app = run_page("plan_page", study="factory-outposts")
    said = words(app).replace("\u00a0", " ")
    assert "proven optimal" in said
    assert "audit: sound" in said
    assert "of demand on measured latency" in said
    assert {metric.label for metric in app.metric} >= {"Cost a month", "Demand in time", "Measured"}


def test_what_stays_with_the_customer_is_said_with_the_plan():
    app = run_page("plan_page", study="factory-outposts")
    said = words(app)
    assert "Stays with you" in said
    assert "physical security, power and network of the rack" in said
    assert "Stays with you" not in words(run_page("plan_page", study="eu-regulated"))


def test_a_slider_moves_the_plan_and_the_address():
    app = run_page("plan_page", study="factory-outposts")
    before = {metric.label: metric.value for metric in app.metric}
    slider = next(slider for slider in app.slider if slider.label.startswith("Latency"))
    slider.set_value(40).run()
    assert not app.exception
    after = {metric.label: metric.value for metric in app.metric}
    assert after["Cost a month"] != before["Cost a month"]
    assert app.query_params["slo"] == "40"
    next(button for button in app.button if button.label.startswith("Back to the study")).click().run()
    assert "slo" not in app.query_params
    assert {metric.label: metric.value for metric in app.metric} == before


def test_an_impossible_budget_is_explained():
    app = run_page("plan_page", study="factory-outposts", budget="1")
    assert not app.exception
    assert len(app.error) == 1
    assert "budget" in app.error[0].value
    assert not app.metric


@pytest.mark.parametrize("module", ["latency_page", "whatif_page", "survey_page"])
def test_other_pages_survive_an_impossible_study(module):
    app = run_page(module, study="eu-regulated", budget="1", demand="2")
    assert not app.exception


def test_the_front_survives_an_impossible_study_and_is_not_traced_again(monkeypatch):
    front = run_page("tradeoffs_page", study="eu-regulated").dataframe[0].value
    monkeypatch.setattr("planner.pages.work.decide_frontier", lambda *_, **__: pytest.fail("traced again"))
    app = run_page("tradeoffs_page", study="eu-regulated", budget="1", slo="5")
    assert not app.exception
    assert app.dataframe[0].value.equals(front)


def test_an_unknown_study_in_the_address_opens_the_default():
    app = run_page("study_page", study="../../etc/passwd")
    assert not app.exception
    assert app.query_params["study"] == "worldwide-saas"


@pytest.mark.parametrize("module", ["plan_page", "study_page"])
def test_a_study_that_is_removed_while_the_page_runs_is_said_to_be_gone(module, tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    file = tmp_path / "studies" / "mine.toml"
    file.write_text(MIXED, "utf-8")
    monkeypatch.setattr("planner.pages.session.data_dir", lambda: tmp_path)
    monkeypatch.setattr(
        "planner.pages.session.shipped_studies",
        lambda: tuple(path for path in (*shipped_studies(), file) if path.exists()),
    )
    app = run_page(module, study="mine")
    assert not app.exception
    assert not app.error
    file.unlink()
    app.run()
    assert not app.exception
    assert [each.value.replace("\\", "").split(".**")[0] for each in app.error] == [
        "**The study mine is gone"
    ]
    (box,) = (box for box in app.selectbox if box.label == "Study")
    assert box.value == "mine"
    assert "mine (gone)" in box.options
    # One that is there, and broken, is no obstacle to the others.
    file.write_text("name = 3", "utf-8")
    app.run()
    assert not app.exception
    assert "This study cannot be read" in app.error[0].value


def test_a_bad_store_is_one_message(tmp_path):
    app = run_page("plan_page", study="factory-outposts")
    box = next(box for box in app.text_input if box.label.startswith("Store"))
    box.set_value(str(tmp_path / "none")).run()
    assert not app.exception
    assert len(app.error) == 1
    assert "is not there" in app.error[0].value


def test_a_site_left_out_is_not_in_the_plan():
    study = load_study(next(path for path in shipped_studies() if path.stem == "factory-outposts"))
    plan = decide(study, load_inputs(study))
    regions = [site.site_id for site in plan.placements if site.kind == "region"]
    without = {region: vary(study, without=[region]) for region in regions}
    # Not one that no plan can do without.
    region = next(site for site, other in without.items() if decide(other, load_inputs(other)).kpi)
    app = run_page("whatif_page", study="factory-outposts", without=region)
    assert not app.exception
    assert not app.error
    closed = next(part.value for part in app.markdown if part.value.startswith("**Closed.**"))
    assert region in closed


def test_a_rack_is_left_out_in_every_size():
    app = run_page("whatif_page", study="factory-outposts", without="op-wroclaw-1")
    assert not app.exception
    assert "This rule leaves no plan" in app.error[0].value  # in no size
    (chosen,) = (box for box in app.multiselect if box.label == "Leave out sites")
    assert chosen.value == ["op-wroclaw-1"]
    assert "op-wroclaw-1 in every size (open)" in chosen.options


def test_a_price_changes_and_a_zone_is_announced():
    zone = "eu-central-1-xyz-1a eu-central-1 PL 52.2 21.0"
    app = run_page("whatif_page", study="factory-outposts", prices="egress_gb=X3", announce=zone)
    assert not app.exception
    assert not app.error
    boxes = {box.label: box.value for box in app.multiselect}
    assert (boxes["Prices that change"], boxes["Zones that are announced"]) == (["egress_gb=X3"], [zone])
    table = app.dataframe[-1].value.set_index("")
    assert table.loc["Cost a month", "Difference"].startswith("+")
    said = words(app).replace("\\", "")
    assert "**Announced.** eu-central-1-xyz-1a stays closed" in said
    assert "supposed: egress_gb × 3 at" in said
    assert "eu-central-1-xyz-1a is announced (the study)" in said
    wrong = run_page("whatif_page", study="factory-outposts", prices="egres_gb=2")
    assert "did you mean 'egress_gb'?" in wrong.error[0].value.replace("\\", "")


def test_why_says_what_rules_and_sites_are_worth():
    app = run_page("why_page", study="factory-outposts")
    assert not app.exception
    assert not app.error
    said = words(app)
    assert "Without the promise of 88% of demand within 6 ms" in said.replace("\\", "")
    assert "Without the limit of 2,600 rps at op-regensburg-2 the plan would cost" in said.replace("\\", "")
    assert "What rules save overlaps" in said
    costly, free = (part.value for part in app.markdown if part.value.startswith("| Rule |"))
    assert "| coverage |" in costly
    assert "Latency promise" in costly
    assert "one\\_size\\[op-wroclaw-1\\]" in free
    (folded,) = (box for box in app.expander if "cost nothing" in box.label)
    assert not folded.proto.expanded
    (opened,) = (part.value for part in app.markdown if part.value.startswith("| Site |"))
    assert "no plan without it" in opened
    closed, others = (part.value for part in app.dataframe)
    assert (closed["Which means"] != "").all()
    assert "eu-central-1" in set(closed["Site"])
    assert len(others)
    assert "**Cannot be spared:**" in said


MIXED = """
name = "mixed"
[demand]
cities = { countries = ["US", "FR"], top = 12 }
peak_rps = 24000
requests_per_month = 1.2e10
[candidates]
provider = ["aws", "gcp", "azure"]
include = ["us-east-1", "us-east1", "eastus", "eu-west-3", "europe-west9"]
[workload]
instance = { aws = "m5.xlarge", gcp = "n2-standard-4", azure = "Standard_D4s_v5" }
rps_per_instance = 1000
min_instances = 2
response_kb = 10
[latency]
slo_ms = 100
coverage = 0.9
"""


def run_mixed(module: str, **query: str) -> AppTest:
    """A page about a study of the session's own, whose candidates are those of three providers."""
    script = f"from planner.pages import {module}\n{module}.render()\n"
    app = AppTest.from_string(script, default_timeout=120)
    app.session_state["edgeplan.edited"] = Edited(MIXED, "mixed.toml", ROOT)
    for key, value in {"study": "edited", **query}.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    assert not app.error
    return app


def test_what_names_a_site_says_whose_it_is_where_providers_are_mixed():
    owner = {
        "us-east-1": "aws",
        "us-east1": "gcp",
        "eastus": "azure",
        "eu-west-3": "aws",
        "europe-west9": "gcp",
    }
    plan = run_mixed("plan_page")
    table, countries = (part.value for part in plan.dataframe[:2])
    assert list(table["Provider"]) == [owner[site] for site in table["Site"]]
    called = {f"{site} ({name})" for site, name in owner.items()}
    assert {site for sites in countries["Served from"] for site in sites.split(", ")} <= called
    busiest = table["Site"].iloc[0]
    assert f"{busiest} ({owner[busiest]})" in words(plan).replace("\\", "")
    why = run_mixed("why_page")
    (opened,) = (part.value for part in why.markdown if part.value.startswith("| Site |"))
    assert "| Provider |" in opened
    closed = next(part.value for part in why.dataframe if "Site" in part.value)
    assert list(closed["Provider"]) == [owner[site] for site in closed["Site"]]
    front = run_mixed("tradeoffs_page").dataframe[0].value
    for opened, whose in zip(front["Open"], front["Of"], strict=True):
        counts = Counter(owner[site] for site in opened.split(", "))
        assert whose == ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    whatif = run_mixed("whatif_page", without=busiest)
    (moves,) = (part.value for part in whatif.markdown if part.value.startswith("**Closed.**"))
    assert f"{busiest} ({owner[busiest]})" in moves.replace("\\", "")
    (box,) = (box for box in whatif.multiselect if box.label == "Leave out sites")
    assert {option.removesuffix(" (open)") for option in box.options} == {
        f"{site}, {name}" for site, name in owner.items()
    }
    assert box.value == [busiest]
    stands = run_mixed("whatif_page", part="stands", fail=busiest)
    assert set(stands.dataframe[0].value["From"]) == {f"{busiest} ({owner[busiest]})"}
    models = [each.value for each in run_mixed("latency_page").caption if "Fitted to" in each.value]
    assert sorted(each.split(":")[0].strip("*") for each in models) == sorted(set(owner.values()))
    # Nothing is measured to Google's sites.
    assert ["others' pairs" in each for each in models] == [each.startswith("**gcp**") for each in models]


def test_why_there_is_no_plan_says_what_would_leave_one():
    app = run_page("why_page", study="factory-outposts", slo="1")
    assert not app.exception
    assert len(app.error) == 1
    assert "would leave a plan" in app.error[0].value


@pytest.mark.parametrize(
    ("remedies", "said", "after"),
    [
        ({"coverage": "80% of demand"}, "*80% of demand* would leave a plan.", "any one is enough"),
        ({"coverage": NOT_ALONE}, "*No change of it alone is enough.*", "or several together"),
        ({"coverage": f"{NO_VALUE} without s3"}, "*No other value helps without s3.*", "or several together"),
        ({"coverage": NOT_EXAMINED}, "*Not examined: time ran out.*", "or several together"),
    ],
)
def test_a_conflict_says_what_would_be_enough(remedies, said, after):
    app = AppTest.from_string(
        "import streamlit as st\nfrom planner.pages import frame\nframe.show_conflict(*st.session_state.told)"
    )
    reason = "these cannot hold together: all; nothing"
    conflict = SimpleNamespace(rules=("coverage", "budget"), reason=reason, remedies=remedies)
    app.session_state.told = SimpleNamespace(conflict=conflict), {"coverage": "all", "budget": "nothing"}
    app.run()
    assert not app.exception
    error = app.error[0].value.replace("\\", "")
    assert said in error
    assert error.endswith("- **budget**: nothing. It would have to go.")
    assert after in app.markdown[0].value


def test_a_point_that_does_not_exist_falls_back_to_the_study():
    app = run_page("plan_page", study="eu-regulated", point="900")
    assert not app.exception
    assert "point" not in app.query_params
    assert app.metric


def test_the_shelf_keeps_what_was_used_last():
    shelf = Shelf()
    made = []

    def make(value):
        made.append(value)
        return value

    for number in range(KEPT + 1):
        shelf.get(str(number), lambda number=number: make(number))
    assert shelf.get(str(KEPT), lambda: make("again")) == KEPT
    assert shelf.get("0", lambda: make("again")) == "again"
    assert len(made) == KEPT + 2
    with pytest.raises(ZeroDivisionError):
        shelf.get("fails", lambda: 1 / 0)
    assert shelf.get("fails", lambda: 5) == 5


def test_the_form_plans_with_what_was_put_in():
    app = run_page("study_page", study="worldwide-saas")
    next(field for field in app.number_input if field.label == "Sites at most").set_value(5)
    next(box for box in app.selectbox if box.label == "Minimise").set_value("mean_latency")
    next(button for button in app.button if button.label == "Plan with this").click().run()
    assert not app.exception
    assert not app.error
    text = app.text_area[0].value
    assert "max_sites = 5" in text
    assert 'minimize = "mean_latency"' in text


def test_a_wrong_value_in_the_form_is_one_message():
    app = run_page("study_page", study="worldwide-saas")
    next(box for box in app.text_input if box.label == "Instance type").set_value("m5.xlarg")
    next(button for button in app.button if button.label == "Plan with this").click().run()
    assert not app.exception
    assert len(app.error) == 1
    assert "did you mean 'm5.xlarge'?" in app.error[0].value.replace("\\", "")
