"""Where demand goes once the sites are chosen: the cheapest shares with room after every failure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.solver.redundant.linear import Programme
from planner.solver.redundant.search import Incumbent, Search


def assign(search: Search, is_open: NDArray[np.bool_], *, any_number: bool = False) -> Incumbent | None:
    """The cheapest shares over these open sites with room after every failure; None if there are none.

    Raises ``OutOfTimeError``. Rows found on the way go to the pool and serve every later step.
    """
    problem = search.problem
    opened = np.flatnonzero(is_open)
    pairs = np.flatnonzero(is_open[problem.site])
    columns = np.concatenate((opened, problem.n + opened, problem.x_columns(pairs)))
    lower, upper = np.zeros(len(problem.column_cost)), np.ones(len(problem.column_cost))
    lower[opened] = 1.0
    rows = np.arange(len(search.pool))
    if any_number:
        rows = rows[
            np.isinf(search.pool.low[rows])
            | np.isinf(search.pool.high[rows])
            | (rows < problem.m + problem.n)
        ]
    elif not problem.min_open <= len(opened) <= problem.max_open:
        return None
    lp = Programme(problem, search.pool, columns, rows, lower, upper)
    while True:
        point = lp.solve(search.deadline)
        if point.ended == "infeasible":
            return None
        cuts = np.setdiff1d(search.separator.separate(point.value, search.pool), lp.rows)
        if not len(cuts):
            return Incumbent(point.value, point.objective)
        lp.add_rows(cuts)
