"""Were the latencies known: each draw's best plan, what not knowing costs, and whose doing that is.

    regret_k   = value_k(the plan) − value_k(the best plan of draw k)
    gain(i, j) = Σ_k regret_k · blame_k(i, j) / draws,        Σ_ij blame_k(i, j) = 1

``value`` is the study's objective, and :data:`PRICE` times the plan's objective for a rule missed altogether
(:mod:`planner.solver.softened`): one per cent of demand without its promise counts as so many per cent of the
objective. The mean regret is the expected value of perfect information (Raiffa & Schlaifer 1961), given the
plan. A pair is to blame as far as it turned out worse than taken for and the best plan avoids it, or better
and the best plan uses it; who is late counts wherever the plan then lacks coverage that the best plan has,
and who is in time after all where that lets others be late.

Two things are not the latencies' doing and not counted. The best plan of a draw misses no more of the rules
than the plan does there: the plan was bound by them, and to sell a promise for its price takes no knowledge.
And where a better plan turns on no pair that differs from what it was taken for, there is nothing to regret.
So with every latency known the regret is 0.

A draw is decided exactly where that takes no time (few pairs, or nothing but a number of sites), and else by
local search from the plan's sites (:mod:`planner.solver.nearby`), which always ends in an answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs, at_home
from planner.latency.draws import errors_of
from planner.plan import Plan
from planner.problem import Problem, build_problem
from planner.solver.decision import Decision, State
from planner.solver.minimax import solve_minimax
from planner.solver.nearby import best_near
from planner.solver.placement import solve_placement
from planner.solver.pure import numbers_of_sites
from planner.solver.softened import Placed, Softened
from planner.solver.surviving import triples_of
from planner.study import Study

Floats = NDArray[np.float64]
Sites = NDArray[np.intp]

PRICE: Final = 5.0

GAP: Final = 1e-3
"""Of draws decided exactly."""

FEW_PAIRS: Final = 500
"""Up to so many allowed pairs (of client, site and backup: ten times as many) they are."""


RETRY_MS: Final = 1000.0
"""A draw that is lost counts as the slowest that was not and this, and as too late for every limit: who hears
nothing asks again after a second (RFC 6298). An infinite one would make the regret infinite."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """Of one draw: the best plan's ``open`` (n,) and ``assignment`` (m,); ``regret`` in the objective's unit,
    and of it ``saved``, the objective alone; ``spared``: the parts of demand, or of other bounds, that the
    plan misses and the best plan does not. ``missed``: what even that misses. ``blame`` (m, n): sums to 1, or
    is 0 where there is nothing to regret. ``exact``: whether the best plan is proven to be."""

    open: NDArray[np.bool_]
    assignment: Sites
    regret: float
    saved: float
    spared: float
    missed: float
    blame: Floats
    exact: bool


class Draws:
    """The draws of a study's latencies, and its plan under each."""

    def __init__(self, study: Study, inputs: Inputs, plan: Plan, seed: int) -> None:
        m, n = inputs.matrix.estimate_ms.shape
        self.study, self.plan, self.seed, self.shape = study, plan, seed, (m, n)
        pairs = np.repeat(np.arange(m), n), np.tile(np.arange(n), m)
        self._errors = errors_of(inputs.matrix, inputs.demand, inputs.sites, *pairs)
        self._lost_ms = self._counted_as()
        self.inputs = inputs if plan.routing is None else replace(inputs, policy=plan.routing.policy)
        column = {site.id: j for j, site in enumerate(inputs.sites)}
        self.assignment = np.array([column[each.site_id] for each in plan.assignments], dtype=np.intp)
        backups = [each.backup_site_id for each in plan.assignments]
        self.backup = None
        if all(backup is not None for backup in backups):
            self.backup = np.array([column[str(backup)] for backup in backups], dtype=np.intp)
        self.open = np.zeros(n, dtype=bool)
        self.open[[column[site_id] for site_id in plan.open]] = True
        assert plan.objective is not None
        self.price = PRICE * max(abs(plan.objective), 1e-9)
        arranged = _as_planned(build_problem(study, self.inputs), plan)
        self._recovery = None if arranged.arrangement is None else arranged.arrangement.recovery
        self.taken_for = Softened(arranged, self.price)

    def _counted_as(self) -> Floats:
        """(k,) in ms what a draw counts as that is lost though the estimate is not; +inf elsewhere."""
        found, resampled = np.full(len(self._errors.centre_ms), np.inf), self._errors.resampled
        if resampled is not None:
            tier = self.study.workload.home
            latest = max(limits_of(self.study), default=0.0) / (1.0 if tier is None else tier.client_trips)
            found[resampled.pair] = np.maximum(resampled.slowest_ms(), latest) + RETRY_MS
        return found

    def known(self, number: int) -> Softened:
        """The plan's own option of the problem, were draw ``number`` the truth."""
        drawn = self._errors.draw(self.seed, number)
        latency = np.where(np.isfinite(drawn), drawn, self._lost_ms).reshape(self.shape)
        matrix = replace(self.inputs.matrix, estimate_ms=latency, lower_ms=latency, upper_ms=latency)
        home = None if self.plan.home is None else self.plan.home.region
        problem = build_problem(
            self.study, at_home(self.study, replace(self.inputs, matrix=matrix), home, self._recovery)
        )
        return Softened(problem, self.price, stay=self.assignment)

    def learnt(self, number: int, time_limit_s: float | None) -> Learnt:
        """What draw ``number`` teaches; ``time_limit_s`` is for deciding it exactly."""
        known = self.known(number)
        planned = known.judged(self.open, self.assignment)
        if self.backup is not None:
            planned = min(planned, known.judged(self.open, self.assignment, self.backup), key=_value)
        # Else a promise that is dear would be sold, which needs no knowledge of any latency.
        known.may_miss = planned.missed
        best, exact = self._exactly(known, time_limit_s), True
        if best is None:
            best, exact = best_near(known, [self.open]) or planned, False
        best = min(planned, best, key=_value)
        blame = self._blame(known, planned, best) if best is not planned else np.zeros(self.shape)
        if not blame.any():
            best = planned  # better by no latency: the plan was not the best of what is known
        regret = planned.value - best.value
        return Learnt(
            open=best.open,
            assignment=best.assignment,
            regret=regret,
            saved=planned.objective - best.objective,
            spared=planned.missed - best.missed,
            missed=best.missed,
            blame=blame,
            exact=exact,
        )

    def _exactly(self, known: Softened, time_limit_s: float | None) -> Placed | None:
        """The best plan that keeps every rule; None where there is none, or where finding it takes long."""
        problem = known.problem
        pairs = max(int(problem.allowed.sum()), triples_of(problem) // 10)
        if pairs > FEW_PAIRS and numbers_of_sites(problem) is None:
            return None
        served = {each.client_id: each.site_id for each in self.plan.assignments}
        state = State.of(self.plan.open, served)
        start = Decision(None, None, np.inf, -np.inf, self.plan.termination, 0.0, state=state)
        solve = solve_minimax if problem.minimize == "max_latency" else solve_placement
        found = solve(problem, gap=GAP, time_limit_s=time_limit_s, start=start)
        if found.termination != "optimal" or found.open is None or found.assignment is None:
            return None
        return known.judged(found.open, found.assignment, found.backup)

    def _blame(self, known: Softened, planned: Placed, best: Placed) -> Floats:
        before, share, rows = self.taken_for, known.share, np.arange(self.shape[0])
        blame = np.zeros(self.shape)
        ours, theirs = planned.assignment, best.assignment
        moved = ours != theirs
        if known.problem.minimize == "max_latency":
            was, now = before.problem.latency_ms, known.problem.latency_ms
            late = np.maximum(now[rows, ours] - best.objective, 0.0)
            blame[rows, ours] += np.minimum(late, np.maximum(now - was, 0.0)[rows, ours])
            faster = np.maximum(was[rows, theirs] - np.maximum(now[rows, theirs], best.objective), 0.0)
            blame[rows, theirs] += moved * np.minimum(faster, late)
        else:
            with np.errstate(invalid="ignore"):
                worse = known.merit - before.merit
            worse = np.where(np.isfinite(worse), worse, 0.0)
            blame[rows, ours] += share * moved * np.maximum(worse[rows, ours], 0.0)
            blame[rows, theirs] += share * moved * np.maximum(-worse[rows, theirs], 0.0)
        if known.within is not None and before.within is not None:
            lost, won = before.within & ~known.within, known.within & ~before.within
            counts = moved | (planned.lacks > best.lacks)
            blame[rows, ours] += self.price * share * counts * lost[rows, ours]
            blame[rows, theirs] += self.price * share * moved * won[rows, theirs]
        if self.backup is not None and known.problem.failover is not None and planned.missed > best.missed:
            good = known.problem.failover.backups[rows, self.backup]
            blame[rows, self.backup] += self.price * share * ~good
        if known.within is not None and before.within is not None and not blame.any():
            # Who is in time where nobody took it leaves others free to be late.
            blame[rows, theirs] += share * (known.within & ~before.within)[rows, theirs]
        whole = float(blame.sum())
        return blame / whole if whole > 0.0 else blame


def limits_of(study: Study) -> tuple[float, ...]:
    """The limits in ms that a latency keeps or breaks: the SLO, the largest latency, a backup's."""
    limits = (study.latency.slo_ms, study.latency.max_ms, study.resilience.backup_within_ms)
    return tuple(limit for limit in limits if limit is not None)


def _value(placed: Placed) -> float:
    return placed.value


def _as_planned(problem: Problem, plan: Plan) -> Problem:
    """The option of a problem that the plan decided for: its home, and its recovery."""
    home, recovery = "" if plan.home is None else plan.home.region, plan.recovery

    def so_arranged(option: Problem) -> bool:
        if option.arrangement is None:
            return True
        way = option.arrangement.recovery
        if option.arrangement.home != home or (way is None) != (recovery is None):
            return False
        if way is None or recovery is None:
            return True
        standbys = {way.standby, *way.among}
        return way.strategy == recovery.strategy and recovery.standby in standbys

    return next((option for option in problem.options if so_arranged(option)), problem.options[0])
