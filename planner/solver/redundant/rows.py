"""The rows of the model, in one pool that only grows; every linear programme takes those it wants.

x_ij ≤ y_j is not among them: there are as many as pairs, and they are written where they are violated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array, vstack

from planner.solver.redundant.problem import Problem


class RowPool:
    """``matrix`` (rows, 2n + P) with ``low`` and ``high``. Mutable on purpose: it grows while solving."""

    def __init__(self, columns: int) -> None:
        self.matrix: csr_array = csr_array((0, columns))
        self.low: NDArray[np.float64] = np.empty(0)
        self.high: NDArray[np.float64] = np.empty(0)
        self._by_column: csc_array | None = None

    def __len__(self) -> int:
        return len(self.low)

    def add(
        self,
        row: NDArray[np.intp],
        column: NDArray[np.intp],
        value: NDArray[np.float64],
        low: NDArray[np.float64],
        high: NDArray[np.float64],
    ) -> NDArray[np.intp]:
        """Append rows in coordinate form (entries at one place add up); returns their numbers."""
        block = csr_array((value, (row, column)), shape=(len(low), self.matrix.shape[1]))
        block.sum_duplicates()
        self.matrix = csr_array(vstack((self.matrix, block), format="csr"))
        self.low, self.high = np.concatenate((self.low, low)), np.concatenate((self.high, high))
        self._by_column = None
        return np.arange(len(self) - len(low), len(self))

    def by_column(self) -> csc_array:
        """The same matrix, column by column."""
        if self._by_column is None:
            self._by_column = csc_array(self.matrix)
        return self._by_column


def first_rows(problem: Problem) -> RowPool:
    """Clients are served; loads and spare capacities; sites enough in number and, after a failure, in size.

    Σ_j x_ij = 1;  Σ_i d_i x_ij + cap_j s_j = cap_j y_j;  Σ_{j∉D} cap_j y_j ≥ Σ_i d_i for every domain D,
    and ∅."""
    n, m = problem.n, problem.m
    client, site = problem.client, problem.site
    pool = RowPool(2 * n + len(client))
    x = problem.x_columns(np.arange(len(client)))
    pool.add(client, x, np.ones(len(x)), np.ones(m), np.ones(m))
    room = problem.capacity
    unit = np.where(room > 0.0, room, problem.total)
    sites = np.arange(n)
    pool.add(
        np.concatenate((site, sites, sites)),
        np.concatenate((x, n + sites, sites)),
        np.concatenate((problem.demand[client] / unit[site], room / unit, -room / unit)),
        np.zeros(n),
        np.zeros(n),
    )
    if problem.min_open > 0 or problem.max_open < n:
        bounds = np.array([float(problem.min_open)]), np.array([float(problem.max_open)])
        pool.add(np.zeros(n, dtype=np.intp), sites, np.ones(n), *bounds)
    if problem.demand.any():
        gone = [np.empty(0, dtype=np.intp), *problem.domains]
        left = np.ones((len(gone), n), dtype=bool)
        for k, failed in enumerate(gone):
            left[k, failed] = False
        row, column = np.nonzero(left)
        count = len(gone)
        pool.add(row, column, room[column] / problem.total, np.ones(count), np.full(count, np.inf))
    return pool
