"""Reduced-cost fixing settles only what every better solution agrees on; shorter lists lose nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.solver.uncapacitated.dual_ascent import ascend
from planner.solver.uncapacitated.fixing import fix_sites, shorten
from planner.solver.uncapacitated.lagrangian import choose, choose_within, reduced_costs
from planner.solver.uncapacitated.local_search import NOTHING, value_of
from tests.planner.solver.uncapacitated.whole_instances import draw


def multipliers(instance, random):
    """Those of dual ascent, disturbed: near the best, where fixing bites."""
    m = len(instance.cost)
    u = np.zeros(m, np.int64)
    ascend(instance.keys, instance.bits, instance.opening.copy(), u, np.zeros(m, np.int64), -1)
    return np.maximum(u + random.integers(-3, 4, m), 0)


@pytest.mark.parametrize("budgeted", [False, True])
def test_whatever_is_settled_is_so_in_every_better_solution(budgeted):
    settled = 0
    for seed in range(900):
        instance = draw(seed)
        random = np.random.default_rng([seed, 4])
        m, n = instance.cost.shape
        values = {c: instance.value(c) for c in instance.choices(budgeted=budgeted)}
        optimum = min(values.values(), default=math.inf)
        if optimum == math.inf:
            continue
        rho, reach = np.empty(n, np.int64), np.empty(m, np.int64)
        u = multipliers(instance, random)
        total = reduced_costs(instance.keys, instance.bits, instance.opening, u, rho, reach)
        chosen, priced = np.zeros(n, np.int8), np.empty(n, np.int64)
        low, high = instance.low, instance.high
        if budgeted:
            value, worst, best, _ = choose_within(
                rho, instance.status, low, high, instance.price, instance.budget, chosen, priced
            )
            rho = priced
        else:
            value, worst, best = choose(rho, instance.status, low, high, chosen)
        target = int(optimum) + int(random.integers(0, 12))
        status = instance.status.copy()
        count = fix_sites(rho, chosen, status, low, high, worst, best, total + value, target)
        assert count == (status != instance.status).sum()
        settled += count
        for choice, here in values.items():
            if here < target:
                kept = [s == 0 or y == (s == 1) for s, y in zip(status, choice, strict=True)]
                assert all(kept), (seed, choice)
    assert settled > 200


def test_shorter_lists_give_every_choice_that_is_left_the_same_value():
    shorter = 0
    for seed in range(400):
        instance = draw(seed)
        short = shorten(instance.keys, instance.bits, instance.status)
        shorter += short.shape[1] < instance.keys.shape[1]
        for choice in instance.choices(limited=False):
            is_open = np.array(choice, np.int8)
            value = value_of(short, instance.bits, instance.opening, is_open)
            assert value == value_of(instance.keys, instance.bits, instance.opening, is_open), seed
            assert (math.inf if value == NOTHING else value) == instance.value(choice), seed
    assert shorter > 50
