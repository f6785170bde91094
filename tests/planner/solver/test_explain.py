"""A named conflict is a real one and a smallest one; a rule's price is what dropping it saves."""

from __future__ import annotations

import pytest

from planner.decide import decide, explain
from planner.problem import build_problem
from planner.solver.placement import solve_placement
from tests.properties.brute_force import best
from tests.properties.small_instances import draw


def test_conflicts_are_minimal():
    seen = set()
    for seed in range(220):
        instance = draw(seed)
        if best(instance.study, instance.inputs) is not None:
            continue
        plan = decide(instance.study, instance.inputs)
        rules = set(plan.conflict.rules)
        problem = build_problem(instance.study, instance.inputs).aiming_at("cost")
        if rules == {"latency"}:
            assert not problem.without(set(problem.rules)).allowed.any(axis=1).all()
            continue
        assert rules <= set(problem.rules)
        alone = problem.without(set(problem.rules) - rules)
        assert solve_placement(alone).termination == "infeasible", seed
        if (~problem.allowed.any(axis=1)).sum() == 0:
            for rule in rules:
                fewer = problem.without((set(problem.rules) - rules) | {rule})
                assert solve_placement(fewer).termination != "infeasible", (seed, rule)
        seen |= {name.split("[")[0] for name in rules}
        assert plan.conflict.reason
    assert {"coverage", "budget", "max_ms"} <= seen


def test_the_price_of_a_rule_is_what_enumeration_says():
    priced = 0
    for seed in range(150):
        instance = draw(seed, "coverage")
        if instance.study.minimize != "cost":
            continue
        expected = best(instance.study, instance.inputs)
        if expected is None:
            continue
        found = explain(instance.study, instance.inputs)
        prices = {price.rule: price for price in found.rule_prices}
        relaxed = best(instance.study, instance.inputs, without=frozenset({"coverage"}))
        saves = expected.objective - relaxed.objective
        if saves > 3e-4 * expected.objective:
            priced += 1
            assert prices["coverage"].saves == pytest.approx(saves, rel=1e-3)
        assert prices["coverage"].proven
    assert priced >= 3
