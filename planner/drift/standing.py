"""The plan as it was decided, among today's sites, prices and latencies. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.decide import as_plan
from planner.drift.evidence import NOTABLE
from planner.drift.saved_plan import SavedPlan, SavedPlanError
from planner.inputs import Inputs
from planner.options import options
from planner.plan import Plan
from planner.problem import Problem
from planner.recovery import Recovery
from planner.solver.decision import Decision, broken_rules, objective_of
from planner.study import Study

LEAST_USD = 0.5
"""A bill that moved by less a month has not moved."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The plan counted again. ``broken``: rules that it breaks as it is assigned, by name;
    ``allowed`` (m, n): pairs of client and site that the rules allow."""

    plan: Plan
    objective: float
    broken: tuple[str, ...]
    allowed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PriceChange:
    """What an item of a site's bill was, in the plan, and what it is now; USD a month."""

    site: str
    item: str
    was_usd: float
    is_usd: float


@dataclass(frozen=True, slots=True)
class Better:
    """A candidate that has become faster for some than the site they are at, and was not when the plan was
    made: the ``share`` of all demand that they are, and what they would save in the mean, inf where their own
    site is lost."""

    site: str
    share: float
    saves_ms: float
    clients: tuple[str, ...]


def check_clients(saved: SavedPlan, inputs: Inputs) -> None:
    """Raise :class:`SavedPlanError` where the demand is not that of the plan."""
    asked = {client.id for client in inputs.demand.clients}
    for client in sorted(asked ^ saved.served.keys()):
        what = "is a client that the plan does not serve" if client in asked else "is no client any more"
        raise SavedPlanError(
            saved.directory, f"{client!r} {what}: the demand is not what was planned for; plan again"
        )


def stand(saved: SavedPlan, study: Study, inputs: Inputs) -> Standing | None:
    """The plan as assigned, at what ``inputs`` say; None where one of its sites is no candidate any more, or
    what it does about a lost Region is not to be had."""
    column = {site.id: j for j, site in enumerate(inputs.sites)}
    used = {*saved.open, *(each.site for each in saved.served.values())}
    used |= {each.backup for each in saved.served.values() if each.backup is not None}
    if not used <= column.keys():
        return None
    problem = _as_arranged(saved, options(study, inputs))
    if problem is None:
        return None
    served = [saved.served[client.id] for client in inputs.demand.clients]
    assignment = np.array([column[each.site] for each in served], dtype=np.intp)
    backups = [each.backup for each in served]
    backup = None
    if problem.failover is not None and all(each is not None for each in backups):
        backup = np.array([column[each] for each in backups if each is not None], dtype=np.intp)
    is_open = np.zeros(len(column), dtype=bool)
    is_open[[column[site] for site in saved.open]] = True
    objective = objective_of(problem, is_open, assignment, backup)
    decision = Decision(
        open=is_open,
        assignment=assignment,
        objective=objective,
        lower_bound=-np.inf,
        termination="feasible",
        seconds=0.0,
        backup=backup,
        arrangement=problem.arrangement,
    )
    broken = broken_rules(problem, is_open, assignment, backup)
    return Standing(as_plan(study, inputs, problem, decision), objective, broken, problem.allowed)


def _as_arranged(saved: SavedPlan, every: tuple[Problem, ...]) -> Problem | None:
    """The problem of the plan's own policy, home and recovery."""
    for problem in every:
        if problem.policy is not None and problem.policy != saved.policy:
            continue
        for option in problem.options:
            arrangement = option.arrangement
            if arrangement is None:
                return option
            if arrangement.home == (saved.home or "") and _same(arrangement.recovery, saved):
                return option
    return None


def _same(recovery: Recovery | None, saved: SavedPlan) -> bool:
    if recovery is None or saved.strategy is None:
        return recovery is None and saved.strategy is None
    among = (recovery.standby, *recovery.among)
    return recovery.strategy == saved.strategy and saved.standby in among


def price_changes(saved: SavedPlan, standing: Standing) -> tuple[PriceChange, ...]:
    """Items of the plan's bill that are not what they were, the largest difference first."""
    now: dict[str, dict[str, float]] = {}
    for row in standing.plan.rows:
        bill = now.setdefault(row.site_id, {})
        for item, usd in row.cost_items.items():
            bill[item] = bill.get(item, 0.0) + usd
    found = [
        PriceChange(site, item, was, now[site].get(item, 0.0))
        for site, before in saved.costs.items()
        if site in now
        for item, was in before.items()
        if abs(now[site].get(item, 0.0) - was) > max(LEAST_USD, 1e-4 * was)
    ]
    return tuple(sorted(found, key=lambda each: -abs(each.is_usd - each.was_usd)))


def better_candidates(
    saved: SavedPlan, study: Study, before: Inputs, now: Inputs, allowed: NDArray[np.bool_] | None
) -> tuple[Better, ...]:
    """Candidates that beat the assigned site by more than :data:`NOTABLE` now and did not ``before``, for
    somebody; whom they would serve most first. Both inputs have the same sites; ``allowed`` (m, n), if known.
    """
    column = {site.id: j for j, site in enumerate(now.sites)}
    rows = np.arange(len(now.demand.clients))
    at = np.array([column.get(saved.served[client.id].site, -1) for client in now.demand.clients])
    share = now.demand.weight / now.demand.weight.sum()
    then, today = (each.matrix.planning_ms(study.latency.bound) for each in (before, now))
    beats = []
    for latency in (then, today):
        own = np.where(at >= 0, latency[rows, at], np.inf)[:, None]
        beats.append(np.isfinite(latency) & (latency < own / (1.0 + NOTABLE)))
    news = beats[1] & ~beats[0] & (at >= 0)[:, None]
    if allowed is not None:
        news &= allowed
    found = []
    for j in np.flatnonzero(news.any(axis=0)):
        site, whom = now.sites[int(j)].id, np.flatnonzero(news[:, j])
        weight = float(share[whom].sum())
        if weight <= 0.0:
            continue
        saved_ms = today[whom, at[whom]] - today[whom, j]
        clients = tuple(now.demand.clients[int(i)].id for i in whom)
        found.append(Better(site, weight, float(saved_ms @ share[whom]) / weight, clients))
    return tuple(sorted(found, key=lambda each: (-each.share, each.site)))
