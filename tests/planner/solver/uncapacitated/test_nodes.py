"""A split loses no choice and gets smaller each time; merged clients cost the same and prove no less."""

from __future__ import annotations

import itertools

import numpy as np

from planner.solver.uncapacitated.fixing import shorten
from planner.solver.uncapacitated.lagrangian import reduced_costs
from planner.solver.uncapacitated.local_search import value_of
from planner.solver.uncapacitated.nodes import Node, halves
from planner.solver.uncapacitated.reduction import MANY_AT_A_NODE, merged

NOTHING = np.zeros(0, dtype=np.int64)


def choices(status: np.ndarray, low: int, high: int) -> set[tuple[int, ...]]:
    """Every choice that keeps what is settled and the bounds on the number."""
    sides = [(0, 1) if s == 0 else (int(s == 1),) for s in status]
    return {choice for choice in itertools.product(*sides) if low <= sum(choice) <= high}


def test_the_halves_share_out_every_choice_and_both_are_smaller():
    by_number = 0
    for seed in range(400):
        random = np.random.default_rng([seed, 11])
        n = int(random.integers(2, 8))
        status = random.choice([0, 0, 0, 1, -1], n).astype(np.int8)
        status[random.integers(n)] = 0
        low, high = sorted(random.integers(0, n + 1, 2).tolist())
        node = Node(0, 0, status, low, high, NOTHING, NOTHING, random.random(n).round(1))
        (left, *left_bounds), (right, *right_bounds) = halves(node)
        by_number += (left == right).all()
        one, other = choices(left, *left_bounds), choices(right, *right_bounds)
        every = choices(status, low, high)
        assert one | other == every
        assert not one & other
        if (left == right).all():
            assert one < every
            assert other < every
        else:
            assert (left != 0).sum() == (right != 0).sum() == (status != 0).sum() + 1
    assert 100 < by_number < 300


def test_merged_clients_cost_the_same_and_their_summed_multipliers_prove_no_less():
    fewer = 0
    for seed in range(20):
        random = np.random.default_rng([seed, 12])
        m, n, bits = MANY_AT_A_NODE + 10, 6, 3
        cost = random.integers(0, 1000, (m, n))
        keys = np.sort((cost << bits) | np.arange(n))
        keys = np.concatenate((keys, np.full((m, 1), 2**63 - 1)), axis=1)
        opening = random.integers(0, 5000, n)
        u = random.integers(0, 1200, m)
        status = np.zeros(n, np.int8)
        first, before = np.arange(m), -1
        for settled in (0, 1, 2):  # a child's clients are merged again, from the root's lists
            status[settled] = random.choice([1, -1]) if settled else 0
            lists = shorten(keys, bits, status)
            rho, reach = np.empty(n, np.int64), np.empty(len(lists), np.int64)
            alone = None
            if settled == 0:
                alone = reduced_costs(lists, bits, opening, u, rho, reach)
                before = alone + np.minimum(rho, 0).sum()
            short, first, u = merged(lists.copy(), bits, first, u)
            fewer += len(short) < m
            assert len(short) == len(first) == len(u)
            reach = np.empty(len(short), np.int64)
            now = reduced_costs(short, bits, opening, u, rho, reach)
            assert alone is None or now == alone
            now += int(rho[status == 1].sum() + np.minimum(rho[status == 0], 0).sum())
            assert now >= before
            before = now
            for choice in choices(status, 1, n):
                is_open = np.array(choice, np.int8)
                assert value_of(short, bits, opening, is_open) == value_of(lists, bits, opening, is_open)
    assert fewer > 20
