"""The Lagrangian bound of given multipliers, and what it proves about single sites and pairs.

Every row of the pool is relaxed with its multiplier (those of an LP are near the best); x_ij ≤ y_j, s_j ≤
y_j and y ∈ {0, 1} stay. Then sites are independent: open j is worth ρ_j = its reduced cost plus the
negative reduced costs of its pairs, and the bound is a constant plus Σ_j min(0, ρ_j) (Geoffrion 1974;
Cornuéjols, Fisher & Nemhauser 1977). Any multipliers of the right sign give a valid bound, so no tolerance
of an LP code enters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.solver.redundant.problem import Problem
from planner.solver.redundant.rows import RowPool

ROUNDING = 1.0e-11
"""Sums of up to 10^6 terms in float64 are off by less than this part of the sum of their sizes."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """``value`` in scaled units; ``site`` (n,): ρ_j; ``pair`` (P,): reduced cost of x_ij;
    ``multiplier`` of the pool's first rows."""

    value: float
    site: NDArray[np.float64]
    pair: NDArray[np.float64]
    multiplier: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Relaxation:
    """An uncapacitated problem in the caller's units: its optimum plus ``constant`` is at most that of
    the original. ``opening`` (n,), ``assignment`` (m, n): costs with the prices of capacity and room in
    them."""

    opening: NDArray[np.float64]
    assignment: NDArray[np.float64]
    constant: float


def lagrangian_bound(
    problem: Problem,
    pool: RowPool,
    dual: NDArray[np.float64],
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> Bound:
    """The bound of ``dual`` (one per row of the pool; of a wrong sign = 0), columns between their bounds."""
    n = problem.n
    multiplier = np.where((dual > 0) & np.isneginf(pool.low) | (dual < 0) & np.isposinf(pool.high), 0.0, dual)
    side = np.where(multiplier > 0, pool.low, pool.high)
    fixed = np.where(multiplier != 0.0, multiplier * np.where(np.isfinite(side), side, 0.0), 0.0)
    reduced = problem.column_cost - pool.matrix.T @ multiplier
    pair = reduced[2 * n :]
    gain = np.bincount(problem.site, np.minimum(pair, 0.0) * upper[2 * n :], n)
    worth = reduced[:n] + np.minimum(reduced[n : 2 * n], 0.0) + gain
    chosen = np.where(worth < 0.0, upper[:n], lower[:n]) * worth
    size = float(np.abs(fixed).sum() + np.abs(worth).sum() + np.abs(gain).sum() + abs(problem.constant))
    return Bound(float(fixed.sum() + chosen.sum()) - ROUNDING * size, worth, pair, multiplier)


def relaxation(problem: Problem, pool: RowPool, bound: Bound) -> Relaxation:
    """All rows relaxed but those that serve the clients and x_ij ≤ y_j: uncapacitated facility location."""
    n, known = problem.n, len(bound.multiplier)
    multiplier = np.where(np.arange(known) < problem.m, 0.0, bound.multiplier)
    side = np.where(multiplier > 0, pool.low[:known], pool.high[:known])
    fixed = np.where(multiplier != 0.0, multiplier * np.where(np.isfinite(side), side, 0.0), 0.0)
    priced = pool.matrix[:known].T @ multiplier
    reduced = (problem.column_cost - priced) / problem.scale
    assignment = problem.cost.copy()
    assignment[problem.client, problem.site] -= priced[2 * n :] / problem.scale
    size = float(np.abs(fixed).sum() + np.abs(reduced[: 2 * n]).sum() * problem.scale)
    constant = (float(fixed.sum()) - ROUNDING * size) / problem.scale
    return Relaxation(reduced[:n] + np.minimum(reduced[n : 2 * n], 0.0), assignment, constant)


def fix(
    problem: Problem,
    bound: Bound,
    cutoff: float,
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
) -> int:
    """Set bounds of columns, in place, that every solution cheaper than ``cutoff`` obeys; how many changed.

    Site j opened (closed) against its sign of ρ_j costs |ρ_j| more than the bound; pair ij used costs its
    reduced cost more, and, where j would stay closed, ρ_j besides."""
    n = problem.n
    room = cutoff - bound.value
    if not room < np.inf:
        return 0
    free = lower[:n] < upper[:n]
    closed = free & (bound.site > room)
    opened = free & (bound.site < -room)
    upper[:n][closed] = 0.0
    lower[:n][opened] = 1.0
    upper[n : 2 * n][upper[:n] == 0.0] = 0.0
    extra = (
        np.maximum(bound.pair, 0.0) + np.where(lower[:n] > 0, 0.0, np.maximum(bound.site, 0.0))[problem.site]
    )
    unused = (upper[2 * n :] > 0.0) & ((extra > room) | (upper[problem.site] == 0.0))
    upper[2 * n :][unused] = 0.0
    return int(closed.sum() + opened.sum() + unused.sum())
