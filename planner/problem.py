"""The optimisation problem of a study: eligible pairs, their costs and latencies, labelled rules."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.costs import CostTerms, cost_terms, recovery, total
from planner.inputs import Inputs, at_home
from planner.recovery import Arrangement
from planner.resilience import choices
from planner.routing import knows, policy_of
from planner.rules import RULES, Cover, Effect, Facts, Failover, Row, rule_effects
from planner.sizing import Sizing, size
from planner.study import Study
from planner.study_values import Policy

Minimize = Literal["cost", "mean_latency", "max_latency"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Clients (m) by sites (n). Arrays are read-only.

    ``latency_ms`` (m, n), inf = no path; ``allowed`` (m, n): finite latency and every mask agrees (a closed
    site's column is all False); ``may_open`` (n,); ``cost``: all items in one; ``items``: one by one;
    ``effects``: the rules at work, each with its masks and rows. ``failover``: what may fail and every
    backup that is allowed, None where nothing need be survived; a pair is then allowed only if the client
    has a backup there.

    ``arrangement``: the home of the stateful tier and the recovery, if any; without a rule that it ``needs``
    there is no plan so arranged. ``others``: the same study's
    problems with each other one; a plan of any of them is a plan, and solving means all of them.

    ``policy``: by which clients find their site, if that is planned, and ``reach`` (n,) the sites it knows: a
    fact, which no rule's dropping changes.
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
    arrangement: Arrangement | None = None
    needs: frozenset[str] = frozenset()
    policy: Policy | None = None
    reach: NDArray[np.bool_] | None = None
    others: tuple[Problem, ...] = ()

    @property
    def options(self) -> tuple[Problem, ...]:
        """This problem and those with another arrangement, each by itself."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    def at(self, arrangement: Arrangement | None) -> Problem:
        """The one so arranged, the rest its others; unchanged for None."""
        chosen = [option for option in self.options if option.arrangement == arrangement]
        if arrangement is None or not chosen:
            return self
        rest = tuple(option for option in self.options if option.arrangement != arrangement)
        return replace(chosen[0], others=rest)

    def each(self, change: Callable[[Problem], Problem]) -> Problem:
        """The same with every option changed, each by itself."""
        first, *others = map(change, self.options)
        return replace(first, others=tuple(others))

    @property
    def servable(self) -> bool:
        """Whether, in some arrangement, there is a site for everybody."""
        return any(bool(option.allowed.any(axis=1).all()) for option in self.options)

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
        shared = _Shared()
        return self.each(
            lambda one: _apply(one, [effect for effect in one.effects if effect.rule not in rules], shared)
        )

    def with_effects(self, effects: Sequence[Effect]) -> Problem:
        """The same problem under further rules."""
        shared = _Shared()
        return self.each(lambda one: _apply(one, [*one.effects, *effects], shared))

    def aiming_at(self, minimize: Minimize) -> Problem:
        """The same problem with another objective."""
        return self.each(lambda one: replace(one, minimize=minimize))


def build_problem(study: Study, inputs: Inputs) -> Problem:
    """Apply every cost item and every rule of the study to its inputs, in every arrangement there may be."""
    if inputs.home is not None or (not inputs.homes and inputs.recovery is not None):
        return _at_one_home(study, inputs)
    arranged = [at_home(study, inputs, home.site.id) for home in inputs.homes] or [inputs]
    first, *others = (option for there in arranged for option in _recovered(study, there))
    return replace(first, others=tuple(others))


def _recovered(study: Study, inputs: Inputs) -> Iterator[Problem]:
    """One home's problem, or that of no home, with every recovery that could be the cheapest, if any is asked
    for.

    They differ in the item ``recovery``, in what counts it or is about it, and in the rules that forbid it.
    """
    bare = _at_one_home(study, inputs)
    if not study.resilience.recovers:
        yield bare
        return
    closed, shared = np.zeros(len(bare.site_ids), dtype=bool), _Shared()
    for choice in choices(study, inputs):
        there = replace(inputs, recovery=choice.recovery)
        items = tuple(
            recovery.terms(study, there) if item.name == "recovery" else item for item in bare.items
        )
        facts = Facts(study, there, bare.sizing, bare.latency_ms, total(items))
        anew = {effect.rule: effect for rule in ("budget", "recovery") for effect in RULES[rule](facts)}
        effects = [anew.get(effect.rule, effect) for effect in bare.effects]
        effects = [
            replace(effect, sites=closed) if effect.rule in choice.forbidden_by else effect
            for effect in effects
        ]
        arrangement = replace(bare.arrangement or Arrangement(""), recovery=choice.recovery)
        option = replace(bare, cost=facts.cost, items=items, arrangement=arrangement, needs=choice.needs)
        yield _apply(option, effects, shared)


def _at_one_home(study: Study, inputs: Inputs) -> Problem:
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
        arrangement=_arrangement(inputs),
        **_found_by(study, inputs),
    )
    return _apply(bare, rule_effects(facts), _Shared())


def _found_by(study: Study, inputs: Inputs) -> dict[str, Any]:
    if study.routing is None or inputs.routing is None:
        return {}
    policy = policy_of(study, inputs.routing, inputs.sites, inputs.policy)
    return {"policy": policy, "reach": knows(inputs.routing.policies[policy], inputs.sites)}


def _arrangement(inputs: Inputs) -> Arrangement | None:
    if inputs.home is None and inputs.recovery is None:
        return None
    return Arrangement("" if inputs.home is None else inputs.home.site.id, inputs.recovery)


class _Shared:
    """Masks that options of one study have in common: a thousand of them may have a dozen between them.

    By what they are made of, which is kept alive here, for it is told apart by its identity.
    """

    def __init__(self) -> None:
        self._made: dict[
            tuple[object, ...], tuple[NDArray[np.bool_], NDArray[np.bool_], Failover | None]
        ] = {}
        self._parts: list[object] = []

    def masks(
        self, problem: Problem, effects: Sequence[Effect], may_open: NDArray[np.bool_]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Failover | None]:
        """``may_open``, ``allowed`` and ``failover`` of the problem under ``effects``."""
        parts = [effect for effect in effects if effect.pairs is not None or effect.failover is not None]
        key = (
            may_open.tobytes(),
            id(problem.latency_ms),
            *((id(effect.pairs), effect.of_backups, id(effect.failover)) for effect in parts),
        )
        if key not in self._made:
            self._parts += [problem.latency_ms, *parts]
            self._made[key] = (may_open, *_masks(problem, effects, may_open))
        return self._made[key]


def _apply(problem: Problem, effects: Sequence[Effect], shared: _Shared) -> Problem:
    may_open = np.ones(len(problem.site_ids), dtype=bool)
    if problem.reach is not None:
        may_open &= problem.reach
    for effect in effects:
        if effect.sites is not None:
            may_open &= effect.sites
    if not problem.needs <= {effect.rule for effect in effects}:
        may_open[:] = False
    may_open.flags.writeable = False
    may_open, allowed, failover = shared.masks(problem, effects, may_open)
    return replace(problem, allowed=allowed, may_open=may_open, effects=tuple(effects), failover=failover)


def _masks(
    problem: Problem, effects: Sequence[Effect], may_open: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], Failover | None]:
    allowed = np.isfinite(problem.latency_ms)
    for effect in effects:
        if effect.pairs is not None:
            allowed &= effect.pairs
    allowed &= may_open
    failover = _failover(problem, effects, may_open)
    if failover is not None:
        allowed &= failover.backed()
    allowed.flags.writeable = False
    return allowed, failover


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
