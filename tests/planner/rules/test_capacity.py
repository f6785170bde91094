"""What an open site may and must carry, by hand over a small estate of 1,000 requests a second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.decide import decide
from planner.problem import build_problem
from planner.rules.capacity import capacities
from planner.solver.loads import capacity_shares, loads_of
from planner.study import CapacityRule, Limits
from tests.planner.audit import estate

FRA, BER, MAD, PLANT, IAD = range(5)


def study(*rules, **limits):
    base = estate.study()
    return replace(base, budget_usd_per_month=None, limits=Limits(**limits), rules=rules)


def test_the_tightest_of_several_capacities_counts():
    asked = study(CapacityRule(("*",), None, 500.0), CapacityRule(("mad", "plant"), 50.0, 200.0))
    assert capacities(asked, estate.inputs()).tolist() == [500, 500, 200, 200, 500]
    loads = loads_of(build_problem(asked, estate.inputs()))
    assert loads.most == pytest.approx([0.5, 0.5, 0.2, 0.2, 0.5])
    assert loads.least == pytest.approx([0, 0, 0.05, 0.05, 0])


def test_without_a_rule_only_racks_are_limited():
    assert capacities(study(), estate.inputs()).tolist() == [np.inf, np.inf, np.inf, 300, np.inf]


def test_utilisation_is_of_what_has_a_capacity_and_not_of_a_failure():
    asked = study(CapacityRule(("fra",), None, 500.0), min_utilisation=0.5, max_utilisation=0.8)
    problem = build_problem(asked, estate.inputs())
    assert loads_of(problem).most == pytest.approx([0.4, np.inf, np.inf, 0.24, np.inf])
    assert loads_of(problem).least == pytest.approx([0.25, 0, 0, 0.15, 0])
    assert capacity_shares(problem) == pytest.approx([0.5, np.inf, np.inf, 0.3, np.inf])


def load(plan, site_id):
    return sum(1000 * each.demand_share for each in plan.placements if each.site_id == site_id)


def test_a_capped_region_hands_clients_on():
    freely = decide(study(), estate.inputs())
    crowded = max(freely.placements, key=lambda placement: placement.demand_share).site_id
    plan = decide(study(CapacityRule((crowded,), None, 400.0)), estate.inputs())
    assert load(freely, crowded) > 400
    assert plan.audit == ()
    assert load(plan, crowded) <= 400
    assert plan.objective > freely.objective
    assert "capacity[1]" in plan.binding


def test_a_site_opens_for_so_much_or_not_at_all():
    """As near as possible, c2 is at the plant: 300 of its 300. At 0.99 of 310 it would have to be 306.9."""
    nearest = replace(study(), minimize="mean_latency")
    assert load(decide(nearest, estate.inputs()), "plant") == 300
    inputs = estate.inputs()
    sites = tuple(
        replace(site, outpost=replace(site.outpost, capacity_rps=310.0)) if site.outpost else site
        for site in inputs.sites
    )
    plan = decide(replace(study(min_utilisation=0.99), minimize="mean_latency"), replace(inputs, sites=sites))
    assert plan.audit == ()
    assert load(plan, "plant") == 0


def test_a_least_load_above_all_there_is_closes_the_sites():
    plan = decide(study(CapacityRule(("fra", "ber"), 1001.0, None)), estate.inputs())
    assert plan.audit == ()
    assert not {"fra", "ber"} & set(plan.open)


def test_everything_too_small_is_a_conflict_with_its_least_change():
    plan = decide(study(CapacityRule(("*",), None, 190.0)), estate.inputs())
    assert plan.termination == "infeasible"
    assert plan.conflict.rules == ("capacity[1]",)
    assert plan.conflict.remedies["capacity[1]"] == "at most 400 rps at a site"  # c1 alone
