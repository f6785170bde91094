"""Clients that may be served from nowhere, or have no backup: which rules leave them without, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem


def stranded(alternatives: Sequence[Problem]) -> tuple[tuple[str, ...], str] | None:
    """The fewest masks that leave somebody without a site, and the sentence that says so.

    None where, in some arrangement, there is a site for everybody, or where arrangements differ in those
    masks: then only solving tells. Of as many masks, those that leave the most demand without.
    """
    every = [option for problem in alternatives for option in problem.options]
    options = [option for option in every if option.needs <= set(option.rules)]
    options.sort(key=lambda each: -int(each.allowed.sum()))
    first = _at(options[0]) if options else None
    if first is None:
        return None
    for option in options[1:]:  # no further than the first that differs: there may be hundreds
        other = _at(option)
        if other is None or other[0] != first[0]:
            return None
    return first


def _at(problem: Problem) -> tuple[tuple[str, ...], str] | None:
    sorts: dict[tuple[str, ...], list[int]] = {}
    for client in np.nonzero(~problem.allowed.any(axis=1))[0]:
        sorts.setdefault(_excluding(problem, int(client)), []).append(int(client))
    if not sorts:
        return None
    share = problem.sizing.share
    rules, clients = min(sorts.items(), key=lambda item: (len(item[0]), -share[item[1]].sum()))
    return rules, _stranded_words(problem, rules, clients)


def out_of_reach(alternatives: Sequence[Problem]) -> str:
    """Whom no site serves although no rule is at work, in words."""
    options = [option for problem in alternatives for option in problem.options]
    nobody = np.logical_and.reduce([~option.allowed.any(axis=1) for option in options])
    if not nobody.any():
        return "some client reaches no candidate site, wherever the home is: pairs without latency, or lost"
    clients = np.nonzero(nobody)[0]
    more = f" (and {len(clients) - 1:,} more like it)" if len(clients) > 1 else ""
    name = options[0].client_ids[max(clients, key=lambda i: options[0].sizing.share[i])]
    return f"client {name}{more} reaches no candidate site: every pair is without latency, or lost"


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
    """An irreducible set of rules that leaves the client no site."""
    masks, possible = _masks(problem, client), _reached(problem, client)
    kept = list(masks)
    if np.logical_and.reduce([possible, *masks.values()]).any():  # a site, but no backup
        kept.append("survive")
    for rule in list(kept):
        others = [other for other in kept if other != rule]
        open_to = np.logical_and.reduce([possible, *(masks[other] for other in others if other in masks)])
        if "survive" in others:
            open_to = open_to & _backed(problem, _stand_ins(problem, client, others))
        if not open_to.any():
            kept.remove(rule)
    return tuple(kept)


def _reached(problem: Problem, client: int) -> NDArray[np.bool_]:
    """(n,) which sites the client has a way to, whatever the rules."""
    path = np.isfinite(problem.latency_ms[client])
    return np.asarray(path if problem.reach is None else path & problem.reach)


def _stand_ins(problem: Problem, client: int, rules: Collection[str]) -> NDArray[np.bool_]:
    """Which sites may be the client's backup under some of the rules; how near it is, only with "survive"."""
    may = _reached(problem, client)
    for effect in problem.effects:
        if effect.rule in rules:
            if effect.sites is not None:
                may &= effect.sites
            if effect.pairs is not None and effect.of_backups:
                may &= effect.pairs[client]
            if effect.failover is not None:
                may &= effect.failover.backups[client]
    return may


def _backed(problem: Problem, stand_in: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) at which sites a client is backed by one of these."""
    assert problem.failover is not None
    return np.array((~problem.failover.together[:, stand_in]).any(axis=1), dtype=bool)


def _stranded_words(problem: Problem, rules: Sequence[str], clients: Sequence[int]) -> str:
    client = max(clients, key=lambda i: problem.sizing.share[i])
    more = f" (and {len(clients) - 1:,} more like it)" if len(clients) > 1 else ""
    name = problem.client_ids[client]
    words = {effect.rule: effect.words for effect in problem.effects}
    what = f"no site may serve client {name}{more}"
    if "survive" in rules:
        what = f"client {name}{more} has no backup"
    elif _close_everything(problem, rules):
        what = "no site may be open"
    reason = f"{what}: " + "; ".join(words[rule] for rule in rules)
    if "survive" in rules:
        return reason + _nearest_stand_in(problem, rules, client)
    if "max_ms" in rules:
        masks = _masks(problem, client)
        others = [masks[rule] for rule in rules if rule != "max_ms"]
        latency = problem.latency_ms[client]
        reach = np.where(np.logical_and.reduce([_reached(problem, client), *others]), latency, np.inf)
        if np.isfinite(reach.min()):
            nearest = problem.site_ids[int(reach.argmin())]
            reason += f"; its nearest permitted site, {nearest}, is {reach.min():.1f} ms away"
    return reason


def _close_everything(problem: Problem, rules: Sequence[str]) -> bool:
    """Whether the rules forbid every site to everybody, so that no client is to be named."""
    masks = [each.sites for each in problem.effects if each.rule in rules and each.sites is not None]
    return bool(masks) and not np.logical_and.reduce(masks).any()


def _nearest_stand_in(problem: Problem, rules: Sequence[str], client: int) -> str:
    """How far the nearest backup would be, where nearness is what is asked too much of."""
    assert problem.failover is not None
    others = [rule for rule in rules if rule != "survive"]
    masks = _masks(problem, client)
    latency = problem.latency_ms[client]
    served = np.logical_and.reduce([_reached(problem, client), *(masks[rule] for rule in others)])
    apart = (~problem.failover.together[served]).any(axis=0)
    reach = np.where(apart & _stand_ins(problem, client, others), latency, np.inf)
    if not np.isfinite(reach.min()):
        return "; there is no second site for it"
    nearest = problem.site_ids[int(reach.argmin())]
    return f"; the nearest that could stand in, {nearest}, is {reach.min():.1f} ms away"
