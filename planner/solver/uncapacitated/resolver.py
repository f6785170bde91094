"""Solving again after a small change: a weight moved, a budget, a price, a site left out.

The sorted lists do not depend on opening costs, so they are made once. A change starts from the last
answer: its sites go through the local search, its multipliers through a few subgradient steps; a first
answer comes with the gap those prove, the exact one with the rest of the search.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.checking import check_limits, checked_count
from planner.solver.facility import (
    checked,
    facility_location,
    looked_at,
    margin_of,
    site_bounds,
    solution_of,
)
from planner.solver.interrupt import stoppable
from planner.solver.solution import Solution, no_solution
from planner.solver.uncapacitated.branch_and_bound import Outcome, solve
from planner.solver.uncapacitated.budget import check_budget
from planner.solver.uncapacitated.instance import (
    BUDGETED,
    STRANDED,
    WHOLE,
    Instance,
    Ints,
    prepare,
)
from planner.solver.uncapacitated.limits import Limits
from planner.solver.uncapacitated.reduction import merge_clients

FIRST_GAP = 5e-3
"""What the first answer is proven to."""

KEPT = 8
"""Answers remembered to start from."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One position of the sliders. ``opening`` (n,): opening costs as they count in the objective."""

    opening: NDArray[np.float64]
    low: int
    high: int
    price: NDArray[np.float64] | None
    budget: float
    without: frozenset[int]

    @property
    def sort(self) -> Literal["free", "counted", "budgeted"]:
        """What limits the sites."""
        if self.price is not None:
            return "budgeted"
        return "counted" if self.low > 0 or self.high < len(self.opening) else "free"


class Resolver:
    """A location problem kept ready: sorted lists, and the answers found so far.

    ``opening_cost`` (n,), ``assignment_cost`` (m, n) as in :func:`planner.solver.facility_location`. Raises
    ``ValueError`` on wrong shapes or values.
    """

    def __init__(self, opening_cost: ArrayLike, assignment_cost: ArrayLike) -> None:
        self._opening, self._cost = checked(opening_cost, assignment_cost)
        if not self._cost.size:
            raise ValueError(f"assignment_cost {self._cost.shape}: a client and a site are needed")
        looked_at(self._opening, self._cost)
        # Opening costs change; what is kept is made of the pairs alone.
        verdict, self._base, _, _ = looked_at(self._zeros, self._cost)
        self._whole = verdict == WHOLE
        self._instance = None if verdict == STRANDED else self._prepared(self._zeros)
        self._answers: list[tuple[Setting, Outcome, float]] = []
        self._setting = Setting(self._opening, 0, len(self._opening), None, -1.0, frozenset())

    def solve(
        self,
        *,
        weight: float = 1.0,
        opening_cost: ArrayLike | None = None,
        without: Iterable[int] = (),
        min_open: int | None = None,
        max_open: int | None = None,
        budget: float | None = None,
        gap: float = FIRST_GAP,
        time_limit_s: float | None = None,
    ) -> Solution:
        """A first answer, proven to ``gap``: min Σ c_ij x_ij + ``weight`` Σ f_j y_j.

        ``opening_cost`` (n,) takes the place of the one given at the start; ``without``: sites that stay
        closed. With a ``budget`` opening costs do not count in the objective, but may sum to no more than
        that. Costs without geography may take long to prove even so far: give a ``time_limit_s`` where
        somebody waits.
        """
        n = len(self._opening)
        opening = self._opening if opening_cost is None else checked(opening_cost, self._cost)[0]
        with np.errstate(over="ignore", invalid="ignore"):
            weighted = opening * weight
        if not np.isfinite(weighted).all() or weight < 0:
            raise ValueError("opening costs must be finite, and weight finite and not negative")
        check_limits(gap, time_limit_s)
        if budget is not None:
            check_budget(opening, self._cost, budget)
        low, high = site_bounds(n, min_open, max_open)
        closed = frozenset(checked_count("without", site) for site in without)
        if not closed <= frozenset(range(n)):
            raise ValueError(f"without: {sorted(closed - frozenset(range(n)))} are not among the {n} sites")
        counted = self._zeros if budget is not None else weighted
        price = opening if budget is not None else None
        self._setting = Setting(counted, low, high, price, -1.0 if budget is None else budget, closed)
        return self._answer(gap, time_limit_s, warm=True)

    def exact(self, *, gap: float = 0.0, time_limit_s: float | None = None) -> Solution:
        """The setting of the last :meth:`solve`, to the end (or to ``gap``)."""
        check_limits(gap, time_limit_s)
        found = self._answer(gap, time_limit_s, warm=False)
        if found.termination == "feasible" and self._setting.price is None:
            # Its costs are too small in the scale of all.
            return self._from_scratch(gap, None if time_limit_s is None else time_limit_s - found.seconds)
        return found

    def _from_scratch(self, gap: float, time_limit_s: float | None) -> Solution:
        setting = self._setting
        kept = np.array([j for j in range(len(self._opening)) if j not in setting.without], dtype=np.intp)
        found = facility_location(
            setting.opening[kept],
            self._cost[:, kept],
            min_open=setting.low,
            max_open=setting.high,
            gap=gap,
            time_limit_s=time_limit_s,
        )
        served = np.append(kept, -1)[found.assignment]  # -1 stays -1
        return replace(found, open=kept[found.open], assignment=served)

    @stoppable()
    def _answer(self, gap: float, time_limit_s: float | None, *, warm: bool) -> Solution:
        started = time.perf_counter()
        setting, m, n = self._setting, len(self._cost), len(self._opening)
        if self._instance is None or setting.low > n or (setting.budget < 0 and setting.price is not None):
            return no_solution(m, "infeasible", np.inf, started)
        instance = self._with_opening(setting)
        limits = Limits.of(n, setting.low, min(setting.high, n), setting.price, setting.budget)
        status = np.zeros(n, dtype=np.int8)
        status[list(setting.without)] = -1
        if setting.price is not None:
            status[setting.price > setting.budget * (1 + 1e-12)] = -1
        outcome = solve(
            instance,
            limits,
            margin=margin_of(instance, gap),
            status=status,
            start=self._answers[-1][1].is_open if self._answers else None,
            u=self._multipliers(instance) if warm else None,
            deadline=None if time_limit_s is None else started + time_limit_s,
        )
        self._answers = [*self._answers[-KEPT:], (setting, outcome, instance.scale)]
        return solution_of(instance, outcome, setting.opening, self._cost, gap, started)

    def _multipliers(self, instance: Instance) -> Ints | None:
        """Those of the last answer to a problem of the same sort, for a first answer under a limit.

        They give a bound at once. To the end, dual ascent afresh is the better start, and without a limit it
        takes no longer either. In another scale costs tie differently, and other clients are merged.
        """
        sort = self._setting.sort
        for asked, end, scale in reversed(self._answers):
            if asked.sort == sort != "free" and scale == instance.scale and len(end.u) == instance.clients:
                return end.u
        return None

    @property
    def _zeros(self) -> NDArray[np.float64]:
        return np.zeros(len(self._opening))

    def _prepared(self, opening: NDArray[np.float64]) -> Instance:
        whole = self._whole and _whole(opening)
        return merge_clients(prepare(opening, self._cost, self._base, np.inf, whole=whole, size=BUDGETED))

    def _with_opening(self, setting: Setting) -> Instance:
        assert self._instance is not None
        instance, opening = self._instance, setting.opening
        sum_of_units = float(np.abs(opening).sum()) * instance.scale
        if sum_of_units > 4 * BUDGETED:
            # Beside such opening costs the pairs' scale has no room: sort again, in theirs.
            return self._prepared(opening)
        ceiling = instance.ceiling + int(sum_of_units * (1 + 2.0**-40)) + len(opening)
        units = np.floor(opening * instance.scale).astype(np.int64)
        if instance.unit > 1 and _whole(opening):
            return replace(instance, opening=units, ceiling=ceiling)
        lost = len(self._cost) + len(opening)
        return replace(instance, opening=units, ceiling=ceiling, unit=1, lost=lost)


def _whole(opening: NDArray[np.float64]) -> bool:
    return bool((opening == np.floor(opening)).all() and (np.abs(opening) < 2.0**53).all())
