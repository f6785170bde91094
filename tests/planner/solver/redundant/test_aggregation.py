"""Aggregation: solutions carry over at the same cost, and the bound on the error holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.solver import facility_location
from planner.solver.redundant import Flows, aggregate, bound_of_all, capacitated
from tests.planner.solver.redundant.independent import check, draw, optimum


def near_identical(seed):
    """A small instance whose clients come in copies that differ a little; demand 0 among them."""
    random = np.random.default_rng(seed)
    base = draw(4 * seed + seed % 3, sites=5, clients=3)
    copies = random.integers(1, 4, len(base.demand))
    which = np.repeat(np.arange(len(base.demand)), copies)
    unit = random.choice([0.0, 0.2, 1.0]) * random.random((len(which), len(base.opening)))
    demand = base.demand[which] * random.choice([0.0, 0.5, 1.0], len(which))
    return replace(base, cost=base.cost[which] + unit, demand=demand, backup=base.backup[which])


def solve(instance, clients):
    _, keywords = instance.arguments()
    return capacitated(
        instance.opening,
        clients.assignment_cost,
        clients.demand,
        instance.capacity,
        **{**keywords, "backup_allowed": clients.backup_allowed},
        gap=1e-6,
    )


def carried_over(flows, group):
    """Flows of groups as flows of their clients."""
    client, site, share, domain = [], [], [], []
    for i, g in enumerate(group):
        own = flows.client == g
        client += [i] * int(own.sum())
        site += flows.site[own].tolist()
        share += flows.share[own].tolist()
        domain += flows.domain[own].tolist()
    return Flows(*(np.array(part) for part in (client, site, share, domain)))


@pytest.mark.parametrize("block", range(4))
def test_both_sides_of_the_error_hold(block):
    seen = 0
    for seed in range(25 * block, 25 * block + 25):
        instance = near_identical(seed)
        arguments = instance.cost, instance.demand
        merged = aggregate(*arguments, groups=2, backup_allowed=instance.backup)
        best, found = optimum(instance), solve(instance, merged.inner)
        assert merged.same
        if found.termination == "infeasible":
            assert best == np.inf, seed
            continue
        seen += 1
        slack = 1e-5 * max(1.0, abs(best))
        assert best <= found.objective + slack, seed
        assert best >= found.lower_bound - merged.error - slack, seed
        spread = replace(
            found,
            assignment=found.assignment[merged.group],
            backup=found.backup[merged.group],
            flows=carried_over(found.flows, merged.group),
            backup_flows=carried_over(found.backup_flows, merged.group),
        )
        check(instance, spread)
    assert seen > 5


@pytest.mark.parametrize("block", range(2))
def test_inner_gives_solutions_and_outer_bounds_where_masks_differ(block):
    differing = 0
    for seed in range(40 * block, 40 * block + 40):
        instance = near_identical(seed)
        random = np.random.default_rng(seed)
        instance = replace(
            instance,
            backup=instance.backup & (random.random(instance.backup.shape) < 0.9),
            cost=np.where(random.random(instance.cost.shape) < 0.1, np.inf, instance.cost),
        )
        apart = np.zeros(len(instance.demand), dtype=int)
        merged = aggregate(instance.cost, instance.demand, 2, backup_allowed=instance.backup, apart=apart)
        differing += not merged.same
        best = optimum(instance)
        above, below = solve(instance, merged.inner), solve(instance, merged.outer)
        slack = 1e-5 * max(1.0, abs(best)) if np.isfinite(best) else 0.0
        assert best <= above.objective + slack, seed
        assert best >= below.lower_bound - merged.error - slack, seed
    assert differing > 10


def test_identical_clients_merge_without_error():
    instance = draw(3)
    twice = np.repeat(instance.cost, 2, axis=0) / 2
    demand, backup = np.repeat(instance.demand, 2) / 2, np.repeat(instance.backup, 2, axis=0)
    merged = aggregate(twice, demand, len(demand), backup_allowed=backup)
    assert merged.error <= 1e-9
    assert len(merged.inner.demand) <= len(demand)
    assert merged.inner.demand.sum() == pytest.approx(demand.sum())


def test_more_groups_err_less():
    random = np.random.default_rng(0)
    demand = random.uniform(1, 5, 300)
    place, sites = random.random((300, 2)), random.random((12, 2))
    cost = demand[:, None] * np.linalg.norm(place[:, None] - sites[None], axis=2)
    errors = [aggregate(cost, demand, k).error for k in (5, 20, 80, 300)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= 1e-6
    assert len(aggregate(cost, demand, 20).inner.demand) == 20


def test_what_must_stay_apart_does():
    cost, apart = np.ones((6, 2)), np.array([0, 1, 0, 1, 2, 2])
    merged = aggregate(cost, np.ones(6), 1, apart=apart)
    assert len(merged.inner.demand) == 3
    assert all(len(set(apart[merged.group == g])) == 1 for g in range(3))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        aggregate(np.ones((2, 2)), np.ones(3), 1)


def test_the_relaxation_bounds_the_groups_and_every_client():
    seen = 0
    for seed in range(40):
        instance = near_identical(seed)
        apart = np.zeros(len(instance.demand), dtype=int)
        merged = aggregate(instance.cost, instance.demand, 2, backup_allowed=instance.backup, apart=apart)
        found = solve(instance, merged.outer)
        if found.relaxation is None:
            continue
        relaxed, best = found.relaxation, optimum(instance)
        slack = 1e-6 * max(1.0, abs(found.objective))
        core = facility_location(relaxed.opening, relaxed.assignment)
        assert core.objective + relaxed.constant <= found.objective + slack, seed
        bound = bound_of_all(merged, instance.cost, instance.demand, relaxed)
        assert bound <= best + slack, seed
        seen += bound > best - 0.2 * abs(best)
    assert seen > 3
