"""A linear or mixed-integer programme in HiGHS, grown by rows and columns, solved again from its last basis.

Called directly (Huangfu & Hall 2018) because scipy's interface starts each solve from nothing, takes no
incumbent and cannot be interrupted.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from planner.solver.highs import QuietHighs
from planner.solver.redundant.problem import Problem
from planner.solver.redundant.rows import RowPool

Ended = Literal["optimal", "infeasible", "stopped"]
_WAKE_S = 0.2
_FREE = highspy.kHighsInf


class OutOfTimeError(Exception):
    """The deadline passed while a linear programme was being solved."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """``value`` per column (0 where it is not in the programme), ``dual`` per row of the pool, ``objective``
    and ``bound`` in scaled units."""

    value: NDArray[np.float64]
    dual: NDArray[np.float64]
    objective: float
    bound: float
    ended: Ended


class Programme:
    """min column_cost · v over the columns given, v between ``lower`` and ``upper`` (a value per column)."""

    def __init__(
        self,
        problem: Problem,
        pool: RowPool,
        columns: NDArray[np.intp],
        rows: NDArray[np.intp],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
    ) -> None:
        self.problem, self.pool, self.columns = problem, pool, columns
        self.position = np.full(len(problem.column_cost), -1, dtype=np.intp)
        self.position[columns] = np.arange(len(columns))
        self.rows: NDArray[np.intp] = rows  # pool row, or -1 - pair for x ≤ y
        self.linked = np.zeros(len(problem.client), dtype=bool)
        self.highs: highspy.Highs = QuietHighs()
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(columns), len(rows)
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = (
            problem.column_cost[columns],
            lower[columns],
            upper[columns],
        )
        lp.row_lower_, lp.row_upper_ = pool.low[rows], pool.high[rows]
        part = csc_array(pool.matrix[rows][:, columns])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = part.indptr, part.indices, part.data
        self.highs.passModel(lp)

    def add_rows(self, rows: NDArray[np.intp]) -> None:
        """Rows of the pool that are not yet here."""
        rows = np.setdiff1d(rows, self.rows)
        if len(rows):
            self._append(
                csr_array(self.pool.matrix[rows][:, self.columns]), self.pool.low[rows], self.pool.high[rows]
            )
            self.rows = np.concatenate((self.rows, rows))

    def add_links(self, pairs: NDArray[np.intp]) -> None:
        """x ≤ y for these pairs."""
        pairs = pairs[~self.linked[pairs] & (self.position[self.problem.x_columns(pairs)] >= 0)]
        if not len(pairs):
            return
        count = len(pairs)
        row = np.concatenate((np.arange(count), np.arange(count)))
        column = np.concatenate(
            (self.position[self.problem.x_columns(pairs)], self.position[self.problem.site[pairs]])
        )
        value = np.concatenate((np.ones(count), np.full(count, -1.0)))
        self._append(csr_array((value, (row, column)), shape=(count, len(self.columns))), -_FREE, 0.0)
        self.linked[pairs] = True
        self.rows = np.concatenate((self.rows, -1 - pairs))

    def _append(self, part: csr_array, low: Any, high: Any) -> None:
        count = part.shape[0]
        lows, highs = (np.broadcast_to(np.asarray(a, dtype=np.float64), count).copy() for a in (low, high))
        self.highs.addRows(
            count,
            lows,
            highs,
            part.nnz,
            part.indptr[:-1].astype(np.int32),
            part.indices.astype(np.int32),
            part.data,
        )

    def add_pairs(self, pairs: NDArray[np.intp]) -> None:
        """Columns x of these pairs, each between 0 and 1, with x ≤ y."""
        columns = self.problem.x_columns(pairs)
        fresh = self.position[columns] < 0
        pairs, columns = pairs[fresh], columns[fresh]
        if not len(columns):
            return
        count = len(columns)
        place = np.full(len(self.pool), -1, dtype=np.intp)
        own = np.flatnonzero(self.rows >= 0)
        place[self.rows[own]] = own
        part = self.pool.by_column()[:, columns]
        where = place[part.indices]
        kept = where >= 0
        counts = np.add.reduceat(np.append(kept, False).astype(np.int64), part.indptr[:-1])
        counts[np.diff(part.indptr) == 0] = 0
        start = np.concatenate(([0], np.cumsum(counts)[:-1]))
        self.highs.addCols(
            count,
            self.problem.column_cost[columns],
            np.zeros(count),
            np.ones(count),
            int(kept.sum()),
            start.astype(np.int32),
            where[kept].astype(np.int32),
            part.data[kept],
        )
        self.position[columns] = len(self.columns) + np.arange(count)
        self.columns = np.concatenate((self.columns, columns))
        self.add_links(pairs)

    def bound(self, columns: NDArray[np.intp], lower: Any, upper: Any) -> None:
        """New bounds for columns that are here."""
        count = len(columns)
        low, high = (np.broadcast_to(np.asarray(a, dtype=np.float64), count).copy() for a in (lower, upper))
        self.highs.changeColsBounds(count, self.position[columns].astype(np.int32), low, high)

    def purge(self) -> None:
        """Remove violated-once rows that are slack now; the basis stays one."""
        basis = self.highs.getBasis()
        status = np.array([int(s) for s in basis.row_status])
        basic = int(highspy.HighsBasisStatus.kBasic)
        first = self.problem.m + self.problem.n
        gone = np.flatnonzero((status == basic) & ((self.rows < 0) | (self.rows >= first)))
        if not len(gone):
            return
        kept = np.ones(len(self.rows), dtype=bool)
        kept[gone] = False
        self.highs.deleteRows(len(gone), gone.astype(np.int32))
        basis.row_status = [s for s, keep in zip(basis.row_status, kept, strict=True) if keep]
        self.highs.setBasis(basis)
        dropped = self.rows[gone]
        self.linked[-1 - dropped[dropped < 0]] = False
        self.rows = self.rows[kept]

    def solve(self, deadline: float) -> Point:
        """Solve; ``deadline`` is on ``time.perf_counter``'s clock. Raises :class:`OutOfTimeError`."""
        self._run(deadline)
        status = self.highs.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return self._point("infeasible", np.inf)
        if status != highspy.HighsModelStatus.kOptimal:
            raise OutOfTimeError
        return self._point("optimal", self.highs.getInfo().objective_function_value)

    def _point(self, ended: Ended, bound: float) -> Point:
        value, dual = np.zeros(len(self.position)), np.zeros(len(self.pool))
        objective = np.inf
        if ended != "infeasible":
            solution = self.highs.getSolution()
            value[self.columns] = solution.col_value
            if solution.dual_valid:
                own = self.rows >= 0
                dual[self.rows[own]] = np.asarray(solution.row_dual)[own]
            objective = self.highs.getInfo().objective_function_value
        return Point(value, dual, objective, bound, ended)

    def _run(self, deadline: float) -> None:
        run(self.highs, deadline)


def run(highs: highspy.Highs, deadline: float) -> None:
    """Run HiGHS in a thread, so that Ctrl-C and the deadline reach it; both leave what it has so far."""
    stop = threading.Event()

    def ask(event: Any) -> None:
        event.interrupt(stop.is_set())

    asked = (highs.cbSimplexInterrupt, highs.cbIpmInterrupt, highs.cbMipInterrupt)
    for callback in asked:
        callback.subscribe(ask)
    if np.isfinite(deadline):
        # What does not ask its callback for a while still looks at its clock.
        highs.setOptionValue("time_limit", highs.getRunTime() + max(deadline - time.perf_counter(), 0.01))
    thread = threading.Thread(target=highs.run, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            left = deadline - time.perf_counter()
            if left <= 0.0:
                stop.set()
            thread.join(min(_WAKE_S, max(left, 0.01)))
    finally:
        stop.set()
        thread.join()
        for callback in asked:
            callback.unsubscribe(ask)
