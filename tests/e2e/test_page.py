"""The page in a real browser: it opens, answers, hands out files, and talks to nobody else."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

pytestmark = pytest.mark.browser

PAGES = {
    "": "factory-outposts",
    "why": "factory-outposts",
    "tradeoffs": "eu-regulated",
    "latency": "factory-outposts",
    "drift": "factory-outposts",
    "next-measurements": "factory-outposts",
    "what-if": "factory-outposts",
    "study": "worldwide-saas",
}


def dollars(text: str) -> float:
    return float(re.sub(r"[^0-9.]", "", text))


def test_it_opens_on_the_worldwide_study_and_a_slider_changes_the_plan(open_tab):
    tab = open_tab()
    tab.open("/")
    page = tab.page
    assert page.locator("h1").inner_text() == "Worldwide SaaS"
    assert "study=worldwide-saas" in page.url
    assert page.locator(".js-plotly-plot .scatterlayer .point").count() > 50
    assert page.get_by_text("audit: sound").count() == 1
    assert page.get_by_text("on measured latency").count() == 1
    before = dollars(tab.figure("Cost a month"))
    slider = page.get_by_role("slider", name="Latency (SLO), ms")
    at = int(slider.input_value())
    slider.focus()
    for _ in range(25):
        slider.press("ArrowLeft")
    page.wait_for_url(re.compile(rf"slo={at - 25}\b"), timeout=240_000)
    tab.settle()
    after = dollars(tab.figure("Cost a month"))
    assert after > before, "a tighter promise costs more"
    assert f"within {at - 25}" in page.locator('[data-testid="stMain"]').inner_text().replace("\xa0", " ")
    # The address alone leads another reader to the same plan.
    other = open_tab()
    other.open("/" + page.url.removeprefix(tab.address).lstrip("/"))
    assert dollars(other.figure("Cost a month")) == after


@pytest.mark.parametrize(
    ("path", "label", "limit", "query"),
    [
        ("/?study=factory-outposts", "Sites at most", "14", "max_sites"),
        ("/?study=factory-outposts", "Budget, $ a month", "90000", "budget"),
        ("/what-if?study=factory-outposts", "Budget, $ a month", "90000", "if_budget"),
    ],
)
def test_a_limit_that_was_set_can_be_taken_back(open_tab, path, label, limit, query):
    tab = open_tab()
    tab.open(path)
    # On What if the sidebar has a budget of its own; the page's comes last.
    field = tab.page.get_by_label(label, exact=True).last
    for text in (limit, ""):
        field.fill(text)
        field.press("Enter")
        tab.page.wait_for_url(
            lambda url, text=text: (f"{query}={text}" in url) if text else (f"{query}={limit}" not in url),
            timeout=60_000,
        )
        tab.settle()
    assert field.input_value() == ""


def test_a_click_on_the_front_loads_that_plan(open_tab):
    tab = open_tab()
    tab.open("/tradeoffs?study=eu-regulated")
    page = tab.page
    points = page.locator(".js-plotly-plot .scatterlayer .trace").first.locator(".points path")
    assert points.count() >= 5
    box = points.nth(2).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(re.compile(r"point=2\b"), timeout=60_000)
    tab.settle()
    promised = tab.figure("Cost a month")
    page.get_by_role("button", name="Open on the Plan page").click()
    page.get_by_text(re.compile(r"Point 3 of \d+ on the front")).wait_for(timeout=60_000)
    tab.settle()
    assert tab.figure("Cost a month") == promised
    page.get_by_role("button", name="Back to the study", exact=True).click()
    page.wait_for_url(lambda url: "point=" not in url, timeout=60_000)
    tab.settle()
    assert tab.figure("Cost a month") != promised


def test_the_files_download_and_agree_with_the_page(open_tab, tmp_path):
    tab = open_tab()
    tab.open("/?study=factory-outposts")
    page = tab.page
    files = {}
    for label, name in (
        ("Sites (CSV)", "placements.csv"),
        ("Clients (CSV)", "assignments.csv"),
        ("Plan (JSON)", "plan.json"),
    ):
        with page.expect_download() as caught:
            page.get_by_role("button", name=label).click()
        assert caught.value.suggested_filename == name
        files[name] = tmp_path / name
        caught.value.save_as(files[name])
    sites = pd.read_csv(files["placements.csv"])
    items = [column for column in sites if column.endswith("_usd_month") and column != "cost_usd_month"]
    assert sites["cost_usd_month"].sum() == pytest.approx(sites[items].to_numpy().sum())
    assert round(sites["cost_usd_month"].sum()) == dollars(tab.figure("Cost a month"))
    assert len(sites) == int(tab.figure("Sites open"))
    clients = pd.read_csv(files["assignments.csv"])
    assert set(clients["provenance"]) <= {"measured", "modelled"}
    assert set(clients["site_id"]) <= set(sites["site_id"])
    assert json.loads(files["plan.json"].read_text())["open"] == sorted(sites["site_id"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_renders(open_tab, scheme):
    tab = open_tab(scheme)
    for path, study in PAGES.items():
        tab.open(f"/{path}?study={study}")
        page = tab.page
        assert page.locator('[data-testid="stException"]').count() == 0, path
        assert page.locator('[data-testid="stAlertContentError"]').count() == 0, path
        ground = page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) is (scheme == "dark"), path


def test_what_if_compares_and_the_menu_keeps_the_choices(open_tab):
    tab = open_tab()
    tab.open("/what-if?study=factory-outposts&demand=0.5")
    page = tab.page
    assert "Opened." in page.locator('[data-testid="stMain"]').inner_text()
    assert page.locator('[data-testid="stMetricDelta"]').count() == 5
    page.get_by_role("link", name="Latency").click()
    page.get_by_text("Measured against modelled").wait_for(timeout=60_000)
    tab.settle()
    assert "study=factory-outposts" in page.url
    assert "demand=0.5" in page.url
    page.get_by_role("link", name="Plan").click()
    page.get_by_text("Why this plan").wait_for(timeout=60_000)
    tab.settle()
    assert page.locator("h1").inner_text() == "Factory with Outposts"


def test_bad_input_is_one_clear_message(open_tab, tmp_path):
    tab = open_tab()
    tab.open("/study?study=factory-outposts")
    page = tab.page
    page.get_by_role("tab", name="File").click()
    editor = page.get_by_label("factory-outposts.toml")
    good = editor.input_value()
    editor.fill(good.replace("slo_ms", "slo_mss"))
    page.get_by_role("button", name="Plan with this").click()
    alert = page.locator('[data-testid="stAlert"]')
    alert.first.wait_for(timeout=60_000)
    tab.settle()
    assert alert.count() == 1
    assert "latency.slo_mss" in alert.inner_text()
    assert "did you mean 'slo_ms'?" in alert.inner_text()

    missing = tmp_path / "nothing-here"
    tab.open("/?study=factory-outposts")
    box = page.get_by_role("textbox", name="Store of your agents")
    box.fill(str(missing))
    box.press("Enter")
    alert.first.wait_for(timeout=60_000)
    tab.settle()
    assert alert.count() == 1
    assert f"{missing}: is not there" in alert.inner_text()


def test_an_edited_study_is_planned(open_tab):
    tab = open_tab()
    tab.open("/study?study=factory-outposts")
    page = tab.page
    page.get_by_role("tab", name="File").click()
    editor = page.get_by_label("factory-outposts.toml")
    text = re.sub(r'(?m)^title = ".*"$', 'title = "Half a factory"', editor.input_value())
    editor.fill(re.sub(r"(?m)^peak_rps = .*$", "peak_rps = 5000", text))
    page.get_by_role("button", name="Plan with this").click()
    page.wait_for_url(re.compile(r"study=edited"), timeout=60_000)
    tab.settle()
    page.get_by_role("link", name="Plan").click()
    page.get_by_text("Why this plan").wait_for(timeout=120_000)
    tab.settle()
    assert page.locator("h1").inner_text() == "Half a factory"


def test_a_study_changed_in_the_form_is_planned(open_tab):
    tab = open_tab()
    tab.open("/study?study=factory-outposts")
    page = tab.page
    page.get_by_text("Goal and limits", exact=True).last.click()
    field = page.get_by_role("spinbutton", name="Sites at least")
    field.fill("9")
    field.press("Tab")
    page.get_by_role("button", name="Plan with this").first.click()
    page.wait_for_url(re.compile(r"study=edited"), timeout=60_000)
    tab.settle()
    page.get_by_role("link", name="Plan", exact=True).click()
    page.get_by_text("Why this plan").wait_for(timeout=120_000)
    tab.settle()
    assert int(tab.figure("Sites open")) >= 9


def test_rules_in_conflict_are_explained(open_tab):
    tab = open_tab()
    tab.open("/?study=eu-regulated&budget=500")
    alert = tab.page.locator('[data-testid="stAlert"]')
    assert alert.count() == 1
    assert "budget" in alert.inner_text()
    assert tab.page.locator('[data-testid="stException"]').count() == 0


def test_a_slider_shows_a_certified_plan_and_ends_with_the_proven_one(open_tab):
    tab = open_tab()
    tab.open("/?study=worldwide-saas&max_sites=9")
    page = tab.page
    main = page.locator('[data-testid="stMain"]')
    assert page.get_by_text("proven optimal").count() == 1
    slider = page.get_by_role("slider", name="Latency (SLO), ms")
    at = int(slider.input_value())
    slider.focus()
    # A second move before the first is proven: the page answers the last one.
    slider.press("ArrowLeft")
    page.wait_for_url(re.compile(rf"slo={at - 1}\b"), timeout=60_000)
    slider.press("ArrowLeft")
    page.wait_for_url(re.compile(rf"slo={at - 2}\b"), timeout=60_000)
    badge = page.get_by_text(re.compile(r"within [\d.]+ % of the best possible; proving|proven optimal"))
    badge.first.wait_for(timeout=60_000)
    tab.settle()
    assert f"within {at - 2} ms" in main.inner_text().replace("\xa0", " ")
    assert page.get_by_text("proven optimal").count() == 1
    assert page.get_by_text("; proving").count() == 0
    assert page.get_by_text("audit: sound").count() == 1
    assert page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count() == 0
