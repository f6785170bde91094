"""HiGHS by its own interface: a linear programme that keeps its basis, and a search that can be watched.

``scipy.optimize.milp`` starts afresh at every call, takes no incumbent, and cannot be asked to stop. Here the
dual simplex method goes on from where it stood, and branch and bound starts from a known point, tells what it
finds while it looks, and ends when asked to (Huangfu & Hall 2018).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Ended = Literal["optimal", "infeasible", "stopped"]

Watch = Callable[[float, "Floats | None"], bool]
"""Called with the proven lower bound and, where one was found, a better point; True = stop."""

_FIRST = Lock()
_greeted = False


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

    def search(
        self, integer: Indices, *, gap: float, watch: Watch, start: Floats | None, lean: bool
    ) -> Found:
        """Branch and bound on this programme with some columns integer; the programme stays as it is."""
        highs = quiet_highs()
        highs.passModel(self._highs.getModel())
        return search(highs, integer, gap=gap, watch=watch, start=start, lean=lean)


def search(
    highs: Any, integer: Indices, *, gap: float, watch: Watch, start: Floats | None = None, lean: bool = False
) -> Found:
    """Branch and bound. ``gap`` is relative. ``lean``: no presolve and no heuristics of its own.

    Lean is for models that carry a good ``start`` and integer columns made to be branched on, which presolve
    would substitute away.
    """
    kind = highspy.HighsVarType.kInteger
    if len(integer):
        highs.changeColsIntegrality(len(integer), integer.astype(np.int32), np.array([kind] * len(integer)))
    highs.setOptionValue("mip_rel_gap", float(gap))
    highs.setOptionValue("mip_abs_gap", 0.0)
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
    status, kinds, info = highs.getModelStatus(), highspy.HighsModelStatus, highs.getInfo()
    if status in (kinds.kInfeasible, kinds.kUnboundedOrInfeasible):
        return Found("infeasible", None, np.inf, np.inf)
    some = info.primal_solution_status == 2
    x = np.asarray(highs.getSolution().col_value, dtype=np.float64) if some else None
    objective = float(info.objective_function_value) if some else np.inf
    lower = float(info.mip_dual_bound) if len(integer) else (objective if some else -np.inf)
    return Found("optimal" if status == kinds.kOptimal else "stopped", x, objective, lower)


_LEAN: dict[str, object] = {
    "presolve": "off",
    "mip_allow_restart": False,
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


def quiet_highs() -> Any:
    """A HiGHS that says nothing: the first of a process greets on standard output before it can be told."""
    global _greeted
    with _FIRST:
        if _greeted:
            highs = _new()
        else:
            sys.stdout.flush()
            kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
            try:
                os.dup2(nowhere, 1)
                highs = _new()
            finally:
                os.dup2(kept, 1)
                os.close(kept)
                os.close(nowhere)
            _greeted = True
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("threads", 1)
    return highs


def _new() -> Any:
    make: Any = highspy.Highs
    return make()
