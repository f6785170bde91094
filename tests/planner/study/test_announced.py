"""A zone that is announced: a candidate as any zone, which a plan opens where it pays."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.announced import with_announced
from planner.audit import audit_plan
from planner.candidates import choose_candidates
from planner.catalog import load_catalog
from planner.decide import decide
from planner.demand import Client, Demand
from planner.inputs import load_inputs
from planner.latency.matrix import MODELLED
from planner.study import StudyError, parse_study

BOGOTA = """
[[candidates.announced]]
id = "us-east-1-xyz-1a"
parent = "us-east-1"
country = "CO"
lat = 4.71
lon = -74.07
"""


@pytest.fixture(scope="module")
def catalog():
    return load_catalog("aws")


def study(zones=BOGOTA, candidates="", rest=""):
    text = (
        f'name = "shop"\n[demand]\ncities = {{ countries = ["CO"] }}\n[candidates]\n{candidates}\n{zones}\n'
    )
    return parse_study(text + rest, name="shop.toml", directory=Path())


def choose(catalog, *said, **more):
    asked = study(*said, **more)
    return choose_candidates(asked, with_announced(asked, [catalog]))


def complaint(catalog, *said, **more):
    with pytest.raises(StudyError) as caught:
        choose(catalog, *said, **more)
    return str(caught.value)


def test_it_is_a_candidate_at_its_parents_prices(catalog):
    chosen = choose(catalog, candidates='include = ["us-*"]\nlocal_zone_premium = 0.5')
    at = {site.id: n for n, site in enumerate(chosen.sites)}
    zone, prices = chosen.sites[at["us-east-1-xyz-1a"]], chosen.prices[at["us-east-1-xyz-1a"]]
    parent = chosen.prices[at["us-east-1"]]
    assert (zone.kind, zone.country, chosen.parent_country[zone.id]) == ("local_zone", "CO", "US")
    assert zone.services == catalog.kind_services("local_zone")
    assert prices.instance_hour.usd == pytest.approx(1.5 * parent.instance_hour.usd)
    assert prices.egress_gb.usd == parent.egress_gb.usd
    assert prices.instance_hour.estimated
    assert prices.egress_gb.estimated
    assert any("us-east-1-xyz-1a is announced (the study)" in note for note in chosen.notes)


def test_what_is_said_of_it_holds(catalog):
    zone = (
        BOGOTA
        + 'kind = "wavelength_zone"\nservices = ["ec2"]\nmetro = "Bogotá"\nsource = "blog"\nas_of = "2026-11"'
    )
    chosen = choose(catalog, zone)
    (site,) = (site for site in chosen.sites if site.id == "us-east-1-xyz-1a")
    assert (site.kind, site.services, site.metro) == ("wavelength_zone", frozenset({"ec2"}), "Bogotá")
    assert any("is announced (blog, 2026-11)" in note for note in chosen.notes)


def test_without_its_parent_it_is_no_candidate(catalog):
    chosen = choose(catalog, candidates='include = ["eu-*"]')
    assert chosen.set_aside["us-east-1-xyz-1a"] == "its parent us-east-1 is not among the candidates"
    assert any("announced and no candidate" in note for note in chosen.notes)


@pytest.mark.parametrize(
    ("had", "has", "message"),
    [
        (
            '"us-east-1"',
            '"us-east-11"',
            "announced[1].parent: 'us-east-11' is not a known Region; did you mean 'us-east-1'?",
        ),
        (
            "us-east-1-xyz-1a",
            "us-west-2-lax-1a",
            "shop, candidates.announced[1].id: 'us-west-2-lax-1a' is already the id of a site",
        ),
        ("us-east-1-xyz-1a", "us-east-1-bog-1a", "of a site, planned: name it in candidates.include"),
        ("lat = 4.71", "lat = 94.71", "lat: 94.71 is out of range (from -90 up to 90)"),
        ("lat = 4.71\nlon = -74.07", "lat = -74.07\nlon = 4.71", "lat and lon are swapped"),
        ("lat = 4.71", "lat = 54.71", "candidates.announced[1].lat: stands 4,732 km from any city of CO"),
        ('"CO"', '"Colombia"', "'Colombia' is not a known ISO 3166 country code; did you mean 'CO'?"),
        ("lon = -74.07", 'lon = -74.07\nkind = "local_zne"', "did you mean 'local_zone'?"),
        (
            "lon = -74.07",
            'lon = -74.07\nservices = ["ec3"]',
            "candidates.announced[1].services: 'ec3' is not a known service of aws; did you mean 'ecs'?",
        ),
        ("lat =", "latt =", "candidates.announced[1].lat: is required"),
    ],
)
def test_bad_input(catalog, had, has, message):
    assert message in complaint(catalog, BOGOTA.replace(had, has))


def test_two_of_one_id(catalog):
    assert "2 announced zones have the id 'us-east-1-xyz-1a'" in complaint(catalog, BOGOTA + BOGOTA)


PROMISE = """
[workload]
min_instances = 1
[latency]
slo_ms = 25
coverage = 1.0
"""


@pytest.fixture(scope="module")
def opened():
    asked = study(candidates='include = ["us-east-1"]', rest=PROMISE)
    clients = (
        Client("bog", "Bogotá", "CO", 4.65, -74.1, 9.0),
        Client("med", "Medellín", "CO", 6.24, -75.57, 1.0),
    )
    weights = np.array([client.weight for client in clients])
    inputs = load_inputs(asked, demand=Demand(clients, weights, "by hand"))
    return asked, inputs, decide(asked, inputs)


def test_a_plan_opens_it_where_it_pays(opened):
    asked, inputs, plan = opened
    assert (plan.open, plan.audit) == (("us-east-1", "us-east-1-xyz-1a"), ())
    assert {entry.site_id for entry in plan.assignments} == {"us-east-1-xyz-1a"}
    assert {entry.provenance for entry in plan.assignments} == {"modelled"}
    column = [site.id for site in inputs.sites].index("us-east-1-xyz-1a")
    assert (inputs.matrix.provenance[:, column] == MODELLED).all()
    without = replace(asked, candidates=replace(asked.candidates, announced=()))
    assert decide(without, load_inputs(without, demand=inputs.demand)).termination == "infeasible"


def test_the_audit_knows_what_was_announced(opened):
    asked, inputs, plan = opened
    (zone,) = asked.candidates.announced
    moved = replace(asked, candidates=replace(asked.candidates, announced=(replace(zone, lat=5.0),)))
    assert any(
        "announced: us-east-1-xyz-1a is planned as" in each for each in audit_plan(plan, moved, inputs)
    )
    dearer = replace(asked, local_zone_premium=0.3)
    assert any("of which 1.3 is due" in each for each in audit_plan(plan, dearer, inputs))
    at = [site.id for site in inputs.sites].index(zone.id)
    prices = list(inputs.prices)
    prices[at] = replace(prices[at], egress_gb=replace(prices[at].egress_gb, estimated=False))
    spoilt = replace(inputs, prices=tuple(prices))
    assert any("not marked as estimated" in each for each in audit_plan(plan, asked, spoilt))
    assert math.isclose(plan.kpi.cost_usd_month, sum(plan.cost_items.values()))
