"""Judging redundant solutions with plain loops, and finding optima over every set of sites, flows explicit.

Nothing here is shared with the solver, not even how a failure is modelled: every r_ij^D is written out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linprog

TOLERANCE = 2e-6


@dataclass(frozen=True)
class Instance:
    opening: np.ndarray
    cost: np.ndarray
    demand: np.ndarray
    capacity: np.ndarray
    backup: np.ndarray
    domains: tuple[tuple[int, ...], ...]
    low: int = 0
    high: int | None = None

    def arguments(self):
        """Positional and keyword arguments of ``capacitated``."""
        matrix = np.zeros((len(self.domains), len(self.opening)), dtype=bool)
        for k, sites in enumerate(self.domains):
            matrix[k, list(sites)] = True
        return (self.opening, self.cost, self.demand, self.capacity), {
            "backup_allowed": self.backup,
            "failure_domain": matrix,
            "min_open": self.low,
            "max_open": self.high,
        }


def check(instance, found):
    """Assert that a solution keeps every rule and costs what it says."""
    opened = [int(j) for j in found.open]
    assert opened == sorted(set(opened))
    assert instance.low <= len(opened) <= (len(instance.opening) if instance.high is None else instance.high)
    share = {}
    for i, j, part, domain in zip(
        found.flows.client, found.flows.site, found.flows.share, found.flows.domain, strict=True
    ):
        assert domain == -1
        assert j in opened
        assert np.isfinite(instance.cost[i, j])
        assert 0 < part <= 1 + 1e-9
        assert (i, j) not in share
        share[int(i), int(j)] = float(part)
    clients = range(len(instance.demand))
    for i in clients:
        own = {j: part for (k, j), part in share.items() if k == i}
        assert abs(sum(own.values()) - 1) < 1e-9
        assert own[int(found.assignment[i])] == max(own.values())
    load = {j: sum(instance.demand[i] * part for (i, k), part in share.items() if k == j) for j in opened}
    slack = TOLERANCE * max(instance.demand.sum(), 1e-300)
    for j in opened:
        assert load[j] <= instance.capacity[j] + slack
    paid = sum(instance.opening[j] for j in opened)
    paid += sum(instance.cost[i, j] * part for (i, j), part in share.items())
    assert found.objective == float(found.objective)
    assert abs(found.objective - paid) <= 1e-9 * max(abs(paid), np.abs(instance.opening).sum(), 1)
    for domain in instance.domains:
        _check_failure(instance, found, share, load, opened, set(domain), slack)


def _check_failure(instance, found, share, load, opened, domain, slack):
    within = [k for k, sites in enumerate(found.domains) if domain <= {int(j) for j in sites}]
    assert within
    k = within[0]
    whole = {int(j) for j in found.domains[k]}
    moved = {}
    rows = zip(
        found.backup_flows.client,
        found.backup_flows.site,
        found.backup_flows.share,
        found.backup_flows.domain,
        strict=True,
    )
    for i, j, part, at in rows:
        if at == k:
            assert j in opened
            assert j not in whole
            assert instance.backup[i, j]
            assert part > 0
            moved[int(i), int(j)] = float(part)
    for i in range(len(instance.demand)):
        displaced = sum(part for (c, j), part in share.items() if c == i and j in whole)
        placed = sum(part for (c, _), part in moved.items() if c == i)
        assert abs(displaced - placed) < 1e-8
        first = next((q for q, sites in enumerate(found.domains) if found.assignment[i] in sites), None)
        if first == k:
            own = {j: part for (c, j), part in moved.items() if c == i}
            assert own[int(found.backup[i])] == max(own.values())
        if first is None:
            assert found.backup[i] == -1
    for j in opened:
        arriving = sum(instance.demand[i] * part for (i, s), part in moved.items() if s == j)
        assert load[j] + arriving <= instance.capacity[j] + slack


def optimum(instance):
    """The cheapest of all sets of sites, each with a linear programme of its own; inf if none will do."""
    n = len(instance.opening)
    high = n if instance.high is None else instance.high
    sets = [
        chosen
        for size in range(instance.low, min(high, n) + 1)
        for chosen in itertools.combinations(range(n), size)
    ]
    floor = np.where(np.isfinite(instance.cost), instance.cost, np.inf).min(axis=1).sum() if n else 0.0
    best = np.inf
    for chosen in sorted(sets, key=lambda sites: instance.opening[list(sites)].sum()):
        opening = instance.opening[list(chosen)].sum()
        if opening + floor >= best:
            break
        best = min(best, opening + _served(instance, chosen))
    return best


def _served(instance, chosen):
    """The least assignment cost over these sites, inf if something cannot be served or moved."""
    m = len(instance.demand)
    columns, costs = {}, []
    for i in range(m):
        for j in chosen:
            if np.isfinite(instance.cost[i, j]):
                columns["x", i, j] = len(costs)
                costs.append(instance.cost[i, j])
    for k, domain in enumerate(instance.domains):
        for i in range(m):
            for j in chosen:
                if j not in domain and instance.backup[i, j]:
                    columns[k, i, j] = len(costs)
                    costs.append(0.0)
    equal, right, less, most = [], [], [], []

    def row(entries):
        line = np.zeros(len(costs))
        for key, value in entries:
            if key in columns:
                line[columns[key]] += value
        return line

    for i in range(m):
        equal.append(row([(("x", i, j), 1.0) for j in chosen]))
        right.append(1.0)
    for j in chosen:
        less.append(row([(("x", i, j), instance.demand[i]) for i in range(m)]))
        most.append(instance.capacity[j])
    for k, domain in enumerate(instance.domains):
        for i in range(m):
            gone = [(("x", i, j), 1.0) for j in chosen if j in domain]
            equal.append(row(gone + [((k, i, j), -1.0) for j in chosen]))
            right.append(0.0)
        for j in chosen:
            if j not in domain:
                both = [(("x", i, j), instance.demand[i]) for i in range(m)]
                less.append(row(both + [((k, i, j), instance.demand[i]) for i in range(m)]))
                most.append(instance.capacity[j])
    if any(not line.any() and b > 0 for line, b in zip(equal, right, strict=True)):
        return np.inf
    if not costs:
        return 0.0
    done = linprog(
        costs,
        A_ub=np.array(less) if less else None,
        b_ub=np.minimum(most, 1e9) if most else None,
        A_eq=np.array(equal) if equal else None,
        b_eq=right if right else None,
        method="highs",
    )
    return done.fun if done.status == 0 else np.inf


def draw(seed, sites=6, clients=6):
    """A small instance: short lists of values make ties, zeros and equal clients common."""
    random = np.random.default_rng(seed)
    n, m = int(random.integers(2, sites + 1)), int(random.integers(1, clients + 1))
    if seed % 2:
        cost = random.choice([0.0, 1.0, 2.5, 7.0, 40.0], size=(m, n))
    else:
        cost = random.uniform(0, 10, size=(m, n))
    forbidden = random.random((m, n)) < random.choice([0.0, 0.2, 0.4])
    backup = random.random((m, n)) < random.choice([0.6, 0.9, 1.0])
    demand = random.choice([0.0, 1.0, 2.0, 3.5], size=m)
    capacity = random.choice([0.0, 2.0, 4.0, 8.0, 15.0, np.inf], size=n)
    opening = random.choice([0.0, 1.0, 5.0, 12.0], size=n)
    kind = seed % 4
    if kind == 0:
        domains = tuple((j,) for j in range(n))
    elif kind == 1:
        labels = random.integers(0, 3, size=n)
        domains = tuple(tuple(np.flatnonzero(labels == k).tolist()) for k in np.unique(labels))
    elif kind == 2:
        overlapping = {
            tuple(sorted(random.choice(n, size=int(random.integers(1, 3)), replace=False).tolist()))
            for _ in range(4)
        }
        domains = tuple(sorted(overlapping))
    else:
        domains = ()
    instance = Instance(opening, np.where(forbidden, np.inf, cost), demand, capacity, backup, domains)
    if seed % 5 == 0:
        instance = replace(instance, low=int(random.integers(0, 2)), high=int(random.integers(1, n + 1)))
    return instance
