"""A price that changes: whatever reads it reads the changed one, and the audit counts after."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.audit import audit_plan
from planner.decide import decide
from planner.demand import Client, Demand
from planner.inputs import load_inputs
from planner.study import StudyError, parse_study
from planner.study_supposed import PriceChange
from planner.whatif import vary

CLIENTS = (
    Client("ber", "Berlin", "DE", 52.5, 13.4, 6.0),
    Client("dub", "Dublin", "IE", 53.3, -6.3, 3.0),
    Client("nyc", "New York", "US", 40.7, -74.0, 1.0),
)
DEMAND = Demand(CLIENTS, np.array([client.weight for client in CLIENTS]), "by hand")

TEXT = """
name = "shop"
[demand]
cities = { countries = ["DE"] }
requests_per_month = 3e8
[candidates]
kinds = ["region", "local_zone"]
include = ["eu-central-1", "eu-west-1", "us-east-1", "us-east-1-bos-1a"]
[workload]
min_instances = 1
home_share = 0.5
cross_zone_kb = 5
home = { region = "us-east-1" }
[network]
direct_connect = ["eu-west-1"]
[routing]
policy = "route53-latency"
queries_per_month = 2e9
"""

STUDY = parse_study(TEXT, name="shop.toml", directory=Path())


def changed(*changes, study=STUDY):
    return replace(study, price_changes=tuple(changes))


@pytest.fixture(scope="module")
def read():
    return load_inputs(STUDY, demand=DEMAND)


def load(*changes):
    return load_inputs(changed(*changes), demand=DEMAND)


def by_site(inputs):
    return dict(zip((site.id for site in inputs.sites), inputs.prices, strict=True))


def test_everywhere_in_all_tiers(read):
    before, after = by_site(read), by_site(load(PriceChange("egress_gb", 1.3)))
    for site, prices in before.items():
        assert prices.egress_gb.tiers
        now = after[site].egress_gb
        assert now.usd == pytest.approx(1.3 * prices.egress_gb.usd)
        assert now.tiers == tuple((start, pytest.approx(1.3 * usd)) for start, usd in prices.egress_gb.tiers)
        assert (now.before, now.as_of) == (prices.egress_gb.usd, prices.egress_gb.as_of)
        assert now.note.endswith("× 1.3 is supposed")
        assert after[site].instance_hour == prices.instance_hour


def test_a_zone_is_meant_by_its_own_id(read):
    before = by_site(read)

    def ratios(pattern):
        after = by_site(load(PriceChange("instance_hour", 0.5, (pattern,))))
        return {
            site: after[site].instance_hour.usd / prices.instance_hour.usd for site, prices in before.items()
        }

    assert ratios("us-east-1") == {
        "eu-central-1": 1.0,
        "eu-west-1": 1.0,
        "us-east-1": 0.5,
        "us-east-1-bos-1a": 1.0,
    }
    assert ratios("us-east-1*")["us-east-1-bos-1a"] == 0.5
    assert ratios("eu-*")["us-east-1"] == 1.0


def test_changes_of_one_price_multiply(read):
    twice = load(PriceChange("egress_gb", 1.5), PriceChange("internet_egress", 2.0, ("eu-west-1",)))
    before, after = by_site(read), by_site(twice)
    assert after["eu-west-1"].egress_gb.usd == pytest.approx(3.0 * before["eu-west-1"].egress_gb.usd)
    assert after["us-east-1"].egress_gb.usd == pytest.approx(1.5 * before["us-east-1"].egress_gb.usd)


def test_the_home_and_the_routing(read):
    after = load(PriceChange("inter_region", 2.0), PriceChange("route53", 3.0))
    (home,), (now,) = read.homes, after.homes
    assert home.usd_gb.max() > 0
    assert now.leaving_usd_gb == pytest.approx(2.0 * home.leaving_usd_gb)
    assert now.usd_gb == pytest.approx(2.0 * home.usd_gb)
    assert after.routing.zone_month.usd == pytest.approx(3.0 * read.routing.zone_month.usd)
    for policy, price in read.routing.queries.items():
        assert after.routing.queries[policy].tiers[0][1] == pytest.approx(3.0 * price.tiers[0][1])
    assert after.routing.accelerator_hour == read.routing.accelerator_hour


ITEMS = {
    "instance_hour": {"compute"},
    "egress_gb": {"egress"},
    "direct_connect": {"direct_connect"},
    "zone_gb": {"cross_zone"},
    "route53": {"routing"},
    "home_gb": {"transfer"},
}


@pytest.fixture(scope="module")
def fixed():
    """All sites but the zone open, so that no plan may move away from a price."""
    study = replace(STUDY, limits=replace(STUDY.limits, min_sites=3))
    spec = replace(study.candidates, exclude=("us-east-1-bos-1a",))
    study = replace(study, candidates=spec, minimize="mean_latency")
    return study, decide(study, load_inputs(study, demand=DEMAND))


@pytest.mark.parametrize("item", ITEMS)
def test_a_bill_changes_by_that_item_alone(fixed, item):
    study, before = fixed
    supposed = changed(PriceChange(item, 2.0), study=study)
    inputs = load_inputs(supposed, demand=DEMAND)
    after = decide(supposed, inputs)
    assert (before.audit, after.audit, after.open) == ((), (), before.open)
    for name, usd in before.cost_items.items():
        assert after.cost_items[name] == pytest.approx((2.0 if name in ITEMS[item] else 1.0) * usd)
    assert all(before.cost_items[name] > 0 for name in ITEMS[item])
    assert before.inputs["study"] != after.inputs["study"]
    assert any(note.startswith(f"supposed: {item} × 2") for note in after.notes)
    assert ("some supposed" in after.priced.as_of) == (item != "route53")


def test_a_plan_goes_where_it_becomes_cheaper():
    study = replace(STUDY, workload=replace(STUDY.workload, home=None), routing=None)
    study = replace(study, network=replace(study.network, direct_connect=()))
    base = decide(study, load_inputs(study, demand=DEMAND))
    assert len(base.open) == 1
    varied = vary(study, prices=[{"item": "instance_hour", "sites": list(base.open), "factor": 10.0}])
    other = decide(varied, load_inputs(varied, demand=DEMAND))
    assert other.audit == ()
    assert not set(other.open) & set(base.open)


def test_the_audit_counts_after(fixed):
    study, _ = fixed
    supposed = changed(PriceChange("egress_gb", 2.0, ("eu-*",)), study=study)
    inputs = load_inputs(supposed, demand=DEMAND)
    plan = decide(supposed, inputs)
    assert plan.audit == ()
    other = changed(PriceChange("egress_gb", 3.0, ("eu-*",)), study=study)
    assert any("3 times" in each for each in audit_plan(plan, other, inputs))
    assert any("supposes nothing of it" in each for each in audit_plan(plan, study, inputs))
    more = changed(*supposed.price_changes, PriceChange("instance_hour", 2.0), study=study)
    assert any("is not marked as supposed" in each for each in audit_plan(plan, more, inputs))


def test_the_audit_knows_what_is_charged_without_the_change(fixed):
    study, _ = fixed
    supposed = changed(
        PriceChange("egress_gb", 2.0), PriceChange("route53", 3.0), PriceChange("home_gb", 2.0), study=study
    )
    inputs = load_inputs(supposed, demand=DEMAND)
    plan = decide(supposed, inputs)
    assert plan.audit == ()

    def found(**wrong):
        return [
            each for each in audit_plan(plan, supposed, replace(inputs, **wrong)) if "price_change" in each
        ]

    def everywhere(**wrong):
        prices = (replace(each, egress_gb=replace(each.egress_gb, **wrong)) for each in inputs.prices)
        return tuple(prices)

    egress = inputs.prices[0].egress_gb
    # A wrong price before, with the product right for it, is no price of the catalog's.
    wrong = everywhere(usd=4.0, before=2.0)
    assert any("is said to have been 2, and" in each for each in found(prices=wrong))
    tiers = tuple((start, usd / 2) for start, usd in egress.tiers)
    assert any("egress_gb of" in each for each in found(prices=everywhere(tiers=tiers)))
    (home,) = inputs.homes
    half, due = home.leaving_usd_gb / 2, home.leaving_usd_gb
    assert found(homes=(replace(home, leaving_usd_gb=half),)) == [
        f"price_change: leaving us-east-1 is {half:.9g} a GB, {due:.9g} is due"
    ]
    zone = inputs.routing.zone_month
    (said,) = found(routing=replace(inputs.routing, zone_month=replace(zone, usd=1.5 * zone.usd)))
    assert said.startswith("price_change: zone_month is")
    assert found(charged=None) == ["price_change: what is charged without it is not known"]


def test_what_is_charged_nowhere_is_said():
    assert "supposed: parent_gb × 2 at 1 site" in load(PriceChange("parent_gb", 2.0)).notes
    nowhere = load(PriceChange("parent_gb", 2.0, ("eu-*",)))
    assert "supposed: parent_gb × 2 changes nothing: no site has one" in nowhere.notes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('item = "egres_gb"\nfactor = 1.3', "price_change[1].item: 'egres_gb' is not one of"),
        ('item = "egres_gb"\nfactor = 1.3', "did you mean 'egress_gb'?"),
        ('item = "egress_gb"', "price_change[1].factor: is required"),
        ('item = "egress_gb"\nfactor = -1', "price_change[1].factor: -1 is out of range (from 0 up to 1000)"),
        ('item = "egress_gb"\nfactor = 2\nsites = []', "price_change[1].sites: is empty"),
        (
            'item = "route53"\nfactor = 2\nsites = ["eu-*"]',
            "price_change[1].sites: route53 is charged for all sites at once",
        ),
        (
            'item = "egress_gb"\nfactor = 2\nsites = ["eu-wst-1"]',
            "price_change[1].sites: 'eu-wst-1' matches no candidate; did you mean 'eu-west-1'?",
        ),
        (
            'item = "egress_gb"\nfactor = 2\nsites = ["sa-east-1"]',
            "price_change[1].sites: 'sa-east-1' matches no candidate",
        ),
    ],
)
def test_bad_input(row, message):
    with pytest.raises(StudyError) as caught:
        load_inputs(
            parse_study(f"{TEXT}\n[[price_change]]\n{row}", name="shop.toml", directory=Path()), demand=DEMAND
        )
    assert message in str(caught.value)
