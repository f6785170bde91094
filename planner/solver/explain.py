"""Why: the rules that cannot hold together, the rules that bind, and what each one costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.solver.decision import TOLERANCE, Deadline, Decision, activity
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement


@dataclass(frozen=True, slots=True)
class Clash:
    """Rules that cannot hold together: dropping any one of them resolves it. ``reason`` is a sentence."""

    rules: tuple[str, ...]
    reason: str
    smallest: bool


@dataclass(frozen=True, slots=True)
class RulePrice:
    """What dropping one rule would save, in the objective's unit, never negative.

    None: the problem without it was not solved in time. ``proven``: both optima were.
    """

    rule: str
    words: str
    saves: float | None
    proven: bool


def find_clash(problem: Problem, *, time_limit_s: float | None = None, progress: Progress = silent) -> Clash:
    """A smallest set of rules that cannot hold together, for a problem known to be infeasible.

    A client that may be served from nowhere is found by looking; anything else by a deletion filter
    (Chinneck & Dravnieks 1991): a rule stays only if dropping it makes the rest feasible.
    """
    stranded = ~problem.allowed.any(axis=1)
    if stranded.any():
        return _stranded(problem, int(np.argmax(np.where(stranded, problem.sizing.share + 1e-300, 0.0))))
    deadline, kept, dropped, sure = Deadline.after(time_limit_s), list(problem.rules), set[str](), True
    for position, rule in enumerate(problem.rules):
        progress(position, len(problem.rules), f"does the conflict need {rule}?")
        # Any feasible point settles the question, so the gap is as wide as it gets.
        trial = solve_placement(
            problem.without(dropped | {rule}).aiming_at("cost"), gap=0.9, time_limit_s=deadline.remaining_s
        )
        if trial.termination == "infeasible":
            dropped.add(rule)
            kept.remove(rule)
        elif trial.open is None:
            sure = False
    words = {effect.rule: effect.words for effect in problem.effects}
    reason = "these cannot hold together: " + "; ".join(words[rule] for rule in kept)
    return Clash(tuple(kept), reason + _remedy(problem, kept, deadline), sure)


def _stranded(problem: Problem, client: int) -> Clash:
    """The fewest masks that together leave one client no site."""
    possible = np.isfinite(problem.latency_ms[client])
    masks = {
        effect.rule: (effect.sites if effect.sites is not None else True)
        & (effect.pairs[client] if effect.pairs is not None else True)
        for effect in problem.effects
        if effect.sites is not None or effect.pairs is not None
    }
    kept = list(masks)
    for rule in list(kept):
        others = [masks[other] for other in kept if other != rule]
        if not np.logical_and.reduce([possible, *others]).any():
            kept.remove(rule)
    count = int((~problem.allowed.any(axis=1)).sum())
    more = f" (and {count - 1:,} more)" if count > 1 else ""
    name = problem.client_ids[client]
    if not kept:
        return Clash(("latency",), f"client {name}{more} reaches no candidate site at all", True)
    words = {effect.rule: effect.words for effect in problem.effects}
    reason = f"no site may serve client {name}{more}: " + "; ".join(words[rule] for rule in kept)
    best = np.where(possible, problem.latency_ms[client], np.inf)
    if "max_ms" in kept:
        others = [masks[other] for other in kept if other != "max_ms"]
        reach = np.where(np.logical_and.reduce([possible, *others]), best, np.inf)
        if np.isfinite(reach.min()):
            nearest = problem.site_ids[int(reach.argmin())]
            reason += f"; its nearest permitted site, {nearest}, is {reach.min():.1f} ms away"
    return Clash(tuple(kept), reason, True)


def _remedy(problem: Problem, kept: list[str], deadline: Deadline) -> str:
    if "budget" not in kept:
        return ""
    free = solve_placement(
        problem.without({"budget"}).aiming_at("cost"), gap=PROVEN_GAP, time_limit_s=deadline.remaining_s
    )
    if free.open is None:
        return ""
    return f"; the cheapest plan under all the other rules costs ${free.objective:,.0f} a month"


def binding_rules(problem: Problem, decision: Decision) -> tuple[str, ...]:
    """Rules with no slack at this plan.

    A row binds when moving its smallest unit would break it: for sums of demand that is within 0.1 % of the
    bound. A mask binds when it keeps some client from an *open* site that would serve it better (cheaper, or
    nearer where latency is minimised); masks that keep whole sites closed only show in the rule's price.
    """
    assert decision.open is not None
    assert decision.assignment is not None
    is_open, assignment = decision.open, decision.assignment
    names = []
    for effect in problem.effects:
        tight = _tight(problem, effect, is_open, assignment)
        if tight or (effect.pairs is not None and _keeps_apart(problem, effect.pairs, is_open, assignment)):
            names.append(effect.rule)
    return tuple(names)


def _tight(
    problem: Problem, effect: Effect, is_open: NDArray[np.bool_], assignment: NDArray[np.intp]
) -> bool:
    serving = np.zeros(len(is_open), dtype=bool)
    serving[assignment] = True
    for row in effect.rows:
        if effect.rule == "parent" and row.site is not None:
            # y_zone ≤ y_parent is tight wherever both are open; it binds where the parent serves nobody.
            if (is_open & ~serving & (row.site < 0)).any():
                return True
            continue
        if row.site is not None and (row.site < 0).any():
            if not is_open[row.site < 0].any():  # a closed rack's capacity is no one's limit
                continue
            slack = 1e-2 * float(np.abs(row.site).max())
        elif row.instance is not None:  # money comes in whole instances
            slack = float(row.instance[is_open].max())
        else:
            slack = 0.5 if row.pair is None else 1e-3
        value = activity(problem, row, is_open, assignment)
        if value <= row.low + slack + TOLERANCE or value >= row.high - slack - TOLERANCE:
            return True
    return False


def _keeps_apart(
    problem: Problem, pairs: NDArray[np.bool_], is_open: NDArray[np.bool_], assignment: NDArray[np.intp]
) -> bool:
    if problem.minimize == "cost":
        merit = np.broadcast_to(problem.cost.per_share, pairs.shape)
    else:
        merit = problem.latency_ms
    forbidden = ~pairs & is_open & np.isfinite(problem.latency_ms)
    mine = merit[np.arange(len(assignment)), assignment][:, None]
    return bool((forbidden & (merit < mine - 1e-9)).any())


def price_rules(
    problem: Problem,
    decision: Decision,
    *,
    solve: Callable[[Problem, float | None], Decision],
    time_limit_s: float | None = None,
    progress: Progress = silent,
) -> tuple[RulePrice, ...]:
    """Solve again without each rule: what the rule costs at the optimum, one at a time."""
    deadline, prices = Deadline.after(time_limit_s), []
    for position, effect in enumerate(problem.effects):
        progress(position, len(problem.effects), f"without {effect.rule}")
        free = solve(problem.without({effect.rule}), deadline.remaining_s)
        saves = None if free.open is None else max(decision.objective - free.objective, 0.0)
        # Within the proven gaps of both solves, a difference is not a price.
        if saves is not None and saves <= 2 * PROVEN_GAP * abs(decision.objective):
            saves = 0.0
        proven = free.termination == "optimal" and decision.termination == "optimal"
        prices.append(RulePrice(effect.rule, effect.words, saves, proven))
    return tuple(prices)
