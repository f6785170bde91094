"""Explanations are what enumeration says: sites, steps, the smallest conflict, the least change."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from planner.decide import decide, explain
from planner.inputs import resized
from planner.loosening import first_step
from planner.problem import build_problem
from planner.rules import Effect
from planner.rules.effect import Row
from planner.solver import minimax
from planner.solver.overlap import also_held_by
from planner.solver.placement import PROVEN_GAP, solve_placement
from planner.solver.site_prices import SiteValue, searched
from planner.study import CapacityRule
from planner.terminal import explanation_text
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


def infeasible(seeds, rule=None, home=False):
    for seed in seeds:
        instance = draw(seed, rule, home=home)
        if best(instance.study, instance.inputs) is None:
            yield seed, instance


def test_a_site_is_worth_what_enumeration_says():
    seen = {"open": 0, "closed": 0, "impossible": 0, "discount": 0}
    for seed in range(60):
        instance = draw(seed)
        expected = best(instance.study, instance.inputs)
        if expected is None:
            continue
        found = explain(instance.study, instance.inputs)
        assert [value.site for value in found.site_values] == [site.id for site in instance.inputs.sites]
        for value in found.site_values:
            assert value.is_open == (value.site in found.plan.open)
            other = best(instance.study, instance.inputs, settled={value.site: not value.is_open})
            assert value.impossible == (other is None), (seed, value)
            if other is None:
                seen["impossible"] += 1
                continue
            dearer = other.objective - expected.objective
            assert value.dearer == pytest.approx(dearer, abs=4e-4 * expected.objective + 1e-9), (seed, value)
            seen["open" if value.is_open else "closed"] += 1
            if value.discount is not None:
                seen["discount"] += 1
                assert instance.study.minimize == "cost"
                assert value.share > 0
                assert value.discount == pytest.approx(value.dearer / value.bill_usd)
    assert min(seen.values()) >= 5, seen


def test_alternatives_are_plans_nearly_as_good_and_unlike_each_other():
    several = 0
    for seed in range(150):
        instance = draw(seed)
        if best(instance.study, instance.inputs) is None:
            continue
        found = explain(instance.study, instance.inputs)
        several += len(found.alternatives)
        for other in found.alternatives:
            assert not other.audit, seed
            assert other.objective <= found.plan.objective * 1.01 + 1e-9
        for one, other in itertools.combinations((found.plan, *found.alternatives), 2):
            assert len(set(one.open) ^ set(other.open)) >= 2, seed
    assert several >= 5


def test_a_step_saves_what_enumeration_says():
    priced = set()
    for seed in range(160):
        instance = draw(seed, "max_sites" if seed % 2 else None)
        expected = best(instance.study, instance.inputs)
        if expected is None:
            continue
        for price in explain(instance.study, instance.inputs).rule_prices:
            step = first_step(instance.study, price.rule, len(instance.inputs.sites))
            assert price.step == (None if step is None else step.words)
            if step is None:
                continue
            looser = best(step.study, resized(instance.inputs, step.study))
            saves = expected.objective - looser.objective
            assert price.step_saves == pytest.approx(saves, abs=4e-4 * expected.objective + 1e-9), (
                seed,
                price,
            )
            if saves > 1e-3 * expected.objective:
                priced.add(price.rule.split("[")[0])
    assert {"budget", "max_changes", "max_sites", "min_sites"} <= priced, priced


def test_no_fewer_rules_are_in_conflict():
    sizes = set()
    for seed, instance in (*infeasible(range(220)), *infeasible(range(120), home=True)):
        problem = build_problem(instance.study, instance.inputs).aiming_at("cost")
        conflict = decide(instance.study, instance.inputs).conflict
        rules = conflict.rules
        if not problem.without(set(problem.rules)).servable:  # no rule is to blame
            assert rules == ("latency",), (seed, rules)
            assert "reaches no candidate site" in conflict.reason
            continue
        sizes.add(len(rules))
        for few in itertools.combinations(problem.rules, len(rules) - 1):
            alone = problem.without(set(problem.rules) - set(few))
            if alone.servable:
                assert solve_placement(alone).termination != "infeasible", (seed, rules, few)
            else:
                pytest.fail(f"{seed}: {few} already leave a client without a site, not {rules}")
    assert {1, 2, 3} <= sizes


def test_every_open_site_says_what_decided_it():
    said = set()
    for seed in range(120):
        instance = draw(seed, "coverage" if seed % 2 else None)
        if best(instance.study, instance.inputs) is None:  # nothing is open
            continue
        plan = decide(instance.study, instance.inputs)
        rules = set(build_problem(instance.study, instance.inputs).rules)
        for placement in plan.placements:
            words = set(placement.decided_by.split(", "))
            free = {
                "latency",
                "a tie",
                "somebody must serve",
                "the only site within reach",
                *(f"price of {item}" for item in plan.cost_items),
            }
            assert words <= rules or placement.decided_by in free, (seed, placement.decided_by)
            said |= {word.split("[")[0] for word in words}
    assert {"coverage", "parent", "latency", "price of compute", "somebody must serve"} <= said


def test_rules_that_hold_the_same_are_named_and_priced_together():
    """Dropping one alone may save nothing, because the other still holds."""
    hidden = 0
    for seed in range(200):
        instance = draw(seed, "max_utilisation")
        numbered = [rule for rule in instance.study.rules if isinstance(rule, CapacityRule)]
        expected = best(instance.study, instance.inputs) if len(numbered) == 1 else None
        if expected is None:
            continue
        for price in explain(instance.study, instance.inputs).rule_prices:
            if price.held_by != ("max_utilisation",):
                continue
            if not price.rule.removeprefix("capacity[").removesuffix("]").isdigit():
                continue
            free = best(
                instance.study, instance.inputs, without=frozenset({"site_capacity", "max_utilisation"})
            )
            saves = expected.objective - free.objective
            tolerance = 4e-4 * expected.objective + 1e-9
            assert price.together == pytest.approx(saves, abs=tolerance), (seed, price)
            assert price.together >= price.saves - tolerance
            hidden += price.together > price.saves + tolerance
    assert hidden >= 3


def site_row(low, high, *site):
    return Row(low, high, site=np.array(site), pair=np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("mine", "theirs", "held"),
    [
        # load ≤ 500 y: held by load ≤ 450 y, not by load ≤ 600 y.
        (site_row(-np.inf, 0.0, -500.0, 0.0), site_row(-np.inf, 0.0, -450.0, 0.0), True),
        (site_row(-np.inf, 0.0, -500.0, 0.0), site_row(-np.inf, 0.0, -600.0, 0.0), False),
        # load ≥ 50 y: held by load ≥ 60 y, not by load ≥ 40 y, nor by a limit from above.
        (site_row(0.0, np.inf, -50.0, 0.0), site_row(0.0, np.inf, -60.0, 0.0), True),
        (site_row(0.0, np.inf, -50.0, 0.0), site_row(0.0, np.inf, -40.0, 0.0), False),
        (site_row(0.0, np.inf, -50.0, 0.0), site_row(-np.inf, 0.0, -450.0, 0.0), False),
        # Of another site's load; of money that falls with volume.
        (
            site_row(-np.inf, 0.0, -500.0, 0.0),
            Row(-np.inf, 0.0, site=np.array([-450.0, 0.0]), pair=np.array([0.0, 1.0])),
            False,
        ),
        (
            site_row(-np.inf, 0.0, -500.0, 0.0),
            replace(site_row(-np.inf, 0.0, -450.0, 0.0), volume=1.0),
            False,
        ),
    ],
)
def test_which_row_holds_another(mine, theirs, held):
    instance = next(draw(seed) for seed in range(9))
    problem = build_problem(instance.study, instance.inputs)
    effect, other = Effect("mine", "", rows=(mine,)), Effect("theirs", "", rows=(theirs,))
    found = also_held_by(replace(problem, effects=(effect, other)), effect)
    assert found == (("theirs",) if held else ())


def test_which_mask_holds_another():
    instance = draw(0)
    problem = build_problem(instance.study, instance.inputs)
    few = np.array([[True, False, False]])
    fewer, others = few & False, np.array([[False, True, False]])
    for mine, theirs, held in (
        (few, few, True),
        (few, fewer, True),
        (fewer, few, False),
        (few, others, False),
    ):
        effect, other = Effect("mine", "", pairs=mine), Effect("theirs", "", pairs=theirs)
        assert bool(also_held_by(replace(problem, effects=(effect, other)), effect)) is held
    everyday = Effect("theirs", "", pairs=few, of_backups=False)
    law = Effect("mine", "", pairs=few)
    assert also_held_by(replace(problem, effects=(law, everyday)), law) == ()
    assert also_held_by(replace(problem, effects=(law, everyday)), everyday) == ("mine",)
    nothing = Effect("mine", "", pairs=np.ones((1, 3), dtype=bool))
    assert also_held_by(replace(problem, effects=(nothing, law)), nothing) == ()


def test_no_alternative_is_denied_where_not_every_site_was_looked_at():
    instance = next(each for each in map(draw, range(60)) if best(each.study, each.inputs) is not None)
    found = explain(instance.study, instance.inputs)
    assert searched(found.site_values)
    assert not searched(())
    whole = replace(found, alternatives=())
    assert "no plan within 1 % opens two other sites" in explanation_text(whole, slo_ms=None)
    cut = SiteValue("elsewhere", False, None, False, False)
    for values in ((), (*found.site_values, cut)):
        said = explanation_text(replace(whole, site_values=values), slo_ms=None)
        assert "no plan within 1 %" not in said
        assert "stopped before all were looked for" in said


def test_of_equal_latency_the_cheapest_is_sought_only_where_a_plan_is_shown(monkeypatch):
    """One for the plan, at most one for each site; a rule's price is in milliseconds alone."""
    solve, sought = minimax.solve_placement, []

    def counted(problem, **how):
        sought.append(how["gap"] == PROVEN_GAP)
        return solve(problem, **how)

    monkeypatch.setattr(minimax, "solve_placement", counted)
    priced = 0
    for seed in range(12):
        instance = draw(seed)
        study = replace(instance.study, minimize="max_latency")
        if best(study, instance.inputs) is None:
            continue
        sought.clear()
        found = explain(study, instance.inputs)
        searched = sum(not site.forbidden for site in found.site_values)
        assert sum(sought) <= 1 + searched, seed
        priced += len(found.rule_prices)
    assert priced >= 10, priced
