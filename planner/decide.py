"""From a study and its inputs to a plan: build the problem, solve it, audit the answer, say why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from planner.as_routed import routing_plan
from planner.audit import audit_plan
from planner.figures import (
    assignments_of,
    home_choice,
    kpi_of,
    placements_of,
    recovery_of,
    standby_of,
)
from planner.inputs import Inputs, at_home
from planner.loosening import rungs
from planner.options import Option, decide_among, options
from planner.plan import Conflict, Plan
from planner.problem import Problem, build_problem
from planner.recovery_ways import recovery_ways
from planner.remedies import least_changes
from planner.solver.answers import OnAnswer
from planner.solver.conflict import find_clash
from planner.solver.decision import Deadline, Decision, State
from planner.solver.explain import RulePrice, binding_rules, price_rules
from planner.solver.frontier import merged, trace_frontier
from planner.solver.interrupt import stoppable
from planner.solver.minimax import solve_minimax
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement
from planner.solver.site_prices import SiteValue, site_values
from planner.solver.warm import prepare
from planner.study import Study

DEFAULT_TIME_LIMIT_S = 300.0

OnPlan = Callable[[Plan], None]
"""Called with a plan that breaks no rule, audited, with its honest gap."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A plan, what each of its rules costs, what each candidate is worth, and the plans nearly as good."""

    plan: Plan
    rule_prices: tuple[RulePrice, ...]
    site_values: tuple[SiteValue, ...] = ()
    alternatives: tuple[Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The latency/cost front: audited plans, cheapest first, each dearer and faster than the one before.

    ``complete`` is False when time ran out first; ``words`` says what is missing.
    """

    plans: tuple[Plan, ...]
    complete: bool
    words: str


@stoppable()
def decide(
    study: Study,
    inputs: Inputs,
    *,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
    start: Plan | None = None,
    on_plan: OnPlan | None = None,
) -> Plan:
    """The optimal plan of a study, proven to 1e-4 and audited; or why there is none.

    ``time_limit_s`` defaults to 300; when it runs out the plan carries the best point found and its honest
    gap, with termination "time_limit". Infeasible is a value, with the conflicting rules.

    ``start``: the plan of a study much like this one (another SLO, one site left out, more clients): its
    sites are tried first, and where it still holds and nothing is better by more than 1e-4, it stays. The
    answer is as good without it, but later. ``on_plan`` is called, from this thread, with every better plan
    on the way, "feasible" and audited; the one returned comes last.
    """
    started, say = time.perf_counter(), progress or silent
    deadline = Deadline.after(DEFAULT_TIME_LIMIT_S if time_limit_s is None else time_limit_s)
    told = None if on_plan is None else _Telling(study, inputs, on_plan)
    option, decision = _choose(study, inputs, deadline, say, start=start, told=told)
    plan = _plan(option.study, inputs, option.problem, decision, deadline, say, asked=study)
    return _audited(replace(plan, seconds=time.perf_counter() - started), study, inputs)


@dataclass(slots=True)
class _Telling:
    """Turns answers into plans. A placement told before, now with a better bound, is not counted again."""

    study: Study
    inputs: Inputs
    tell: OnPlan
    assignment: object = None
    plan: Plan | None = None

    def __call__(self, option: Option, answer: Decision) -> None:
        if answer.termination == "optimal":  # the plan that is returned says so
            return
        if self.plan is None or answer.assignment is not self.assignment:
            self.plan = _plan(
                option.study, self.inputs, option.problem, answer, None, silent, asked=self.study
            )
            self.assignment = answer.assignment
        plan = replace(self.plan, lower_bound=answer.lower_bound, gap=answer.gap, seconds=answer.seconds)
        self.tell(_audited(plan, self.study, self.inputs))


@stoppable()
def decide_frontier(
    study: Study,
    inputs: Inputs,
    *,
    points: int = 25,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
) -> Frontier:
    """The cheapest plan for each latency promise, both ends of the front included.

    The latency is the promise: what ``latency.coverage`` of demand is served within. The study's own SLO and
    budget are left out: they are what the front trades (:func:`planner.solver.frontier.trace_frontier`).
    """
    free = replace(
        study, minimize="cost", budget_usd_per_month=None, latency=replace(study.latency, slo_ms=None)
    )
    say, deadline = progress or silent, Deadline.after(time_limit_s)
    every = options(free, inputs)
    prepare(every[0].problem, say)
    fronts = [
        trace_frontier(
            option.problem,
            study.latency.coverage,
            points=points,
            time_limit_s=deadline.remaining_s,
            progress=say,
        )
        for option in every
    ]
    plans = []
    for which, point in merged(fronts):
        at = replace(every[which].study, latency=replace(free.latency, slo_ms=point.reached_ms))
        plan = _plan(at, inputs, build_problem(at, inputs), point.decision, None, silent)
        plans.append(_audited(plan, at, inputs))
    words = "; ".join(dict.fromkeys(front.words for front in fronts if front.words))
    return Frontier(tuple(plans), all(front.complete for front in fronts), words)


@stoppable()
def explain(
    study: Study, inputs: Inputs, *, time_limit_s: float | None = None, progress: Progress | None = None
) -> Explanation:
    """The plan, and by solving again the price of each rule, of a step of it, and of each site; what "auto"
    stands for stays as the plan has it.

    Infeasible: no prices, a conflict. ``time_limit_s`` is for everything together: half for the plan, a
    quarter each for rules and sites; 600 by default.
    """
    say, deadline = progress or silent, Deadline.after(time_limit_s or 2 * DEFAULT_TIME_LIMIT_S)
    limit = (time_limit_s or 2 * DEFAULT_TIME_LIMIT_S) / 2
    option, decision = _choose(study, inputs, Deadline.after(limit), say)
    settled, problem = option.study, option.problem
    plan = _audited(_plan(settled, inputs, problem, decision, deadline, say, asked=study), study, inputs)
    if decision.open is None:
        return Explanation(plan, ())
    problem = problem.at(decision.arrangement)

    def step(rule: str) -> tuple[str, Problem] | None:
        first = next(iter(rungs(settled, rule, len(inputs.sites))), None)
        return None if first is None else (first.words, build_problem(first.study, inputs))

    prices = price_rules(
        problem,
        decision,
        solve=_solve_again,
        step=step,
        time_limit_s=None if deadline.remaining_s is None else deadline.remaining_s / 2,
        progress=say,
    )
    values = site_values(
        problem, decision, solve=_solve_again, time_limit_s=deadline.remaining_s, progress=say
    )
    others = (
        _audited(_plan(settled, inputs, problem, other, None, silent, asked=study), study, inputs)
        for other in values.alternatives
    )
    return Explanation(plan, prices, values.sites, tuple(others))


def _solve_again(problem: Problem, time_limit_s: float | None, start: Decision) -> Decision:
    """A problem a little different from the one that ``start`` decides."""
    solve = solve_minimax if problem.minimize == "max_latency" else solve_placement
    return solve(problem, gap=PROVEN_GAP, time_limit_s=time_limit_s, start=start)


def _choose(
    study: Study,
    inputs: Inputs,
    deadline: Deadline,
    progress: Progress,
    *,
    start: Plan | None = None,
    told: Callable[[Option, Decision], None] | None = None,
) -> tuple[Option, Decision]:
    """The best decision over all that "auto" may stand for, and what it stands for there."""
    progress(
        0, 1, f"building the problem ({len(inputs.demand.clients):,} clients, {len(inputs.sites)} sites)"
    )
    every = options(study, inputs)
    waited = time.perf_counter()
    prepare(every[0].problem, progress)
    # To compile, once for an installation, is not to solve.
    deadline = deadline.put_off(time.perf_counter() - waited)

    def solve(
        problem: Problem, limit_s: float | None, start: Decision | None, on_answer: OnAnswer, bound: float
    ) -> Decision:
        heard = None if told is None else on_answer
        if problem.minimize == "max_latency":
            return solve_minimax(
                problem, gap=PROVEN_GAP, time_limit_s=limit_s, progress=progress, start=start, on_answer=heard
            )
        return solve_placement(
            problem,
            gap=PROVEN_GAP,
            time_limit_s=limit_s,
            progress=progress,
            start=start,
            on_answer=heard,
            lower_bound=bound,
        )

    before = None if start is None or start.kpi is None else _decided(start)
    return decide_among(
        every,
        solve,
        time_limit_s=deadline.remaining_s,
        start=before,
        tell=told or (lambda option, answer: None),
    )


def _decided(plan: Plan) -> Decision:
    """A plan as a solver's start: by names, since the clients and the candidates may be others."""
    served = {each.client_id: each.site_id for each in plan.assignments}
    state = State.of(plan.open, served)
    return Decision(None, None, np.inf, -np.inf, plan.termination, plan.seconds, state=state)


def _audited(plan: Plan, study: Study, inputs: Inputs) -> Plan:
    return replace(plan, audit=audit_plan(plan, study, inputs))


def _plan(
    study: Study,
    inputs: Inputs,
    problem: Problem,
    decision: Decision,
    deadline: Deadline | None,
    progress: Progress,
    *,
    asked: Study | None = None,
) -> Plan:
    """``study`` has an explicit answer wherever ``asked``, if given, says "auto"."""
    empty = Plan(
        study=study.name,
        minimize=study.minimize,
        termination=decision.termination,
        objective=None,
        lower_bound=None,
        gap=None,
        seconds=decision.seconds,
        placements=(),
        assignments=(),
        kpi=None,
        cost_items={item.name: 0.0 for item in problem.items},
        binding=(),
        audit=(),
        conflict=None,
        inputs=inputs.hashes,
        set_aside=inputs.set_aside,
        notes=inputs.notes,
    )
    if decision.termination == "infeasible":
        deadline = deadline or Deadline(None)
        clash = find_clash(problem, time_limit_s=deadline.remaining_s, progress=progress)
        reason = (
            clash.reason if clash.smallest else clash.reason + " (time ran out: perhaps not the smallest set)"
        )
        remedies = least_changes(
            study,
            problem,
            clash.rules,
            lambda looser: build_problem(looser, inputs),
            deadline=deadline,
            progress=progress,
        )
        return replace(empty, conflict=Conflict(clash.rules, reason, remedies))
    if decision.open is None or decision.assignment is None:
        return empty
    problem = problem.at(decision.arrangement)
    routing, routed = routing_plan(asked or study, study, inputs, problem, decision) or (None, None)
    if problem.arrangement is not None:
        inputs = at_home(study, inputs, problem.arrangement.home, problem.arrangement.recovery)
    recovery = recovery_of(study, inputs, problem, decision)
    standby = standby_of(inputs, problem, recovery)
    placements = placements_of(inputs, problem, decision, standby)
    rows = placements if standby is None else (*placements, standby)
    items = {item.name: sum(row.cost_items[item.name] for row in rows) for item in problem.items}
    return replace(
        empty,
        objective=decision.objective,
        lower_bound=decision.lower_bound,
        gap=decision.gap,
        placements=placements,
        assignments=assignments_of(study, inputs, problem, decision, routed),
        kpi=kpi_of(study, inputs, problem, decision, sum(items.values())),
        cost_items=items,
        binding=binding_rules(problem, decision),
        home=home_choice(study, inputs, problem, decision),
        routing=routing,
        recovery=recovery,
        standby=standby,
        recovery_ways=recovery_ways(study, inputs, problem, decision, recovery),
        duties={
            place.site_id: inputs.duties[place.site_id]
            for place in placements
            if place.site_id in inputs.duties
        },
    )
