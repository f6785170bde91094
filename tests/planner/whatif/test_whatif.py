"""A study with something changed, and two plans told apart."""

from dataclasses import replace
from pathlib import Path

import pytest

from planner.plan import Assignment, Kpi, Placement, Plan
from planner.study import CandidateSpec, DemandSpec, Study, StudyError, load_study, shipped_studies
from planner.study_supposed import PriceChange
from planner.study_values import Routing
from planner.terminal import difference_text
from planner.whatif import Changes, Difference, blame, difference, price_row, vary, zone_row

BASE = Study("shop", DemandSpec(("DE",), 5, peak_rps=100.0, requests_per_month=1e6), CandidateSpec())


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("latency.slo_ms", "80", lambda study: study.latency.slo_ms == 80.0),
        ("budget.usd_per_month", "60000", lambda study: study.budget_usd_per_month == 60_000.0),
        ("limits.max_sites", "5", lambda study: study.limits.max_sites == 5),
        ("objective.minimize", "mean_latency", lambda study: study.minimize == "mean_latency"),
        ("objective.minimize", '"max_latency"', lambda study: study.minimize == "max_latency"),
        ("latency.statistic", "p95", lambda study: study.latency.statistic == "p95"),
        ("candidates.kinds", '["region", "local_zone"]', lambda study: len(study.candidates.kinds) == 2),
        ("candidates.kinds", "local_zone", lambda study: study.candidates.kinds == ("local_zone",)),
        ("candidates.local_zone_premium", "0.5", lambda study: study.local_zone_premium == 0.5),
        ("demand.cities.top", "7", lambda study: study.demand.top == 7),
        ("demand.cities.countries", '["FR"]', lambda study: study.demand.countries == ("FR",)),
        ("demand.csv", "mine.csv", lambda study: study.demand.csv == Path("mine.csv")),
        ("workload.instance", "c6i.large", lambda study: study.workload.instance == "c6i.large"),
        ("name", "other", lambda study: study.name == "other"),
    ],
)
def test_a_key_is_set(key, value, read):
    varied = vary(BASE, sets=[(key, value)])
    assert read(varied)
    assert not read(BASE)


def test_nothing_else_changes():
    varied = vary(BASE, sets=[("latency.slo_ms", "80")])
    assert replace(varied, latency=BASE.latency) == BASE
    assert vary(BASE) == BASE


@pytest.mark.parametrize("path", shipped_studies(), ids=lambda path: path.stem)
def test_no_change_is_no_change(path):
    assert vary(load_study(path)) == load_study(path)


def test_several_keys_are_judged_together():
    varied = vary(BASE, sets=[("latency.coverage", "0.5"), ("latency.slo_ms", "80")])
    assert (varied.latency.coverage, varied.latency.slo_ms) == (0.5, 80.0)


def test_a_key_is_taken_away():
    strict = vary(
        BASE, sets=[("latency.slo_ms", "80"), ("latency.coverage", "0.5"), ("latency.max_ms", "200")]
    )
    assert vary(strict, sets=[("latency.slo_ms", ""), ("latency.max_ms", "")]) == BASE


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("latency.slo_m", "80", "what-if, latency.slo_m: unknown key; did you mean 'slo_ms'?"),
        ("latncy.slo_ms", "80", "what-if, latncy: unknown key; did you mean 'latency'?"),
        ("latency.slo_ms", "80ms", "what-if, latency.slo_ms: '80ms' is not a number"),
        ("latency.slo_ms", "nan", "what-if, latency.slo_ms: nan is not a finite number"),
        ("latency.slo_ms", "-1", "what-if, latency.slo_ms: -1 is out of range (above 0)"),
        ("latency.slo_ms", "1\n[x]\ny=2", "what-if, latency.slo_ms: '1\\n[x]\\ny=2' is not a number"),
        ("latency", "80", "what-if, latency: is not a table"),
        ("name.first", "80", "what-if, name: is not a table; change it in the study's file"),
        ("latency..slo_ms", "80", "what-if: 'latency..slo_ms' is not a dotted key such as latency.slo_ms"),
        (
            "resilience.rto",
            "site",
            "what-if, resilience.rto: 'site' is not a span of time such as 30s, 5m or 1h",
        ),
        (
            "objective.minimize",
            "costs",
            "what-if, objective.minimize: 'costs' is not one of cost, mean_latency,"
            " max_latency; did you mean 'cost'?",
        ),
        (
            "demand.cities.countries",
            '["XX"]',
            "what-if, demand.cities.countries: 'XX' is not a known ISO 3166 country code",
        ),
    ],
)
def test_a_key_that_cannot_be_set(key, value, message):
    with pytest.raises(StudyError) as caught:
        vary(BASE, sets=[(key, value)])
    assert str(caught.value) == message


def test_demand_grows():
    varied = vary(BASE, demand_factor=1.5)
    assert (varied.demand.peak_rps, varied.demand.requests_per_month) == (150.0, 1.5e6)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf"), 1e7])
def test_demand_does_not_grow_by_that(factor):
    with pytest.raises(StudyError, match="is not a factor above 0 and up to 1e\\+06"):
        vary(BASE, demand_factor=factor)


def test_sites_are_left_out():
    assert vary(BASE, without=["eu-west-1", "us-*"]).candidates.exclude == ("eu-west-1", "us-*")


def placement(site, cost):
    return Placement(
        site, "aws", "region", None, "DE", "serving", 2, 1, 0.5, 10.0, 10.0, cost, {"compute": cost}
    )


def served(client, weight, site):
    return Assignment(client, "DE", weight, site, None, 10.0, 9.0, 11.0, "measured", True)


def plan(sites, assignments, mean_ms, coverage=1.0, **items):
    return Plan(
        study="shop",
        minimize="cost",
        termination="optimal",
        objective=sum(items.values()),
        lower_bound=sum(items.values()) * (1 - 1e-4),
        gap=1e-4,
        seconds=0.1,
        placements=tuple(placement(site, 100.0) for site in sites),
        assignments=tuple(served(*assignment) for assignment in assignments),
        kpi=Kpi(mean_ms, mean_ms, 2 * mean_ms, 3 * mean_ms, coverage, sum(items.values()), 1.0),
        cost_items=items,
        binding=(),
        audit=(),
        conflict=None,
        inputs={},
        set_aside={},
        notes=(),
    )


A = plan(["s1", "s2"], [("a", 3.0, "s1"), ("b", 1.0, "s2")], 10.0, 1.0, compute=200.0, egress=5.0)
B = plan(["s2", "s3"], [("a", 3.0, "s3"), ("b", 1.0, "s2")], 12.5, 0.75, compute=150.0, outpost=30.0)


def test_two_plans_are_told_apart():
    assert difference(A, B) == Difference(
        opened=("s3",),
        closed=("s1",),
        moved_share=0.75,
        cost_usd_month=-25.0,
        mean_ms=2.5,
        p50_ms=2.5,
        p95_ms=5.0,
        max_ms=7.5,
        coverage=-0.25,
        cost_items_usd_month={"compute": -50.0, "egress": -5.0, "outpost": 30.0},
        minimize="cost",
        within_gap=False,
    )


def test_a_plan_does_not_differ_from_itself():
    same = difference(A, A)
    assert (same.opened, same.closed, same.moved_share, same.cost_usd_month) == ((), (), 0.0, 0.0)


def test_clients_that_only_one_plan_has_do_not_count():
    more = plan(["s1"], [("a", 3.0, "s1"), ("c", 96.0, "s1")], 10.0, 1.0, compute=200.0)
    assert difference(A, more).moved_share == 0.0
    assert difference(A, plan(["s1"], [("c", 1.0, "s1")], 1.0, compute=1.0)).moved_share == 0.0


def test_nothing_to_compare_with_a_plan_that_decides_nothing():
    nothing = replace(A, kpi=None, placements=(), assignments=())
    for apart in (difference(A, nothing), difference(nothing, A)):
        assert apart == Difference((), (), None, None, None, None, None, None, None, {})


def test_less_than_the_gap_is_no_change():
    # 205.00 is proven to within 0.0205: 205.01 may be the same, 205.03 is not.
    moved = [("a", 3.0, "s2"), ("b", 1.0, "s2")]
    close = plan(["s1", "s2"], moved, 10.5, 1.0, compute=200.0, egress=5.01)
    apart = difference(A, close)
    assert (apart.within_gap, apart.minimize, apart.moved_share) == (True, "cost", 0.75)
    words = difference_text(apart)
    assert "the same sites; assignments differ within the gap" in words
    assert "75.0% of the demand moves to another site" in words
    assert "cost: no change within the proven gap" in words
    assert "USD" not in words
    further = difference(A, plan(["s1", "s2"], moved, 10.5, 1.0, compute=200.0, egress=7.0))
    assert not further.within_gap
    assert "the same sites are open" in difference_text(further)
    assert "cost +2 USD a month" in difference_text(further)


def test_plans_that_make_different_things_least_are_never_within_a_gap():
    other = difference(A, replace(A, minimize="mean_latency"))
    assert (other.within_gap, other.minimize) == (False, None)


def test_a_change_of_latency_within_the_gap():
    slow = replace(A, minimize="max_latency", objective=30.0, lower_bound=29.9)
    words = difference_text(difference(slow, replace(slow, objective=29.95)))
    assert "max latency: no change within the proven gap" in words
    assert "max +" not in words
    assert "mean +0.0 ms" in words


def test_what_was_asked_for_is_to_blame():
    unknown = StudyError("shop.toml", "'nope' matches no known site", column="candidates.exclude")
    assert str(blame(unknown, [], ["eu-*", "nope"])) == "--without: 'nope' matches no known site"
    by_key = blame(unknown, [("candidates.exclude", "nope")], ["eu-*"])
    assert str(by_key) == "--set, candidates.exclude: 'nope' matches no known site"
    nothing = StudyError("shop.toml", "no site is left to choose from", column="candidates")
    assert str(blame(nothing, [], ["*"])) == "what-if, candidates: no site is left to choose from"


def test_who_asks_more_often_asks_for_the_address_more_often():
    routed = replace(BASE, routing=Routing(queries_per_month=1e6))
    assert vary(routed, demand_factor=10.0).routing.queries_per_month == 1e7
    assert vary(replace(BASE, routing=Routing()), demand_factor=10.0).routing.queries_per_month is None


ZONE = {"id": "us-east-1-xyz-1a", "parent": "us-east-1", "country": "CO", "lat": 4.71, "lon": -74.07}


def test_zones_are_announced_beside_those_of_the_study():
    once = vary(BASE, announced=[ZONE])
    (zone,) = once.candidates.announced
    assert (zone.id, zone.kind, zone.lat) == ("us-east-1-xyz-1a", "local_zone", 4.71)
    twice = vary(once, announced=[ZONE | {"id": "us-east-1-xyz-1b"}])
    assert [each.id for each in twice.candidates.announced] == ["us-east-1-xyz-1a", "us-east-1-xyz-1b"]
    assert BASE.candidates.announced == ()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"lat": 94.0}, "--announce, lat: 94.0 is out of range (from -90 up to 90)"),
        (
            {"country": "Colombia"},
            "--announce, country: 'Colombia' is not a known ISO 3166 country code; did",
        ),
        ({"id": "a b"}, "--announce, id: 'a b' is not made of letters, digits, dots, dashes and underscores"),
    ],
)
def test_a_zone_that_cannot_be_announced(changed, message):
    with pytest.raises(StudyError) as caught:
        vary(BASE, announced=[ZONE | changed])
    assert str(caught.value).startswith(message)


def test_the_argument_of_an_zone_row():
    assert zone_row("us-east-1-xyz-1a, us-east-1,CO,4.71,-74.07") == ZONE
    assert zone_row("us-east-1-xyz-1a us-east-1 CO 4.71 -74.07") == ZONE
    for text in ("us-east-1-xyz-1a", "a,b,CO,north,-74", "a,b,CO,1,2,3"):
        with pytest.raises(StudyError, match="is not of the form ID,PARENT,COUNTRY,LAT,LON"):
            zone_row(text)


def test_prices_change_beside_those_of_the_study():
    once = vary(BASE, prices=[price_row("egress_gb=X1.3")])
    twice = vary(once, prices=[price_row("instance_hour@eu-*=0.9")], demand_factor=2.0)
    assert twice.price_changes == (
        PriceChange("egress_gb", 1.3),
        PriceChange("instance_hour", 0.9, ("eu-*",)),
    )
    assert BASE.price_changes == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("egres_gb=2", "--price, item: 'egres_gb' is not one of "),
        ("egress_gb=X-1", "--price, factor: -1.0 is out of range (from 0 up to 1000)"),
        ("egress_gb=nan", "--price, factor: nan is not a finite number"),
        ("route53@eu-*=2", "--price, sites: route53 is charged for all sites at once"),
    ],
)
def test_a_price_that_cannot_change(text, message):
    with pytest.raises(StudyError) as caught:
        vary(BASE, prices=[price_row(text)])
    assert str(caught.value).startswith(message)


def test_a_pattern_that_matches_nothing_is_the_arguments_fault():
    changes = Changes(prices=(price_row("egress_gb@us-*=2"),))
    fault = StudyError("shop.toml", "'us-*' matches no candidate", column="price_change[1].sites")
    assert str(changes.blame(fault)) == "--price, sites: 'us-*' matches no candidate"
    assert changes.of(BASE).price_changes == (PriceChange("egress_gb", 2.0, ("us-*",)),)


def test_the_argument_of_a_price():
    for text in ("egress_gb", "=X2", "@eu-*=2", "egress_gb@=2", "egress_gb=dear"):
        with pytest.raises(StudyError, match="is not"):
            price_row(text)
