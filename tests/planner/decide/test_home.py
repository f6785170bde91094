"""The stateful tier: legs from site to home, their latency and traffic in every figure; where it may be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.audit import audit_plan
from planner.decide import decide, decide_frontier, explain
from planner.homes import Home
from planner.inputs import at_home, load_inputs
from planner.latency.matrix import MEASURED, MODELLED
from planner.plan_document import plan_document
from planner.study import HomeTier, ResidencyRule, Selector, StudyError, parse_study
from planner.terminal import plan_text
from tests.planner.audit import estate

TIER = HomeTier("auto", client_trips=2.0, home_trips=3.0)
#                     fra  ber   mad   plant  iad
TO_FRA = np.array([1.0, 4.0, 25.0, 30.0, 88.0])
TO_IAD = np.array([88.0, 91.0, 95.0, 99.0, 1.0])


def home(site_id, legs, usd_gb) -> Home:
    site = next(each for each in estate.SITES if each.id == site_id)
    return Home(site, legs, legs - 0.5, legs + 1, np.full(5, MEASURED, dtype=np.int8), np.array(usd_gb))


HOMES = (
    home("fra", TO_FRA, [0.0, 0.0, 0.02, 0.02, 0.02]),
    home("iad", TO_IAD, [0.02, 0.02, 0.02, 0.02, 0.0]),
)


def study(**changes):
    plain = estate.study()
    workload = replace(plain.workload, home=TIER, home_share=0.5)
    free = replace(
        plain,
        workload=workload,
        rules=(),
        budget_usd_per_month=None,
        latency=replace(plain.latency, slo_ms=None, max_ms=None),
        limits=replace(plain.limits, min_sites=1, max_sites=None, max_changes=None),
        current_open=(),
        minimize="mean_latency",
    )
    return replace(free, **changes)


def inputs():
    return replace(estate.inputs(), homes=HOMES)


def test_a_request_makes_its_trips_to_the_site_and_on_to_the_home():
    matrix = at_home(study(), inputs(), "fra").matrix
    assert matrix.estimate_ms[1, 2] == 2 * 9.0 + 3 * 25.0
    assert matrix.lower_ms[1, 2] == 2 * 8.0 + 3 * 24.5
    assert matrix.upper_ms[1, 2] == 2 * 11.0 + 3 * 26.0
    assert matrix.provenance[1, 2] == MEASURED
    assert matrix.provenance[1, 3] == MODELLED
    assert np.isinf(matrix.estimate_ms[3, 3])


def test_a_missing_leg_matters_only_to_who_travels_it():
    lost = replace(HOMES[0], estimate_ms=np.where(np.arange(5) == 2, np.inf, TO_FRA))
    cut = replace(inputs(), homes=(lost,))
    assert np.isinf(at_home(study(), cut, "fra").matrix.estimate_ms[1, 2])
    still = replace(study().workload, home=HomeTier("fra", 2.0, 0.0))
    assert at_home(study(workload=still), cut, "fra").matrix.estimate_ms[1, 2] == 18.0


def test_latency_and_traffic_by_hand():
    """All at fra, with the home in fra: weights 40 30 20 10, legs 10 35 12 90; then 3 × 1 ms within."""
    plan = decide(study(limits=replace(study().limits, max_sites=1)), inputs())
    assert plan.audit == ()
    assert plan.home is not None
    assert plan.home.region == "fra"
    assert plan.open == ("fra",)
    mean = 2 * (0.4 * 10 + 0.3 * 35 + 0.2 * 12 + 0.1 * 90) + 3 * 1.0
    assert plan.kpi.mean_ms == pytest.approx(mean)
    assert plan.home.mean_ms == pytest.approx(3.0)
    assert plan.cost_items["transfer"] == 0.0
    assert plan_document(plan)["home"] == {"region": "fra", "country": "DE", "mean_ms": pytest.approx(3.0)}
    assert "fra: 3.0 ms of the mean is between site and home" in plan_text(plan, slo_ms=None)


def test_traffic_goes_on_from_the_parent_to_the_home():
    """Half of 40,000 GB: at 0.02 from ber to its parent, and at 0.02 from there to iad."""
    there = replace(study().workload, home=replace(TIER, region="iad"))
    only = tuple(s for s in estate.SITES if s.id in ("fra", "ber"))
    kept = [0, 1]
    few = replace(
        inputs(),
        sites=only,
        prices=estate.PRICES[:2],
        matrix=_columns(inputs().matrix, kept),
        homes=(_seen_from(HOMES[1], kept),),
    )
    plan = decide(study(workload=there), few)
    assert plan.audit == ()
    assert plan.home.region == "iad"
    to_parent = 0.5 * 0.02 * 40_000 * sum(p.demand_share for p in plan.placements if p.site_id == "ber")
    assert plan.cost_items["transfer"] == pytest.approx(0.5 * 40_000 * 0.02 + to_parent)


def _columns(matrix, kept):
    names = ("estimate_ms", "lower_ms", "upper_ms", "samples", "loss_ratio", "provenance", "vantage")
    arrays = {name: getattr(matrix, name)[:, kept] for name in names}
    return replace(matrix, site_ids=tuple(matrix.site_ids[j] for j in kept), **arrays)


def _seen_from(home, kept):
    names = ("estimate_ms", "lower_ms", "upper_ms", "provenance", "usd_gb")
    return replace(home, **{name: getattr(home, name)[kept] for name in names})


def test_the_home_holds_everybodys_data():
    rules = estate.study().rules[:1]  # the EEA's data in the EEA
    assert decide(study(rules=rules), inputs()).home.region == "fra"
    abroad = study(rules=rules, workload=replace(study().workload, home=replace(TIER, region="iad")))
    plan = decide(abroad, replace(inputs(), homes=HOMES[1:]))
    assert plan.termination == "infeasible"
    assert plan.conflict.rules == ("residency[1]",)
    assert "iad, US" in plan.conflict.reason


def test_where_no_home_is_legal_the_rules_say_so():
    """fra may hold the EEA's data and nobody else's, iad the Americans' and nobody else's."""
    rules = (
        ResidencyRule(Selector(countries=("DE",)), Selector(countries=("DE",))),
        ResidencyRule(Selector(countries=("US",)), Selector(countries=("US",))),
    )
    plan = decide(study(rules=rules), inputs())
    assert plan.termination == "infeasible"
    assert set(plan.conflict.rules) == {"residency[1]", "residency[2]"}
    assert audit_plan(plan, study(rules=rules), inputs()) == ()


def test_a_rule_is_priced_over_every_home():
    """Held in Europe, the tier is far from America; without the rule it moves to where it costs least."""
    rules = estate.study().rules[:1]
    workload = replace(study().workload, home=HomeTier("auto", 1.0, 1.0))
    told = explain(study(rules=rules, workload=workload, minimize="max_latency"), inputs())
    prices = {price.rule: price.saves for price in told.rule_prices}
    free = decide(study(workload=workload, minimize="max_latency"), inputs())
    saved = told.plan.objective - free.objective
    assert prices["residency[1]"] == pytest.approx(saved)
    assert all(other.audit == () for other in told.alternatives)


def test_the_front_is_over_every_home():
    front = decide_frontier(study(minimize="cost"), inputs(), points=6)
    assert front.complete
    assert all(plan.audit == () and plan.home is not None for plan in front.plans)
    fastest = decide(study(minimize="cost", latency=replace(study().latency, coverage=0.95)), inputs())
    assert front.plans[0].kpi.cost_usd_month == pytest.approx(fastest.kpi.cost_usd_month)


SPOILT = [
    (lambda h: None, "home: the plan states None, the study asks for auto"),
    (lambda h: replace(h, region="mad"), "home: mad is no Region where it may stand"),
    (lambda h: replace(h, country="FR"), "home: the country is stated as FR and is DE"),
    (lambda h: replace(h, mean_ms=h.mean_ms + 1), "home: mean_ms is stated as"),
    (lambda h: replace(h, region="iad", country="US"), "holds the data of c1 in US"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_the_audit_names_a_wrong_home(spoil, words):
    ruled = study(rules=estate.study().rules[:1])
    plan = decide(ruled, inputs())
    found = audit_plan(replace(plan, home=spoil(plan.home)), ruled, inputs())
    assert any(words in sentence for sentence in found), found


STUDY = """
name = "saas"
[demand]
cities = { countries = ["DE", "US", "JP"], top = 20 }
[candidates]
kinds = ["region", "local_zone"]
include = ["us-*", "eu-central-1", "ap-northeast-1"]
exclude = ["us-gov-*"]
[workload]
home_share = 0.2
[latency]
vantage_km = 100
"""


RACK = """
[[candidates.outpost]]
id = "op-1"
country = "DE"
lat = 50.0
lon = 8.0
parent = "eu-central-1"
capacity_rps = 4000
upfront_usd = 1
monthly_usd = 1
term_months = 12
"""


def read(text):
    return parse_study(text, name="saas", directory=Path())


def test_legs_come_from_the_published_table_through_the_parent():
    study = read(STUDY + '[workload.home]\nregion = "eu-central-1"\n')
    loaded = load_inputs(study)
    (home,) = loaded.homes
    at = {site.id: j for j, site in enumerate(loaded.sites)}
    parent, zone = at["us-west-2"], at["us-west-2-lax-1a"]
    assert home.provenance[parent] == MEASURED
    assert 130 < home.estimate_ms[parent] < 160  # Oregon to Frankfurt
    # Los Angeles to Oregon first, some 1,300 km, and on from there.
    assert home.estimate_ms[parent] + 10 < home.estimate_ms[zone] < home.estimate_ms[parent] + 60
    assert home.provenance[zone] == MODELLED
    assert home.usd_gb[at["eu-central-1"]] == 0.0
    assert home.usd_gb[zone] == home.usd_gb[parent] == 0.02
    assert home.usd_gb[at["ap-northeast-1"]] == 0.09


@pytest.mark.parametrize("region", ["eu-centrl-1", "us-west-2-lax-1a"])
def test_a_home_that_is_no_region_is_refused(region):
    asked = read(STUDY + f'[workload.home]\nregion = "{region}"\n')
    with pytest.raises(StudyError) as refused:
        load_inputs(asked)
    assert f"workload.home.region: {region!r} is not a known Region" in str(refused.value)
    assert ("eu-central-1" in str(refused.value)) == (region == "eu-centrl-1")


def test_auto_needs_a_region_among_the_candidates():
    outposts = STUDY.replace('["region", "local_zone"]', '["outpost"]').replace(
        "[workload]", RACK + "[workload]"
    )
    asked = read(outposts + "[workload.home]\n")
    with pytest.raises(StudyError, match=re.escape("workload.home.region: no Region is a candidate")):
        load_inputs(asked)


def named(region, **changes):
    there = study(**changes)
    return replace(there, workload=replace(there.workload, home=replace(TIER, region=region)))


@pytest.mark.parametrize("minimize", ["mean_latency", "cost", "max_latency"])
@pytest.mark.parametrize("region", ["fra", "iad"])
def test_naming_the_home_has_a_price(region, minimize):
    """What leaving it free saves is what two plain plans differ by, and the Region is where the better is."""
    asked = named(region, minimize=minimize)
    here, there = sorted(HOMES, key=lambda each: each.site.id != region)
    given = replace(inputs(), homes=(here,), other_homes=(there,))
    (row,) = (price for price in explain(asked, given).rule_prices if price.rule == "home")
    free = decide(study(minimize=minimize), inputs())
    bound = decide(asked, given)
    assert row.proven
    assert row.saves == pytest.approx(max(bound.objective - free.objective, 0.0), rel=1e-3, abs=1e-6)
    if row.saves:
        assert row.words == f"the stateful tier in {region}; left to the plan, in {free.home.region}"
    else:
        assert row.words == f"the stateful tier in {region}"


def test_a_home_left_free_has_no_price():
    assert not [price for price in explain(study(), inputs()).rule_prices if price.rule == "home"]


def test_every_other_candidate_region_could_be_the_home():
    text = 'name = "s"\n[demand]\ncities = { countries = ["DE"], top = 3 }\n[candidates]\n'
    text += 'include = ["eu-central-1", "eu-west-1", "us-east-1"]\n[workload.home]\nregion = '
    here = load_inputs(parse_study(text + '"us-west-2"', name="s", directory=Path()))
    free = load_inputs(parse_study(text + '"auto"', name="s", directory=Path()))
    assert [each.site.id for each in here.homes] == ["us-west-2"]
    assert [each.site.id for each in here.other_homes] == [each.site.id for each in free.homes]
    for other, same in zip(here.other_homes, free.homes, strict=True):
        assert np.array_equal(other.estimate_ms, same.estimate_ms)
        assert np.array_equal(other.usd_gb, same.usd_gb)
    assert free.other_homes == ()
    inside = load_inputs(parse_study(text + '"eu-west-1"', name="s", directory=Path()))
    assert [each.site.id for each in inside.other_homes] == ["eu-central-1", "us-east-1"]
