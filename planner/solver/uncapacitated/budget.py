"""The least assignment cost within a budget on opening, and the front of both: each point proven.

The budgeted problem is the ε-constraint form of the two-objective one (Haimes, Lasdon & Wismer 1971): it
reaches every efficient choice of sites, also those that no weighting of the objectives does. The budget is
relaxed with a multiplier; branch and bound closes what the relaxation leaves.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.checking import check_limits, checked_count
from planner.solver.covering import set_cover
from planner.solver.facility import checked, looked_at, margin_of, solution_of
from planner.solver.interrupt import stoppable
from planner.solver.solution import Solution, no_solution
from planner.solver.uncapacitated.branch_and_bound import Outcome, solve
from planner.solver.uncapacitated.instance import BUDGETED, STRANDED, WHOLE, Flags, Instance, prepare
from planner.solver.uncapacitated.limits import Limits
from planner.solver.uncapacitated.reduction import dominated, merge_clients

Progress = Callable[[int, int, str], None]
"""Called as (points done, points in all, what is being done now)."""


@stoppable()
def budgeted_location(
    opening_cost: ArrayLike,
    assignment_cost: ArrayLike,
    budget: float,
    *,
    gap: float = 0.0,
    time_limit_s: float | None = None,
) -> Solution:
    """min Σ_ij c_ij x_ij over choices of sites with Σ_j f_j y_j ≤ ``budget``; f_j ≥ 0.

    Arrays as in :func:`planner.solver.facility_location`. The budget may be exceeded by rounding, one part in
    10^12. Raises ``ValueError`` on wrong shapes or values.
    """
    started = time.perf_counter()
    opening, cost = checked(opening_cost, assignment_cost)
    check_limits(gap, time_limit_s)
    check_budget(opening, cost, budget)
    instance = _without_opening_costs(opening, cost)
    if instance is None or budget < 0:
        return no_solution(len(cost), "infeasible", np.inf, started)
    deadline = None if time_limit_s is None else started + time_limit_s
    needless = dominated(opening, cost)
    found, _ = _within(instance, opening, cost, budget, gap, deadline, None, needless, started)
    return found


def check_budget(opening: NDArray[np.float64], cost: NDArray[np.float64], budget: float) -> None:
    """Raise ``ValueError`` where a budget makes no sense."""
    if not cost.size:
        raise ValueError(f"assignment_cost {cost.shape}: a budget needs a client and a site")
    if np.isnan(budget) or not (np.isfinite(opening) & (opening >= 0)).all():
        raise ValueError("a budget is a number, and needs opening costs of zero or more")


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """``solution`` minimises the assignment cost within ``budget``; its sites cost ``spent`` ≤ ``budget``."""

    budget: float
    spent: float
    solution: Solution


@dataclass(frozen=True, slots=True)
class CostFront:
    """``points``: budgets ascending, assignment costs falling, none dominated by another.

    ``complete``: every budget asked for was solved and proven; otherwise ``words`` says what is missing.
    """

    points: tuple[FrontPoint, ...]
    complete: bool
    words: str


@stoppable()
def latency_cost_front(
    opening_cost: ArrayLike,
    assignment_cost: ArrayLike,
    *,
    points: int = 25,
    budgets: ArrayLike | None = None,
    gap: float = 1e-4,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
) -> CostFront:
    """The least assignment cost for each of ``points`` budgets on opening, each proven to ``gap``.

    Without ``budgets`` they are spread evenly from the cheapest choice that serves everyone to the one that
    serves each client at its cheapest site. Sorted lists and incumbents go from point to point.
    Ctrl-C and the time limit return the points done so far.
    """
    started = time.perf_counter()
    deadline = None if time_limit_s is None else started + time_limit_s
    opening, cost = checked(opening_cost, assignment_cost)
    check_limits(gap, time_limit_s)
    given = np.atleast_1d(np.asarray([] if budgets is None else budgets, dtype=np.float64))
    if given.ndim != 1 or (budgets is None and checked_count("points", points) < 2):
        raise ValueError("a front needs two points at least, or a list of budgets")
    for budget in (0.0, *given):
        check_budget(opening, cost, budget)
    instance = _without_opening_costs(opening, cost)
    if instance is None:
        return CostFront((), True, "no choice of sites serves every client")
    found: list[FrontPoint] = []
    asked = _budgets(opening, cost, points) if budgets is None else np.sort(given)
    before: Outcome | None = None
    needless = dominated(opening, cost)
    words = f"{len(asked)} budgets, each proven"
    # From the largest budget down: its choice of sites, with the least useful dropped, is a start for the
    # next.
    for done, budget in enumerate(asked[::-1]):
        if progress is not None:
            progress(done, len(asked), f"the least latency for a budget of {budget:,.0f}")
        one, before = _within(
            instance, opening, cost, float(budget), gap, deadline, before, needless, time.perf_counter()
        )
        if one.termination == "infeasible":
            words = f"{done} budgets, each proven; {budget:,.0f} or less does not serve everyone"
            break
        if one.termination == "time_limit":
            words = f"stopped at a budget of {budget:,.0f}: {done} of {len(asked)} budgets are proven"
            return CostFront(_efficient(found), False, words)
        found.append(FrontPoint(float(budget), float(opening[one.open].sum()), one))
    open_gaps = sum(point.solution.termination != "optimal" for point in found)
    if open_gaps:
        words += f", except {open_gaps} with the gap they state"
    return CostFront(_efficient(found), not open_gaps, words)


def _within(
    instance: Instance,
    opening: NDArray[np.float64],
    cost: NDArray[np.float64],
    budget: float,
    gap: float,
    deadline: float | None,
    before: Outcome | None,
    needless: Flags,
    started: float,
) -> tuple[Solution, Outcome]:
    limits = Limits.of(len(opening), 0, len(opening), opening, budget)
    status = np.where(opening > budget * (1 + 1e-12), -1, needless).astype(np.int8)
    outcome = solve(
        instance,
        limits,
        margin=margin_of(instance, gap),
        status=status,
        start=None if before is None else before.is_open,
        deadline=deadline,
    )
    return solution_of(instance, outcome, np.zeros(len(opening)), cost, gap, started), outcome


def _without_opening_costs(opening: NDArray[np.float64], cost: NDArray[np.float64]) -> Instance | None:
    """The instance in which only assignments cost; None where a client has no site."""
    nothing = np.zeros(len(opening))
    verdict, base, _, _ = looked_at(nothing, cost)
    if verdict == STRANDED or not len(opening):
        return None
    return merge_clients(prepare(nothing, cost, base, np.inf, whole=verdict == WHOLE, size=BUDGETED))


def _budgets(opening: NDArray[np.float64], cost: NDArray[np.float64], points: int) -> NDArray[np.float64]:
    """Evenly from the cheapest choice that serves everyone to one that serves all at their cheapest site."""
    cheapest = set_cover(np.isfinite(cost), opening)
    low = float(opening[cheapest.open].sum())
    nearest = set_cover(cost <= cost.min(axis=1)[:, None], opening)
    return np.linspace(low, float(opening[nearest.open].sum()), points)


def _efficient(found: list[FrontPoint]) -> tuple[FrontPoint, ...]:
    """Budgets ascending; where one more unit of budget brought nothing, the cheaper point stays."""
    kept: list[FrontPoint] = []
    for point in sorted(found, key=lambda point: (point.spent, point.solution.objective)):
        if not kept or point.solution.objective < _below(kept[-1]):
            kept.append(point)
    return tuple(kept)


def _below(point: FrontPoint) -> float:
    """What an objective must be under to be better for more than rounding."""
    return point.solution.objective - 1e-12 * abs(point.solution.objective)
