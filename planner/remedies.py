"""What would resolve a conflict: for each of its rules, the least change that leaves a plan.

A rule with steps is loosened rung by rung (:mod:`planner.loosening`), found by bisection, since a looser rule
forbids nothing that a tighter one allows. Of a rule without steps, the least part of the demand is looked for
that it would have to let off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.loosening import money, rungs
from planner.problem import Problem
from planner.rules import Effect
from planner.solver.alternatives import Alternatives, without, worth_solving
from planner.solver.conflict import any_plan, holds
from planner.solver.decision import Deadline, Decision
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement
from planner.study import Study

NOT_ALONE: Final = "no change of it alone is enough"
NOT_EXAMINED: Final = "not examined: time ran out"

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
    rest = without(every, {effect.rule})
    if not holds(rest, deadline):
        return None if deadline.passed() else NOT_ALONE
    if effect.rule == "routing":
        found, _ = any_plan(rest, deadline)
        return None if found is None else f'policy = "{found[0].policy}"'
    if effect.rule == "budget":
        return _budget(rest, deadline)
    row = effect.rows[0] if len(effect.rows) == 1 else None
    if effect.rule == "coverage" and row is not None and row.pair is not None:
        spared = _least_share(every, rest, effect.rule, _outside, deadline)
        if spared is None:
            return None
        percent = np.floor(1000 * (1 - spared.best.objective) + 1e-6) / 10
        return f"{percent:g} % of demand within {study.latency.slo_ms:g} ms"
    ladder = rungs(study, effect.rule, len(every[0].site_ids))
    if ladder:
        low, high = 0, len(ladder) - 1
        if not holds(build(ladder[high].study), deadline):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if holds(build(ladder[middle].study), deadline) else (middle + 1, high)
        return None if deadline.passed() else ladder[low].words
    if effect.rows or (effect.sites is None and effect.pairs is None):
        return None
    return _let_off(every, rest, effect.rule, deadline)


def _budget(rest: Alternatives, deadline: Deadline) -> str | None:
    """What the cheapest plan costs, rounded up to what can be typed."""
    found = [
        solve_placement(problem.aiming_at("cost"), gap=PROVEN_GAP, time_limit_s=deadline.remaining_s)
        for problem in worth_solving(rest)
    ]
    plans = [each for each in found if each.open is not None]
    if not plans:
        return None
    proven = all(each.termination in ("optimal", "infeasible") for each in found)
    words = f"{money(min(each.objective for each in plans))} a month"
    return words if proven else f"{words} (time ran out: perhaps less)"


def _options(alternatives: Alternatives) -> list[Problem]:
    return [option for problem in alternatives for option in problem.options]


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
    found = _least_share(every, rest, rule, _forbidden, deadline)
    if found is None:
        return None
    best = found.best
    assert best.assignment is not None
    forbidden = np.broadcast_to(found.counted, rest[0].allowed.shape)
    rows = np.arange(len(best.assignment))
    off = np.nonzero(forbidden[rows, best.assignment])[0]
    if not off.size or best.objective > 1 - 1e-9:
        return None
    largest = int(off[rest[0].sizing.share[off].argmax()])
    others = f" and {len(off) - 1:,} more" if len(off) > 1 else ""
    return (
        f"not for {best.objective:.1%} of demand ({rest[0].client_ids[largest]}{others}), served from"
        f" {rest[0].site_ids[int(best.assignment[largest])]} for one"
    )


@dataclass(frozen=True, slots=True)
class _Spared:
    best: Decision
    counted: NDArray[np.bool_]


def _least_share(
    every: Alternatives,
    rest: Alternatives,
    rule: str,
    counted: Callable[[Effect], NDArray[np.bool_]],
    deadline: Deadline,
) -> _Spared | None:
    """The plan, at any home, that serves the least demand over the pairs ``counted`` of the rule there.

    None where no plan was found. ``rest``: the problem without the rule.
    """
    found: _Spared | None = None
    for ruled, free in zip(_options(every), _options(rest), strict=True):
        pairs = counted(next(effect for effect in ruled.effects if effect.rule == rule))
        best = _least_share_at(free, pairs, deadline)
        if best is not None and (found is None or best.objective < found.best.objective):
            found = _Spared(best, pairs)
    return found


def _least_share_at(rest: Problem, counted: NDArray[np.bool_], deadline: Deadline) -> Decision | None:
    if not rest.servable:
        return None
    # A mean latency of nothing on every pair but those counted is the share that they serve.
    toll = np.where(np.isfinite(rest.latency_ms), counted.astype(np.float64), np.inf)
    found = solve_placement(
        replace(rest, latency_ms=toll, minimize="mean_latency"),
        gap=PROVEN_GAP,
        time_limit_s=deadline.remaining_s,
    )
    return None if found.open is None else found
