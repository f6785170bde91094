"""Facility location in the field's own words, exactly: UFLP and p-median as strong integer programmes.

The strong formulation writes x_ij ≤ y_j pair by pair instead of Σ_i x_ij ≤ m·y_j; its linear relaxation is
often integral (Cornuéjols, Fisher & Nemhauser 1977; Beasley 1993). Only allowed pairs become variables.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.model import Model, Outcome, Termination

SCALE = 1.0e6
"""Objectives are scaled to about this size: HiGHS's absolute tolerance is then far below 1e-9 relative."""

TOO_COARSE = 1.0e-3
"""A scale is chosen again when the optimum turns out smaller than this part of what it was chosen for."""


@dataclass(frozen=True, slots=True)
class Solution:
    """``open``: sorted site indices; ``assignment`` (m,): site index per client, -1 = unserved (cover only).

    ``gap`` = (objective − lower_bound) / |objective|. Without a feasible point ``open`` is empty, every
    assignment -1, ``objective`` inf. "infeasible" is proven; "feasible" is a point whose gap exceeds the one
    asked for.
    """

    open: NDArray[np.intp]
    assignment: NDArray[np.intp]
    objective: float
    lower_bound: float
    gap: float
    termination: Termination
    seconds: float


def facility_location(
    opening_cost: ArrayLike,
    assignment_cost: ArrayLike,
    *,
    min_open: int | None = None,
    max_open: int | None = None,
    gap: float = 0.0,
    time_limit_s: float | None = None,
) -> Solution:
    """Uncapacitated facility location: min Σ_j f_j y_j + Σ_ij c_ij x_ij, each client served once.

    ``opening_cost`` (n,), ``assignment_cost`` (m, n) float64, clients by sites; ``inf`` in the latter = pair
    not allowed. Costs may be zero or negative, not nan. ``min_open`` / ``max_open`` bound the number of open
    sites. Raises ``ValueError`` on wrong shapes or values.
    """
    opening = np.asarray(opening_cost, dtype=np.float64)
    cost = np.asarray(assignment_cost, dtype=np.float64)
    if cost.ndim != 2 or opening.shape != (cost.shape[1],):
        raise ValueError(
            f"opening_cost {opening.shape} and assignment_cost {cost.shape} do not fit: (n,), (m, n)"
        )
    if not np.isfinite(opening).all():
        raise ValueError("opening_cost must be finite")
    if np.isnan(cost).any() or np.isneginf(cost).any():
        raise ValueError("assignment_cost must be finite, or inf where a pair is not allowed")
    n = len(opening)
    low, high = (0 if min_open is None else min_open), (n if max_open is None else max_open)
    if low < 0 or high < low:
        raise ValueError(f"min_open {min_open} and max_open {max_open} do not fit")
    if not 0.0 <= gap < 1.0:
        raise ValueError(f"gap {gap} is not in [0, 1)")
    return _solve(opening, cost, low, high, gap, time_limit_s)


def p_median(
    assignment_cost: ArrayLike, p: int, *, gap: float = 0.0, time_limit_s: float | None = None
) -> Solution:
    """p-median: open exactly ``p`` of n sites, min Σ_ij c_ij x_ij. ``assignment_cost`` as in UFLP."""
    cost = np.asarray(assignment_cost, dtype=np.float64)
    if cost.ndim != 2:
        raise ValueError(f"assignment_cost {cost.shape} is not (m, n)")
    if not 0 <= p <= cost.shape[1]:
        raise ValueError(f"p = {p} is not between 0 and the {cost.shape[1]} sites")
    return facility_location(
        np.zeros(cost.shape[1]), cost, min_open=p, max_open=p, gap=gap, time_limit_s=time_limit_s
    )


def _solve(
    opening: NDArray[np.float64],
    cost: NDArray[np.float64],
    low: int,
    high: int,
    gap: float,
    time_limit_s: float | None,
) -> Solution:
    started = time.perf_counter()
    m, n = cost.shape
    if not np.isfinite(cost).any(axis=1).all() or low > n or (m > 0 and high == 0):
        return _nothing(m, "infeasible", np.inf, started)
    # What every client pays at least is a constant; only what is above it is decided.
    base = cost.min(axis=1)
    excess = cost - base[:, None]
    most = _greedy(opening, excess, low, high)
    if not np.isfinite(most):
        finite = np.where(np.isfinite(excess), excess, 0.0)
        most = float(np.abs(opening).sum() + finite.max(axis=1).sum())
    while True:
        left = None if time_limit_s is None else time_limit_s - (time.perf_counter() - started)
        outcome, is_open, scale = _branch_and_bound(opening, excess, low, high, most, gap, left)
        if outcome.x is None:
            bound = outcome.lower_bound / scale + base.sum()
            return _nothing(m, outcome.termination, bound, started)
        assignment = np.where(is_open, excess, np.inf).argmin(axis=1)
        above = float(opening[is_open].sum() + excess[np.arange(m), assignment].sum())
        if not 0.0 < above < TOO_COARSE * most:
            break
        most = above
    objective = float(opening[is_open].sum() + cost[np.arange(m), assignment].sum())
    lower = min(outcome.lower_bound / scale + float(base.sum()), objective)
    # HiGHS proves in scaled floating point; a last-digit difference is not a gap.
    found = (objective - lower) / max(abs(objective), 1e-12)
    termination = outcome.termination
    if found <= max(gap, 1e-9):
        termination = "optimal"
    elif termination == "optimal":
        termination = "feasible"
    seconds = time.perf_counter() - started
    return Solution(np.nonzero(is_open)[0], assignment, objective, lower, found, termination, seconds)


def _branch_and_bound(
    opening: NDArray[np.float64],
    excess: NDArray[np.float64],
    low: int,
    high: int,
    most: float,
    gap: float,
    time_limit_s: float | None,
) -> tuple[Outcome, NDArray[np.bool_], float]:
    """The strong model over pairs that a solution of value at most ``most`` can use, in units of ``most``."""
    m, n = excess.shape
    # A pair dearer than everything else at its best leaves room for is in no better solution. The margin
    # keeps the solution of value ``most`` itself.
    room = most - float(np.minimum(opening, 0.0).sum())
    client, site = np.nonzero(excess <= room * (1 + 1e-9) + 1e-300)
    scale = SCALE / most if most > 0 else 1.0
    model = Model()
    y = model.block(opening * scale, integer=True)
    x = model.block(excess[client, site] * scale)
    pair = np.arange(len(x))
    model.rows(m, 1.0, 1.0, (client, x, 1.0))
    model.rows(len(x), -np.inf, 0.0, (pair, x, 1.0), (pair, y[site], -1.0))
    if low > 0 or high < n:
        model.rows(1, low, high, (0, y, 1.0))
    outcome = model.solve(gap=gap, time_limit_s=time_limit_s)
    is_open = np.zeros(n, dtype=bool) if outcome.x is None else outcome.x[y] > 0.5
    return outcome, is_open, scale


def _greedy(opening: NDArray[np.float64], excess: NDArray[np.float64], low: int, high: int) -> float:
    """The value of a solution found by adding, each time, the site that helps most; inf if none was found.

    Only its size matters here: it sets the scale (Kuehn & Hamburger 1963 call it the add heuristic).
    """
    m, n = excess.shape
    current, is_open, value = np.full(m, np.inf), np.zeros(n, dtype=bool), np.inf
    for count in range(1, min(high, n) + 1):
        unserved = np.isinf(np.minimum(current[:, None], excess)).sum(axis=0).astype(np.float64)
        paid = np.minimum(current[:, None], excess)
        paid[np.isinf(paid)] = 0.0
        total = np.where(is_open, np.inf, paid.sum(axis=0) + opening)
        order = np.lexsort((total, np.where(is_open, np.inf, unserved)))
        best = int(order[0])
        now = float(opening[is_open].sum() + total[best]) if unserved[best] == 0 else np.inf
        if count > low and np.isfinite(value) and now >= value:
            break
        is_open[best] = True
        current = np.minimum(current, excess[:, best])
        value = now
    return value if np.count_nonzero(is_open) >= low else np.inf


def _nothing(m: int, termination: Termination, lower_bound: float, started: float) -> Solution:
    return Solution(
        np.empty(0, dtype=np.intp),
        np.full(m, -1, dtype=np.intp),
        np.inf,
        lower_bound,
        np.inf,
        termination,
        time.perf_counter() - started,
    )
