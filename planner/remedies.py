"""What would resolve a conflict: for each of its rules, the least change that leaves a plan.

A number is turned as finely as it is printed (:mod:`planner.loosening`): the least is found by bisection,
where a looser rule forbids nothing that a tighter one allows. A budget is what the cheapest plan costs,
proven to the last dollar (below a hundred, cent) that is printed, or the range is said; coverage is what the
best plan covers. Of a rule without numbers, the least part of the demand is looked for that it would have to
let off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.dial import Dial
from planner.loosening import dials, money, one_less, round_up, slower
from planner.problem import Problem
from planner.rules import Effect
from planner.solver.alternatives import Alternatives, without, worth_solving
from planner.solver.conflict import any_plan, holds
from planner.solver.decision import Deadline, Decision
from planner.solver.letting_off import LetOff, least_let_off
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement
from planner.study import Study
from planner.wording import percent

NOT_ALONE: Final = "no change of it alone is enough"
NOT_EXAMINED: Final = "not examined: time ran out"
NO_VALUE: Final = "no other value helps"
"""How a remedy begins that is none."""

UNSURE: Final = " (time ran out: perhaps less)"
UNPROVEN: Final = " (not proven: perhaps less)"

FINEST_GAP: Final = 1e-8
"""A bound is proven no finer."""

PATIENCE_S: Final = 10.0
"""So long, or three times what a plan took, a budget is looked at to the last dollar."""

Build = Callable[[Study], Alternatives]
"""The problems of a study that differs from this one in its rules alone."""


def least_changes(
    study: Study,
    every: Alternatives,
    rules: Sequence[str],
    build: Build,
    *,
    deadline: Deadline,
    progress: Progress = silent,
) -> dict[str, str]:
    """For each of the ``rules`` of a conflict, what it would have to become, in words.

    :data:`NOT_ALONE` where another conflict stands beside this one, :data:`NOT_EXAMINED` where time ran out.
    A rule is missing where no change short of dropping it helps.
    """
    found = {}
    effects = {effect.rule: effect for effect in every[0].effects}
    for position, rule in enumerate(rules):
        progress(position, len(rules), f"how far must {rule} give way?")
        if rule not in effects:
            continue
        words = None if deadline.passed() else _least(study, every, effects[rule], build, deadline)
        if words is None and deadline.passed():
            words = NOT_EXAMINED
        if words is not None:
            found[rule] = words
    return found


def _least(study: Study, every: Alternatives, effect: Effect, build: Build, deadline: Deadline) -> str | None:
    if effect.lacks:
        return f"{NO_VALUE} without {effect.lacks}"
    rest = without(every, {effect.rule})
    plan, proven = any_plan(rest, deadline)
    if plan is None:
        return NOT_ALONE if proven else None
    if effect.rule == "routing":
        return f'policy = "{plan[0].policy}"'
    if effect.rule == "budget":
        return _budget(rest, deadline)
    if effect.rule == "coverage":
        return _coverage(study, every, rest, build, deadline)
    turned = dials(study, effect.rule, len(every[0].site_ids))
    for dial in turned:
        words = _turned(dial, build, deadline)
        if words is not None:
            return words
    if turned or effect.rows or effect.covers or (effect.sites is None and effect.pairs is None):
        return None
    return _let_off(every, rest, effect.rule, deadline)


def _turned(dial: Dial, build: Build, deadline: Deadline) -> str | None:
    """The least that a dial must be turned; None where no turn of it is enough, or time ran out."""

    def enough(position: int) -> bool | None:
        return holds(build(dial.at(position).study), deadline)

    last = dial.count - 1
    low, high = 0, last
    if dial.steady:
        if not enough(last):
            return None
    else:  # farther is not always looser: the nearest first
        high = 0
        while (found := enough(high)) is not True:
            if found is None or high == last:
                return None
            low, high = high + 1, min(2 * high + 1, last)
    while low < high:
        middle = (low + high) // 2
        found = enough(middle)
        if found is None:
            return dial.at(high).words + UNSURE
        low, high = (low, middle) if found else (middle + 1, high)
    return dial.at(high).words


def _budget(rest: Alternatives, deadline: Deadline) -> str | None:
    """What the cheapest plan costs, rounded up to what can be typed: proven to be the least that can, or
    said what the least may be."""
    started = time.perf_counter()
    found = _cheapest(rest, PROVEN_GAP, deadline, {})
    # Proven to the last dollar, but not at any length: a dollar more or less is no one's decision.
    patience = Deadline.after(max(PATIENCE_S, 3 * (time.perf_counter() - started)))
    while True:
        plans = [each.objective for each in found.values() if each.open is not None]
        if not plans:
            return None
        usd, floor = min(plans), _floor(found)
        if round_up(floor) >= round_up(usd):
            return f"{money(usd)} a month"
        gap = (usd - one_less(usd)) / usd / 2
        if deadline.passed() or patience.passed() or gap < FINEST_GAP:
            return f"{money(usd)} a month (perhaps less; {money(floor)} at least)"
        sharper = _cheapest(rest, gap, deadline.sooner(patience), found)
        if _floor(sharper) <= floor:
            patience = Deadline.after(0.0)  # nothing more comes of it
        found = sharper


def _floor(found: Mapping[int, Decision]) -> float:
    return max(min(each.lower_bound for each in found.values()), 0.0)


def _cheapest(
    rest: Alternatives, gap: float, deadline: Deadline, before: Mapping[int, Decision]
) -> dict[int, Decision]:
    """The cheapest plan of each problem; what was known ``before`` is kept where it is better."""
    found = {}
    for k, problem in enumerate(worth_solving(rest)):
        known = before.get(k)
        decision = solve_placement(
            problem.aiming_at("cost"),
            gap=gap,
            time_limit_s=deadline.remaining_s,
            start=known,
            lower_bound=-np.inf if known is None else known.lower_bound,
        )
        if known is not None:
            lower = max(decision.lower_bound, known.lower_bound)
            best = min(decision, known, key=lambda each: each.objective)
            decision = replace(best, lower_bound=lower)
        found[k] = decision
    return found


def _coverage(
    study: Study, every: Alternatives, rest: Alternatives, build: Build, deadline: Deadline
) -> str | None:
    """Less of the demand within the same time; or the same within more."""
    spared, least = _least_let_off(every, rest, "coverage", _outside, deadline)
    longer = _turned(slower(study), build, deadline)
    if spared is None:
        return longer
    covered = np.floor(1000 * (1 - spared.share) + 1e-6) / 1000
    if covered <= 0:
        return longer
    words = f"{percent(covered)} of demand within {study.latency.slo_ms:g} ms"
    words = words if least else words + UNPROVEN
    return words if longer is None else f"{words}, or {longer}"


def _outside(effect: Effect) -> NDArray[np.bool_]:
    """The pairs that a row on shares does not count."""
    pair = effect.rows[0].pair
    assert pair is not None
    return np.asarray(pair < 0.5)


def _forbidden(effect: Effect) -> NDArray[np.bool_]:
    """The pairs, or the sites for everybody, that a mask forbids."""
    masks = [~mask for mask in (effect.pairs, effect.sites) if mask is not None] or [np.zeros(1, dtype=bool)]
    return np.asarray(np.logical_or.reduce(np.broadcast_arrays(*masks)))


def _let_off(every: Alternatives, rest: Alternatives, rule: str, deadline: Deadline) -> str | None:
    """The least demand that a mask would have to let off, whose it is, and where it would be served."""
    best, least = _least_let_off(every, rest, rule, _forbidden, deadline)
    if best is None or not best.clients.size or best.share > 1 - 1e-9:
        return None
    problem = rest[0]
    largest = int(best.clients[problem.sizing.share[best.clients].argmax()])
    others = f" and {len(best.clients) - 1:,} more" if len(best.clients) > 1 else ""
    served = f"served from {problem.site_ids[int(best.site[largest])]}"
    if best.backup is not None:
        served += f", with {problem.site_ids[int(best.backup[largest])]} as backup,"
    words = f"not for {best.share:.1%} of demand ({problem.client_ids[largest]}{others}), {served} for one"
    return words if least else words + UNPROVEN


def _least_let_off(
    every: Alternatives,
    rest: Alternatives,
    rule: str,
    counted: Callable[[Effect], NDArray[np.bool_]],
    deadline: Deadline,
) -> tuple[LetOff | None, bool]:
    """The least demand over the pairs ``counted`` of the rule, in any arrangement, None where no plan was
    found; and whether no arrangement is left that may do with less. ``rest``: the problems without the rule.
    """
    found: LetOff | None = None
    settled = True
    for ruled, free in zip(_options(every), _options(rest), strict=True):
        pairs = counted(next(effect for effect in ruled.effects if effect.rule == rule))
        every_pair = np.broadcast_to(pairs, free.allowed.shape)
        # Coverage is a promise of ordinary days, not of backups.
        best, last_word = least_let_off(free, every_pair, deadline, of_backups=rule != "coverage")
        settled &= last_word
        if best is not None and (found is None or best.share < found.share):
            found = best
    return found, settled


def _options(alternatives: Alternatives) -> list[Problem]:
    return [option for problem in alternatives for option in problem.options]
