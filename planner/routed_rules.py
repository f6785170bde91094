"""Which rules hold when every client goes where routing sends it, and by how much the others do not.

The sites are the plan's, so rules about sites alone hold as they did. Looked at again are those on pairs,
on what a site carries, on coverage, on backups and on money.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.plan import Breach
from planner.problem import Problem
from planner.rules import Effect
from planner.solver.decision import TOLERANCE
from planner.study import Study
from planner.wording import counted


@dataclass(frozen=True, slots=True)
class Routed:
    """``site`` (m,): where each client is sent. Per site (n,): ``open``, ``load`` and ``worst`` (load, and
    what the worst failure sends besides) as shares of demand, ``instances``, ``usd`` a month.

    ``unbacked`` (m,): True where some failure sends the client where it has no allowed backup.
    """

    open: NDArray[np.bool_]
    site: NDArray[np.intp]
    load: NDArray[np.float64]
    worst: NDArray[np.float64]
    instances: NDArray[np.int64]
    usd: NDArray[np.float64]
    cost_usd: float
    unbacked: NDArray[np.bool_]


def breaches(study: Study, problem: Problem, routed: Routed) -> tuple[Breach, ...]:
    """Every rule that does not hold as routed, in the order of the rules."""
    return tuple(breach for effect in problem.effects for breach in _of(effect, study, problem, routed))


def forbidden_pairs(problem: Problem, site: NDArray[np.intp]) -> NDArray[np.bool_]:
    """(m,) True where some rule on pairs, ``max_ms`` included, does not allow the client at its ``site``."""
    rows, found = np.arange(len(site)), np.zeros(len(site), dtype=bool)
    for effect in problem.effects:
        if effect.pairs is not None:
            found |= ~effect.pairs[rows, site]
    return found


def _of(effect: Effect, study: Study, problem: Problem, routed: Routed) -> Iterator[Breach]:
    share, rows = problem.sizing.share, np.arange(len(routed.site))
    if effect.pairs is not None:
        off = ~effect.pairs[rows, routed.site]
        if off.any():
            slowest = float(problem.latency_ms[rows, routed.site][off].max())
            where = f"has up to {slowest:.1f} ms" if effect.rule == "max_ms" else "is sent elsewhere"
            yield Breach(
                effect.rule, 0.0, float(share[off].sum()), f"{effect.words}: {_people(share, off)} {where}"
            )
    if effect.failover is not None and routed.unbacked.any():
        off = routed.unbacked
        words = f"{_people(share, off)} is sent, in a failure, where it may have no backup"
        yield Breach(effect.rule, 0.0, float(share[off].sum()), words)
    if effect.rule == "budget" and study.budget_usd_per_month is not None:
        budget, cost = study.budget_usd_per_month, routed.cost_usd
        if cost > budget * (1 + TOLERANCE):
            yield Breach(
                "budget", budget, cost, f"${cost:,.0f} a month, ${cost - budget:,.0f} above the budget"
            )
    elif effect.rule == "coverage":
        yield from _coverage(effect, study, problem, routed)
    elif effect.rule.startswith(("capacity[", "min_utilisation", "max_utilisation")):
        yield from _loads(effect, problem, routed)


def _coverage(effect: Effect, study: Study, problem: Problem, routed: Routed) -> Iterator[Breach]:
    row = effect.rows[0]
    assert row.pair is not None
    reached = float(row.pair[np.arange(len(routed.site)), routed.site] @ problem.sizing.share)
    if reached < row.low * (1 - TOLERANCE):
        words = f"{reached:.1%} of demand within {study.latency.slo_ms:g} ms, {row.low:.1%} asked"
        yield Breach(effect.rule, row.low, reached, words)


def _loads(effect: Effect, problem: Problem, routed: Routed) -> Iterator[Breach]:
    """Rows load_j - bound·y_j, from above or from below. A capacity must do in a failure, too."""
    peak = problem.sizing.peak_rps
    for row in effect.rows:
        assert row.site is not None
        assert row.pair is not None
        j = int(row.pair.argmax())
        bound, name, load = -float(row.site[j]), problem.site_ids[j], peak * float(routed.load[j])
        if not routed.open[j]:
            continue
        if np.isfinite(row.low):
            if load < bound * (1 - TOLERANCE):
                words = f"{name} gets {load:,.0f} rps, at least {bound:,.0f} asked"
                yield Breach(effect.rule, bound, load, words, name)
            continue
        worst = peak * float(routed.worst[j]) if effect.rule.startswith("capacity[") else load
        if worst > bound * (1 + TOLERANCE):
            while_down = f", {worst:,.0f} in a failure" if worst > load * (1 + TOLERANCE) else ""
            words = f"{name} gets {load:,.0f} rps{while_down}: {worst - bound:,.0f} above {bound:,.0f}"
            yield Breach(effect.rule, bound, worst, words, name)


def _people(share: NDArray[np.float64], which: NDArray[np.bool_]) -> str:
    """``2.1% of demand (14 clients)``."""
    part, many = float(share[which].sum()), int(which.sum())
    percent = "under 0.1%" if 0 < part < 0.001 else f"{part:.1%}"
    return f"{percent} of demand ({counted(many, 'client')})"
