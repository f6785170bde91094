"""A named conflict is a real one and a smallest one; a rule's price is what dropping it saves."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from planner.decide import decide, explain
from planner.problem import build_problem
from planner.solver.conflict import find_clash
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
        for rule in rules:
            fewer = problem.without((set(problem.rules) - rules) | {rule})
            if problem.allowed.any(axis=1).all():
                assert solve_placement(fewer).termination != "infeasible", (seed, rule)
            elif not problem.may_open.any():  # no client is named where no site may be open at all
                assert plan.conflict.reason.startswith("no site may be open: "), seed
                assert fewer.may_open.any(), (seed, rule)
            else:  # that the client named is stranded by these rules and by no fewer
                client = named_client(plan.conflict.reason, problem.client_ids)
                assert fewer.allowed[client].any(), (seed, rule)
        seen |= {name.split("[")[0] for name in rules}
        assert plan.conflict.reason
    assert {"coverage", "budget", "max_ms"} <= seen


def named_client(reason, client_ids):
    """The client a sentence names first."""
    return min(
        (reason.index(f"client {name}"), row)
        for row, name in enumerate(client_ids)
        if f"client {name}" in reason
    )[1]


def test_conflicts_side_by_side_are_all_named():
    several = 0
    for seed in range(400):
        instance = draw(seed)
        problem = build_problem(instance.study, instance.inputs)
        if problem.allowed.any(axis=1).all():
            continue
        clash = find_clash((problem,))
        stranded = np.nonzero(~problem.allowed.any(axis=1))[0]
        left = [i for i in stranded if not problem.without(set(clash.rules)).allowed[i].any()]
        first = (
            problem.without(set(problem.rules) - set(clash.rules)) if clash.rules != ("latency",) else None
        )
        for fewer in combinations(problem.rules, len(clash.rules) - 1):  # no client is left by fewer rules
            assert first is None or problem.without(set(problem.rules) - set(fewer)).servable, seed
        if left and clash.rules != ("latency",):
            several += 1
            assert "apart from that" in clash.reason, seed
    assert several >= 3


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
