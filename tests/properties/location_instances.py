"""Small random facility-location problems of every awkward sort, and what enumeration says of them.

Shares nothing with the solver: every set of open sites is looked at, and middle sizes go to a strong integer
programme written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array


@dataclass(frozen=True)
class Drawn:
    """``opening`` (n,), ``cost`` (m, n), and bounds on the number of open sites (None = not given)."""

    opening: np.ndarray
    cost: np.ndarray
    low: int | None = None
    high: int | None = None

    @property
    def bounds(self) -> tuple[int, int]:
        n = len(self.opening)
        return self.low or 0, n if self.high is None else min(self.high, n)


@dataclass(frozen=True)
class Optimum:
    """``value`` is inf when nothing is feasible; ``size`` is the sum of the optimum's terms without their
    signs, of which rounding takes its share."""

    value: float
    size: float


def enumerate_open_sets(problem: Drawn) -> Optimum:
    """The optimum over all 2^n sets of open sites, n ≤ 12."""
    opening, cost = problem.opening, problem.cost
    (m, n), (low, high) = cost.shape, problem.bounds
    nearest, paid, count = np.full((1, m), np.inf), np.zeros(1), np.zeros(1, dtype=int)
    size = np.zeros(1)
    for j in range(n):
        nearest = np.concatenate([nearest, np.minimum(nearest, cost[:, j])])
        paid = np.concatenate([paid, paid + opening[j]])
        size = np.concatenate([size, size + abs(opening[j])])
        count = np.concatenate([count, count + 1])
    total = np.where((count >= low) & (count <= high), paid + nearest.sum(axis=1), np.inf)
    best = int(total.argmin())
    return Optimum(float(total[best]), float(size[best] + np.abs(nearest[best]).sum()))


def strong_milp(problem: Drawn) -> float:
    """The optimum by branch and bound on Σ_j x_ij = 1, x_ij ≤ y_j; for costs of ordinary size."""
    (m, n), (low, high) = problem.cost.shape, problem.bounds
    client, site = np.nonzero(np.isfinite(problem.cost))
    pairs = np.arange(len(client))
    rows = np.concatenate([client, m + pairs, m + pairs, np.full(n, m + len(pairs))])
    columns = np.concatenate([n + pairs, n + pairs, site, np.arange(n)])
    values = np.concatenate([np.ones(2 * len(pairs)), -np.ones(len(pairs)), np.ones(n)])
    matrix = coo_array((values, (rows, columns)), shape=(m + len(pairs) + 1, n + len(pairs)))
    lower = np.concatenate([np.ones(m), np.full(len(pairs), -np.inf), [low]])
    upper = np.concatenate([np.ones(m), np.zeros(len(pairs)), [high]])
    found = milp(
        np.concatenate([problem.opening, problem.cost[client, site]]),
        integrality=np.concatenate([np.ones(n), np.zeros(len(pairs))]),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix.tocsc(), lower, upper),
        options={"mip_rel_gap": 1e-9},
    )
    return float(found.fun) if found.status == 0 else np.inf


def _sizes(random, most):
    return int(random.integers(1, most + 1)), int(random.integers(1, most + 1))


def ties(random, most):
    """Few distinct values, so that many sets of sites are equally good."""
    m, n = _sizes(random, most)
    return random.choice([0.0, 3.0, 6.0], n), random.choice([0.0, 1.0, 2.0, 7.0], (m, n))


def uniform(random, most):
    """Nothing in common between pairs: the relaxation is fractional more often than not."""
    m, n = _sizes(random, most)
    return random.uniform(0, 3, n), random.uniform(0, 1, (m, n))


def plane(random, most):
    """Distances in the plane times weights over three decades, one client in four without weight."""
    m, n = _sizes(random, most)
    clients, sites = random.random((m, 1, 2)), random.random((1, n, 2))
    weight = 10.0 ** random.uniform(0, 3, m) * (random.random(m) < 0.75)
    distance = np.linalg.norm(clients - sites, axis=2)
    return random.uniform(0, 400, n), weight[:, None] * distance


def noisy(random, most):
    """The same with 40 % noise on every pair."""
    opening, cost = plane(random, most)
    return opening, cost * random.uniform(0.6, 1.4, cost.shape)


def negative(random, most):
    """Sites that pay for being open, and pairs that earn."""
    m, n = _sizes(random, most)
    return random.uniform(-1, 2, n), random.choice([-2.0, -0.5, 0.0, 1.0, 3.0], (m, n))


def duplicates(random, most):
    """Clients and sites drawn again from few."""
    opening, cost = uniform(random, 4)
    m, n = _sizes(random, most)
    clients, sites = random.integers(len(cost), size=m), random.integers(len(opening), size=n)
    return opening[sites], cost[np.ix_(clients, sites)]


def wide(random, most):
    """Values over fifteen decades in one problem."""
    m, n = _sizes(random, most)
    return 10.0 ** random.uniform(-6, 9, n), 10.0 ** random.uniform(-6, 9, (m, n))


def nearly_equal(random, most):
    """Differences in the seventh digit, on costs of one size."""
    m, n = _sizes(random, most)
    return 10.0 + 1e-6 * random.random(n), 100.0 + 1e-5 * random.random((m, n))


def gap_ridden(random, most):
    """Each site serves a few clients at next to nothing, all sites cost alike: a covering problem whose
    relaxation is far below it (after the "chessboard" and "projective plane" classes of UflLib)."""
    m, n = max(3, most - int(random.integers(3))), max(3, most - int(random.integers(3)))
    near = random.random((m, n)) < 3.0 / n
    near[np.arange(m), random.integers(n, size=m)] = True
    return np.full(n, 30.0), np.where(near, random.integers(0, 5, (m, n)), 1000.0)


FAMILIES = {
    family.__name__: family
    for family in (
        ties,
        uniform,
        plane,
        noisy,
        negative,
        duplicates,
        wide,
        nearly_equal,
        gap_ridden,
    )
}

SCALES = (1.0, 1.0, 1.0, 1e-9, 1e-4, 1e5, 1e12)


def draw(family: str, seed: int, *, most: int = 10, scale: float | None = None) -> Drawn:
    """A problem of a family: masked in one case of three, bounded in the number of sites in every other."""
    random = np.random.default_rng([seed, *family.encode()])
    opening, cost = FAMILIES[family](random, most)
    n = len(opening)
    if random.random() < 1 / 3:
        cost = np.where(random.random(cost.shape) < random.choice([0.1, 0.4, 0.8]), np.inf, cost)
    if random.random() < 1 / 6:
        cost[random.integers(len(cost))] = 0.0
    if random.random() < 1 / 6:
        opening[random.integers(n)] = 0.0
    if scale is None:
        scale = float(random.choice(SCALES))
    drawn = Drawn(opening * scale, cost * scale)
    sort = random.integers(6)
    if sort == 0:
        return replace(drawn, high=int(random.integers(1, n + 1)))
    if sort == 1:
        return replace(drawn, low=int(random.integers(0, n + 1)))
    if sort == 2:
        low = int(random.integers(0, n + 1))
        return replace(drawn, low=low, high=int(random.integers(max(low, 1), n + 1)))
    return drawn


def check(found, problem: Drawn, optimum: Optimum, gap: float = 0.0) -> None:
    """Assert that a solution is what it says: feasible, priced right, bounded right, optimal if it says so.

    Rounding may move a sum by 1e-12 of the size of its terms.
    """
    cost = problem.cost
    (low, high), rounding = problem.bounds, 1e-12 * optimum.size
    if not np.isfinite(optimum.value):
        assert found.termination in ("infeasible", "time_limit")
        check_nothing(found, len(cost))
        return
    assert found.termination != "infeasible"
    assert found.lower_bound <= optimum.value + rounding
    if found.objective == np.inf:
        assert found.termination == "time_limit"
        check_nothing(found, len(cost))
        return
    check_placement(found, problem)
    assert low <= len(found.open) <= high
    assert found.objective >= optimum.value - rounding
    assert found.lower_bound <= found.objective
    slack = found.objective - found.lower_bound
    if abs(found.objective) > rounding:
        assert abs(found.gap * abs(found.objective) - slack) <= 1e-9 * slack + rounding
    if found.termination == "optimal":
        promised = max(gap, 1e-9) * abs(found.objective) + rounding
        assert slack <= promised
        assert found.objective <= optimum.value + promised


def check_placement(found, problem: Drawn) -> None:
    """Assert that everyone goes to the cheapest open site, and that the objective is what that costs."""
    opening, cost = problem.opening, problem.cost
    assert np.array_equal(found.open, np.unique(found.open))
    assert found.assignment.shape == (len(cost),)
    assert set(found.assignment.tolist()) <= set(found.open.tolist())
    paid = cost[np.arange(len(cost)), found.assignment]
    if len(cost):
        assert np.array_equal(paid, cost[:, found.open].min(axis=1))
    total = opening[found.open].sum() + paid.sum()
    size = np.abs(opening[found.open]).sum() + np.abs(paid).sum()
    assert abs(found.objective - total) <= 1e-12 * size


def check_nothing(found, m: int) -> None:
    """Assert that a solution without a feasible point looks like one."""
    assert found.open.size == 0
    assert np.array_equal(found.assignment, np.full(m, -1))
    assert found.objective == np.inf


def proven(found, optimum: Optimum) -> bool:
    """Whether optimality is claimed; not asked for where the terms cancel to next to nothing."""
    return found.termination == "optimal" or abs(optimum.value) < 1e-5 * optimum.size
