"""p-center: open p sites so that the farthest client is as near to one as can be.

Bisection over the distances themselves, each step an exact covering decision (Minieka 1970; Elloumi, Labbé &
Pochet 2004; Gaar & Sinnl 2022), between the nearest site of the worst-off client and a farthest-first greedy
(Gonzalez 1985; Hochbaum & Shmoys 1985). Distances are compared, never added: the answer is exact.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.checking import check_limits, checked_count, checked_distance
from planner.solver.compiled import compiled
from planner.solver.covering.radius import OPEN, YES, Within
from planner.solver.interrupt import late, stoppable
from planner.solver.model import Termination
from planner.solver.solution import Solution, no_solution, relative_gap


@compiled
def farthest_first(
    distance: NDArray[np.float64], opened: NDArray[np.int64], p: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], float, float]:
    """Fill up ``opened`` to ``p`` sites, each the nearest to the client that is then farthest.

    Returns the sites, each client's nearest among them, the farthest client's distance, and the distance of
    the client worst off were all sites open: no solution is below that.
    """
    m, n = distance.shape
    is_open, nearest, away = np.zeros(n, dtype=np.bool_), np.full(m, -1, dtype=np.int64), np.full(m, np.inf)
    floor = -np.inf
    for i in range(m):
        floor = max(floor, distance[i].min())
    for count in range(p):
        if count < len(opened):
            site = opened[count]
        else:
            farthest = 0
            for i in range(m):
                if away[i] > away[farthest]:
                    farthest = i
            site = -1
            for j in range(n):
                if not is_open[j] and (site < 0 or distance[farthest, j] < distance[farthest, site]):
                    site = j
        is_open[site] = True
        for i in range(m):
            if distance[i, site] < away[i]:
                away[i], nearest[i] = distance[i, site], site
    return np.nonzero(is_open)[0], nearest, away.max(), floor


def p_center(distance: ArrayLike, p: int, *, time_limit_s: float | None = None) -> Solution:
    """Vertex p-center: min over p sites of max_i min_j d_ij, exactly.

    ``distance`` (m, n), clients by sites; ``inf`` = pair not allowed. Exactly min(p, n) sites are opened;
    each client goes to its nearest. Without clients the objective is 0. Ctrl-C returns the best so far,
    as a time limit does. Raises ``ValueError`` on wrong shapes or values.
    """
    started = time.perf_counter()
    array, p = checked_distance(distance), checked_count("p", p)
    check_limits(0.0, time_limit_s)
    m, n = array.shape
    p = min(p, n)
    if m == 0:
        seconds = time.perf_counter() - started
        return Solution(np.arange(p), np.empty(0, dtype=np.intp), 0.0, 0.0, 0.0, "optimal", seconds)
    if p == 0:
        return no_solution(m, "infeasible", np.inf, started)
    stopped: Termination = "time_limit"
    deadline = None if time_limit_s is None else started + time_limit_s
    with stoppable():
        search = _Bisection(array, p)
        while not search.settled and not late(deadline):
            search.go_on()
    opened, nearest, reached = search.best
    lower = search.lower
    if not np.isfinite(reached):
        return no_solution(m, "infeasible" if np.isinf(lower) else stopped, lower, started)
    termination: Termination = "optimal" if search.settled else stopped
    gap = relative_gap(reached, lower)
    return Solution(opened, nearest, reached, lower, gap, termination, time.perf_counter() - started)


class _Bisection:
    """The radii not decided yet, and the best sites so far.

    A radius may stay open for long while those a little smaller or larger are settled at once. So each is
    given a small effort at first: below the smallest radius left open, and above the largest, bisection goes
    on; when little is left there, those between are tried anew with twice the effort.
    """

    def __init__(self, distance: NDArray[np.float64], p: int) -> None:
        self._distance, self._p = distance, p
        opened, nearest, reached, floor = farthest_first(distance, np.empty(0, dtype=np.int64), p)
        self.best = opened, nearest, reached
        self.lower = float(floor)
        """No radius below it is enough."""
        self._radii = np.unique(distance[(distance >= floor) & (distance < reached)])
        self._asked = dict[float, Within]()
        self._effort = 0  # slices for each radius
        self._between = np.inf, -np.inf  # smallest and largest radius left open with this effort
        self._radius = floor if self.settled else self._next()

    @property
    def settled(self) -> bool:
        """Whether the best sites are proven to be."""
        return self.lower >= self.best[2]

    def go_on(self) -> None:
        """Ask about a radius, or spend a slice on the one under way."""
        radius = self._radius
        question = self._asked.get(radius)
        if question is None:
            question = self._asked[radius] = Within(self._distance, radius, self._p)
        elif question.slices < self._effort:
            question.go_on()
        if question.answer == OPEN and question.slices < self._effort:
            return
        if question.answer == OPEN:
            self._between = min(self._between[0], radius), max(self._between[1], radius)
        elif question.answer == YES:
            self.best = farthest_first(self._distance, question.sites, self._p)[:3]
            self._radii = self._radii[self._radii < self.best[2]]
        else:
            self._radii = self._radii[self._radii > radius]
        if question.answer != OPEN:
            self.lower = float(self._radii[0]) if len(self._radii) else self.best[2]
            self._asked = {r: q for r, q in self._asked.items() if self.lower <= r < self.best[2]}
        if not self.settled:
            self._radius = self._next()

    def _next(self) -> float:
        """The radius to ask about."""
        smallest, largest = self._between
        below = self._radii[self._radii < smallest]
        above = self._radii[self._radii > largest]
        # At the root it costs little to find the very ends; later a larger effort is worth more.
        few = len(self._radii) // 8 if self._effort else 0
        if len(below) <= few and len(above) <= few:
            self._effort = max(2, 2 * self._effort)
            self._between = np.inf, -np.inf
            below = self._radii
        side = below if len(below) > few else above
        return float(side[len(side) // 2])
