"""A mixed-integer linear model, built block by block and solved by HiGHS."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array

from planner.solver.highs import LinearProgram, Watch, loaded, search
from planner.solver.interrupt import stop_asked

Floats = NDArray[np.float64]
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
    """Columns are added in blocks, rows in coordinate form; :meth:`solve` hands both to HiGHS.

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
        self._lower.append(np.full(count, lower, dtype=np.float64))
        self._upper.append(np.full(count, upper, dtype=np.float64))
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
        self._low.append(np.full(count, low, dtype=np.float64))
        self._high.append(np.full(count, high, dtype=np.float64))
        self._rows += count

    def restrict(self, columns: NDArray[np.intp], lower: ArrayLike, upper: ArrayLike) -> None:
        """Give columns new bounds."""
        low, high = _joined(self._lower).copy(), _joined(self._upper).copy()
        low[columns], high[columns] = lower, upper
        self._lower, self._upper = [low], [high]

    def relax(self) -> None:
        """Drop integrality: what is left is a linear programme."""
        self._integer = [np.zeros(self._columns, dtype=np.uint8)]

    def make_integer(self, columns: NDArray[np.intp]) -> None:
        """These columns are whole."""
        integer = np.concatenate(self._integer)
        integer[columns] = 1
        self._integer = [integer]

    def value(self, x: NDArray[np.float64]) -> float:
        """The objective at a point."""
        return float(_joined(self._cost) @ x)

    @property
    def width(self) -> int:
        """How many columns there are."""
        return self._columns

    @property
    def integer(self) -> NDArray[np.intp]:
        """The integer columns."""
        return np.nonzero(np.concatenate(self._integer))[0]

    def arrays(self) -> tuple[Floats, NDArray[np.uint8], Floats, Floats, csr_array, Floats, Floats]:
        """Cost, integrality, lower and upper bounds of the columns; the rows' matrix and both their sides."""
        return (
            _joined(self._cost), np.concatenate(self._integer), _joined(self._lower), _joined(self._upper),
            self._matrix(), _joined(self._low), _joined(self._high),
        )  # fmt: skip

    def program(self) -> LinearProgram:
        """The linear relaxation, to be solved again and again."""
        cost, _, lower, upper, matrix, low, high = self.arrays()
        program = LinearProgram(cost, lower, upper)
        program.add_rows(matrix, low, high)
        return program

    def solve(
        self,
        *,
        gap: float,
        time_limit_s: float | None,
        start: NDArray[np.float64] | None = None,
        most_nodes: int | None = None,
    ) -> Outcome:
        """Minimise, from the point ``start`` if given. ``gap`` is relative; HiGHS stops once it is proven.

        ``most_nodes`` ends a search that is not worth a proof, at the same point on every machine.
        """
        started = time.perf_counter()
        if time_limit_s is not None and time_limit_s <= 0:
            return Outcome("time_limit", None, np.inf, -np.inf, 0.0)
        cost, _, lower_x, upper_x, matrix, low, high = self.arrays()
        highs = loaded(cost, lower_x, upper_x, matrix, low, high)
        if time_limit_s is not None:
            highs.setOptionValue("time_limit", float(time_limit_s))
        if most_nodes is not None:
            highs.setOptionValue("mip_max_nodes", most_nodes)
        found = search(highs, self.integer, gap=gap, watch=until(started, time_limit_s), start=start)
        seconds = time.perf_counter() - started
        if found.ended == "infeasible":
            return Outcome("infeasible", None, np.inf, np.inf, seconds)
        lower = found.lower_bound if np.isfinite(found.lower_bound) else -np.inf
        if found.x is None:
            return Outcome("time_limit", None, np.inf, lower, seconds)
        termination: Termination = "optimal" if found.ended == "optimal" else "time_limit"
        return Outcome(termination, found.x, found.objective, lower, seconds)

    def _matrix(self) -> csr_array:
        if not self._rows:
            return csr_array((0, self._columns))
        r, c, v = (np.concatenate([entry[k] for entry in self._entries]) for k in range(3))
        return csr_array(coo_array((v, (r, c)), shape=(self._rows, self._columns)))


def until(started: float, time_limit_s: float | None) -> Watch:
    """A watch that stops after so long, or when somebody asks to."""

    def watch(lower_bound: float, x: NDArray[np.float64] | None) -> bool:
        late = time_limit_s is not None and time.perf_counter() - started > time_limit_s
        return late or stop_asked()

    return watch


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(parts) if parts else np.empty(0)
