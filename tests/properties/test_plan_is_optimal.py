"""On small random instances the plan is the optimum that enumeration finds, whatever rules are present."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from planner.audit import audit_plan
from planner.decide import decide
from tests.properties.brute_force import RULES, best
from tests.properties.small_instances import draw

BINDING, SLACK, INFEASIBLE = 14, 5, 5
"""How many instances of each sort every rule is tried on."""
MIXED = 60
HOMES = 60


def agree(instance, expected):
    """Assert that the plan is what enumeration found, and sound."""
    plan = decide(instance.study, instance.inputs)
    assert audit_plan(plan, instance.study, instance.inputs) == ()
    assert plan.audit == ()
    if expected is None:
        assert plan.termination == "infeasible"
        assert plan.conflict is not None
        return
    assert plan.termination == "optimal"
    assert plan.objective == pytest.approx(expected.objective, rel=1e-6, abs=1e-9)
    if instance.study.minimize == "max_latency":
        assert plan.kpi.cost_usd_month == pytest.approx(expected.cost_usd_month, rel=1e-6, abs=1e-6)


def sort_of(instance, rule, expected) -> str:
    """Whether ``rule`` binds: whether the optimum changes when it alone is dropped."""
    if expected is None:
        return "infeasible"
    relaxed = best(instance.study, instance.inputs, without=frozenset({rule}))
    assert relaxed is not None
    assert relaxed.objective <= expected.objective * (1 + 1e-9)
    return "binding" if relaxed.objective < expected.objective * (1 - 1e-6) - 1e-9 else "slack"


@pytest.mark.parametrize("rule", RULES)
def test_plan_is_optimal_whether_the_rule_binds_or_not(rule):
    wanted = {"binding": BINDING, "slack": SLACK, "infeasible": INFEASIBLE}
    for seed in itertools.count():
        assert seed < 2000, f"of {seed} instances too few were {wanted} under {rule}"
        instance = draw(seed, rule)
        expected = best(instance.study, instance.inputs)
        sort = sort_of(instance, rule, expected)
        if wanted[sort]:
            wanted[sort] -= 1
            agree(instance, expected)
        if not any(wanted.values()):
            return


def test_plan_is_optimal_under_any_mixture_of_rules():
    outcomes = []
    for seed in range(MIXED):
        instance = draw(seed)
        outcomes.append(best(instance.study, instance.inputs))
        agree(instance, outcomes[-1])
    assert 5 <= outcomes.count(None) <= MIXED - 20


def test_the_home_is_the_best_of_those_that_may_hold_everybodys_data():
    regions = set()
    for seed in range(HOMES):
        instance = draw(seed, home=True)
        expected = best(instance.study, instance.inputs)
        agree(instance, expected)
        if expected is not None and len(instance.inputs.homes) > 1:
            objectives = [
                None if found is None else found.objective
                for home in instance.inputs.homes
                for found in [best(instance.study, replace(instance.inputs, homes=(home,)))]
            ]
            regions.add(objectives.index(expected.objective) if len(set(objectives)) > 1 else "any")
    assert {0, 1, 2} <= regions


@pytest.mark.parametrize("rule", ["tags", "survive"])
def test_a_rule_binds_the_home_and_what_stands_by_for_it(rule):
    """Drawn until it has changed the optimum several times: dropped, another plan is better."""
    binding = 0
    for seed in itertools.count():
        assert seed < 2000, f"of {seed} instances in too few {rule} was binding"
        instance = draw(seed, rule, home=True)
        expected = best(instance.study, instance.inputs)
        binds = sort_of(instance, rule, expected) == "binding"
        binding += binds
        if binds or seed < SLACK:
            agree(instance, expected)
        if binding == BINDING:
            return


def test_active_active_on_the_fleets_own_backups_stands_by_where_a_site_is_open():
    """In some a fleet is paid for, since no standby is worth opening; in others one is opened for it."""
    paid = opened = 0
    for seed in range(120, 240):
        instance = draw(seed, "survive", home=True)
        asked = instance.study.resilience
        if not asked.recovers or len(instance.inputs.sites) > 4:
            continue
        quick = replace(instance.study, resilience=replace(asked, rto_s=200.0, rpo_s=None))
        instance = replace(instance, study=quick)
        agree(instance, best(quick, instance.inputs))
        plan = decide(quick, instance.inputs)
        if plan.recovery is None:
            continue
        assert plan.recovery.instances > 0 or plan.recovery.standby in plan.open
        calm = replace(quick, resilience=replace(quick.resilience, rto_s=None))
        paid += plan.recovery.instances > 0
        opened += plan.recovery.instances == 0 and plan.open != decide(calm, instance.inputs).open
    assert paid
    assert opened


@pytest.mark.parametrize("rule", [None, "survive", "residency", "budget"])
def test_without_a_home_the_standby_is_outside_of_every_open_sites_region(rule):
    """Drawn until the two objectives have changed the optimum, or what it costs, several times."""
    binding = 0
    for seed in itertools.count():
        assert seed < 1000, f"of {seed} instances in too few anything was binding"
        instance = draw(seed, rule, recovers=True)
        expected = best(instance.study, instance.inputs)
        free = best(instance.study, instance.inputs, without=frozenset({"rto", "rpo"}))
        binds = expected is not None and free.objective < expected.objective * (1 - 1e-6) - 1e-9
        binding += binds
        if binds or seed < 2 * SLACK:
            agree(instance, expected)
        if binding == BINDING:
            return


@pytest.mark.parametrize("aim", ["cost", "mean_latency", "max_latency"])
def test_every_aim_is_drawn(aim):
    assert sum(draw(seed).study.minimize == aim for seed in range(MIXED)) >= 5
