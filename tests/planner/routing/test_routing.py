"""Failover times and bills against figures worked out by hand; what each policy can do; who ends up where."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from planner.audit import audit_plan
from planner.catalog import load_catalog
from planner.costs.routing import terms
from planner.decide import decide, decide_frontier, explain
from planner.inputs import load_inputs
from planner.loosening import first_step
from planner.routing import failover_s, failover_words, knows, shortcomings
from planner.sizing import size
from planner.study import GroupRule, Resilience, load_study, parse_study, shipped_studies
from tests.planner.routing.estate import AT_HOME, FACTS, NAMES, STUDY, inputs, routed

REGIONS = ("fra", "par")

ABROAD = """
name = "abroad"
[demand]
cities = { countries = ["DE", "PL", "FR"], top = 12 }
[candidates]
kinds = ["region", "local_zone"]
include = ["eu-central-1*", "eu-west-3", "eu-north-1"]
[workload.home]
region = "auto"
[routing]
queries_per_month = 1e8
[objective]
minimize = "%s"
"""


@pytest.mark.parametrize(
    ("policy", "changes", "seconds"),
    [
        ("route53-latency", {}, 30 * 3 + 60),
        ("route53-geoproximity", {"check_interval_s": 10, "failure_threshold": 2, "ttl_s": 5.0}, 10 * 2 + 5),
        ("route53-latency", {"client_cache_s": 300.0}, 30 * 3 + 60 + 300),
        ("global-accelerator", {"client_cache_s": 300.0, "ttl_s": 3600.0}, 30 * 3 + 30),
        ("global-accelerator", {"check_interval_s": 10, "failure_threshold": 1}, 10 + 30),
    ],
)
def test_failover_takes(policy, changes, seconds):
    routing = routed(**changes).routing
    assert failover_s(policy, routing, FACTS) == seconds
    assert failover_words(policy, routing, FACTS).startswith(f"{seconds} s = ")


@pytest.mark.parametrize(
    ("policy", "known"),
    [
        ("route53-latency", {"fra", "par"}),
        ("route53-geoproximity", set(NAMES)),
        ("global-accelerator", {"fra", "par"}),
    ],
)
def test_a_policy_knows(policy, known):
    found = knows(FACTS.policies[policy], inputs().sites)
    assert {name for name, yes in zip(NAMES, found, strict=True) if yes} == known


@pytest.mark.parametrize(
    ("policy", "changes", "once", "checks"),
    [
        # A thousand million queries at 0.6, two thousand at 0.3, and the zone; HTTPS checks every 30 s.
        ("route53-latency", {}, 0.5 + 600 + 600, (1.5, 1.5, 1.5, 2.75, 2.75)),
        ("route53-latency", {"queries_per_month": 5e8}, 0.5 + 300, (1.5, 1.5, 1.5, 2.75, 2.75)),
        # Every ten seconds: a second option.
        (
            "route53-geoproximity",
            {"check_interval_s": 10, "queries_per_month": None},
            0.5,
            (2.5, 2.5, 2.5, 4.75, 4.75),
        ),
        # 400 + 2 × 200 for queries, 0.025 × 730 for the accelerator; 7,500 GB × 0.015 + 2,500 GB × 0.035.
        ("global-accelerator", {}, 0.5 + 800 + 18.25 + 112.5 + 87.5, (0.0,) * 5),
    ],
)
def test_a_bill(policy, changes, once, checks):
    item = terms(routed(policy=policy, **changes), inputs())
    assert item.per_share == pytest.approx([once] * 5)
    assert item.fixed == pytest.approx(checks)
    assert not item.per_instance.any()


def test_without_routing_nothing_is_charged():
    item = terms(replace(STUDY, routing=None), inputs())
    assert not item.fixed.any()
    assert not item.per_share.any()
    plan = decide(replace(STUDY, routing=None), inputs())
    assert plan.routing is None
    assert plan.cost_items["routing"] == 0.0
    assert {served.routed_site_id for served in plan.assignments} == {None}


def decided(study, keep=NAMES):
    plan = decide(study, inputs(keep))
    assert plan.termination == "optimal"
    assert plan.audit == audit_plan(plan, study, inputs(keep)) == ()
    return plan


def test_auto_takes_geoproximity_for_a_rack_and_says_why():
    plan = decided(STUDY)
    assert plan.open == ("par", "rack")
    assert plan.routing.policy == "route53-geoproximity"
    # Queries 700 + 700, the zone 0.5, and the checks of a Region and of a rack.
    assert plan.routing.usd_month == pytest.approx(1400.5 + 1.5 + 2.75)
    assert plan.cost_items["routing"] == pytest.approx(plan.routing.usd_month)
    assert plan.routing.why == (
        "Route 53 geoproximity records: $1,404.75 a month, and does what is asked",
        "Route 53 latency records: cannot send clients to rack",
        "Global Accelerator: cannot send clients to rack",
    )


def test_auto_takes_latency_records_for_regions_and_the_accelerator_where_it_is_the_cheapest():
    plan = decided(STUDY, REGIONS)
    # 1,200.5 + 2 × 1.5, against 1,018.75 for the accelerator.
    assert plan.routing.policy == "global-accelerator"
    assert plan.routing.usd_month == pytest.approx(1018.75)
    plan = decided(routed(queries_per_month=1e9), REGIONS)
    # 600.5 + 3, against 0.5 + 400 + 18.25 + 200.
    assert plan.routing.policy == "route53-latency"
    assert plan.routing.why == (
        "Route 53 latency records: $603.50 a month, and does what is asked",
        "Route 53 geoproximity records: $703.50 a month for the same sites",
        "Global Accelerator: $618.75 a month for the same sites",
    )


def test_addresses_that_stay_leave_the_accelerator():
    plan = decided(routed(static_addresses=True))
    assert plan.routing.policy == "global-accelerator"
    assert plan.open == REGIONS
    assert plan.routing.why[1:] == (
        "Route 53 latency records: has no static addresses",
        "Route 53 geoproximity records: has no static addresses",
    )


@pytest.mark.parametrize(
    ("policy", "rto_s", "lacks"),
    [
        ("route53-latency", 150.0, ()),
        ("route53-latency", 149.0, ("takes 150 s to fail over, and rto is 149 s",)),
        ("global-accelerator", 120.0, ()),
        ("global-accelerator", 119.0, ("takes 120 s to fail over, and rto is 119 s",)),
    ],
)
def test_a_policy_is_too_slow_for_the_rto(policy, rto_s, lacks):
    assert shortcomings(policy, replace(STUDY, resilience=Resilience(rto_s=rto_s)), FACTS) == lacks


def test_where_no_policy_is_quick_enough_the_rto_is_what_cannot_be_kept():
    known = load_inputs(parse_study(ABROAD % "cost", name="abroad.toml", directory=Path()))
    text = (ABROAD % "cost").replace("[objective]", '[resilience]\nrto = "100s"\n[objective]')
    plan = decide(parse_study(text, name="abroad.toml", directory=Path()), known)
    assert plan.termination == "infeasible"
    assert plan.conflict.rules == ("rto",)


def test_a_policy_that_does_not_know_a_zone_is_a_rule_with_a_remedy():
    # Nobody is within 5 ms but Berlin, from the zone or the rack.
    within = replace(STUDY.latency, slo_ms=5.0, coverage=0.7)
    plan = decide(replace(routed(policy="route53-latency"), latency=within), inputs())
    assert plan.termination == "infeasible"
    assert plan.conflict.rules == ("coverage", "routing")
    nowhere = "Regions of other providers or Local Zones or Outposts"
    assert f"Route 53 latency records cannot send clients to {nowhere}" in plan.conflict.reason
    assert plan.conflict.remedies["routing"] == 'policy = "route53-geoproximity"'


def test_an_accelerator_recovers_sooner_and_is_taken_where_that_is_asked_for():
    quick = '[resilience]\nrto = "110s"\ndata_gb = 10\n[objective]'
    text = (
        (ABROAD % "cost")
        .replace("[objective]", quick)
        .replace("[routing]", "[routing]\nfailure_threshold = 2")
    )
    study = parse_study(text, name="abroad.toml", directory=Path())
    known = load_inputs(study)
    plan = decide(study, known)
    assert plan.audit == ()
    # 30 s × 2 + 30 s; Route 53 would take 60 s + 60 s.
    assert plan.routing.policy == "global-accelerator"
    assert plan.recovery.strategy == "active-active"
    assert plan.recovery.rto_s == 60 + 30
    slower = decide(replace(study, resilience=replace(study.resilience, rto_s=150.0)), known)
    assert slower.audit == ()
    assert slower.routing.policy == "route53-latency"
    assert slower.recovery.rto_s == 60 + 60


def test_explain_prices_the_rule():
    explained = explain(routed(policy="route53-latency"), inputs())
    price = next(price for price in explained.rule_prices if price.rule == "routing")
    # Berlin goes 12 ms to Frankfurt, and would go 3 ms to the rack: three quarters of demand gain 9 ms.
    assert explained.plan.kpi.mean_ms == pytest.approx(0.75 * 12 + 0.25 * 9)
    assert price.saves == pytest.approx(0.75 * 9)
    assert price.step == 'policy = "auto"'
    assert price.step_saves == pytest.approx(0.75 * 9)


def test_as_routed_the_nearest_by_distance_is_not_the_fastest():
    study = replace(routed(policy="route53-geoproximity"), rules=AT_HOME)
    plan = decided(study, ("fra", "par", "ber"))
    assert {served.client_id: served.site_id for served in plan.assignments} == {"ber": "ber", "rouen": "par"}
    assert plan.routing.as_routed.differs == 0.0
    assert plan.routing.as_routed.mean_ms == plan.kpi.mean_ms == pytest.approx(0.75 * 4 + 0.25 * 9)


def test_as_routed_a_resolver_knows_no_law():
    # Berlin must be served from France: its resolver finds Frankfurt, which is open for Rouen, faster.
    rules = (
        replace(AT_HOME[0], clients=replace(AT_HOME[0].clients, countries=("DE",))),
        replace(AT_HOME[0], sites=replace(AT_HOME[0].sites, countries=("DE",))),
    )
    plan = decided(replace(routed(policy="route53-latency"), rules=rules), REGIONS)
    assert {served.client_id: served.site_id for served in plan.assignments} == {"ber": "par", "rouen": "fra"}
    assert [served.routed_site_id for served in plan.assignments] == ["fra", "par"]
    routed_ = plan.routing.as_routed
    assert routed_.differs == routed_.forbidden == 1.0
    broken = {each.rule: each.reached for each in routed_.breaks}
    assert broken == {"residency[1]": pytest.approx(0.75), "residency[2]": pytest.approx(0.25)}
    assert routed_.mean_ms == pytest.approx(0.75 * 12 + 0.25 * 9)
    assert plan.kpi.mean_ms == pytest.approx(0.75 * 30 + 0.25 * 20)
    assert routed_.shares == {"fra": pytest.approx(0.75), "par": pytest.approx(0.25)}


def test_the_front_is_that_of_the_best_policy_at_each_point():
    front = decide_frontier(routed(queries_per_month=1e9), inputs(("fra", "par", "ber")), points=5)
    assert front.complete
    policies = [plan.routing.policy for plan in front.plans]
    # The fastest promise needs the zone; a Region alone, the cheapest, takes latency records.
    assert (policies[0], policies[-1]) == ("route53-latency", "route53-geoproximity")
    costs = [plan.kpi.cost_usd_month for plan in front.plans]
    assert costs == sorted(costs)
    assert all(plan.audit == () for plan in front.plans)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"policy": "route53-latency"}, "cannot send clients to rack"),
        ({"failover_s": 90.0}, "failover_s is stated as 90.0 and is 150"),
        ({"usd_month": 3.0}, "usd_month is stated as 3.0"),
        ({"policy": "carrier-pigeon"}, "the plan's policy is carrier-pigeon"),
    ],
)
def test_the_audit_finds(change, complaint):
    plan = decide(STUDY, inputs())
    wrong = replace(plan, routing=replace(plan.routing, **change))
    assert any(complaint in fault for fault in audit_plan(wrong, STUDY, inputs()))


@pytest.mark.parametrize(
    "name", ["mean_ms", "p50_ms", "p95_ms", "max_ms", "coverage", "differs", "forbidden"]
)
def test_the_audit_counts_as_routed_again(name):
    plan = decide(STUDY, inputs())
    figures = plan.routing.as_routed
    wrong = replace(figures, **{name: getattr(figures, name) + 0.125})
    found = audit_plan(replace(plan, routing=replace(plan.routing, as_routed=wrong)), STUDY, inputs())
    assert any(fault.startswith(f"as routed: {name} is stated") for fault in found)


def test_the_audit_finds_a_dearer_policy_and_a_client_sent_astray():
    study = replace(routed(queries_per_month=1e9), minimize="cost")
    plan = decide(study, inputs(REGIONS))
    dearer = decide(routed(study, policy="global-accelerator"), inputs(REGIONS))
    assert dearer.audit == ()
    assert any(
        "route53-latency would do for" in fault for fault in audit_plan(dearer, study, inputs(REGIONS))
    )
    astray = replace(plan.assignments[0], routed_site_id="ber")
    wrong = replace(plan, assignments=(astray, *plan.assignments[1:]))
    assert any("is sent to ber" in fault for fault in audit_plan(wrong, study, inputs(REGIONS)))
    unsaid = audit_plan(replace(plan, routing=None), study, inputs(REGIONS))
    assert "routing: the plan does not say how clients find their site" in unsaid


@pytest.mark.parametrize(
    ("aim", "policy"), [("cost", "route53-latency"), ("mean_latency", "route53-geoproximity")]
)
def test_policy_and_home_are_chosen_together(aim, policy):
    study = parse_study(ABROAD % aim, name="abroad.toml", directory=Path())
    known = load_inputs(study)
    plan = decide(study, known)
    assert plan.audit == ()
    assert plan.termination == "optimal"
    assert plan.routing.policy == policy
    tried = [
        decide(routed(replace(study, workload=replace(study.workload, home=at)), policy=each), known_at)
        for each in ("route53-latency", "route53-geoproximity", "global-accelerator")
        for at, known_at in (
            (replace(study.workload.home, region=home.site.id), replace(known, homes=(home,)))
            for home in known.homes
        )
    ]
    least = min(each.objective for each in tried if each.objective is not None)
    assert plan.objective == pytest.approx(least, rel=1e-4)
    # A resolver sees the way to the site, and not what the site has to fetch from home.
    nearest = known.matrix.estimate_ms[:, [known.matrix.site_ids.index(site) for site in plan.open]]
    if policy == "route53-latency":
        assert [served.routed_site_id for served in plan.assignments] == [
            plan.open[j] for j in nearest.argmin(axis=1)
        ]


def test_the_premium_errs_by_no_more_than_the_decision_model_says():
    """Per destination, the dearest that any Region lists less the least; and what it comes to in a study."""
    catalog, listed = load_catalog("aws"), defaultdict(list)
    for (category, _, item), found in catalog.price_list.listed.items():
        if category == "global_accelerator" and item.startswith("premium-to "):
            listed[item.removeprefix("premium-to ")].append(found.usd)
    with (catalog.path / "accelerator_destinations.csv").open(newline="") as file:
        of = {row["country"]: row["destinations"].split(";") for row in csv.DictReader(file)}
    prices = {country: [usd for name in names for usd in listed[name]] for country, names in of.items()}
    spread = {country: max(each) - min(each) for country, each in prices.items()}
    errs = (spread["CA"], spread["DE"], spread["JP"], spread["IN"])
    assert errs == pytest.approx((0.003, 0.028, 0.033, 0.033))
    assert max(spread.values()) == pytest.approx(0.033)
    every = [usd for each in listed.values() for usd in each]
    assert max(every) - min(every) == pytest.approx(0.095)
    study = load_study(next(path for path in shipped_studies() if path.stem == "worldwide-saas"))
    known = load_inputs(study)
    sizing = size(study, known)
    least = [min(prices.get(client.country, every)) for client in known.demand.clients]
    counted = [premium.usd for premium in known.routing.premium_gb]
    assert sizing.gb_month * sizing.share @ counted == pytest.approx(17_777, abs=1)
    assert sizing.gb_month * sizing.share @ least == pytest.approx(5_902, abs=1)


NARROWED = ABROAD.replace("[objective]", '[resilience]\nrto = "%%s"\ndata_gb = 10\n[objective]').replace(
    "[routing]", "[routing]\nfailure_threshold = 2\n%%s"
)
FREE = {
    "rto": lambda study: replace(study, resilience=Resilience()),
    "static_addresses": lambda study: replace(study, routing=replace(study.routing, static_addresses=False)),
    "routing": lambda study: replace(study, routing=replace(study.routing, policy="auto")),
}


@pytest.mark.parametrize(
    ("rto", "asked", "rules"),
    [
        ("110s", "", {"rto"}),  # only the accelerator is quick enough
        ("40m", "static_addresses = true", {"rto", "static_addresses"}),
        ("40m", 'policy = "global-accelerator"', {"rto", "routing"}),
        ("40m", 'policy = "route53-geoproximity"', {"rto", "routing"}),
    ],
)
def test_what_narrows_the_choice_of_policy_costs_what_two_plans_say(rto, asked, rules):
    text = NARROWED % "cost" % (asked, rto)
    study = parse_study(text, name="abroad.toml", directory=Path())
    known = load_inputs(study)
    explained, now = explain(study, known), decide(study, known).objective
    prices = {price.rule: price for price in explained.rule_prices}
    assert rules <= set(prices)
    for rule in rules:
        freed = decide(FREE[rule](study), known)
        assert prices[rule].saves == pytest.approx(max(now - freed.objective, 0.0), abs=2e-4 * now), rule
        looser = decide(first_step(study, rule, 5).study, known)
        assert prices[rule].step_saves == pytest.approx(max(now - looser.objective, 0.0), abs=2e-4 * now)
    assert max(prices[rule].saves for rule in rules) > 0.01 * now


def test_a_recovery_time_that_only_the_accelerator_keeps_is_in_conflict_with_a_zone():
    """The accelerator sends nobody to a zone: that is no rule, the time is."""
    rule = GroupRule("metro", kinds=("local_zone",), at_least=1)
    text = NARROWED % "cost" % ("", "110s")
    study = replace(parse_study(text, name="abroad.toml", directory=Path()), rules=(rule,))
    known = load_inputs(study)
    conflict = decide(study, known).conflict
    assert set(conflict.rules) == {"rto", "group[1]"}
    assert "group[1]" not in conflict.remedies  # less than one metro is none


def test_a_site_that_another_policy_would_know_is_not_said_to_be_closed():
    """With the accelerator settled on, a zone has a price and no prohibition."""
    study = parse_study(ABROAD % "cost", name="abroad.toml", directory=Path())
    study = replace(study, routing=replace(study.routing, queries_per_month=3e9))
    explained = explain(study, load_inputs(study))
    assert explained.plan.routing.policy != "route53-geoproximity"
    values = {value.site: value for value in explained.site_values}
    zone = next(value for name, value in values.items() if name.startswith("eu-central-1-"))
    assert zone.forbidden == ()
    assert zone.dearer > 0
