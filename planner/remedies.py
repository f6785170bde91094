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

from planner.loosening import rungs
from planner.problem import Problem
from planner.rules import Effect
from planner.solver.conflict import LOOSE
from planner.solver.decision import Deadline, Decision
from planner.solver.placement import PROVEN_GAP, Progress, silent, solve_placement
from planner.study import Study

NOT_ALONE: Final = "no change of it alone is enough"

Build = Callable[[Study], Problem]
"""The problem of a study that differs from this one in its rules alone."""


def least_changes(
    study: Study,
    problem: Problem,
    rules: Sequence[str],
    build: Build,
    *,
    deadline: Deadline,
    progress: Progress = silent,
) -> dict[str, str]:
    """For each of the ``rules`` of a conflict, what it would have to become, in words.

    :data:`NOT_ALONE` where another conflict stands beside this one. A rule is missing where no change short
    of dropping it helps, or where time ran out.
    """
    found = {}
    effects = {effect.rule: effect for effect in problem.effects}
    for position, rule in enumerate(rules):
        progress(position, len(rules), f"how far must {rule} give way?")
        if rule not in effects or deadline.passed():
            continue
        words = _least(study, problem, effects[rule], build, deadline)
        if words is not None:
            found[rule] = words
    return found


def _least(study: Study, problem: Problem, effect: Effect, build: Build, deadline: Deadline) -> str | None:
    rest = problem.without({effect.rule})
    if not _feasible(rest, deadline):
        return None if deadline.passed() else NOT_ALONE
    if effect.rule == "budget":
        cheapest = solve_placement(rest.aiming_at("cost"), gap=PROVEN_GAP, time_limit_s=deadline.remaining_s)
        return None if cheapest.open is None else f"${cheapest.objective:,.0f} a month"
    row = effect.rows[0] if len(effect.rows) == 1 else None
    if effect.rule == "coverage" and row is not None and row.pair is not None:
        found = _least_share(problem, rest, effect.rule, _outside, deadline)
        if found is None:
            return None
        percent = np.floor(1000 * (1 - found.best.objective)) / 10
        return f"{percent:g} % of demand within {study.latency.slo_ms:g} ms"
    ladder = rungs(study, effect.rule, len(problem.site_ids))
    if ladder:
        low, high = 0, len(ladder) - 1
        if not _feasible(build(ladder[high].study), deadline):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (
                (low, middle) if _feasible(build(ladder[middle].study), deadline) else (middle + 1, high)
            )
        return None if deadline.passed() else ladder[low].words
    if effect.rows or (effect.sites is None and effect.pairs is None):
        return None
    return _let_off(problem, rest, effect.rule, deadline)


def _feasible(problem: Problem, deadline: Deadline) -> bool:
    if not problem.servable:
        return False
    found = solve_placement(problem.aiming_at("cost"), gap=LOOSE, time_limit_s=deadline.remaining_s)
    return found.open is not None


def _outside(effect: Effect) -> NDArray[np.bool_]:
    """The pairs that a row on shares does not count."""
    pair = effect.rows[0].pair
    assert pair is not None
    return np.asarray(pair < 0.5)


def _forbidden(effect: Effect) -> NDArray[np.bool_]:
    """The pairs, or the sites for everybody, that a mask forbids."""
    masks = [~mask for mask in (effect.pairs, effect.sites) if mask is not None] or [np.zeros(1, dtype=bool)]
    return np.asarray(np.logical_or.reduce(np.broadcast_arrays(*masks)))


def _let_off(problem: Problem, rest: Problem, rule: str, deadline: Deadline) -> str | None:
    """The least demand that a mask would have to let off, whose it is, and where it would be served."""
    found = _least_share(problem, rest, rule, _forbidden, deadline)
    if found is None:
        return None
    best = found.best
    assert best.assignment is not None
    forbidden = np.broadcast_to(found.counted, rest.allowed.shape)
    rows = np.arange(len(best.assignment))
    off = np.nonzero(forbidden[rows, best.assignment])[0]
    if not off.size or best.objective > 1 - 1e-9:
        return None
    largest = int(off[rest.sizing.share[off].argmax()])
    others = f" and {len(off) - 1:,} more" if len(off) > 1 else ""
    return (
        f"not for {best.objective:.1%} of demand ({rest.client_ids[largest]}{others}), served from"
        f" {rest.site_ids[int(best.assignment[largest])]} for one"
    )


@dataclass(frozen=True, slots=True)
class _Spared:
    best: Decision
    counted: NDArray[np.bool_]


def _least_share(
    problem: Problem,
    rest: Problem,
    rule: str,
    counted: Callable[[Effect], NDArray[np.bool_]],
    deadline: Deadline,
) -> _Spared | None:
    """The plan, at any home, that serves the least demand over the pairs ``counted`` of the rule there.

    None where no plan was found. ``rest``: the problem without the rule.
    """
    found: _Spared | None = None
    for ruled, free in zip(problem.options, rest.options, strict=True):
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
