"""Branch and bound over what reduced costs have left, by HiGHS, in rounds of violated rows.

Every round solves a relaxation, so its bound holds of the whole; its sites are routed with every row of N-1
and give a solution, or rows that the next round has."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from planner.solver.redundant.lagrangian import Bound
from planner.solver.redundant.linear import OutOfTimeError, Programme, run
from planner.solver.redundant.routing import assign
from planner.solver.redundant.search import Search

DEDUCTION = 1.0e-7
"""HiGHS keeps rows to 1e-7 and compares in floating point: its bound is lowered by this part of itself."""

KERNEL_PAIRS = 6
"""Pairs per client in the kernel, on average."""

KERNEL_ROUNDS = 5

PROVE = 0.8
"""Part of the gap that a proving round may leave, so that rounding does not cost another."""

HEURISTICS = ("rins", "rens", "root_reduced_cost", "feasibility_jump")

LAST = 4
"""So many of HiGHS's own incumbents are routed."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """``bound`` of the relaxation in scaled units, HiGHS's ``choices`` of open sites, best first, and the
    rows of N-1 its best point violates."""

    bound: float
    choices: list[NDArray[np.bool_]]
    cuts: NDArray[np.intp]


def kernel(search: Search, rows: NDArray[np.intp], bound: Bound) -> NDArray[np.intp]:
    """Incumbents: branch and bound over the pairs of least reduced cost; returns the rows found.

    Its bound says nothing of the whole and is ignored.

    Kernel search (Guastaroba & Speranza 2012), one kernel and no buckets. Raises ``OutOfTimeError``.
    """
    order = np.argsort(bound.pair, kind="stable")
    pairs = np.sort(order[: KERNEL_PAIRS * search.problem.m])
    for _ in range(KERNEL_ROUNDS):
        outcome = _round(search, rows, pairs, search.gap)
        if outcome is None:
            break
        rows = _route(search, rows, outcome)
        search.fix()
        search.tell("kernel")
        if not len(outcome.cuts) or search.done:
            break
    return rows


def branch_and_bound(search: Search, rows: NDArray[np.intp]) -> bool:
    """Rounds until the gap is proven; False if nothing is feasible. Raises ``OutOfTimeError``."""
    while not search.done:
        pairs = np.flatnonzero(search.upper[2 * search.problem.n :] > 0.0)
        outcome = _round(search, rows, pairs, PROVE * search.gap, prove=True)
        if outcome is None:
            if search.best is None and not np.isfinite(search.cutoff):
                return False
            search.raise_bound(np.inf)
            return True
        search.raise_bound(outcome.bound)
        before = len(rows)
        rows = _route(search, rows, outcome)
        search.tell("branch and bound")
        if len(rows) == before and not search.done:
            return True
    return True


def _route(search: Search, rows: NDArray[np.intp], outcome: Outcome) -> NDArray[np.intp]:
    """Offer what HiGHS chose, routed; the rows with those found on the way."""
    rows = np.union1d(rows, outcome.cuts)
    for is_open in outcome.choices:
        key = is_open.tobytes()
        if key not in search.tried:
            search.tried.add(key)
            first = len(search.pool)
            search.offer(assign(search, is_open))
            rows = np.union1d(rows, np.arange(first, len(search.pool)))
    if time.perf_counter() > search.deadline and not search.done:
        raise OutOfTimeError
    return rows


def _round(
    search: Search,
    rows: NDArray[np.intp],
    pairs: NDArray[np.intp],
    gap: float,
    *,
    prove: bool = False,
    warm: bool = True,
) -> Outcome | None:
    """One branch and bound; None: nothing is cheaper than the cutoff, or nothing is feasible at all."""
    problem, n = search.problem, search.problem.n
    columns = np.concatenate((np.arange(2 * n), problem.x_columns(pairs)))
    structural = np.arange(problem.m + n)
    model = Programme(problem, search.pool, columns, np.union1d(structural, rows), search.lower, search.upper)
    model.add_links(pairs)
    highs = model.highs
    highs.changeColsIntegrality(
        n, np.arange(n, dtype=np.int32), np.full(n, int(highspy.HighsVarType.kInteger), dtype=np.uint8)
    )
    highs.changeObjectiveOffset(search.offset)
    highs.setOptionValue("mip_rel_gap", gap)
    highs.setOptionValue("mip_abs_gap", 0.0)
    if prove:
        # What is left to find is a bound, and heuristics took four fifths of the time.
        for heuristic in HEURISTICS:
            highs.setOptionValue(f"mip_heuristic_run_{heuristic}", False)
        highs.setOptionValue("mip_heuristic_effort", 0.0)
    if search.best is not None and warm:
        start = highspy.HighsSolution()
        start.col_value = search.best.value[columns].tolist()
        highs.setSolution(start)
    better: list[NDArray[np.bool_]] = []

    def keep(event: Any) -> None:
        better.append(np.asarray(event.data_out.mip_solution)[:n] > 0.5)

    highs.cbMipImprovingSolution.subscribe(keep)
    # Heuristics leave time to route what they find.
    left = search.deadline - time.perf_counter()
    run(highs, search.deadline if prove or np.isinf(left) else search.deadline - 0.4 * left)
    info, status = highs.getInfo(), highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None
    bound = info.mip_dual_bound - DEDUCTION * abs(info.mip_dual_bound) - search.offset
    cuts = np.empty(0, dtype=np.intp)
    if info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible):
        value = np.zeros(len(problem.column_cost))
        value[columns] = highs.getSolution().col_value
        paid = float(problem.column_cost @ value) + search.offset
        if warm and paid > info.objective_function_value + 1e-6 * abs(paid):
            # Where presolve has improved the start, HiGHS 1.16 hands back the start itself.
            return _round(search, rows, pairs, gap, prove=prove, warm=False)
        cuts = search.separator.separate(value, search.pool)
        better.append(value[:n] > 0.5)
    return Outcome(bound, better[: -LAST - 1 : -1], cuts)
