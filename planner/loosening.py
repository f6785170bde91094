"""How far a rule can be loosened, rung by rung: the same study asking a little less each time.

One rung is a step that a person would take: a point of coverage, a site more, a per cent of budget. Rules
that only hold or do not hold (residency, services, ...) have no rungs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from planner.site_values import OutpostTerms
from planner.study import GroupRule, OutpostSpec, Study
from planner.study_values import CapacityRule, Survive

MOST_MS: Final = 5000.0
"""Nobody promises more."""


@dataclass(frozen=True, slots=True)
class Rung:
    """The rule loosened so far: what it would ask then, in words, and the study that asks it."""

    words: str
    study: Study


def rungs(study: Study, rule: str, sites: int) -> tuple[Rung, ...]:
    """Looser and looser, up to asking nothing; empty for a rule without steps. ``sites``: candidates."""
    name, _, inside = rule.partition("[")
    inside = inside.removesuffix("]")
    if name in _BY_LIMIT:
        return tuple(_BY_LIMIT[name](study, sites))
    if name == "capacity" and not inside.isdigit():
        return tuple(_rack(study, inside))
    if inside.isdigit() and 0 < int(inside) <= len(study.rules):
        return tuple(_numbered(study, int(inside) - 1, sites))
    return ()


def _coverage(study: Study, sites: int) -> list[Rung]:
    latency = study.latency
    points = range(round(100 * latency.coverage - 1e-6), 0, -1)
    shares = [point / 100 for point in points if point / 100 < latency.coverage - 1e-9]
    return [
        Rung(
            f"{share:.0%} of demand within {latency.slo_ms:g} ms",
            replace(study, latency=replace(latency, coverage=share)),
        )
        for share in shares
    ]


def _slo(study: Study, sites: int) -> list[Rung]:
    latency = study.latency
    assert latency.slo_ms is not None
    return [
        Rung(
            f"{latency.coverage:.3g} of demand within {limit:g} ms",
            replace(study, latency=replace(latency, slo_ms=limit)),
        )
        for limit in _slower(latency.slo_ms)
    ]


def _max_ms(study: Study, sites: int) -> list[Rung]:
    latency = study.latency
    assert latency.max_ms is not None
    return [
        Rung(f"nobody above {limit:g} ms", replace(study, latency=replace(latency, max_ms=limit)))
        for limit in _slower(latency.max_ms)
    ]


def _backup(study: Study, sites: int) -> list[Rung]:
    resilience = study.resilience
    weaker: tuple[Survive, ...] = ("site", "none") if resilience.survive == "metro" else ("none",)
    found = []
    if resilience.backup_within_ms is not None:
        found = [
            Rung(
                f"a backup within {limit:g} ms",
                replace(study, resilience=replace(resilience, backup_within_ms=limit)),
            )
            for limit in _slower(resilience.backup_within_ms)
        ]
        resilience = replace(resilience, backup_within_ms=None)
    words = {"none": "no failure survived", "site": "any one site may fail"}
    return found + [
        Rung(words[survive], replace(study, resilience=replace(resilience, survive=survive)))
        for survive in weaker
    ]


def _routing(study: Study, sites: int) -> list[Rung]:
    """Whichever policy does it."""
    assert study.routing is not None
    return [Rung('policy = "auto"', replace(study, routing=replace(study.routing, policy="auto")))]


def _static_addresses(study: Study, sites: int) -> list[Rung]:
    assert study.routing is not None
    free = replace(study.routing, static_addresses=False)
    return [Rung("static_addresses = false", replace(study, routing=free))]


def _recovery(study: Study, key: str) -> list[Rung]:
    """Longer recovery times, up to a week."""
    asked = study.resilience
    now = (asked.rto_s if key == "rto" else asked.rpo_s) or 0.0
    minutes = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 480, 720, 1440, 2880, 10_080)
    return [
        Rung(
            f"{key} = {60 * each} s",
            replace(
                study,
                resilience=replace(asked, rto_s=60.0 * each)
                if key == "rto"
                else replace(asked, rpo_s=60.0 * each),
            ),
        )
        for each in minutes
        if 60 * each > now
    ]


def _budget(study: Study, sites: int) -> list[Rung]:
    budget = study.budget_usd_per_month
    assert budget is not None
    raised = [round_up(budget * (1 + percent / 100)) for percent in (*range(1, 101), *range(110, 1001, 10))]
    return [
        Rung(f"{money(amount)} a month", replace(study, budget_usd_per_month=amount)) for amount in raised
    ]


def round_up(usd: float) -> float:
    """To whole dollars, to cents below a hundred: as much as is printed, and never less than ``usd``."""
    return math.ceil(usd - 1e-9) if usd >= 100 else math.ceil(100 * usd - 1e-7) / 100


def money(usd: float) -> str:
    """
    >>> money(18280.2), money(12.341)
    ('$18,281', '$12.35')
    """
    usd = round_up(usd)
    return f"${usd:,.0f}" if usd >= 100 else f"${usd:.2f}"


def _min_sites(study: Study, sites: int) -> list[Rung]:
    limits = study.limits
    return [
        Rung(f"at least {count} sites", replace(study, limits=replace(limits, min_sites=count)))
        for count in range(limits.min_sites - 1, 0, -1)
    ]


def _max_sites(study: Study, sites: int) -> list[Rung]:
    limits = study.limits
    assert limits.max_sites is not None
    return [
        Rung(f"at most {count} sites", replace(study, limits=replace(limits, max_sites=count)))
        for count in range(limits.max_sites + 1, sites + 1)
    ]


def _max_changes(study: Study, sites: int) -> list[Rung]:
    limits, most = study.limits, sites + len(study.current_open)
    assert limits.max_changes is not None
    return [
        Rung(
            f"at most {count} sites opened or closed",
            replace(study, limits=replace(limits, max_changes=count)),
        )
        for count in range(limits.max_changes + 1, most + 1)
    ]


def _utilisation(study: Study, sites: int) -> list[Rung]:
    limits = study.limits
    return [
        Rung(
            f"at most {share:.0%} of capacity used",
            replace(study, limits=replace(limits, max_utilisation=share)),
        )
        for share in (percent / 100 for percent in range(1, 101))
        if share > limits.max_utilisation + 1e-9
    ]


def _idleness(study: Study, sites: int) -> list[Rung]:
    limits = study.limits
    return [
        Rung(
            f"at least {share:.0%} of capacity used",
            replace(study, limits=replace(limits, min_utilisation=share)),
        )
        for share in (percent / 100 for percent in range(100, -1, -1))
        if share < limits.min_utilisation - 1e-9
    ]


def _rack(study: Study, site_id: str) -> list[Rung]:
    """A larger rack, in steps of five per cent of the one there is."""
    found = []
    for percent in (*range(5, 100, 5), *range(100, 1001, 50)):
        posts = tuple(
            _larger(post, site_id, 1 + percent / 100) if site_id in post.site_ids else post
            for post in study.candidates.outposts
        )
        if posts == study.candidates.outposts:
            return []
        capacity = {
            own: terms.capacity_rps
            for post in posts
            for own, terms in zip(post.site_ids, _each(post), strict=True)
        }
        found.append(
            Rung(
                f"{site_id} carries {capacity[site_id]:,.0f} rps",
                replace(study, candidates=replace(study.candidates, outposts=posts)),
            )
        )
    return found


def _each(post: OutpostSpec) -> tuple[OutpostTerms, ...]:
    return tuple(terms for _, terms in post.sizes) or (post.terms,)


def _larger(post: OutpostSpec, site_id: str, factor: float) -> OutpostSpec:
    if not post.sizes:
        return replace(post, terms=replace(post.terms, capacity_rps=factor * post.terms.capacity_rps))
    sizes = tuple(
        (name, replace(terms, capacity_rps=factor * terms.capacity_rps) if own == site_id else terms)
        for own, (name, terms) in zip(post.site_ids, post.sizes, strict=True)
    )
    return replace(post, terms=sizes[0][1], sizes=sizes)


def _numbered(study: Study, position: int, sites: int) -> list[Rung]:
    rule = study.rules[position]
    found: list[tuple[str, GroupRule | CapacityRule]] = []
    if isinstance(rule, GroupRule):
        if rule.at_most is not None:
            found += [
                (f"at most {count} in a {rule.by}", replace(rule, at_most=count))
                for count in range(rule.at_most + 1, sites + 1)
            ]
        if rule.at_least is not None:
            found += [
                (f"at least {count} of {rule.by}", replace(rule, at_most=None, at_least=count))
                for count in range(rule.at_least - 1, 0, -1)
            ]
    elif isinstance(rule, CapacityRule):
        if rule.max_rps is not None:
            found += [
                (f"at most {limit:,.0f} rps at a site", replace(rule, max_rps=limit))
                for limit in (rule.max_rps * (1 + percent / 100) for percent in range(5, 1001, 5))
            ]
        if rule.min_rps is not None:
            found += [
                (f"at least {limit:,.0f} rps at a site", replace(rule, max_rps=None, min_rps=limit))
                for limit in (rule.min_rps * (1 - percent / 100) for percent in range(5, 101, 5))
            ]
    before, after = study.rules[:position], study.rules[position + 1 :]
    return [Rung(words, replace(study, rules=(*before, looser, *after))) for words, looser in found]


def _slower(limit: float) -> list[float]:
    """Steps in round figures, wider further out."""
    found = [limit]
    while found[-1] < MOST_MS:
        step = next(step for below, step in _STEPS_MS if found[-1] < below)
        found.append(found[-1] + step)
    return found[1:]


_STEPS_MS: Final = ((20.0, 1.0), (100.0, 5.0), (500.0, 10.0), (MOST_MS, 50.0))
"""Up to so many ms, steps of so many."""

_BY_LIMIT: Final[Mapping[str, Callable[[Study, int], list[Rung]]]] = {
    "coverage": _coverage,
    "slo_ms": _slo,
    "max_ms": _max_ms,
    "survive": _backup,
    "routing": _routing,
    "static_addresses": _static_addresses,
    "budget": _budget,
    "min_sites": _min_sites,
    "max_sites": _max_sites,
    "max_changes": _max_changes,
    "max_utilisation": _utilisation,
    "rto": lambda study, sites: _recovery(study, "rto"),
    "rpo": lambda study, sites: _recovery(study, "rpo"),
    "min_utilisation": _idleness,
}
