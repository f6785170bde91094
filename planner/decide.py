"""From a study and its inputs to a plan: build the problem, solve it, audit the answer, say why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from planner.audit import audit_plan
from planner.inputs import Inputs, at_home
from planner.latency.matrix import MEASURED, PROVENANCES
from planner.loosening import rungs
from planner.plan import Assignment, Conflict, HomeChoice, Kpi, Placement, Plan
from planner.problem import Problem, build_problem
from planner.reasons import reasons
from planner.remedies import least_changes
from planner.solver.answers import OnAnswer
from planner.solver.conflict import find_clash
from planner.solver.decision import Deadline, Decision, State, tally
from planner.solver.explain import RulePrice, binding_rules, price_rules
from planner.solver.frontier import trace_frontier, weighted_quantile
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
    sites are tried first. The answer is the same without it, but later. ``on_plan`` is called, from this
    thread, with every better plan on the way, "feasible" and audited; the one returned comes last.
    """
    limit = DEFAULT_TIME_LIMIT_S if time_limit_s is None else time_limit_s
    say = progress or silent
    problem = build_problem(study, inputs)
    told = None if on_plan is None else _Telling(study, inputs, problem, on_plan)
    decision = _solve(problem, limit, say, start=start, on_answer=told)
    return _audited(_plan(study, inputs, problem, decision, limit, say), study, inputs)


@dataclass(slots=True)
class _Telling:
    """Turns answers into plans. A placement told before, now with a better bound, is not counted again."""

    study: Study
    inputs: Inputs
    problem: Problem
    tell: OnPlan
    assignment: object = None
    plan: Plan | None = None

    def __call__(self, answer: Decision) -> None:
        if answer.termination == "optimal":  # the plan that is returned says so
            return
        if self.plan is None or answer.assignment is not self.assignment:
            self.plan = _plan(self.study, self.inputs, self.problem, answer, None, silent)
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
    problem = build_problem(free, inputs)
    prepare(problem, progress or silent)
    front = trace_frontier(
        problem,
        study.latency.coverage,
        points=points,
        time_limit_s=time_limit_s,
        progress=progress or silent,
    )
    plans = []
    for point in front.points:
        at = replace(free, latency=replace(free.latency, slo_ms=point.reached_ms))
        plan = _plan(at, inputs, build_problem(at, inputs), point.decision, None, silent)
        plans.append(_audited(plan, at, inputs))
    return Frontier(tuple(plans), front.complete, front.words)


@stoppable()
def explain(
    study: Study, inputs: Inputs, *, time_limit_s: float | None = None, progress: Progress | None = None
) -> Explanation:
    """The plan, and by solving again the price of each rule, of a step of it, and of each site.

    Infeasible: no prices, a conflict. ``time_limit_s`` is for everything together: half for the plan, a
    quarter each for rules and sites; 600 by default.
    """
    say, deadline = progress or silent, Deadline.after(time_limit_s or 2 * DEFAULT_TIME_LIMIT_S)
    limit = (time_limit_s or 2 * DEFAULT_TIME_LIMIT_S) / 2
    problem = build_problem(study, inputs)
    decision = _solve(problem, limit, say)
    plan = _audited(_plan(study, inputs, problem, decision, limit, say), study, inputs)
    if decision.open is None:
        return Explanation(plan, ())
    problem = problem.at(decision.home)

    def step(rule: str) -> tuple[str, Problem] | None:
        first = next(iter(rungs(study, rule, len(inputs.sites))), None)
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
        _audited(_plan(study, inputs, problem, other, None, silent), study, inputs)
        for other in values.alternatives
    )
    return Explanation(plan, prices, values.sites, tuple(others))


def _solve_again(problem: Problem, time_limit_s: float | None, start: Decision) -> Decision:
    """A problem a little different from the one that ``start`` decides."""
    solve = solve_minimax if problem.minimize == "max_latency" else solve_placement
    return solve(problem, gap=PROVEN_GAP, time_limit_s=time_limit_s, start=start)


def _solve(
    problem: Problem,
    time_limit_s: float | None,
    progress: Progress,
    *,
    start: Plan | None = None,
    on_answer: OnAnswer | None = None,
) -> Decision:
    prepare(problem, progress)
    before = None if start is None or start.kpi is None else _decided(start)
    solve = solve_minimax if problem.minimize == "max_latency" else solve_placement
    return solve(
        problem,
        gap=PROVEN_GAP,
        time_limit_s=time_limit_s,
        progress=progress,
        start=before,
        on_answer=on_answer,
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
    time_limit_s: float | None,
    progress: Progress,
) -> Plan:
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
        deadline = Deadline.after(time_limit_s)
        clash = find_clash(problem, time_limit_s=time_limit_s, progress=progress)
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
    problem = problem.at(decision.home)
    inputs = at_home(study, inputs, problem.home)
    placements = _placements(inputs, problem, decision)
    items = {
        item.name: sum(placement.cost_items[item.name] for placement in placements) for item in problem.items
    }
    return replace(
        empty,
        objective=decision.objective,
        lower_bound=decision.lower_bound,
        gap=decision.gap,
        placements=placements,
        assignments=_assignments(study, inputs, problem, decision),
        kpi=_kpi(study, inputs, problem, decision, sum(items.values())),
        cost_items=items,
        binding=binding_rules(problem, decision),
        home=_home(study, inputs, problem, decision),
    )


def _home(study: Study, inputs: Inputs, problem: Problem, decision: Decision) -> HomeChoice | None:
    tier, home = study.workload.home, inputs.home
    if tier is None or home is None:
        return None
    assert decision.assignment is not None
    leg = home.estimate_ms if study.latency.bound == "estimate" else home.upper_ms
    far = tier.home_trips * leg[decision.assignment] if tier.home_trips > 0 else 0.0
    return HomeChoice(home.site.id, home.site.country, float((problem.sizing.share * far).sum()))


def _placements(inputs: Inputs, problem: Problem, decision: Decision) -> tuple[Placement, ...]:
    assert decision.open is not None
    assert decision.assignment is not None
    counted = tally(problem, decision.open, decision.assignment, decision.backup)
    latency = problem.latency_ms[np.arange(len(decision.assignment)), decision.assignment]
    placements, why = [], reasons(problem, decision)
    for j in np.nonzero(decision.open)[0]:
        site, mine = inputs.sites[j], decision.assignment == j
        costs: Mapping[str, float] = {
            item.name: item.of(int(j), int(counted.instances[j]), float(counted.share[j]))
            for item in problem.items
        }
        zones = any(child.parent == site.id and decision.open[k] for k, child in enumerate(inputs.sites))
        stands_by = decision.backup is not None and bool((decision.backup == j).any())
        # Sites whose clients have no weight at all still have a median: each client then counts alike.
        weight = problem.sizing.share[mine] if counted.share[j] > 0 else np.ones(int(mine.sum()))
        p50, p95 = (weighted_quantile(latency[mine], weight, q) if mine.any() else None for q in (0.50, 0.95))
        placements.append(
            Placement(
                site_id=site.id,
                provider=site.provider,
                kind=site.kind,
                parent=site.parent,
                country=site.country,
                role=_role(serves=bool(mine.any()), stands_by=stands_by, zones=zones),
                instances=int(counted.instances[j]),
                clients=int(mine.sum()),
                demand_share=float(counted.share[j]),
                latency_p50_ms=p50,
                latency_p95_ms=p95,
                cost_usd_month=sum(costs.values()),
                cost_items=costs,
                decided_by=why[site.id],
            )
        )
    return tuple(sorted(placements, key=lambda placement: (-placement.demand_share, placement.site_id)))


def _role(*, serves: bool, stands_by: bool, zones: bool) -> Literal["serving", "backup", "parent"]:
    if serves or not (stands_by or zones):
        return "serving"
    return "backup" if stands_by else "parent"


def _assignments(
    study: Study, inputs: Inputs, problem: Problem, decision: Decision
) -> tuple[Assignment, ...]:
    assert decision.assignment is not None
    matrix, slo = inputs.matrix, study.latency.slo_ms
    assignments = []
    for i, (client, j) in enumerate(zip(inputs.demand.clients, decision.assignment, strict=True)):
        latency = float(problem.latency_ms[i, j])
        assignments.append(
            Assignment(
                client_id=client.id,
                country=client.country,
                weight=float(inputs.demand.weight[i]),
                site_id=inputs.sites[j].id,
                backup_site_id=None if decision.backup is None else inputs.sites[decision.backup[i]].id,
                latency_ms=latency,
                latency_lower_ms=float(matrix.lower_ms[i, j]),
                latency_upper_ms=float(matrix.upper_ms[i, j]),
                provenance=PROVENANCES[matrix.provenance[i, j]],
                within_slo=slo is None or latency <= slo,
            )
        )
    return tuple(assignments)


def _kpi(study: Study, inputs: Inputs, problem: Problem, decision: Decision, cost_usd: float) -> Kpi:
    assert decision.assignment is not None
    rows, share = np.arange(len(decision.assignment)), problem.sizing.share
    latency = problem.latency_ms[rows, decision.assignment]
    slo = study.latency.slo_ms
    return Kpi(
        mean_ms=float((share * latency).sum()),
        p50_ms=weighted_quantile(latency, share, 0.50),
        p95_ms=weighted_quantile(latency, share, 0.95),
        max_ms=float(latency.max()),
        coverage=1.0 if slo is None else float(share[latency <= slo].sum()),
        cost_usd_month=cost_usd,
        measured_share=float(share[inputs.matrix.provenance[rows, decision.assignment] == MEASURED].sum()),
    )
