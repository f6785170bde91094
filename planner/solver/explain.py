"""Why: the rules that cannot hold together, the rules that bind, and what each one costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.solver.decision import TOLERANCE, Deadline, Decision, activity
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement

MOST_CONFLICTS = 3
"""How many conflicts are named when several stand side by side."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Rules that cannot hold together; sparing any one of them would resolve this conflict.

    ``reason`` says so in words, and names further conflicts beside it. ``smallest`` is False when time ran
    out before every rule was tried, so that one could be spared.
    """

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
    """Rules that cannot hold together, for a problem known to be infeasible.

    Clients that may be served from nowhere are found by looking; anything else by a deletion filter
    (Chinneck & Dravnieks 1991), in which a rule stays only if dropping it makes the rest feasible. What comes
    back is one irreducible set, the others in the words: several may stand side by side.
    """
    deadline, words = Deadline.after(time_limit_s), {effect.rule: effect.words for effect in problem.effects}
    first: tuple[str, ...] | None = None
    sentences, gone, sure = list[str](), set[str](), True
    # A further conflict shows once those found are out of the way.
    while len(sentences) < MOST_CONFLICTS:
        rest = problem.without(gone)
        if not rest.allowed.any(axis=1).all():
            rules, sentence = _stranded(rest)
        elif first is None or _proven_infeasible(rest, deadline):
            rules, settled = _irreducible(rest, deadline, progress)
            sentence = _sentence(rules, words) + _remedy(rest, rules, deadline)
            sure = sure and settled
        else:
            break
        first = rules or ("latency",) if first is None else first
        sentences.append(sentence)
        if not rules:
            break
        gone |= set(rules)
    return Clash(first or (), "; apart from that, ".join(sentences), sure)


def _irreducible(problem: Problem, deadline: Deadline, progress: Progress) -> tuple[tuple[str, ...], bool]:
    """Rules of which none can be spared if the conflict is to stay; False where time left that open."""
    kept, dropped, sure = list(problem.rules), set[str](), True
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
    return tuple(kept), sure


def _proven_infeasible(problem: Problem, deadline: Deadline) -> bool:
    trial = solve_placement(problem.aiming_at("cost"), gap=0.9, time_limit_s=deadline.remaining_s)
    return trial.termination == "infeasible"


def _sentence(rules: Sequence[str], words: Mapping[str, str]) -> str:
    if len(rules) == 1:
        return f"no plan keeps this: {words[rules[0]]}"
    return "these cannot hold together: " + "; ".join(words[rule] for rule in rules)


def _stranded(problem: Problem) -> tuple[tuple[str, ...], str]:
    """The fewest masks that leave the most demand without a site, and the sentence that says so."""
    sorts: dict[tuple[str, ...], list[int]] = {}
    for client in np.nonzero(~problem.allowed.any(axis=1))[0]:
        sorts.setdefault(_excluding(problem, int(client)), []).append(int(client))
    share = problem.sizing.share
    rules, clients = max(sorts.items(), key=lambda item: share[item[1]].sum())
    return rules, _stranded_words(problem, rules, clients)


def _masks(problem: Problem, client: int) -> dict[str, NDArray[np.bool_]]:
    """Which sites each rule leaves one client, of the rules that have a say."""
    everywhere = np.ones(len(problem.site_ids), dtype=bool)
    return {
        effect.rule: (everywhere if effect.sites is None else effect.sites)
        & (everywhere if effect.pairs is None else effect.pairs[client])
        for effect in problem.effects
        if effect.sites is not None or effect.pairs is not None
    }


def _excluding(problem: Problem, client: int) -> tuple[str, ...]:
    """An irreducible set of rules that leaves the client no site; empty when it reaches none anyway."""
    masks, possible = _masks(problem, client), np.isfinite(problem.latency_ms[client])
    kept = list(masks)
    for rule in list(kept):
        others = [masks[other] for other in kept if other != rule]
        if not np.logical_and.reduce([possible, *others]).any():
            kept.remove(rule)
    return tuple(kept)


def _stranded_words(problem: Problem, rules: Sequence[str], clients: Sequence[int]) -> str:
    client = max(clients, key=lambda i: problem.sizing.share[i])
    more = f" (and {len(clients) - 1:,} more like it)" if len(clients) > 1 else ""
    name = problem.client_ids[client]
    if not rules:
        return f"client {name}{more} reaches no candidate site: every pair is without latency, or lost"
    words = {effect.rule: effect.words for effect in problem.effects}
    reason = f"no site may serve client {name}{more}: " + "; ".join(words[rule] for rule in rules)
    if "max_ms" in rules:
        masks = _masks(problem, client)
        others = [masks[rule] for rule in rules if rule != "max_ms"]
        latency = problem.latency_ms[client]
        reach = np.where(np.logical_and.reduce([np.isfinite(latency), *others]), latency, np.inf)
        if np.isfinite(reach.min()):
            nearest = problem.site_ids[int(reach.argmin())]
            reason += f"; its nearest permitted site, {nearest}, is {reach.min():.1f} ms away"
    return reason


def _remedy(problem: Problem, kept: Sequence[str], deadline: Deadline) -> str:
    """What a rule of the conflict would have to become, where that is quickly known."""
    words = ""
    if "coverage" in kept:
        row = next(row for rule, row in problem.rows if rule == "coverage")
        assert row.pair is not None
        within = (problem.allowed & (row.pair > 0.5)).any(axis=1)
        best = float(problem.sizing.share[within].sum())
        words += f"; with every permitted site open, {best:.1%} of demand would be within it"
    if "budget" in kept:
        free = solve_placement(
            problem.without({"budget"}).aiming_at("cost"), gap=PROVEN_GAP, time_limit_s=deadline.remaining_s
        )
        if free.open is not None:
            words += f"; the cheapest plan under all the other rules costs ${free.objective:,.0f} a month"
    return words


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
