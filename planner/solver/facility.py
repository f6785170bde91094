"""Facility location in the field's own words, exactly: UFLP and p-median as strong integer programmes.

The strong formulation writes x_ij ≤ y_j pair by pair instead of Σ_i x_ij ≤ m·y_j; its linear relaxation is
often integral (Cornuéjols, Fisher & Nemhauser 1977; Beasley 1993). Only allowed pairs become variables.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.model import Model, Termination

SCALE = 1.0e6
"""Objectives are scaled to about this size: HiGHS's absolute tolerance is then far below 1e-9 relative."""


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
    allowed = np.isfinite(cost)
    if not allowed.any(axis=1).all() or low > n:
        return _nothing(m, "infeasible", np.inf, started)
    client, site = np.nonzero(allowed)
    pair_cost = cost[client, site]
    # An upper estimate of the optimum's size: everyone at their dearest allowed site, every site open.
    size = np.abs(opening).sum() + np.where(allowed, np.abs(cost), 0.0).max(axis=1).sum()
    scale = SCALE / size if size > 0 else 1.0
    model = Model()
    y = model.block(opening * scale, integer=True)
    x = model.block(pair_cost * scale)
    pair = np.arange(len(x))
    model.rows(m, 1.0, 1.0, (client, x, 1.0))
    model.rows(len(x), -np.inf, 0.0, (pair, x, 1.0), (pair, y[site], -1.0))
    if low > 0 or high < n:
        model.rows(1, low, high, (0, y, 1.0))
    outcome = model.solve(gap=gap, time_limit_s=time_limit_s)
    if outcome.x is None:
        return _nothing(m, outcome.termination, outcome.lower_bound / scale, started)
    is_open = outcome.x[y] > 0.5
    nearest = np.where(is_open, cost, np.inf)
    assignment = nearest.argmin(axis=1)
    if not is_open.any() and m:  # pragma: no cover - HiGHS would have to break x ≤ y
        raise ArithmeticError("the solver opened no site")
    objective = float(opening[is_open].sum() + cost[np.arange(m), assignment].sum())
    lower = min(outcome.lower_bound / scale, objective)
    # HiGHS proves in scaled floating point; a last-digit difference is not a gap.
    found = (objective - lower) / max(abs(objective), 1e-12)
    if found <= 1e-9:
        termination: Termination = "optimal"
    else:
        termination = "optimal" if found <= gap else outcome.termination
        if termination == "optimal" and found > gap:
            termination = "feasible"
    seconds = time.perf_counter() - started
    return Solution(np.nonzero(is_open)[0], assignment, objective, lower, found, termination, seconds)


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
