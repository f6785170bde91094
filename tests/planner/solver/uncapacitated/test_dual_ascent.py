"""Dual ascent: feasible, as high as it goes, and below the optimum."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.solver.uncapacitated.dual_ascent import adjust, ascend, price_limit, tight_sites
from tests.planner.solver.uncapacitated.whole_instances import BARRED, draw

SEEDS = range(400)


def used(instance, u):
    """(n,) Σ_i max(0, u_i − c_ij) over allowed pairs."""
    paid = np.maximum(0, u[:, None] - instance.cost)
    return np.where(instance.cost < BARRED, paid, 0).sum(axis=0)


def ascended(instance):
    m = len(instance.cost)
    slack, u, reach = instance.opening.copy(), np.zeros(m, np.int64), np.zeros(m, np.int64)
    total = ascend(instance.keys, instance.bits, slack, u, reach, -1)
    return total, slack, u, reach


def check(instance, slack, u, reach):
    assert np.array_equal(slack, instance.opening - used(instance, u))
    assert (slack >= 0).all()
    within = (instance.cost < BARRED) & (instance.cost <= u[:, None])
    assert (within & (slack == 0)).any(axis=1).all()
    assert np.array_equal(reach, within.sum(axis=1))


@pytest.mark.parametrize("part", range(4))
def test_the_dual_is_feasible_maximal_and_a_bound(part):
    for seed in SEEDS[part::4]:
        instance = draw(seed, settled=False)
        total, slack, u, reach = ascended(instance)
        check(instance, slack, u, reach)
        assert total == u.sum() <= instance.optimum(limited=False), seed


def test_a_spared_client_stays_where_it_was():
    for seed in SEEDS:
        instance = draw(seed, settled=False)
        m = len(instance.cost)
        slack, u, reach = instance.opening.copy(), np.zeros(m, np.int64), np.zeros(m, np.int64)
        ascend(instance.keys, instance.bits, slack, u, reach, seed % m)
        assert u[seed % m] == 0
        assert np.array_equal(slack, instance.opening - used(instance, u))
        assert (slack >= 0).all()


def test_the_sites_it_names_are_tight_and_none_is_without_use():
    for seed in SEEDS:
        instance = draw(seed, settled=False)
        _, slack, u, _ = ascended(instance)
        is_open = tight_sites(instance.keys, instance.bits, slack, u)
        assert (slack[is_open > 0] == 0).all()
        within = (instance.cost <= u[:, None]) & (is_open > 0)
        assert within.any(axis=1).all()  # all are blocked, so all have a tight site


def test_adjustment_never_lowers_the_sum_and_raises_some():
    raised = 0
    for seed in SEEDS:
        instance = draw(seed, settled=False)
        total, slack, u, reach = ascended(instance)
        is_open = tight_sites(instance.keys, instance.bits, slack, u)
        adjust(instance.keys, instance.bits, slack, u, reach, is_open)
        check(instance, slack, u, reach)
        assert total <= u.sum() <= instance.optimum(limited=False), seed
        raised += u.sum() > total
    assert raised > 5


def test_under_a_limit_some_price_makes_it_feasible_and_a_bound():
    """Σ u − λ · high bounds the limited problem for the least λ at which u is feasible."""
    priced = 0
    for seed in SEEDS:
        instance = draw(seed, settled=False)
        if instance.low > 1:
            continue
        weight = np.ones(len(instance.opening), np.int64)
        u, _ = price_limit(
            instance.keys, instance.bits, instance.opening, weight, instance.high, 1, 10**6, 30
        )
        price = max(0, int((used(instance, u) - instance.opening).max()))
        priced += price > 0
        assert u.sum() - price * instance.high <= instance.optimum(), seed


def test_under_a_budget_too():
    priced = 0
    for seed in SEEDS:
        instance = draw(seed, settled=False)
        u, _ = price_limit(
            instance.keys, instance.bits, instance.opening, instance.price, instance.budget, 1, 10**6, 30
        )
        over = used(instance, u) - instance.opening
        free = instance.price == 0
        assert (over[free] <= 0).all()
        price = max([0, *(-(-over[~free] // instance.price[~free])).tolist()])
        priced += price > 0
        bound = u.sum() - price * instance.budget
        optimum = instance.optimum(limited=False, budgeted=True)
        assert optimum == math.inf or bound <= optimum, seed
    assert priced > 20


def test_the_price_found_proves_about_as_much_as_the_best_on_a_grid():
    """Few sites allowed of many that pay: a rough price proves little."""
    shortfalls = []
    for seed in range(40):
        random = np.random.default_rng([seed, 7])
        m, n, high = 60, 30, 4
        site, client = random.random((n, 2)), random.random((m, 2))
        apart = np.linalg.norm(client[:, None] - site[None], axis=2)
        cost = (10_000 * apart * random.pareto(1.2, m)[:, None]).astype(np.int64)
        opening = np.full(n, 300, dtype=np.int64)
        bits = 5
        keys = np.concatenate((np.sort((cost << bits) | np.arange(n)), np.full((m, 1), 2**63 - 1)), axis=1)
        weight = np.ones(n, np.int64)

        def proven(u, cost=cost, opening=opening, high=high):
            """Σ u less ``high`` times the least price at which u is feasible."""
            over = np.maximum(0, u[:, None] - cost).sum(axis=0) - opening
            return int(u.sum()) - high * max(0, int(over.max()))

        best = 0
        for price in np.geomspace(10, 1_000_000, 200).astype(np.int64):
            u = np.zeros(m, np.int64)
            ascend(keys, bits, opening + price, u, np.zeros(m, np.int64), -1)
            best = max(best, proven(u))
        u, _ = price_limit(keys, bits, opening, weight, high, 10, 10**7, 16)
        shortfalls.append(1 - proven(u) / best)
    assert max(shortfalls) < 0.05
    assert np.median(shortfalls) < 0.01
