"""Charts and tables of a plan made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.export import promise_ms
from planner.latency.estimate import PRIOR
from planner.latency.pairs import fit_pair_model
from planner.measurements import PairStatistic, Vantage
from planner.pages.charts import cost_by_item, cost_difference, frontier_chart
from planner.pages.choices import Choices
from planner.pages.latency_charts import cumulative, distribution, heatmap, intervals, pair_grid
from planner.pages.latency_page import model_words
from planner.pages.model_chart import model_chart
from planner.pages.tables import countries_table, measured_by_site, price_words, sites_table
from planner.pages.theme import DARK, LIGHT
from planner.pages.whatif_page import changed, difference_table
from planner.whatif import difference


def test_bars_sum_to_the_cost_and_leave_out_what_costs_nothing(plan):
    chart = cost_by_item(plan, LIGHT)
    assert [bar.name.split()[0] for bar in chart.data] == ["Compute", "Egress"]
    assert sum(sum(bar.x) for bar in chart.data) == pytest.approx(plan.kpi.cost_usd_month)
    assert len(chart.layout.annotations) == len(plan.placements)


def test_what_stands_by_has_a_bar_and_a_row_of_its_own(plan, inputs):
    at = plan.placements[0]
    items = {**dict.fromkeys(plan.cost_items, 0.0), "recovery": 70.0}
    standby = replace(at, role="standby", clients=0, demand_share=0.0, cost_usd_month=70.0, cost_items=items)
    both = replace(plan, standby=standby, cost_items={**plan.cost_items, "recovery": 70.0})
    chart = cost_by_item(both, LIGHT)
    assert sum(sum(bar.x) for bar in chart.data) == pytest.approx(plan.kpi.cost_usd_month + 70.0)
    assert {f"{at.site_id}, standby", at.site_id} <= set(chart.data[0].y)
    table = sites_table(both, inputs.sites, inputs.prices)
    assert list(table["Kind"]).count("Region (as standby)") == 1
    assert table["Monthly cost"].sum() == pytest.approx(plan.kpi.cost_usd_month + 70.0)


def test_the_front_carries_point_numbers_and_marks_the_loaded_one(plan):
    dear = replace(plan, kpi=replace(plan.kpi, cost_usd_month=9000.0))
    unproven = replace(plan, termination="time_limit", kpi=replace(plan.kpi, cost_usd_month=7000.0))
    chart = frontier_chart((plan, unproven, dear), 0.9, 2, plan, DARK)
    line, star, ring = chart.data
    assert list(line.customdata) == [0, 1, 2]
    assert list(line.y) == [plan.kpi.cost_usd_month, 7000.0, 9000.0]
    assert set(line.x) == {promise_ms(plan, 0.9)}
    assert list(line.marker.color) == [DARK.accent, DARK.background, DARK.accent]
    assert star.name == "The study's own plan"
    assert star.customdata is None
    assert (ring.name, ring.y[0]) == ("Loaded: point 3", 9000.0)
    assert len(frontier_chart((plan,), 0.9, None, plan, LIGHT).data) == 2


def test_between_two_points_of_the_front_the_faster_is_what_a_promise_costs(plan):
    slow = replace(plan, kpi=replace(plan.kpi, cost_usd_month=1000.0))
    fast = tuple(replace(each, latency_ms=each.latency_ms / 2) for each in plan.assignments)
    dear = replace(plan, assignments=fast, kpi=replace(plan.kpi, cost_usd_month=9000.0))
    line = frontier_chart((slow, dear), 0.9, None, plan, LIGHT).data[0]
    assert line.x[1] == line.x[0] / 2
    # From the slow point straight up to the price of the fast one, and only then to the left.
    assert line.line.shape == "vh"


def test_two_plans_beside_each_other(plan):
    other = replace(plan, cost_items={**plan.cost_items, "transfer": 50.0})
    chart = cost_difference(plan, other, LIGHT)
    assert [bar.name for bar in chart.data] == ["Compute", "Egress", "Transfer"]
    assert list(chart.data[2].x) == [50.0, 0.0]


def test_measured_pairs_stand_in_the_grid_and_no_others(inputs):
    grid = pair_grid(inputs)
    assert grid.vantages == ("agent-b", "agent-a") or grid.vantages == ("agent-a", "agent-b")
    assert "agent-silent" not in grid.vantages
    assert [site.id for site in grid.sites] == ["us-east-1", "eu-central-1", "ap-southeast-2"]
    at = grid.vantages.index("agent-b")
    assert np.isfinite(grid.rtt_ms[1, at])
    assert np.isnan(grid.rtt_ms[0, at])
    assert np.isfinite(grid.rtt_ms).sum() == 3
    chart = heatmap(grid, ("eu-central-1",), LIGHT)
    assert list(chart.data[0].y) == ["us-east-1", "■ eu-central-1", "ap-southeast-2"]
    assert chart.data[0].text[0][at] == "not measured"
    assert "40 samples" in chart.data[0].text[1][at]


def test_a_cumulative_distribution_is_weighted_and_ends_at_one():
    x, y = cumulative([30.0, 10.0, 20.0], [1.0, 1.0, 2.0])
    assert x == [10.0, 10.0, 20.0, 30.0]
    assert y == pytest.approx([0.0, 0.25, 0.75, 1.0])
    x, y = cumulative(list(range(5000)), [1.0] * 5000)
    assert len(x) == 401
    assert (x[-1], y[-1]) == (4999.0, pytest.approx(1.0))
    assert cumulative([5.0], [0.0]) == ([], [])


def test_the_distribution_parts_measured_from_modelled(plan):
    chart = distribution(plan, 30.0, LIGHT)
    everything, measured, modelled = chart.data
    assert everything.name == "All demand"
    assert "58\u00a0%" in measured.name
    assert "42\u00a0%" in modelled.name
    assert modelled.line.dash == "dot"
    assert max(measured.x) == 13.0
    assert "SLO" in chart.layout.annotations[0].text
    assert not distribution(plan, None, LIGHT).layout.annotations


def test_intervals_show_how_far_off_a_figure_may_be(plan, clients):
    names = {ident: client.name for ident, client in clients.items()}
    chart = intervals(plan, names, LIGHT, limit=5)
    measured, modelled = chart.data
    assert len(measured.x) + len(modelled.x) == 5
    assert measured.y[0] != "Lima"
    lima = list(modelled.y).index("Lima")
    assert modelled.error_x.array[lima] == pytest.approx(5.0 * 0.25)
    assert modelled.error_x.arrayminus[lima] == pytest.approx(5.0 * 0.2)
    assert "&lt;b&gt;Paris" in measured.y[0] or "&lt;b&gt;Paris" in " ".join(measured.y)


def test_the_model_is_drawn_over_what_it_was_taught(sites):
    def pair(direct):
        return PairStatistic(
            vantage=Vantage("agent", "DE", 50.1, 8.7),
            site_id="us-east-1",
            quantile=0.5,
            rtt_ms=90.0,
            lower_ms=89.0,
            upper_ms=91.0,
            samples=10,
            loss_ratio=0.0,
            kind="sampled",
            direct=direct,
            source="here",
        )

    places = {site.id: (site.lat, site.lon) for site in sites}
    chart = model_chart(PRIOR, (pair(True), pair(True), pair(False)), places, LIGHT)
    band, curve, measured, derived = chart.data
    assert measured.name == "Measured pair (2)"
    assert derived.name == "Derived pair (1)"
    assert measured.x[0] == pytest.approx(6500, rel=0.05)
    half = len(band.y) // 2
    assert (band.y[:half] >= curve.y).all()
    assert (band.y[half:][::-1] <= curve.y).all()
    unfitted = fit_pair_model([], [], [])
    assert "rough" in model_words(unfitted)
    assert "others' pairs" in model_words(replace(unfitted, foreign=True))
    assert len(model_chart(PRIOR, (), places, LIGHT).data) == 2


def test_the_sites_table_marks_estimates_and_measured_shares(plan, inputs):
    table = sites_table(plan, inputs.sites, inputs.prices).set_index("Site")
    assert list(table["Demand"]) == sorted(table["Demand"], reverse=True)
    assert table.loc["us-east-1", "Measured"] == pytest.approx(100 * 80 / 110)
    assert table.loc["us-east-1-lim-1a", "Prices"] == "estimated compute"
    assert table.loc["eu-central-1", "Prices"] == "published"
    assert table["Monthly cost"].sum() == pytest.approx(plan.kpi.cost_usd_month)
    assert price_words(inputs.prices[3]) == "estimated compute"
    assert measured_by_site(plan)["us-east-1-lim-1a"] == 0.0


def test_the_countries_table_is_weighted(plan):
    table = countries_table(plan, {}).set_index("Country")
    assert table["Demand"].sum() == pytest.approx(100.0)
    assert table.loc["DE", "Mean"] == pytest.approx((40 * 11 + 15 * 8) / 55)
    assert table.loc["FJ", "Within SLO"] == 0.0
    assert table.loc["PE", "Served from"] == "us-east-1-lim-1a"


def test_the_difference_table_adds_up(plan):
    after = replace(plan.kpi, cost_usd_month=plan.kpi.cost_usd_month + 50.0, mean_ms=plan.kpi.mean_ms - 2.0)
    other = replace(plan, kpi=after, cost_items={**plan.cost_items, "transfer": 50.0})
    table = difference_table(plan, plan.kpi, other, after, difference(plan, other)).set_index("")
    assert table.loc["Cost a month", "Difference"] == "+$50"
    assert table.loc["  of which transfer", "Difference"] == "+$50"
    assert "  of which outpost" not in table.index
    assert table.loc["Mean latency", "Difference"] == "−2.0\u00a0ms"


def test_what_counts_as_a_change():
    assert not changed(Choices(slo=50.0, point=3))
    assert changed(Choices(demand=1.5))
    assert changed(Choices(without=("us-east-1",)))
    assert changed(Choices(if_budget=0.0))


def test_cost_items_and_own_prices_go_by_names_a_reader_knows(plan, inputs):
    items = {"compute": 1.0, "cross_zone": 2.0, "direct_connect": 3.0}
    other = replace(plan, cost_items=items)
    assert [bar.name for bar in cost_difference(other, other, LIGHT).data] == [
        "Compute",
        "Between zones",
        "Direct Connect",
    ]
    table = difference_table(plan, plan.kpi, other, plan.kpi, difference(plan, other))
    assert "  of which Direct Connect" in list(table[""])
    price = inputs.prices[3]
    own = replace(price.egress_gb, own=True)
    assert price_words(replace(price, egress_gb=own)) == "own egress; estimated compute"
    assert price_words(replace(price, egress_gb=own, instance_hour=None)) == "own egress"


def test_a_table_of_several_providers_says_whose_each_site_is(plan, inputs):
    assert "Provider" not in sites_table(plan, inputs.sites, inputs.prices)
    sites = tuple(
        replace(site, provider="gcp" if at % 2 else "azure") for at, site in enumerate(inputs.sites)
    )
    table = sites_table(plan, sites, inputs.prices)
    providers = {site.id: site.provider for site in sites}
    assert list(table["Provider"]) == [providers[site_id] for site_id in table["Site"]]
    chart = heatmap(pair_grid(replace(inputs, sites=sites)), ("eu-central-1",), LIGHT)
    assert list(chart.data[0].y) == ["us-east-1, azure", "■ eu-central-1, gcp", "ap-southeast-2, azure"]
