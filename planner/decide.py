"""From a study and its inputs to a plan: build the problem, solve it, audit the answer, say why."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from planner.as_routed import routing_plan
from planner.audit import audit_plan
from planner.certainty import certainty_of
from planner.figures import (
    assignments_of,
    binding_of,
    duties_of,
    home_choice,
    kpi_of,
    placements_of,
    priced_of,
    recovery_of,
    standby_of,
)
from planner.home_price import home_price
from planner.inputs import Inputs, at_home, resized
from planner.loosening import first_step
from planner.options import decided, options
from planner.plan import Conflict, Plan
from planner.problem import Problem, build_problem
from planner.recovery_ways import recovery_ways
from planner.remedies import least_changes
from planner.solver.again import solve_again
from planner.solver.alternatives import Alternatives, Tell, decide_among, without, worth_solving
from planner.solver.answers import OnAnswer
from planner.solver.conflict import find_clash
from planner.solver.decision import Deadline, Decision, State
from planner.solver.explain import RulePrice, price_rules
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
    draft: Draft | None = None,
    why: bool = True,
) -> Plan:
    """The optimal plan of a study, proven to 1e-4 and audited; or why there is none.

    ``time_limit_s`` defaults to 300; when it runs out the plan carries the best point found and its honest
    gap, "time_limit". Infeasible is a value, with the conflicting rules; bare, not audited, without ``why``.

    ``start``: the plan of a study much like this one (another SLO, one site left out): its sites are tried
    first, and where it still holds and nothing is better by more than 1e-4, it stays. The answer is as good
    without it, but later. ``on_plan`` is called, from this thread, with every better plan on the way,
    "feasible" and audited; the one returned comes last. ``draft`` keeps the last of them.
    """
    started, say = time.perf_counter(), progress or silent
    deadline = Deadline.after(DEFAULT_TIME_LIMIT_S if time_limit_s is None else time_limit_s)
    told = draft if on_plan is None else _Telling(study, inputs, on_plan)
    every = _built(study, inputs, say)
    problem, decision = _choose(every, deadline, say, start=start, told=told)
    if decision.termination == "infeasible" and not why:
        return as_plan(study, inputs, problem, decision)
    plan = _told(study, inputs, every, problem, decision, deadline, say)
    return _audited(replace(plan, seconds=time.perf_counter() - started), study, inputs)


def _built(study: Study, inputs: Inputs, progress: Progress) -> Alternatives:
    progress(
        0, 1, f"building the problem ({len(inputs.demand.clients):,} clients, {len(inputs.sites)} sites)"
    )
    return options(study, inputs)


def _told(
    study: Study,
    inputs: Inputs,
    every: Alternatives,
    problem: Problem,
    decision: Decision,
    deadline: Deadline,
    progress: Progress,
) -> Plan:
    """The plan of a decision, with the conflict where there is none."""
    plan = as_plan(study, inputs, problem, decision)
    if decision.termination != "infeasible":
        return plan
    return replace(plan, conflict=_conflict(study, inputs, every, deadline, progress))


@dataclass(slots=True)
class Draft:
    """The best answer so far of a :func:`decide` at work, made a plan only when somebody asks for it."""

    study: Study
    inputs: Inputs
    best: tuple[Problem, Decision] | None = None

    def __call__(self, problem: Problem, answer: Decision) -> None:
        self.best = problem, answer

    def plan(self) -> Plan | None:
        """Audited, with its honest gap; None while there is none."""
        if self.best is None:
            return None
        problem, answer = self.best
        if answer.termination != "optimal":
            answer = replace(answer, termination="time_limit")
        return _audited(as_plan(self.study, self.inputs, problem, answer), self.study, self.inputs)


@dataclass(slots=True)
class _Telling:
    """Turns answers into plans. A placement told before, now with a better bound, is not counted again."""

    study: Study
    inputs: Inputs
    tell: OnPlan
    assignment: object = None
    plan: Plan | None = None

    def __call__(self, problem: Problem, answer: Decision) -> None:
        if answer.termination == "optimal":  # the plan that is returned says so
            return
        if self.plan is None or answer.assignment is not self.assignment:
            self.plan = as_plan(self.study, self.inputs, problem, answer)
            self.assignment = answer.assignment
        plan = replace(self.plan, lower_bound=answer.lower_bound, gap=answer.gap, seconds=answer.seconds)
        self.tell(_audited(plan, self.study, self.inputs))


def traded(study: Study) -> Study:
    """The study without what a front trades: its SLO, its budget and what it minimises."""
    latency = replace(study.latency, slo_ms=None)
    return replace(study, minimize="cost", budget_usd_per_month=None, latency=latency)


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

    The latency is the promise: what ``latency.coverage`` of demand is served within. Of :func:`traded`.
    """
    free = traded(study)
    say, deadline = progress or silent, Deadline.after(time_limit_s)
    every = worth_solving(options(free, inputs))
    prepare(every[0], say)
    fronts = [
        trace_frontier(
            problem,
            study.latency.coverage,
            points=points,
            time_limit_s=deadline.remaining_s,
            progress=say,
        )
        for problem in every
    ]
    plans = []
    for which, point in merged(fronts):
        at = replace(decided(free, every[which]), latency=replace(free.latency, slo_ms=point.reached_ms))
        plan = as_plan(at, inputs, build_problem(at, inputs), point.decision)
        plans.append(_audited(plan, at, inputs))
    words = "; ".join(dict.fromkeys(front.words for front in fronts if front.words))
    return Frontier(tuple(plans), all(front.complete for front in fronts), words)


@stoppable()
def explain(
    study: Study,
    inputs: Inputs,
    *,
    time_limit_s: float | None = None,
    progress: Progress | None = None,
    told: Callable[[Explanation], None] = lambda so_far: None,
) -> Explanation:
    """The plan, and by deciding again the price of each rule, of a step of it, and of each site.

    Infeasible: no prices, a conflict. ``time_limit_s`` is for everything together: half for the plan, a
    quarter each for rules and sites; 600 by default. ``told`` hears each part as soon as it is known.
    """
    say, deadline = progress or silent, Deadline.after(time_limit_s or 2 * DEFAULT_TIME_LIMIT_S)
    limit = (time_limit_s or 2 * DEFAULT_TIME_LIMIT_S) / 2
    every = _built(study, inputs, say)
    problem, decision = _choose(every, Deadline.after(limit), say)
    plan = _audited(_told(study, inputs, every, problem, decision, deadline, say), study, inputs)
    if decision.open is None:
        return Explanation(plan, ())
    told(Explanation(plan, ()))
    problem = problem.at(decision.arrangement)

    def again(changed: Alternatives, limit_s: float | None, shown: bool = True) -> tuple[Problem, Decision]:
        solve = partial(solve_again, shown=shown)
        return decide_among(changed, solve, time_limit_s=limit_s, start=decision, tell=_to_nobody)

    def step(rule: str) -> tuple[str, Callable[[float | None], Decision]] | None:
        first = first_step(study, rule, len(inputs.sites))
        if first is None:
            return None
        looser = first.study
        return first.words, lambda limit_s: again(
            options(looser, resized(inputs, looser)), limit_s, shown=False
        )[1]

    prices = price_rules(
        problem,
        decision,
        drop=lambda rules, limit_s: again(without(every, rules), limit_s, shown=False)[1],
        step=step,
        time_limit_s=None if deadline.remaining_s is None else deadline.remaining_s / 2,
        progress=say,
        told=lambda prices: told(Explanation(plan, prices)),
    )
    prices += home_price(study, inputs, decision, again, deadline)
    values = site_values(
        problem,
        decision,
        every=every,
        solve=lambda effect, limit_s: again(tuple(each.with_effects([effect]) for each in every), limit_s),
        time_limit_s=deadline.remaining_s,
        progress=say,
        told=lambda values: told(Explanation(plan, prices, values)),
    )
    others = (
        _audited(as_plan(study, inputs, other, another), study, inputs)
        for other, another in values.alternatives
    )
    return Explanation(plan, prices, values.sites, tuple(others))


def _to_nobody(problem: Problem, answer: Decision) -> None:
    """Nobody waits for what is found on the way."""


def _choose(
    every: Alternatives,
    deadline: Deadline,
    progress: Progress,
    *,
    start: Plan | None = None,
    told: Tell | None = None,
) -> tuple[Problem, Decision]:
    """The best decision over all that "auto" may stand for, and the problem that it is one of."""
    waited = time.perf_counter()
    prepare(every[0], progress)
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
        every, solve, time_limit_s=deadline.remaining_s, start=before, tell=told or _to_nobody
    )


def _decided(plan: Plan) -> Decision:
    """A plan as a solver's start: by names, since the clients and the candidates may be others."""
    served = {each.client_id: each.site_id for each in plan.assignments}
    state = State.of(plan.open, served)
    return Decision(None, None, np.inf, -np.inf, plan.termination, plan.seconds, state=state)


def _audited(plan: Plan, study: Study, inputs: Inputs) -> Plan:
    return replace(plan, audit=audit_plan(plan, study, inputs))


def _conflict(
    study: Study, inputs: Inputs, every: Alternatives, deadline: Deadline, progress: Progress
) -> Conflict:
    clash = find_clash(every, time_limit_s=deadline.remaining_s, progress=progress)
    unsure = "" if clash.smallest else " (time ran out: perhaps not the smallest set)"
    remedies = least_changes(
        study,
        every,
        clash.rules,
        lambda looser: options(looser, resized(inputs, looser)),
        deadline=deadline,
        progress=progress,
    )
    return Conflict(clash.rules, clash.reason + unsure, remedies)


def as_plan(asked: Study, inputs: Inputs, problem: Problem, decision: Decision) -> Plan:
    """The decision in the study's words, without any conflict; where ``asked`` says "auto", by the problem's
    policy."""
    study = decided(asked, problem)
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
        sources=inputs.sources,
        set_aside=inputs.set_aside,
        notes=inputs.notes,
    )
    if decision.open is None or decision.assignment is None:
        return empty
    problem = problem.at(decision.arrangement)
    routing, routed = routing_plan(asked, study, inputs, problem, decision) or (None, None)
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
        binding=binding_of(problem, decision, placements),
        home=home_choice(study, inputs, problem, decision),
        routing=routing,
        recovery=recovery,
        standby=standby,
        priced=priced_of(inputs, {row.site_id for row in rows}),
        recovery_ways=recovery_ways(study, inputs, problem, decision, recovery),
        duties=duties_of(inputs, placements),
        certainty=certainty_of(study, inputs, decision.assignment, problem.sizing.share),
    )
