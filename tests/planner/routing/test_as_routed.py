"""The rules looked at again where routing sends everybody, against figures worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.audit import audit_plan
from planner.decide import decide
from planner.deployment import deployment_files
from planner.plan_document import plan_document
from planner.study import CapacityRule, Resilience
from planner.terminal import plan_text
from tests.planner.routing.estate import inputs, routed

REGIONS = ("fra", "par")


def with_estimates(keep, *rows):
    known, estimate = inputs(keep), np.array(rows, dtype=float)
    matrix = replace(known.matrix, estimate_ms=estimate, lower_ms=estimate, upper_ms=estimate)
    return replace(known, matrix=matrix)


def broken(plan):
    return {(each.rule, each.site_id): (each.asked, each.reached) for each in plan.routing.as_routed.breaks}


# Frankfurt may carry 200 of 400 requests a second and Paris 300, so Berlin (300) must go to Paris and Rouen
# to Frankfurt, each to the site that is the slower for it; a resolver does the opposite.
TIGHT = replace(
    routed(policy="auto", queries_per_month=1e9),
    rules=(CapacityRule(("fra",), max_rps=200.0), CapacityRule(("par",), max_rps=300.0)),
)


def test_a_site_gets_more_than_it_may_carry():
    plan = decide(TIGHT, inputs(REGIONS))
    assert plan.audit == ()
    assert {each.site_id: each.instances for each in plan.placements} == {"par": 3, "fra": 1}
    figures = plan.routing.as_routed
    assert broken(plan) == {("capacity[1]", "fra"): (200.0, pytest.approx(300.0))}
    # A hundred of four hundred requests a second are too many.
    assert figures.forbidden == pytest.approx(0.25)
    sites = {site.site_id: site for site in figures.sites}
    assert {name: site.instances for name, site in sites.items()} == {"par": 3, "fra": 3}
    # Two machines more at 0.1 an hour.
    assert figures.cost_usd_month == pytest.approx(plan.kpi.cost_usd_month + 2 * 73.0)
    assert figures.cost_usd_month == pytest.approx(sum(site.cost_usd_month for site in sites.values()))
    assert plan.routing.why[0].endswith("$603.50 a month; as routed it breaks capacity[1]")


def test_text_and_files_say_the_same():
    plan, known = decide(TIGHT, inputs(REGIONS)), inputs(REGIONS)
    text = plan_text(plan, slo_ms=None)
    assert "does what is asked" not in text
    assert "breaks capacity[1]: fra gets 300 rps: 100 above 200" in text
    # A gigabyte is 0.05: 5,000 more of them besides.
    assert "fra gets 300 rps: 3 instances instead of 1, $" in text
    stated = plan_document(plan)["routing"]["as_routed"]
    assert [each["rule"] for each in stated["breaks"]] == ["capacity[1]"]
    assert stated["cost_usd_month"] == plan.routing.as_routed.cost_usd_month
    variables = deployment_files(plan, TIGHT, known)["terraform.tfvars.json"]
    assert variables.count('"instances": 3') == 2


def test_beyond_the_limit_short_of_the_promise_and_above_the_budget():
    # Berlin is nearer to Frankfurt and faster to Paris, Rouen the other way round.
    known = with_estimates(REGIONS, [12.0, 5.0], [20.0, 50.0])
    study = routed(policy="route53-geoproximity", queries_per_month=1e9)
    study = replace(study, latency=replace(study.latency, slo_ms=30.0, coverage=0.9, max_ms=40.0))
    usd = decide(study, known).kpi.cost_usd_month
    plan = decide(replace(study, budget_usd_per_month=usd + 100.0), known)
    assert plan.audit == ()
    assert plan.kpi.max_ms == 20.0
    assert broken(plan) == {
        ("max_ms", None): (0.0, pytest.approx(0.25)),
        ("coverage", None): (0.9, pytest.approx(0.75)),
        ("budget", None): (pytest.approx(usd + 100.0), pytest.approx(usd + 2 * 73.0)),
    }
    # Rouen, beyond the limit, and what coverage lacks.
    assert plan.routing.as_routed.forbidden == pytest.approx(0.25 + 0.15)
    assert plan.routing.why == ("the study asks for it; as routed it breaks max_ms, coverage, budget",)


def test_a_failure_sends_people_where_they_may_have_no_backup():
    # Both Frankfurts stand at one place, and a resolver may take the slow one when Paris is down.
    known = with_estimates(("fra", "par", "gcp-fra"), [12.0, 30.0, 14.0], [20.0, 9.0, 14.0])
    study = routed(policy="route53-geoproximity", queries_per_month=1e9)
    study = replace(study, resilience=Resilience(survive="site", backup_within_ms=15.0))
    plan = decide(study, known)
    assert plan.audit == ()
    assert {each.client_id: each.backup_site_id for each in plan.assignments} == {
        "ber": "gcp-fra",
        "rouen": "gcp-fra",
    }
    assert broken(plan) == {("survive", None): (0.0, pytest.approx(0.25))}
    sites = {site.site_id: site for site in plan.routing.as_routed.sites}
    # Frankfurt takes Rouen over, and its neighbour Berlin.
    assert sites["fra"].worst_rps == pytest.approx(400.0)
    assert sites["gcp-fra"].worst_rps == pytest.approx(300.0)
    assert sites["fra"].instances == 4


@pytest.mark.parametrize("name", ["cost_usd_month", "forbidden"])
def test_the_audit_counts_the_figures_again(name):
    plan = decide(TIGHT, inputs(REGIONS))
    figures = plan.routing.as_routed
    wrong = replace(figures, **{name: getattr(figures, name) + 0.01})
    found = audit_plan(replace(plan, routing=replace(plan.routing, as_routed=wrong)), TIGHT, inputs(REGIONS))
    assert any(f"as routed: {name} is stated" in sentence for sentence in found)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda figures: replace(figures, breaks=()), "capacity[1] at fra does not hold"),
        (
            lambda figures: replace(
                figures, breaks=(*figures.breaks, replace(figures.breaks[0], rule="max_ms"))
            ),
            "max_ms at fra holds",
        ),
        (
            lambda figures: replace(
                figures, sites=(replace(figures.sites[0], instances=1), *figures.sites[1:])
            ),
            "instances of fra is stated as 1 and is 3",
        ),
        (lambda figures: replace(figures, sites=figures.sites[1:]), "the sites are stated as ['par']"),
    ],
)
def test_the_audit_finds_what_is_not_said(change, says):
    plan = decide(TIGHT, inputs(REGIONS))
    wrong = replace(plan.routing, as_routed=change(plan.routing.as_routed))
    found = audit_plan(replace(plan, routing=wrong), TIGHT, inputs(REGIONS))
    assert any(says in sentence for sentence in found)
