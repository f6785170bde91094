"""Maximal covering (MCLP): the p sites that cover the most weight (Church & ReVelle 1974).

Clients of the same sites merged, dominated sites dropped, the Lagrangian bound of Galvão & ReVelle 1996 with
greedy and interchange, sites fixed by their reduced costs and the reductions again, then branch and bound.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike

from planner.solver.checking import check_limits, checked_count, checked_covers, checked_vector
from planner.solver.covering.widest import WidestCover
from planner.solver.interrupt import late, stoppable
from planner.solver.model import Termination
from planner.solver.solution import PROOF, Solution


def max_cover(
    weight: ArrayLike,
    covers: ArrayLike,
    p: int,
    *,
    gap: float = 0.0,
    time_limit_s: float | None = None,
) -> Solution:
    """Maximal covering: open p sites, max Σ_i w_i z_i with z_i ≤ Σ_j a_ij y_j.

    ``weight`` (m,) ≥ 0; ``covers`` (m, n) bool, clients by sites. ``objective`` is the weight covered. It
    is maximised, so ``lower_bound`` holds the proven *upper* bound, no p sites cover more, and ``gap`` is
    their difference over ``objective``. Exactly min(p, n) sites are opened; a client is assigned to the
    open site of the lowest index that covers it, -1 where none does. Ctrl-C returns the best so far, as a
    time limit does. Raises ``ValueError`` on wrong shapes or values.
    """
    started = time.perf_counter()
    matrix, p = checked_covers(covers), checked_count("p", p)
    m, n = matrix.shape
    weights = checked_vector("weight", weight, m, "clients", least=0.0)
    check_limits(gap, time_limit_s)
    p = min(p, n)
    counts = (weights > 0.0) & matrix.any(axis=1)
    stopped: Termination = "time_limit"
    deadline = None if time_limit_s is None else started + time_limit_s
    opened, left = np.arange(p), 0.0
    if p and counts.any():
        with stoppable():
            search = WidestCover(matrix[counts], weights[counts], p, gap)
            while not search.settled and not late(deadline):
                search.go_on()
        others = np.setdiff1d(np.arange(n), search.best)
        opened = np.sort(np.concatenate((search.best, others[: p - len(search.best)])))
        left = search.value - search.lower
        stopped = "feasible" if search.settled else stopped
    served = matrix[:, opened].any(axis=1)
    objective = float(weights[served].sum())
    found = 0.0 if left <= 0.0 else left / max(objective, 1e-12)
    if found <= max(gap, PROOF):
        stopped = "optimal"
    assignment = np.full(m, -1, dtype=np.intp)
    if served.any():
        assignment[served] = opened[matrix[np.ix_(served, opened)].argmax(axis=1)]
    seconds = time.perf_counter() - started
    return Solution(opened, assignment, objective, objective + max(left, 0.0), found, stopped, seconds)
