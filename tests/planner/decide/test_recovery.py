"""What is lost with a Region comes back: the cheapest lawful way that is quick enough, worked out by hand."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from planner.audit import audit_plan
from planner.decide import decide, explain
from planner.export import placements_csv
from planner.inputs import at_home
from planner.plan_document import plan_document
from planner.resilience import recover
from planner.strategies import STRATEGIES, RecoveryError, load_strategies
from planner.study import Resilience, Routing, TagsRule
from planner.terminal import plan_text
from tests.planner.audit import estate
from tests.planner.decide import test_home as home

ASKED = Resilience(rto_s=1200.0, rpo_s=120.0, data_gb=450.0, change_gb_per_day=12.0)


def study(**changes):
    return home.study(**{"minimize": "cost", "resilience": ASKED, **changes})


def inputs():
    homes = tuple(replace(each, leaving_usd_gb=0.02) for each in home.HOMES)
    return replace(home.inputs(), homes=homes)


def way(strategy, asked=ASKED, routing=None):
    there = at_home(study(), inputs(), "fra")
    found = next(each for each in load_strategies() if each.name == strategy)
    return recover(study(resilience=asked, routing=routing), there, found, 2)


def test_time_to_recover_by_hand():
    """30 s × 3 + 60 s + an hour + 450 GB × 8 / 1 Gbit/s; replicated data need no restoring."""
    assert way("backup-restore").rto_s == 90 + 60 + 3600 + 3600
    assert way("backup-restore").rpo_s == 14_400
    assert way("pilot-light").rto_s == 90 + 60 + 900
    quick = Routing(ttl_s=10, check_interval_s=10, failure_threshold=2, client_cache_s=5)
    assert way("warm-standby", routing=quick).rto_s == 20 + 15 + 180
    assert way("warm-standby", routing=quick).words == (
        "RTO 215 s = 10 s × 2 to find it down + 10 s TTL + 5 s that clients remember it"
        " + 180 s provisioning; RPO 30 s (asked: rto 20m, rpo 2m)"
    )


def test_cost_by_hand():
    """1,000 rps over 150 are 7 instances; a quarter of them 2, at 0.22 in mad; 450 GB; 365 GB a month."""
    warm = way("warm-standby")
    assert warm.instances == 2
    assert warm.compute_usd == pytest.approx(2 * 0.22 * 730)
    assert warm.storage_usd == pytest.approx(450 * 0.115)
    assert warm.replication_usd == pytest.approx(365 * 0.02)
    assert way("active-active").instances == 7


@pytest.mark.parametrize(
    ("rto_s", "rpo_s", "strategy"),
    [
        (86_400.0, 86_400.0, "backup-restore"),
        (1200.0, 86_400.0, "pilot-light"),
        (86_400.0, 45.0, "warm-standby"),
        (160.0, None, "active-active"),
    ],
)
def test_the_cheapest_that_meets_both(rto_s, rpo_s, strategy):
    plan = decide(study(resilience=replace(ASKED, rto_s=rto_s, rpo_s=rpo_s)), inputs())
    assert plan.audit == ()
    assert plan.recovery.strategy == strategy
    assert plan.recovery.standby != plan.home.region
    assert plan.cost_items["recovery"] == pytest.approx(plan.recovery.usd)
    assert plan_document(plan)["recovery"]["usd_month"] == plan.recovery.usd
    assert f"{strategy} in {plan.recovery.standby}" in plan_text(plan, slo_ms=None)


def test_the_standby_obeys_what_the_home_obeys():
    """iad is the cheapest standby of all; the EEA's data may not go there."""
    warm = replace(ASKED, rto_s=400.0)
    at_fra = replace(inputs(), homes=inputs().homes[:1])
    assert decide(study(resilience=warm), at_fra).recovery.standby == "iad"
    plan = decide(study(resilience=warm, rules=estate.study().rules[:1]), at_fra)
    assert (plan.home.region, plan.recovery.standby) == ("fra", "mad")
    assert plan.audit == ()


def tagged(case, **projects):
    """``case`` with all clients of the project "shop", and sites of those named."""
    clients = tuple(replace(client, tags={"project": "shop"}) for client in case.demand.clients)
    sites = tuple(
        replace(site, tags={"project": projects[site.id]} if site.id in projects else {})
        for site in case.sites
    )
    homes = tuple(
        replace(each, site=next(site for site in sites if site.id == each.site.id)) for each in case.homes
    )
    return replace(case, demand=replace(case.demand, clients=clients), sites=sites, homes=homes)


def test_home_and_standby_have_the_tag_of_those_whose_data_they_hold():
    """Of the Regions of the project, fra and mad, one is the home and the other stands by."""
    rule = TagsRule("project")
    case = tagged(inputs(), fra="shop", mad="shop", iad="other")
    plan = decide(study(rules=(rule,)), case)
    assert plan.audit == ()
    assert (plan.home.region, plan.recovery.standby) == ("fra", "mad")
    alone = decide(study(rules=(rule,)), tagged(inputs(), fra="shop"))
    assert alone.termination == "infeasible"
    assert set(alone.conflict.rules) & {"rto", "rpo"}
    assert "tags[1]" in alone.conflict.rules


@pytest.mark.parametrize(
    ("survive", "standby"), [("none", "iad"), ("site", "mad"), ("metro", "mad"), ("region", "mad")]
)
def test_a_lost_metro_takes_what_stands_by_in_it(survive, standby):
    """iad is the cheapest standby of all, but here it stands in the home's own metro. Where a site may fail,
    mad is open as a backup and is active already, for nothing."""
    only = replace(inputs(), homes=inputs().homes[:1])
    near = tuple(
        replace(site, metro="Frankfurt", country="DE") if site.id == "iad" else site for site in only.sites
    )
    there = replace(
        only, sites=near, homes=(replace(only.homes[0], site=replace(near[0], metro="Frankfurt")),)
    )
    warm = replace(ASKED, rto_s=400.0, survive=survive)
    plan = decide(study(resilience=warm), there)
    assert plan.audit == ()
    assert plan.recovery.standby == standby
    moved = replace(plan, recovery=replace(plan.recovery, standby="iad"))
    found = audit_plan(moved, study(resilience=warm), there)
    told = any("the standby iad stands in the home's metro" in sentence for sentence in found)
    assert told == (survive in ("metro", "region"))


def test_what_no_strategy_reaches_is_infeasible_and_says_how_far_to_give_way():
    plan = decide(study(resilience=replace(ASKED, rto_s=100.0)), inputs())
    assert plan.termination == "infeasible"
    assert plan.conflict.rules == ("rto",)
    assert plan.conflict.remedies["rto"] == 'rto = "150s"'


def test_a_recovery_time_has_a_price():
    """Without the RTO a pilot light would do: no instances in iad."""
    asked = study(resilience=replace(ASKED, rto_s=400.0))
    told = explain(asked, inputs())
    prices = {price.rule: price.saves for price in told.rule_prices}
    assert told.plan.recovery.strategy == "warm-standby"
    assert prices["rto"] == pytest.approx(told.plan.recovery.compute_usd, rel=1e-6)
    assert prices["rpo"] == 0.0


SPOILT = [
    (lambda r: None, "recovery: the plan has none"),
    (lambda r: replace(r, strategy="hope"), "hope in iad is no way to recover"),
    (lambda r: replace(r, strategy="backup-restore"), "rpo: backup-restore takes 14400 s, above 120 s"),
    (lambda r: replace(r, strategy="warm-standby"), "recovery: pilot-light in mad would do"),
    (lambda r: replace(r, standby="fra"), "the standby fra falls with the home"),
    (lambda r: replace(r, standby="plant"), "the standby plant is no Region"),
    (lambda r: replace(r, storage_usd=0.0), "recovery: storage_usd is stated as 0.0"),
    (lambda r: replace(r, provision_s=1.0), "recovery: rto_s is stated as"),
    (lambda r: replace(r, instances=9), "recovery: instances is stated as 9"),
]


@pytest.mark.parametrize(("spoil", "words"), SPOILT)
def test_the_audit_names_a_wrong_recovery(spoil, words):
    fixed = replace(study().workload, home=replace(home.TIER, region="fra"))
    only = replace(inputs(), homes=inputs().homes[:1])
    plan = decide(study(workload=fixed), only)
    plan = replace(plan, recovery=replace(plan.recovery, standby="iad"))
    found = audit_plan(replace(plan, recovery=spoil(plan.recovery)), study(workload=fixed), only)
    assert any(words in sentence for sentence in found), found


def homeless(**changes):
    """Without a home tier: each site has the data of its clients, at 0.02 dollars a GB between Regions,
    a zone's or rack's by way of its parent."""
    workload = replace(study().workload, home=None)
    priced = tuple(replace(each, home_gb=estate.price(0.02, "GB")) for each in estate.PRICES)
    return study(workload=workload, **changes), replace(inputs(), homes=(), prices=priced)


def test_without_a_home_the_standby_is_no_open_sites_region_by_hand():
    """All in iad, the cheapest: a pilot light in fra or mad, of which none runs, so the first is it. 365
    GB a month leave iad for it at 0.02."""
    asked, known = homeless(limits=replace(study().limits, max_sites=1))
    plan = decide(asked, known)
    assert plan.audit == ()
    assert plan.open == ("iad",)
    assert (plan.recovery.strategy, plan.recovery.standby) == ("pilot-light", "fra")
    assert plan.recovery.replication_usd == pytest.approx(365 * 0.02)
    assert plan.recovery.usd == pytest.approx(450 * 0.115 + 365 * 0.02)
    free = decide(replace(asked, resilience=Resilience()), known)
    assert plan.kpi.cost_usd_month == pytest.approx(free.kpi.cost_usd_month + plan.recovery.usd)


def test_without_a_home_a_cheap_standby_may_be_worth_another_site():
    """A fleet of seven stands by where an hour costs least and nobody serves. With fra dear and egress level,
    iad and mad take one part each."""
    asked, known = homeless(
        limits=replace(study().limits, max_sites=1), resilience=replace(ASKED, rto_s=160.0)
    )
    plan = decide(asked, known)
    assert plan.audit == ()
    assert (plan.open, plan.recovery.standby) == (("iad",), "fra")
    level = tuple(replace(price, egress_gb=estate.price(0.08, "GB")) for price in known.prices)
    level = (replace(level[0], instance_hour=estate.price(0.5, "hour")), *level[1:])
    plan = decide(asked, replace(known, prices=level))
    assert plan.audit == ()
    assert {*plan.open, plan.recovery.standby} == {"mad", "iad"}
    assert plan.kpi.cost_usd_month == pytest.approx(
        7 * 730 * (0.19 + 0.22) + 40_000 * 0.08 + 450 * 0.115 + 365 * 0.02
    )


def test_without_a_home_backups_that_outlive_a_region_are_active_already():
    """Each client's backup has its data; the copies are paid, no instance more. So to drop ``survive`` saves
    nothing: a second fleet of seven would have to stand by instead."""
    asked, known = homeless(resilience=replace(ASKED, rto_s=160.0, survive="site"))
    plan = decide(asked, known)
    assert plan.audit == ()
    assert (plan.recovery.strategy, plan.recovery.standby, plan.standby) == ("active-active", None, None)
    assert plan.recovery.instances == 0
    assert plan.cost_items["recovery"] == pytest.approx(plan.recovery.usd)
    assert "active-active in each client's backup" in plan_text(plan, slo_ms=None)
    prices = {price.rule: price.saves for price in explain(asked, known).rule_prices}
    alone = decide(replace(asked, resilience=replace(asked.resilience, survive="none")), known)
    assert alone.objective > plan.objective
    assert prices["survive"] == 0.0


APART = [
    (lambda p: replace(p, recovery=None), "recovery: the plan has none"),
    (lambda p: replace(p, standby=None), "the standby fra has no row in the plan"),
    (lambda p: replace(p, recovery=replace(p.recovery, standby="iad")), "the standby iad falls with iad"),
    (lambda p: replace(p, recovery=replace(p.recovery, standby=None)), "is no way to recover"),
    (
        lambda p: replace(p, recovery=replace(p.recovery, replication_usd=0.0)),
        "replication_usd is stated as 0.0",
    ),
    (
        lambda p: replace(p, standby=replace(p.standby, cost_usd_month=1.0)),
        "cost_usd_month of the standby's row",
    ),
    (lambda p: replace(p, standby=replace(p.standby, role="serving")), "role of the standby's row"),
    (
        lambda p: replace(p, cost_items={**p.cost_items, "recovery": 0.0}),
        "the plan: recovery is stated as 0.0 USD",
    ),
]


@pytest.mark.parametrize(("spoil", "words"), APART)
def test_the_audit_names_a_wrong_standby_of_no_home(spoil, words):
    asked, known = homeless(limits=replace(study().limits, max_sites=1))
    found = audit_plan(spoil(decide(asked, known)), asked, known)
    assert any(words in sentence for sentence in found), found


def test_the_standby_has_a_row_and_a_bill_of_its_own():
    plan = decide(study(), inputs())
    assert plan.standby.site_id == plan.recovery.standby
    assert plan.standby.cost_items["recovery"] == plan.standby.cost_usd_month == plan.recovery.usd
    assert all(place.cost_items["recovery"] == 0.0 for place in plan.placements)
    assert sum(row.cost_usd_month for row in plan.rows) == pytest.approx(plan.kpi.cost_usd_month)
    *_, last = list(csv.DictReader(io.StringIO(placements_csv(plan))))
    assert (last["site_id"], last["role"], last["clients"]) == (plan.standby.site_id, "standby", "0")
    assert float(last["cost_usd_month"]) == pytest.approx(plan.recovery.usd)
    assert plan.standby.site_id not in plan.open or plan.standby not in plan.placements


def test_every_strategy_is_told_with_why_it_is_not_the_one():
    """1,200 s and 120 s are asked for, by hand: a quarter of seven instances runs in a warm standby."""
    plan = decide(study(), inputs())
    told = {way.strategy: way for way in plan.recovery_ways}
    assert tuple(told) == STRATEGIES
    assert told["pilot-light"].why == "taken: the cheapest that meets what is asked, of several the soonest"
    assert told["pilot-light"].usd_month == pytest.approx(plan.recovery.usd)
    assert told["backup-restore"].why == ("takes 7,350 s, rto is 1,200 s; loses up to 14,400 s, rpo is 120 s")
    assert told["warm-standby"].standby == "fra"
    assert told["warm-standby"].usd_month - plan.recovery.usd == pytest.approx(2 * 730 * 0.20)
    assert told["warm-standby"].why == "meets it, for $292 a month more"
    text = plan_text(plan, slo_ms=None)
    assert all(name in text for name in STRATEGIES)
    assert [way["strategy"] for way in plan_document(plan)["recovery"]["ways"]] == list(STRATEGIES)


def test_without_a_home_strategies_are_compared_with_the_copying_on_both_sides():
    plan = decide(*homeless())
    told = {way.strategy: way for way in plan.recovery_ways}
    taken = told[plan.recovery.strategy]
    assert taken.why.startswith("taken")
    assert taken.usd_month > plan.recovery.usd
    asking = [way for way in told.values() if "a month more" in way.why]
    assert asking
    for way in asking:
        assert way.why == f"meets it, for ${way.usd_month - taken.usd_month:,.0f} a month more"


def test_the_file_knows_the_four_and_no_other(tmp_path):
    assert tuple(each.name for each in load_strategies()) == STRATEGIES
    text = (
        "strategy,provision_s,rpo_s,compute_fraction,storage_usd_gb_month,source,as_of\n"
        "warm-stanby,1,1,0.5,0.1,me,2026-01-01\n"
    )
    file = tmp_path / "recovery.csv"
    file.write_text(text)
    with pytest.raises(RecoveryError, match="warm-standby"):
        load_strategies(file)


@pytest.mark.parametrize("homed", [True, False])
def test_a_single_region_is_told_that_a_second_one_is_missing(homed):
    """Whoever the clients are and whatever is asked: nothing can stand by for the only candidate Region."""
    both = inputs() if homed else replace(inputs(), homes=())
    asked = study() if homed else study(workload=replace(study().workload, home=None))
    alone = replace(
        both,
        sites=both.sites[:1],
        prices=both.prices[:1],
        matrix=home._columns(both.matrix, [0]),
        homes=tuple(home._seen_from(each, [0]) for each in both.homes[:1]),
    )
    found = decide(asked, alone).conflict
    assert found.rules in (("rto",), ("rpo",))
    assert "client" not in found.reason
    second = "a second Region of aws" if homed else "a second Region"
    wanted = f"{second} among the candidates, to stand by when fra is lost"
    assert found.reason.startswith("no site may be open: ")
    assert wanted in found.reason
    assert found.remedies == {found.rules[0]: f"no other value helps without {wanted}"}
    assert decide(asked, both).kpi is not None
