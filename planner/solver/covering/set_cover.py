"""Set covering (LSCP with costs): the cheapest sites such that every client has one that covers it.

Reductions, the Lagrangian bound with a greedy over its reduced costs, sites fixed by them and the reductions
again, then branch and bound (Toregas et al. 1971; Beasley 1987; Caprara, Fischetti & Toth 1999).
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.checking import check_limits, checked_covers, checked_vector
from planner.solver.covering.cheapest import CheapestCover
from planner.solver.interrupt import late, stoppable
from planner.solver.model import Termination
from planner.solver.solution import PROOF, Solution, no_solution, relative_gap


def set_cover(
    covers: ArrayLike, opening_cost: ArrayLike, *, gap: float = 0.0, time_limit_s: float | None = None
) -> Solution:
    """Set covering: min Σ_j f_j y_j such that Σ_j a_ij y_j ≥ 1 for every client i.

    ``covers`` (m, n) bool, clients by sites; ``opening_cost`` (n,) finite. A client is assigned to the open
    site of the lowest index that covers it. Sites of negative cost are opened in any case. Ctrl-C returns the
    best so far, as a time limit does. Raises ``ValueError`` on wrong shapes or values.
    """
    started = time.perf_counter()
    matrix = checked_covers(covers)
    cost = checked_vector("opening_cost", opening_cost, matrix.shape[1], "sites", least=-np.inf)
    check_limits(gap, time_limit_s)
    m = len(matrix)
    if not matrix.any(axis=1).all():
        return no_solution(m, "infeasible", np.inf, started)
    paid = cost > 0.0
    rows, columns = np.nonzero(~matrix[:, ~paid].any(axis=1))[0], np.nonzero(paid)[0]
    given = float(cost[~paid].sum())
    stopped: Termination = "time_limit"
    deadline = None if time_limit_s is None else started + time_limit_s
    with stoppable():
        search = CheapestCover(matrix[np.ix_(rows, columns)], cost[columns], given, gap)
        while not search.settled and not late(deadline):
            search.go_on()
    opened = _needed(matrix, np.concatenate((np.nonzero(~paid)[0], columns[search.best])), cost)
    objective = float(cost[opened].sum())
    lower = objective if search.lower >= search.value else min(objective, given + search.lower)
    found = relative_gap(objective, lower)
    if found <= max(gap, PROOF):
        stopped = "optimal"
    elif search.settled:
        stopped = "feasible"
    assignment = opened[matrix[:, opened].argmax(axis=1)] if m else np.empty(0, dtype=np.intp)
    return Solution(opened, assignment, objective, lower, found, stopped, time.perf_counter() - started)


def _needed(
    matrix: NDArray[np.bool_], opened: NDArray[np.intp], cost: NDArray[np.float64]
) -> NDArray[np.intp]:
    """``opened``, sorted, without sites that cost nothing and cover nobody alone."""
    times = matrix[:, opened].sum(axis=1)
    kept = list[int]()
    for j in np.sort(opened):
        if cost[j] == 0.0 and (times[matrix[:, j]] > 1).all():
            times -= matrix[:, j]
        else:
            kept.append(int(j))
    return np.array(kept, dtype=np.intp)
