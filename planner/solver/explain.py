"""Why: the rules that are tight at the plan, and what each rule costs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.solver.decision import TOLERANCE, Deadline, Decision, activity, groups_hit, tally
from planner.solver.overlap import also_held_by
from planner.solver.placement import PROVEN_GAP, Progress, silent


@dataclass(frozen=True, slots=True)
class RulePrice:
    """What dropping one rule would save, in the objective's unit, never negative, and what one step would.

    None: the problem without it was not solved in time. ``proven``: both optima were. ``step``: what the rule
    would ask a step looser, None where it has no steps. ``held_by``: other rules that hold what this one
    asks, or part of it, so that its own price says too little; ``together``: what dropping it and them saves.
    """

    rule: str
    words: str
    saves: float | None
    proven: bool
    step: str | None = None
    step_saves: float | None = None
    held_by: tuple[str, ...] = ()
    together: float | None = None


def tight_rules(problem: Problem, decision: Decision) -> tuple[str, ...]:
    """Rules that leave this plan no room, whatever they cost: :func:`price_rules` says that.

    A row is tight when moving its smallest unit would break it: for sums of demand that is within 0.1 % of
    the bound, or less than the smallest client that would be better off where it does not count. A mask is
    tight when it keeps some client from an open site that would serve it better (cheaper, or nearer where
    latency is minimised), or from a closed one that would pay for its opening.
    """
    assert decision.open is not None
    assert decision.assignment is not None
    is_open, assignment = decision.open, decision.assignment
    names = []
    for effect in problem.effects:
        if effect.failover is not None:
            tight = _stands_by(problem, decision)
        else:
            tight = _tight(problem, effect, is_open, assignment, decision.backup)
        if not tight and effect.pairs is not None:
            tight = _keeps_apart(problem, effect.pairs, is_open, assignment)
        if not tight and effect.rule == "coverage":
            tight = _holds_somebody(problem, effect, is_open, assignment)
        if tight or _keeps_closed(problem, effect, decision):
            names.append(effect.rule)
    return tuple(names)


def _holds_somebody(
    problem: Problem, effect: Effect, is_open: NDArray[np.bool_], assignment: NDArray[np.intp]
) -> bool:
    """Whether some client would be better off where it does not count, and cannot be spared."""
    rows, row = np.arange(len(assignment)), effect.rows[0]
    assert row.pair is not None
    counted, share = row.pair > 0.5, problem.sizing.share
    merit = next_usd(problem, assignment) if problem.minimize == "cost" else problem.latency_ms
    better = problem.allowed & is_open & ~counted & (merit < merit[rows, assignment][:, None] - 1e-9)
    held = counted[rows, assignment] & better.any(axis=1) & (share > 0)
    spare = float(share[counted[rows, assignment]].sum()) - row.low
    return bool(held.any()) and spare < float(share[held].min())


def _keeps_closed(problem: Problem, effect: Effect, decision: Decision) -> bool:
    """Whether without a mask some closed site would pay for its opening with what its clients gain there."""
    if effect.pairs is None and effect.sites is None:
        return False
    assert decision.open is not None
    assert decision.assignment is not None
    rest, may_open = np.isfinite(problem.latency_ms), np.ones(len(decision.open), dtype=bool)
    for other in problem.effects:
        if other.rule != effect.rule:
            rest &= True if other.pairs is None else other.pairs
            may_open &= True if other.sites is None else other.sites
    forbidden = np.zeros(rest.shape, dtype=bool)
    if effect.pairs is not None:
        forbidden |= ~effect.pairs
    if effect.sites is not None:
        forbidden |= ~effect.sites
    rest &= may_open & ~decision.open
    if not (rest & forbidden).any():
        return False
    rows = np.arange(len(decision.assignment))
    if problem.minimize != "cost":
        now = problem.latency_ms[rows, decision.assignment][:, None]
        return bool((rest & forbidden & (problem.latency_ms < now - 1e-9)).any())
    share, sizing = problem.sizing.share[:, None], problem.sizing
    machines = problem.cost.per_instance * sizing.peak_rps / sizing.rps_per_instance
    now = next_usd(problem, decision.assignment)[rows, decision.assignment][:, None]
    now = now + share * machines[decision.assignment][:, None]
    first = problem.cost.per_share + machines
    if problem.cost.lines is not None:
        first = first + problem.cost.lines.per_share[:, 0]
    gain = np.where(rest, np.maximum(now - share * first, 0.0), 0.0)
    pays = gain.sum(axis=0) > problem.cost.fixed + problem.cost.per_instance * sizing.min_instances
    return bool((pays & ((gain > 0) & forbidden).any(axis=0)).any())


def _stands_by(problem: Problem, decision: Decision) -> bool:
    """Whether some site runs more, or is open, for no other sake than a failure's; or some client would be
    served better where it has no backup."""
    assert decision.open is not None
    assert decision.assignment is not None
    alone = tally(problem, decision.open, decision.assignment)
    ready = tally(problem, decision.open, decision.assignment, decision.backup)
    idle = decision.open & (alone.share == 0)
    used = np.zeros(len(idle), dtype=bool)
    used[decision.backup] = True
    if (ready.instances > alone.instances).any() or (idle & used).any():
        return True
    assert problem.failover is not None
    backed = problem.failover.backed(decision.open)
    bare = problem.without({"survive"})
    return _keeps_apart(bare, backed | ~bare.allowed, decision.open, decision.assignment)


def _tight(
    problem: Problem,
    effect: Effect,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None,
) -> bool:
    serving = np.zeros(len(is_open), dtype=bool)
    serving[assignment] = True
    if backup is not None:
        serving[backup] = True
    if any(groups_hit(cover, is_open) <= cover.at_least for cover in effect.covers):
        return True
    for row in effect.rows:
        if effect.rule.startswith("one_size["):  # one size of what is bought: tight, but no limit on anything
            continue
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
        value = activity(problem, row, is_open, assignment, backup)
        if value <= row.low + slack + TOLERANCE or value >= row.high - slack - TOLERANCE:
            return True
    return False


def _keeps_apart(
    problem: Problem, pairs: NDArray[np.bool_], is_open: NDArray[np.bool_], assignment: NDArray[np.intp]
) -> bool:
    merit = next_usd(problem, assignment) if problem.minimize == "cost" else problem.latency_ms
    forbidden = ~pairs & is_open & np.isfinite(problem.latency_ms)
    mine = merit[np.arange(len(assignment)), assignment][:, None]
    return bool((forbidden & (merit < mine - 1e-9)).any())


def next_usd(problem: Problem, assignment: NDArray[np.intp]) -> NDArray[np.float64]:
    """(m, n) what a client's traffic costs at each site, atop what the others served there cost."""
    share, lines = problem.sizing.share[:, None], problem.cost.lines
    cost = share * problem.cost.per_share
    if lines is None:
        return cost
    served = np.bincount(assignment, weights=share[:, 0], minlength=cost.shape[1]).astype(np.float64)
    mine = np.arange(cost.shape[1]) == assignment[:, None]
    beside = np.maximum(served - share * mine, 0.0)
    return np.asarray(cost + lines.of(beside + share) - lines.of(beside))


def worth_of(decision: Decision, free: Decision) -> float | None:
    """What ``free``, of a problem that asks less, saves of the objective; None where it decided nothing."""
    if free.open is None:
        return None
    saves = max(decision.objective - free.objective, 0.0)
    # Within the proven gaps of both solves, a difference is not a price.
    return saves if saves > 2 * PROVEN_GAP * abs(decision.objective) else 0.0


def price_rules(
    problem: Problem,
    decision: Decision,
    *,
    drop: Callable[[Collection[str], float | None], Decision],
    step: Callable[[str], tuple[str, Callable[[float | None], Decision]] | None],
    time_limit_s: float | None = None,
    progress: Progress = silent,
    told: Callable[[tuple[RulePrice, ...]], None] = lambda prices: None,
) -> tuple[RulePrice, ...]:
    """Decide again without each rule, and with it one ``step`` looser: what it costs at the optimum.

    ``drop`` decides without some rules, in so many seconds; ``step`` gives what a rule would ask, and what
    decides under that. Both decide everything anew, the routing policy too where it is left open. ``told``
    hears, with every price, all there are by then.
    """
    deadline, prices = Deadline.after(time_limit_s), []

    def saving(free: Decision) -> float | None:
        return worth_of(decision, free)

    for position, effect in enumerate(problem.effects):
        progress(position, len(problem.effects), f"without {effect.rule}")
        free = drop({effect.rule}, deadline.remaining_s)
        saves = saving(free)
        proven = free.termination == "optimal" and decision.termination == "optimal"
        held_by, together = also_held_by(problem, effect), None
        if held_by:
            freer = drop({effect.rule, *held_by}, deadline.remaining_s)
            together = saving(freer)
            proven = proven and freer.termination == "optimal"
        price = RulePrice(effect.rule, effect.words, saves, proven, held_by=held_by, together=together)
        looser = step(effect.rule)
        if looser is not None:
            words, decide = looser
            # What dropping the rule does not save, a step of it does not save either; but a step of a
            # capacity is also one of how full it may be, which dropping leaves as it is.
            nothing = saves == 0.0 and free.termination == "optimal" and not held_by
            stepped = saves if nothing else saving(decide(deadline.remaining_s))
            price = replace(price, step=words, step_saves=stepped)
        prices.append(price)
        told(tuple(prices))
    return tuple(prices)
