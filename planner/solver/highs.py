"""HiGHS by its own interface: a linear programme that keeps its basis, and a search that can be watched.

``scipy.optimize.milp`` starts afresh at every call, takes no incumbent, and cannot be asked to stop. Here the
dual simplex method goes on from where it stood, and branch and bound starts from a known point, tells what it
finds while it looks, and ends when asked to (Huangfu & Hall 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Ended = Literal["optimal", "infeasible", "stopped"]

NOTHING = 1e-9
"""A reduced cost below this is rounding."""

SMALL = 500
"""Columns. Below, feasibility jump takes longer than all of the search: 1.2 of 2.2 ms at twenty columns."""

Watch = Callable[[float, "Floats | None"], bool]
"""Called with the proven lower bound and, where one was found, a better point; True = stop."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """An optimal vertex of a linear programme: its value, the columns; x is empty unless "optimal"."""

    ended: Ended
    objective: float
    x: Floats


@dataclass(frozen=True, slots=True)
class Found:
    """What branch and bound says. ``x``: the best point, if any. ``lower_bound`` is proven."""

    ended: Ended
    x: Floats | None
    objective: float
    lower_bound: float


class LinearProgram:
    """min c·x, low ≤ A x ≤ high, lower ≤ x ≤ upper; mutable: one thread, one owner."""

    def __init__(self, cost: Floats, lower: Floats, upper: Floats) -> None:
        self._highs = quiet_highs()
        for option, value in (("presolve", "off"), ("solver", "simplex")):
            self._highs.setOptionValue(option, value)
        self._highs.passModel(_empty(cost, lower, upper))

    def add_rows(self, matrix: csr_array, low: Floats, high: Floats) -> None:
        """Append rows; the basis stays dual feasible."""
        _add_rows(self._highs, matrix, low, high)

    def solve(self, *, time_limit_s: float | None = None) -> Vertex:
        """Minimise from the basis at hand."""
        highs = self._highs
        limit = highs.inf if time_limit_s is None else highs.getRunTime() + max(time_limit_s, 0.0)
        highs.setOptionValue("time_limit", float(limit))
        highs.run()
        status, kinds = highs.getModelStatus(), highspy.HighsModelStatus
        if status == kinds.kOptimal:
            x = np.asarray(highs.getSolution().col_value, dtype=np.float64)
            return Vertex("optimal", float(highs.getInfo().objective_function_value), x)
        if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
            return Vertex("infeasible", np.inf, np.empty(0))
        return Vertex("stopped", -np.inf, np.empty(0))

    def priced(self, owner: Indices) -> tuple[float, Floats]:
        """The rows priced at their duals, but for those whose columns all have one ``owner`` (≥ 0).

        Returns the constant and the reduced costs: c·x ≥ constant + Σ over owned columns of reduced·x for
        every x that keeps the priced rows and the bounds of the columns without an owner.
        """
        model = self._highs.getLp()
        value, index = np.asarray(model.a_matrix_.value_), np.asarray(model.a_matrix_.index_)
        shape, starts = (model.num_row_, model.num_col_), np.asarray(model.a_matrix_.start_)
        by_column = model.a_matrix_.format_ == highspy.MatrixFormat.kColwise
        stored: Any = (csc_array if by_column else csr_array)((value, index, starts), shape=shape)
        matrix = csr_array(stored)
        dual = np.asarray(self._highs.getSolution().row_dual, dtype=np.float64)
        row = np.repeat(np.arange(shape[0]), np.diff(matrix.indptr))
        least, most = np.full(shape[0], len(owner)), np.full(shape[0], -1)
        np.minimum.at(least, row, owner[matrix.indices])
        np.maximum.at(most, row, owner[matrix.indices])
        low, high = np.asarray(model.row_lower_), np.asarray(model.row_upper_)
        side = np.where(dual > 0, low, high)
        # A dual of the wrong sign, or of one owner's row, prices nothing: any other price is as valid.
        dual = np.where(np.isfinite(side) & ~((least == most) & (least >= 0)), dual, 0.0)
        reduced = np.asarray(model.col_cost_) - matrix.T @ dual
        constant = float((dual * np.where(dual != 0.0, side, 0.0)).sum())
        free = owner < 0
        edge = np.where(reduced > 0, np.asarray(model.col_lower_), np.asarray(model.col_upper_))
        needed = free & (np.abs(reduced) > NOTHING)
        constant += float((reduced[needed] * edge[needed]).sum())
        return constant, reduced

    def search(
        self, integer: Indices, *, gap: float, watch: Watch, start: Floats | None, lean: bool,
        time_limit_s: float | None = None,
    ) -> Found:  # fmt: skip
        """Branch and bound on this programme with some columns integer; the programme stays as it is."""
        highs = quiet_highs()
        highs.passModel(self._highs.getModel())
        if time_limit_s is not None:  # where HiGHS solves a large programme, the watch is not asked
            highs.setOptionValue("time_limit", max(float(time_limit_s), 0.01))
        return search(highs, integer, gap=gap, watch=watch, start=start, lean=lean)


def search(
    highs: Any, integer: Indices, *, gap: float, watch: Watch, start: Floats | None = None, lean: bool = False
) -> Found:
    """Branch and bound. ``gap`` is relative. ``lean``: no heuristics of its own, and no substitutions.

    Lean is for models that carry a good ``start`` and integer columns made to be branched on, which presolve
    would substitute away; the rest of presolve makes the model a good deal smaller.
    """
    kind = highspy.HighsVarType.kInteger
    if len(integer):
        highs.changeColsIntegrality(len(integer), integer.astype(np.int32), np.array([kind] * len(integer)))
    highs.setOptionValue("mip_rel_gap", float(gap))
    highs.setOptionValue("mip_abs_gap", 0.0)
    if highs.getNumCol() < SMALL:
        highs.setOptionValue("mip_heuristic_run_feasibility_jump", False)
    if lean:
        for option, value in _LEAN.items():
            highs.setOptionValue(option, value)
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = list(start)
        solution.value_valid = True
        highs.setSolution(solution)

    def look(event: Any) -> None:
        if watch(float(event.data_out.mip_dual_bound), None):
            event.interrupt()

    def improved(event: Any) -> None:
        out = event.data_out
        watch(float(out.mip_dual_bound), np.array(out.mip_solution, dtype=np.float64))

    highs.cbMipInterrupt.subscribe(look)
    highs.cbMipImprovingSolution.subscribe(improved)
    highs.run()
    if start is not None and _lost_the_offset(highs):
        highs.clearSolver()
        highs.run()
    status, kinds, info = highs.getModelStatus(), highspy.HighsModelStatus, highs.getInfo()
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        return Found("infeasible", None, np.inf, np.inf)
    some = info.primal_solution_status == 2
    x = np.asarray(highs.getSolution().col_value, dtype=np.float64) if some else None
    objective = float(info.objective_function_value) if some else np.inf
    lower = float(info.mip_dual_bound) if len(integer) else (objective if some else -np.inf)
    return Found("optimal" if status == kinds.kOptimal else "stopped", x, objective, lower)


def _lost_the_offset(highs: Any) -> bool:
    """Whether the objective is not that of the point.

    HiGHS 1.16 was seen to value a start after presolve without what presolve had taken out of the objective,
    to prune everything by that value, and to call the start optimal.
    """
    info = highs.getInfo()
    if info.primal_solution_status != 2:
        return False
    model, x = highs.getLp(), np.asarray(highs.getSolution().col_value, dtype=np.float64)
    value, stated = float(np.asarray(model.col_cost_) @ x + model.offset_), info.objective_function_value
    return bool(abs(value - stated) > 1e-6 * max(1.0, abs(value)))


_SUBSTITUTIONS = 1 << 8 | 1 << 12
"""HiGHS's presolve rules "free column substitution" and "aggregator", by their bits."""

_LEAN: dict[str, object] = {
    "presolve": "on",
    "presolve_rule_off": _SUBSTITUTIONS,
    # Cuts that do not bind are dropped soon: a node's programme is solved more often than its cuts are found.
    "mip_lp_age_limit": 5,
    "mip_pool_age_limit": 5,
    "mip_detect_symmetry": False,
    "mip_pscost_minreliable": 2,
    "mip_heuristic_effort": 0.0,
    "mip_heuristic_run_feasibility_jump": False,
    "mip_heuristic_run_rens": False,
    "mip_heuristic_run_rins": False,
    "mip_heuristic_run_root_reduced_cost": False,
}


def loaded(cost: Floats, lower: Floats, upper: Floats, matrix: csr_array, low: Floats, high: Floats) -> Any:
    """A HiGHS that holds this model, all columns continuous."""
    highs = quiet_highs()
    highs.passModel(_empty(cost, lower, upper))
    _add_rows(highs, matrix, low, high)
    return highs


def _empty(cost: Floats, lower: Floats, upper: Floats) -> Any:
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(cost), 0
    model.col_cost_, model.col_lower_, model.col_upper_ = cost, lower, upper
    return model


def _add_rows(highs: Any, matrix: csr_array, low: Floats, high: Floats) -> None:
    if matrix.shape[0]:
        highs.addRows(
            matrix.shape[0],
            np.ascontiguousarray(low, dtype=np.float64),
            np.ascontiguousarray(high, dtype=np.float64),
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data.astype(np.float64),
        )


class QuietHighs(highspy.Highs):
    """A HiGHS that says nothing, not even its name, and does not restart branch and bound.

    A restart presolves again, and there HiGHS 1.16 was seen to strengthen inequalities without end, asking no
    callback and reading no clock.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.setOptionValue("mip_allow_restart", False)

    def enableCallbacks(self) -> None:  # noqa: N802 - HiGHS prints its banner here unless told before
        self.silent()
        super().enableCallbacks()  # type: ignore[no-untyped-call]


def quiet_highs() -> Any:
    """A :class:`QuietHighs` that takes one thread."""
    highs: Any = QuietHighs()
    highs.setOptionValue("threads", 1)
    return highs
