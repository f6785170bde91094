"""The interchange ends where no single move helps, and keeps what it must keep."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.solver.uncapacitated.local_search import NOTHING, interchange, value_of
from tests.planner.solver.uncapacitated.whole_instances import draw

SEEDS = range(600)


def moves(choice, status):
    """Every choice one add, drop or swap of free sites away."""
    free = [j for j, s in enumerate(status) if s == 0]
    for j in free:
        yield tuple(1 - y if k == j else y for k, y in enumerate(choice))
    for r in (j for j in free if choice[j]):
        for j in (j for j in free if not choice[j]):
            yield tuple((k == j) if k in (j, r) else y for k, y in enumerate(choice))


def search(instance, start, *, budgeted, count=10_000):
    is_open = start.copy()
    value = interchange(
        instance.keys,
        instance.bits,
        instance.opening,
        instance.status,
        instance.low,
        instance.high,
        instance.price.astype(float),
        float(instance.budget) if budgeted else -1.0,
        is_open,
        count,
    )
    return value, tuple(is_open.tolist())


@pytest.mark.parametrize("budgeted", [False, True])
def test_no_single_move_improves_where_it_ends(budgeted):
    ended = feasible = 0
    for seed in SEEDS:
        instance = draw(seed)
        random = np.random.default_rng([seed, 2])
        start = (random.random(len(instance.opening)) < random.random()).astype(np.int8)
        value, choice = search(instance, start, budgeted=budgeted)
        optimum = instance.optimum(budgeted=budgeted)
        feasible += optimum < math.inf
        if value == NOTHING:
            continue
        ended += 1
        assert instance.allows(choice, budgeted=budgeted), seed
        assert value == instance.value(choice) >= optimum, seed
        better = [
            move
            for move in moves(choice, instance.status)
            if instance.allows(move, budgeted=budgeted) and instance.value(move) < value
        ]
        assert not better, seed
    assert ended > 0.9 * feasible


def test_without_limits_nothing_is_said_only_where_nothing_is():
    none = 0
    for seed in SEEDS:
        instance = draw(seed)
        if instance.low > 0 or instance.high < len(instance.opening):
            continue
        value, _ = search(instance, np.zeros(len(instance.opening), np.int8), budgeted=False)
        none += value == NOTHING
        assert (value == NOTHING) == (instance.optimum() == math.inf), seed
    assert none > 0


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_moves_leave_a_choice_within_the_limits_or_none(count):
    for seed in SEEDS:
        instance = draw(seed)
        start = np.random.default_rng([seed, 3]).integers(0, 2, len(instance.opening)).astype(np.int8)
        value, choice = search(instance, start, budgeted=True, count=count)
        if value != NOTHING:
            assert instance.allows(choice, budgeted=True), seed
            assert value == instance.value(choice), seed


def test_the_value_of_a_choice_is_the_plain_one():
    for seed in SEEDS[::4]:
        instance = draw(seed)
        for choice in instance.choices(limited=False):
            here = value_of(instance.keys, instance.bits, instance.opening, np.array(choice, np.int8))
            assert (math.inf if here == NOTHING else here) == instance.value(choice)
