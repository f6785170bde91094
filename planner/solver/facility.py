"""Facility location in the field's own words, exactly: the uncapacitated problem and the p-median.

Solved by :mod:`planner.solver.uncapacitated`: dual ascent, Lagrangian bounds, local search, reduced-cost
fixing, and branch and bound over sites.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.checking import check_limits, checked_count, for_kernels
from planner.solver.interrupt import stoppable
from planner.solver.solution import PROOF, Solution, no_solution, relative_gap
from planner.solver.uncapacitated.branch_and_bound import Outcome, solve
from planner.solver.uncapacitated.instance import (
    NOT_NUMBERS,
    STRANDED,
    WHOLE,
    Instance,
    known_value,
    prepare,
    survey,
)
from planner.solver.uncapacitated.limits import Limits
from planner.solver.uncapacitated.local_search import NOTHING, served_by
from planner.solver.uncapacitated.reduction import dominated, merge_clients

SCALES = 3
"""How often at most a problem is scaled anew: each time by the value that the last one found."""


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
    sites. Ctrl-C and the time limit return the best point found and its proven bound. Raises ``ValueError``
    on wrong shapes or values.
    """
    started = time.perf_counter()
    opening, cost = checked(opening_cost, assignment_cost)
    n = len(opening)
    low, high = site_bounds(n, min_open, max_open)
    check_limits(gap, time_limit_s)
    return _located(opening, cost, low, high, gap, time_limit_s, started)


def p_median(
    assignment_cost: ArrayLike, p: int, *, gap: float = 0.0, time_limit_s: float | None = None
) -> Solution:
    """p-median: open exactly ``p`` of n sites, min Σ_ij c_ij x_ij. ``assignment_cost`` as in UFLP."""
    started = time.perf_counter()
    cost = for_kernels(assignment_cost)
    if cost.ndim != 2:
        raise ValueError(f"assignment_cost {cost.shape} is not (m, n)")
    p = checked_count("p", p)
    if p > cost.shape[1]:
        raise ValueError(f"p = {p} is not between 0 and the {cost.shape[1]} sites")
    check_limits(gap, time_limit_s)
    return _located(np.zeros(cost.shape[1]), cost, p, p, gap, time_limit_s, started)


@stoppable()
def _located(
    opening: NDArray[np.float64],
    cost: NDArray[np.float64],
    low: int,
    high: int,
    gap: float,
    time_limit_s: float | None,
    started: float,
) -> Solution:
    m, n = cost.shape
    verdict, base, alone, nearest = looked_at(opening, cost)
    if verdict == STRANDED or low > n or (m > 0 and high == 0):
        return no_solution(m, "infeasible", np.inf, started)
    high = min(high, n)
    if m == 0:
        return _without_clients(opening, low, high, started)
    value = known_value(opening, alone, nearest, low, high)
    deadline = None if time_limit_s is None else started + time_limit_s
    limits = Limits.of(n, low, high)
    # With sites to spare for a lower limit, a dominated one may be needed to fill it.
    status = dominated(opening, cost) if low <= 1 else None
    for _ in range(SCALES):
        instance = merge_clients(prepare(opening, cost, base, value, whole=verdict == WHOLE))
        outcome = solve(instance, limits, margin=margin_of(instance, gap), status=status, deadline=deadline)
        found = solution_of(instance, outcome, opening, cost, gap, started)
        if found.termination != "feasible":
            break
        # The value known beforehand was so much too high that its scale leaves rounding in sight: measured by
        # the one found, units are finer.
        value = float((cost[np.arange(m), found.assignment] - base).sum() + opening[found.open].sum())
    return found


def checked(
    opening_cost: ArrayLike, assignment_cost: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float arrays whose shapes fit; raises ``ValueError``."""
    opening, cost = for_kernels(opening_cost), for_kernels(assignment_cost)
    if cost.ndim != 2 or opening.shape != (cost.shape[1],):
        raise ValueError(
            f"opening_cost {opening.shape} and assignment_cost {cost.shape} do not fit: (n,), (m, n)"
        )
    return opening, cost


def site_bounds(sites: int, min_open: int | None, max_open: int | None) -> tuple[int, int]:
    """Both bounds as numbers; more sites may be asked for than there are, which is infeasible."""
    low = 0 if min_open is None else checked_count("min_open", min_open)
    high = max(sites, low) if max_open is None else checked_count("max_open", max_open)
    if high < low:
        raise ValueError(f"min_open {min_open} and max_open {max_open} do not fit")
    return low, high


def looked_at(
    opening: NDArray[np.float64], cost: NDArray[np.float64]
) -> tuple[int, NDArray[np.float64], NDArray[np.float64], NDArray[np.int8]]:
    """:func:`.instance.survey`; raises ``ValueError`` where a cost is not a number."""
    seen = survey(opening, cost)
    if seen[0] == NOT_NUMBERS:
        if not np.isfinite(opening).all():
            raise ValueError("opening_cost must be finite")
        raise ValueError("assignment_cost must be finite, or inf where a pair is not allowed")
    return seen


def margin_of(instance: Instance, gap: float) -> Callable[[int], int]:
    """By how many units below an incumbent a better one need not be looked for.

    Whole costs: anything less than one unit of cost. Otherwise the gap asked for, or half of what counts as
    a proof, so that rounding has the other half.
    """

    def margin(value: int) -> int:
        objective = abs(instance.base + value / instance.scale)
        asked = instance.units(objective * max(gap * (1 - 1e-9), PROOF / 2))
        return max(instance.unit - 1, asked - instance.lost, 0)

    return margin


def solution_of(
    instance: Instance,
    outcome: Outcome,
    opening: NDArray[np.float64],
    cost: NDArray[np.float64],
    gap: float,
    started: float,
) -> Solution:
    """The outcome in the caller's unit: its value counted again from the costs, its bound proven for them."""
    m = len(cost)
    if outcome.value >= NOTHING:
        if outcome.complete:
            return no_solution(m, "infeasible", np.inf, started)
        return no_solution(m, "time_limit", instance.lower_bound(outcome.bound), started)
    is_open = np.nonzero(outcome.is_open)[0]
    assignment, paid = served_by(cost, is_open)
    objective = float(opening[is_open].sum() + paid.sum())
    lower = min(instance.lower_bound(outcome.bound), objective)
    if outcome.complete and outcome.bound > outcome.value - instance.unit:
        # Values of solutions lie whole units apart and none fits in between.
        lower = objective if instance.unit > 1 else lower
    found = relative_gap(objective, lower)
    proven = found <= max(gap, PROOF)
    stopped = "feasible" if outcome.complete else "time_limit"
    return Solution(
        is_open,
        assignment,
        objective,
        lower,
        found,
        "optimal" if proven else stopped,  # type: ignore[arg-type]
        time.perf_counter() - started,
    )


def _without_clients(opening: NDArray[np.float64], low: int, high: int, started: float) -> Solution:
    """Nobody to serve: the ``low`` cheapest sites, and those that pay for being open."""
    order = np.argsort(opening, kind="stable")
    count = min(max(low, int((opening < 0).sum())), high)
    is_open = np.sort(order[:count])
    value = float(opening[is_open].sum())
    return Solution(
        is_open, np.empty(0, dtype=np.intp), value, value, 0.0, "optimal", time.perf_counter() - started
    )
