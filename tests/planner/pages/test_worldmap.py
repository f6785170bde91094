"""Demand gathered into cells, labels, and the map drawn from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.demand import Client
from planner.pages.aggregate import MAX_CELLS, cells
from planner.pages.labels import CHARACTER_PX, LINE_PX, MARK_PX, POSITIONS, place_labels
from planner.pages.projection import natural_earth
from planner.pages.theme import DARK, LIGHT
from planner.pages.worldmap import world_map
from planner.plan import Assignment, HomeChoice
from planner.recovery import Recovery


def test_cells_lose_no_demand_and_keep_the_mean(plan, clients):
    found = cells(plan.assignments, clients)
    assert sum(cell.share for cell in found) == pytest.approx(1.0)
    assert sum(cell.clients for cell in found) == len(plan.assignments)
    assert sum(cell.share * cell.latency_ms for cell in found) == pytest.approx(plan.kpi.mean_ms)
    assert sum(cell.share for cell in found if cell.measured) == pytest.approx(plan.kpi.measured_share)


def test_a_cell_never_mixes_sites_or_provenance(plan, clients):
    twice = (*plan.assignments, replace(plan.assignments[0], client_id="c1b", provenance="modelled"))
    beside = clients | {"c1b": replace(clients["c1"], id="c1b", lat=40.71)}
    here = [cell for cell in cells(twice, beside) if cell.largest == "New York"]
    assert {cell.measured for cell in here} == {True, False}


def test_thousands_of_clients_become_a_few_hundred_markers():
    rng = np.random.default_rng(7)
    many = [
        Client(f"c{k}", f"c{k}", "XX", float(lat), float(lon), 1.0)
        for k, (lat, lon) in enumerate(
            zip(rng.uniform(-55, 70, 5000), rng.uniform(-180, 180, 5000), strict=True)
        )
    ]
    served = tuple(
        Assignment(c.id, "XX", 1.0, "us-east-1", None, 50.0, 40.0, 60.0, "modelled", True) for c in many
    )
    found = cells(served, {client.id: client for client in many})
    assert 50 < len(found) <= MAX_CELLS
    assert sum(cell.clients for cell in found) == 5000


def test_no_demand_no_cells(clients):
    assert cells((), clients) == ()


def test_labels_do_not_cover_each_other():
    rng = np.random.default_rng(3)
    points = [(float(x), float(y)) for x, y in rng.uniform(0, 400, (25, 2))]
    names = [f"region-{k}" for k in range(25)]
    spots = place_labels(points, names, (-100, -100, 500, 500))
    offset = {position: (dx, dy) for position, dx, dy in POSITIONS}
    boxes = []
    for (x, y), name, spot in zip(points, names, spots, strict=True):
        if spot is None:
            continue
        dx, dy = offset[spot]
        width = CHARACTER_PX * len(name)
        cx = x + dx * (MARK_PX + width / 2) * (0.75 if dy else 1.0)
        cy = y + dy * (MARK_PX + LINE_PX / 2)
        boxes.append((cx - width / 2, cy - LINE_PX / 2, cx + width / 2, cy + LINE_PX / 2))
    assert len(boxes) > 10
    for at, a in enumerate(boxes):
        for b in boxes[at + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_a_label_without_room_is_left_out():
    assert place_labels([(0.0, 0.0)], ["a very long name indeed"], (-20, -20, 20, 20)) == [None]


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_the_map_says_which_demand_was_measured(plan, inputs, clients, colours):
    chart = world_map(plan, clients, inputs.sites, colours)
    by_name = {trace.name: trace for trace in chart.data if trace.name}
    measured = next(trace for name, trace in by_name.items() if name.startswith("Demand, latency measured"))
    modelled = next(trace for name, trace in by_name.items() if name.startswith("Demand, latency modelled"))
    assert measured.marker.symbol == "circle"
    assert modelled.marker.symbol == "circle-open"
    assert "58\u00a0%" in measured.name
    links = [trace for trace in chart.data if trace.mode == "lines" and trace.legendgroup]
    assert {(link.legendgroup, link.line.dash) for link in links} == {
        ("measured", "solid"),
        ("modelled", "2px,3px"),
    }
    assert "Region, open (3)" in by_name
    assert "Local Zone, open (1)" in by_name
    assert len(by_name["Candidate, not opened"].x) == 1


def test_names_from_a_file_are_shown_not_run(plan, inputs, clients):
    chart = world_map(plan, clients, inputs.sites, LIGHT)
    words = " ".join(text for trace in chart.data if trace.text is not None for text in trace.text)
    assert "&lt;b&gt;Paris" in words
    assert "<b><b>Paris" not in words


def test_the_map_asks_nobody_for_anything(plan, inputs, clients):
    chart = world_map(plan, clients, inputs.sites, LIGHT).to_json()
    assert "http" not in chart
    assert '"geo"' not in chart
    assert "mapbox" not in chart


def test_a_parent_region_is_hollow(plan, inputs, clients):
    idle = replace(plan.placements[0], role="parent", demand_share=0.0, clients=0)
    served = tuple(a for a in plan.assignments if a.site_id != idle.site_id)
    changed = replace(plan, placements=(idle, *plan.placements[1:]), assignments=served)
    chart = world_map(changed, clients, inputs.sites, LIGHT)
    regions = next(trace for trace in chart.data if (trace.name or "").startswith("Region"))
    assert sorted(zip(regions.marker.color, regions.marker.line.color, strict=True)) == sorted(
        [(LIGHT.warm, LIGHT.background)] * 2 + [(LIGHT.background, LIGHT.warm)]
    )


def test_an_infeasible_plan_still_has_a_map(plan, inputs, clients):
    empty = replace(plan, placements=(), assignments=(), kpi=None, termination="infeasible")
    chart = world_map(empty, clients, inputs.sites, LIGHT)
    assert next(trace for trace in chart.data if trace.name == "Candidate, not opened").x.size == 5


def test_the_home_and_what_stands_by_are_marked_by_name(plan, inputs, clients):
    """The home need be no candidate; what stands by may be a Region that is open too."""
    at = plan.placements[0]
    away = replace(next(site for site in inputs.sites if site.id == at.site_id), id="far-1", lon=20.0)
    standby = replace(at, role="standby", clients=0, demand_share=0.0, cost_usd_month=70.0)
    way = Recovery(
        *("pilot-light", at.site_id, at.country, "30 s × 3", "60 s TTL", 90.0, 60.0, 900.0, 0.0, 60.0),
        *(0, 0.0, 60.0, 10.0),
    )
    held = replace(
        plan,
        home=HomeChoice("far-1", "DE", 4.0),
        recovery=way,
        standby=standby,
        placements=plan.placements[1:],
    )
    by_name = {trace.name: trace for trace in world_map(held, clients, inputs.sites, LIGHT, [away]).data}
    assert by_name["Home Region: far-1"].x[0] == pytest.approx(float(natural_earth([20.0], [away.lat])[0][0]))
    assert "back after 1,050 s, $70 a month" in by_name[f"Standby: {at.site_id}"].text[0]
    assert by_name[f"Standby: {at.site_id}"].mode == "markers+text"
    named = replace(held, placements=plan.placements)
    by_name = {trace.name: trace for trace in world_map(named, clients, inputs.sites, LIGHT, [away]).data}
    assert by_name[f"Standby: {at.site_id}"].mode == "markers"
