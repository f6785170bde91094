"""A mixed-integer linear model, built block by block and solved by scipy's HiGHS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

Termination = Literal["optimal", "feasible", "infeasible", "time_limit"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the solver says. ``x``: the point found, if any. ``lower_bound``: proven by branch and bound.

    "optimal" means optimal within the gap asked for; "time_limit" may still carry a feasible ``x``.
    """

    termination: Termination
    x: NDArray[np.float64] | None
    objective: float
    lower_bound: float
    seconds: float


@dataclass(slots=True)
class Model:
    """Columns are added in blocks, rows in coordinate form; :meth:`solve` hands both to ``milp``.

    The builder is mutable on purpose (it is local to one function at a time); what leaves it is frozen.
    """

    _cost: list[NDArray[np.float64]] = field(default_factory=list)
    _upper: list[NDArray[np.float64]] = field(default_factory=list)
    _lower: list[NDArray[np.float64]] = field(default_factory=list)
    _integer: list[NDArray[np.uint8]] = field(default_factory=list)
    _columns: int = 0
    _entries: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]] = field(
        default_factory=list
    )
    _low: list[NDArray[np.float64]] = field(default_factory=list)
    _high: list[NDArray[np.float64]] = field(default_factory=list)
    _rows: int = 0

    def block(
        self, cost: ArrayLike, *, lower: ArrayLike = 0.0, upper: ArrayLike = 1.0, integer: bool = False
    ) -> NDArray[np.intp]:
        """Add one column per entry of ``cost``; returns their indices."""
        costs = np.atleast_1d(np.asarray(cost, dtype=np.float64))
        count = len(costs)
        self._cost.append(costs)
        self._lower.append(np.broadcast_to(np.asarray(lower, dtype=np.float64), count))
        self._upper.append(np.broadcast_to(np.asarray(upper, dtype=np.float64), count))
        self._integer.append(np.full(count, integer, dtype=np.uint8))
        self._columns += count
        return np.arange(self._columns - count, self._columns)

    def rows(
        self,
        count: int,
        low: ArrayLike,
        high: ArrayLike,
        *parts: tuple[ArrayLike, ArrayLike, ArrayLike],
    ) -> None:
        """Add ``count`` rows; each part is (row within the block, column, coefficient), broadcast."""
        for row, column, value in parts:
            r, c, v = np.broadcast_arrays(row, column, np.asarray(value, dtype=np.float64))
            keep = v != 0.0
            self._entries.append((r[keep] + self._rows, c[keep], v[keep]))
        self._low.append(np.broadcast_to(np.asarray(low, dtype=np.float64), count))
        self._high.append(np.broadcast_to(np.asarray(high, dtype=np.float64), count))
        self._rows += count

    def restrict(self, columns: NDArray[np.intp], lower: ArrayLike, upper: ArrayLike) -> None:
        """Give columns new bounds."""
        low, high = _joined(self._lower).copy(), _joined(self._upper).copy()
        low[columns], high[columns] = lower, upper
        self._lower, self._upper = [low], [high]

    def relax(self) -> None:
        """Drop integrality: what is left is a linear programme."""
        self._integer = [np.zeros(self._columns, dtype=np.uint8)]

    def solve(self, *, gap: float, time_limit_s: float | None) -> Outcome:
        """Minimise. ``gap`` is relative; HiGHS stops as soon as it has proven it."""
        started = time.perf_counter()
        if time_limit_s is not None and time_limit_s <= 0:
            return Outcome("time_limit", None, np.inf, -np.inf, 0.0)
        cost = _joined(self._cost)
        result = milp(
            cost,
            integrality=np.concatenate(self._integer),
            bounds=Bounds(_joined(self._lower), _joined(self._upper)),
            constraints=self._constraints(),
            options={
                "mip_rel_gap": gap,
                "disp": False,
                "time_limit": np.inf if time_limit_s is None else time_limit_s,
            },
        )
        seconds = time.perf_counter() - started
        if result.status == 2:
            return Outcome("infeasible", None, np.inf, np.inf, seconds)
        bound = result.get("mip_dual_bound")
        lower = float(bound) if bound is not None and np.isfinite(bound) else -np.inf
        if result.x is None:
            return Outcome("time_limit", None, np.inf, lower, seconds)
        objective = float(result.fun)
        if not any(block.any() for block in self._integer):
            lower = objective  # a linear programme solved to optimality is its own bound
        termination: Termination = "optimal" if result.status == 0 else "time_limit"
        return Outcome(termination, np.asarray(result.x), objective, lower, seconds)

    def _constraints(self) -> LinearConstraint | tuple[()]:
        if not self._rows:
            return ()
        r, c, v = (np.concatenate([entry[k] for entry in self._entries]) for k in range(3))
        matrix = coo_array((v, (r, c)), shape=(self._rows, self._columns)).tocsc()
        return LinearConstraint(matrix, _joined(self._low), _joined(self._high))


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(parts) if parts else np.empty(0)
