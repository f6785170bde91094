"""The optimisation problem of a study: eligible pairs, their costs and latencies, labelled rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from planner.costs import CostTerms, cost_terms, total
from planner.inputs import Inputs
from planner.rules import Cover, Effect, Facts, Failover, Row, rule_effects
from planner.sizing import Sizing, size
from planner.study import Study

Minimize = Literal["cost", "mean_latency", "max_latency"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Clients (m) by sites (n). Arrays are read-only.

    ``latency_ms`` (m, n), inf = no path; ``allowed`` (m, n): finite latency and every mask agrees (a closed
    site's column is all False); ``may_open`` (n,); ``cost``: all items in one; ``items``: one by one;
    ``effects``: the rules at work, each with its masks and rows. ``failover``: what may fail and every
    backup that is allowed, None where nothing need be survived; a pair is then allowed only if the client
    has a backup there.
    """

    minimize: Minimize
    client_ids: tuple[str, ...]
    site_ids: tuple[str, ...]
    sizing: Sizing
    latency_ms: NDArray[np.float64]
    allowed: NDArray[np.bool_]
    may_open: NDArray[np.bool_]
    cloud: NDArray[np.bool_]
    cost: CostTerms
    items: tuple[CostTerms, ...]
    effects: tuple[Effect, ...]
    failover: Failover | None = None

    @property
    def rows(self) -> tuple[tuple[str, Row], ...]:
        """Every linear row with the name of its rule."""
        return tuple((effect.rule, row) for effect in self.effects for row in effect.rows)

    @property
    def covers(self) -> tuple[tuple[str, Cover], ...]:
        """Every set of groups that must be hit with the name of its rule."""
        return tuple((effect.rule, cover) for effect in self.effects for cover in effect.covers)

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules at work."""
        return tuple(effect.rule for effect in self.effects)

    def without(self, rules: Collection[str]) -> Problem:
        """The same problem with some rules dropped."""
        return _apply(self, [effect for effect in self.effects if effect.rule not in rules])

    def with_effects(self, effects: Sequence[Effect]) -> Problem:
        """The same problem under further rules."""
        return _apply(self, [*self.effects, *effects])

    def aiming_at(self, minimize: Minimize) -> Problem:
        """The same problem with another objective."""
        return replace(self, minimize=minimize)


def build_problem(study: Study, inputs: Inputs) -> Problem:
    """Apply every cost item and every rule of the study to its inputs."""
    latency = inputs.matrix.planning_ms(study.latency.bound)
    items = cost_terms(study, inputs)
    sizing = size(study, inputs)
    facts = Facts(study, inputs, sizing, latency, total(items))
    bare = Problem(
        minimize=study.minimize,
        client_ids=inputs.matrix.client_ids,
        site_ids=inputs.matrix.site_ids,
        sizing=sizing,
        latency_ms=latency,
        allowed=np.isfinite(latency),
        may_open=np.ones(len(inputs.sites), dtype=bool),
        cloud=np.array([site.kind != "outpost" for site in inputs.sites], dtype=bool),
        cost=facts.cost,
        items=items,
        effects=(),
    )
    return _apply(bare, rule_effects(facts))


def _apply(problem: Problem, effects: Sequence[Effect]) -> Problem:
    may_open = np.ones(len(problem.site_ids), dtype=bool)
    allowed = np.isfinite(problem.latency_ms)
    for effect in effects:
        if effect.sites is not None:
            may_open &= effect.sites
        if effect.pairs is not None:
            allowed &= effect.pairs
    allowed &= may_open
    failover = _failover(problem, effects, may_open)
    if failover is not None:
        allowed &= failover.backed()
    for array in (may_open, allowed):
        array.flags.writeable = False
    return replace(problem, allowed=allowed, may_open=may_open, effects=tuple(effects), failover=failover)


def _failover(problem: Problem, effects: Sequence[Effect], may_open: NDArray[np.bool_]) -> Failover | None:
    """The failures to survive, with the backups that every rule allows."""
    asked = [effect.failover for effect in effects if effect.failover is not None]
    if not asked:
        return None
    backups = asked[-1].backups & np.isfinite(problem.latency_ms) & may_open
    for effect in effects:
        if effect.pairs is not None and effect.of_backups:
            backups &= effect.pairs
    backups.flags.writeable = False
    return Failover(asked[-1].domains, backups)
