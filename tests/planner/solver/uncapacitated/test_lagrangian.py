"""Lagrangian bounds recomputed in plain whole numbers, for any multipliers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.solver.uncapacitated.lagrangian import FAR, choose, choose_within, reduced_costs
from tests.planner.solver.uncapacitated.whole_instances import BARRED, draw

SEEDS = range(500)


def multipliers(seed, m):
    """Any: small, negative, next to costs."""
    random = np.random.default_rng([seed, 1])
    return random.integers(-5, random.choice([4, 20, 90]), m).astype(np.int64)


def reduced(instance, u):
    """(Σ u, ρ, how many pairs of each client are cheaper than u_i) in plain Python."""
    rho = [int(f) for f in instance.opening]
    reach = []
    for row, here in zip(instance.cost.tolist(), u.tolist(), strict=True):
        reach.append(sum(c < here for c in row if c < BARRED))
        for j, c in enumerate(row):
            rho[j] -= max(0, here - c) if c < BARRED else 0
    return sum(u.tolist()), rho, reach


def by_kernel(instance, u):
    m, n = instance.cost.shape
    rho, reach = np.empty(n, np.int64), np.empty(m, np.int64)
    total = reduced_costs(instance.keys, instance.bits, instance.opening, u, rho, reach)
    return total, rho, reach


@pytest.mark.parametrize("part", range(4))
def test_the_bound_is_the_plain_one_and_below_the_optimum(part):
    for seed in SEEDS[part::4]:
        instance = draw(seed)
        u = multipliers(seed, len(instance.cost))
        total, rho, reach = by_kernel(instance, u)
        assert (total, rho.tolist(), reach.tolist()) == reduced(instance, u)
        chosen = np.zeros(len(rho), np.int8)
        value, worst, best = choose(rho, instance.status, instance.low, instance.high, chosen)
        sums = [sum(r for r, y in zip(rho.tolist(), c, strict=True) if y) for c in instance.choices()]
        if not sums:
            assert value == FAR, seed
            continue
        assert value == min(sums) == rho[chosen > 0].sum(), seed
        assert instance.allows(tuple(chosen.tolist()))
        free = instance.status == 0
        assert worst == max(rho[free & (chosen > 0)].tolist(), default=-FAR)
        assert best == min(rho[free & (chosen == 0)].tolist(), default=FAR)
        assert total + value <= instance.optimum(), seed


@pytest.mark.parametrize("part", range(4))
def test_within_a_budget_its_multiplier_is_the_best_whole_one(part):
    priced_ones = 0
    for seed in SEEDS[part::4]:
        instance = draw(seed)
        u = multipliers(seed, len(instance.cost))
        total, rho, _ = by_kernel(instance, u)
        n = len(rho)
        if not any(instance.choices(budgeted=True)):
            continue
        chosen, priced = np.zeros(n, np.int8), np.empty(n, np.int64)
        value, worst, best, multiplier = choose_within(
            rho, instance.status, instance.low, instance.high, instance.price, instance.budget, chosen, priced
        )
        choices = np.array(list(instance.choices()))
        worth, spent = choices @ rho, choices @ instance.price
        dual = [int((worth + k * (spent - instance.budget)).min()) for k in range(1500)]
        assert value == dual[multiplier] == max(dual), seed
        assert np.array_equal(priced, rho + multiplier * instance.price)
        assert priced[chosen > 0].sum() - multiplier * instance.budget == value
        assert instance.allows(tuple(chosen.tolist()))
        free = instance.status == 0
        assert worst == max(priced[free & (chosen > 0)].tolist(), default=-FAR)
        assert best == min(priced[free & (chosen == 0)].tolist(), default=FAR)
        assert total + value <= instance.optimum(budgeted=True), seed
        priced_ones += multiplier > 0
    assert priced_ones > 10


@pytest.mark.parametrize("power", range(50, 63))
def test_multipliers_too_large_for_64_bits_prove_nothing(power):
    for seed in range(60):
        instance = draw(seed)
        random = np.random.default_rng([seed, power])
        u = random.integers(0, 2**power, len(instance.cost))
        total, rho, _ = by_kernel(instance, u)
        optimum = instance.optimum()
        if total < 0 or optimum == math.inf:
            continue
        assert total == sum(u.tolist())
        chosen, priced = np.zeros(len(rho), np.int8), np.empty(len(rho), np.int64)
        value, _, _ = choose(rho, instance.status, instance.low, instance.high, chosen)
        assert total + value <= optimum, seed
        optimum = instance.optimum(budgeted=True)
        value, *_ = choose_within(
            rho, instance.status, instance.low, instance.high, instance.price, instance.budget, chosen, priced
        )
        assert total + value <= optimum, seed
