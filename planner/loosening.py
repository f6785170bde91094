"""How far a rule can be loosened: the same study asking a little less, in a key of its own.

A dial turns one number of a rule, as finely as it is printed: what a dial says, typed into the study, is what
was decided with. Rules that only hold or do not hold (residency, services, ...) have none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from planner.dial import Dial, Rung, once
from planner.rules.groups import at_least_words
from planner.study import GroupRule, OutpostSpec, Rule, Study
from planner.study_values import CapacityRule
from planner.wording import counted, percent
from probes.duration import in_words

MOST_MS: Final = 5000.0
"""Nobody promises more."""

WEEK_S: Final = 7 * 86_400


def dials(study: Study, rule: str, sites: int) -> tuple[Dial, ...]:
    """What can be turned about a rule, what changes least first; empty for a rule without steps.

    ``sites``: how many candidates there are.
    """
    name, _, inside = rule.partition("[")
    inside = inside.removesuffix("]")
    found: tuple[Dial, ...] = ()
    if name in _BY_LIMIT:
        found = _BY_LIMIT[name](study, sites)
    elif name == "capacity" and not inside.isdigit():
        found = _rack(study, inside)
    elif inside.isdigit() and 0 < int(inside) <= len(study.rules):
        found = _numbered(study, int(inside) - 1, sites)
    return tuple(dial for dial in found if dial.count > 0)


def first_step(study: Study, rule: str, sites: int) -> Rung | None:
    """The step a person would take: a point of coverage, a site more, a per cent of budget."""
    return next((dial.first for dial in dials(study, rule, sites)), None)


def _coverage(study: Study, sites: int) -> tuple[Dial, ...]:
    latency = study.latency
    assert latency.slo_ms is not None
    return (
        Dial(
            lambda share: f"{percent(share)} of demand within {latency.slo_ms:g} ms",
            lambda share: replace(study, latency=replace(latency, coverage=share)),
            latency.coverage,
            0.001,
            math.ceil(100 * latency.coverage - 1e-6) / 100 - 0.01,
            digits=3,
        ),
    )


def slower(study: Study) -> Dial:
    """The SLO itself, at the same coverage."""
    latency = study.latency
    assert latency.slo_ms is not None
    return _longer(
        latency.slo_ms,
        lambda limit: f"{percent(latency.coverage)} of demand within {limit:g} ms",
        lambda limit: replace(study, latency=replace(latency, slo_ms=limit)),
    )


def _max_ms(study: Study, sites: int) -> tuple[Dial, ...]:
    latency = study.latency
    assert latency.max_ms is not None
    return (
        _longer(
            latency.max_ms,
            lambda limit: f"nobody above {limit:g} ms",
            lambda limit: replace(study, latency=replace(latency, max_ms=limit)),
        ),
    )


def _longer(limit: float, say: Callable[[float], str], put: Callable[[float], Study]) -> Dial:
    """More milliseconds, by tenths; in steps that are wider further out."""
    step = next((step for below, step in _STEPS_MS if limit < below), limit)
    return Dial(say, put, limit, max(MOST_MS, 10 * limit), limit + step, digits=1)


def _survive(study: Study, sites: int) -> tuple[Dial, ...]:
    """A backup farther away; then fewer sites that fail together; then nothing survived.

    A Region takes its zones along whatever is said of them, and so is no more than a site that does.
    """
    asked, found = study.resilience, []
    if asked.backup_within_ms is not None:
        found.append(
            _longer(
                asked.backup_within_ms,
                lambda limit: f"a backup within {limit:g} ms",
                lambda limit: replace(study, resilience=replace(asked, backup_within_ms=limit)),
            )
        )
    apart, site = "zones_fail_with_parent = false", 'survive = "site"'
    along = asked.zones_fail_with_parent
    if along and asked.survive != "region":
        free = replace(asked, zones_fail_with_parent=False)
        found.append(once(apart, replace(study, resilience=free)))
    if asked.survive == "metro":
        found.append(once(site, replace(study, resilience=replace(asked, survive="site"))))
    if asked.survive == "region" or (asked.survive == "metro" and along):
        free = replace(asked, survive="site", zones_fail_with_parent=False)
        found.append(once(f"{site}, {apart}", replace(study, resilience=free)))
    bare = replace(asked, survive="none", backup_within_ms=None)
    return (*found, once('survive = "none"', replace(study, resilience=bare)))


def _routing(study: Study, sites: int) -> tuple[Dial, ...]:
    """Whichever policy does it."""
    assert study.routing is not None
    return (once('policy = "auto"', replace(study, routing=replace(study.routing, policy="auto"))),)


def _static_addresses(study: Study, sites: int) -> tuple[Dial, ...]:
    assert study.routing is not None
    free = replace(study.routing, static_addresses=False)
    return (once("static_addresses = false", replace(study, routing=free)),)


def _recovery(study: Study, key: str) -> tuple[Dial, ...]:
    """More seconds, up to a week; in steps of so many minutes."""
    asked = study.resilience
    now = (asked.rto_s if key == "rto" else asked.rpo_s) or 0.0
    minutes = (1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 480, 720, 1440, 2880, 10_080)
    return (
        Dial(
            lambda value: f'{key} = "{in_words(value)}"',
            lambda value: replace(study, resilience=replace(asked, **{f"{key}_s": value})),  # type: ignore[arg-type]
            now,
            WEEK_S,
            next((60 * each for each in minutes if 60 * each > now), WEEK_S),
        ),
    )


def _budget(study: Study, sites: int) -> tuple[Dial, ...]:
    budget = study.budget_usd_per_month
    assert budget is not None
    digits = 0 if budget >= 100 else 2
    return (
        Dial(
            lambda usd: f"{money(usd)} a month",
            lambda usd: replace(study, budget_usd_per_month=usd),
            budget,
            round_up(1e4 * budget),
            round_up(1.01 * budget),
            digits=digits,
        ),
    )


def round_up(usd: float) -> float:
    """To whole dollars, to cents below a hundred: as much as is printed, and never less than ``usd``."""
    return math.ceil(usd - 1e-9) if usd >= 100 else math.ceil(100 * usd - 1e-7) / 100


def one_less(usd: float) -> float:
    """The next that can be printed below ``round_up(usd)``.

    >>> one_less(18280.2), one_less(12.341)
    (18280.0, 12.34)
    """
    usd = round_up(usd)
    return usd - 1.0 if usd > 100 else round(usd - 0.01, 2)


def money(usd: float) -> str:
    """
    >>> money(18280.2), money(12.341)
    ('$18,281', '$12.35')
    """
    usd = round_up(usd)
    return f"${usd:,.0f}" if usd >= 100 else f"${usd:.2f}"


def _min_sites(study: Study, sites: int) -> tuple[Dial, ...]:
    limits = study.limits
    return (
        Dial(
            lambda count: f"at least {counted(int(count), 'site')}",
            lambda count: replace(study, limits=replace(limits, min_sites=int(count))),
            limits.min_sites, 1, limits.min_sites - 1,
        ),
    )  # fmt: skip


def _max_sites(study: Study, sites: int) -> tuple[Dial, ...]:
    limits = study.limits
    assert limits.max_sites is not None
    return (
        Dial(
            lambda count: f"at most {counted(int(count), 'site')}",
            lambda count: replace(study, limits=replace(limits, max_sites=int(count))),
            limits.max_sites, sites, limits.max_sites + 1,
        ),
    )  # fmt: skip


def _max_changes(study: Study, sites: int) -> tuple[Dial, ...]:
    limits = study.limits
    assert limits.max_changes is not None
    return (
        Dial(
            lambda count: f"at most {counted(int(count), 'site')} opened or closed",
            lambda count: replace(study, limits=replace(limits, max_changes=int(count))),
            limits.max_changes, sites + len(study.current_open), limits.max_changes + 1,
        ),
    )  # fmt: skip


def _max_utilisation(study: Study, sites: int) -> tuple[Dial, ...]:
    limits = study.limits
    return (
        Dial(
            lambda share: f"at most {percent(share)} of capacity used",
            lambda share: replace(study, limits=replace(limits, max_utilisation=share)),
            limits.max_utilisation, 1.0, math.floor(100 * limits.max_utilisation + 1e-6) / 100 + 0.01,
            digits=2,
        ),
    )  # fmt: skip


def _min_utilisation(study: Study, sites: int) -> tuple[Dial, ...]:
    limits = study.limits
    return (
        Dial(
            lambda share: f"at least {percent(share)} of capacity used",
            lambda share: replace(study, limits=replace(limits, min_utilisation=share)),
            limits.min_utilisation, 0.0, math.ceil(100 * limits.min_utilisation - 1e-6) / 100 - 0.01,
            digits=2,
        ),
    )  # fmt: skip


def _rack(study: Study, site_id: str) -> tuple[Dial, ...]:
    """A larger rack, up to all there is to carry; in steps of five per cent."""
    post = next((each for each in study.candidates.outposts if site_id in each.site_ids), None)
    if post is None:
        return ()
    now = post.terms_of[site_id].capacity_rps

    def put(capacity: float) -> Study:
        posts = tuple(
            _larger(each, site_id, capacity) if each is post else each for each in study.candidates.outposts
        )
        return replace(study, candidates=replace(study.candidates, outposts=posts))

    return (_carrying(study, now, lambda rps: f"{site_id} carries {rps:,.12g} rps", put),)


def _carrying(study: Study, now: float, say: Callable[[float], str], put: Callable[[float], Study]) -> Dial:
    """More load, as finely as a thousandth of the peak. Who must fill a site by so much of its capacity is
    asked for more with it."""
    fine = _digits(study)
    step = math.ceil(1.05 * now * 10**fine - 1e-6) / 10**fine
    steady = study.limits.min_utilisation == 0
    return Dial(say, put, now, _top(study, fine), step, digits=fine, steady=steady)


def _digits(study: Study) -> int:
    peak = max(study.demand.peak_rps, 1e-9)
    return max(0, 3 - math.floor(math.log10(peak)))


def _top(study: Study, digits: int) -> float:
    """All there is to carry."""
    return float(math.ceil(study.demand.peak_rps * (1 + 1e-9) * 10**digits) / 10**digits)


def _larger(post: OutpostSpec, site_id: str, capacity: float) -> OutpostSpec:
    if not post.sizes:
        return replace(post, terms=replace(post.terms, capacity_rps=capacity))
    sizes = tuple(
        (name, replace(terms, capacity_rps=capacity) if own == site_id else terms)
        for own, (name, terms) in zip(post.site_ids, post.sizes, strict=True)
    )
    return replace(post, terms=sizes[0][1], sizes=sizes)


def _numbered(study: Study, position: int, sites: int) -> tuple[Dial, ...]:
    rule = study.rules[position]

    def put(looser: Rule) -> Study:
        return replace(study, rules=(*study.rules[:position], looser, *study.rules[position + 1 :]))

    if isinstance(rule, GroupRule):
        return _group(rule, put, sites)
    return _capacity(study, rule, put) if isinstance(rule, CapacityRule) else ()


def _group(rule: GroupRule, put: Callable[[Rule], Study], sites: int) -> tuple[Dial, ...]:
    found = []
    if rule.at_most is not None:
        found.append(
            Dial(
                lambda count: f"at most {int(count)} in a {rule.by}",
                lambda count: put(replace(rule, at_most=int(count))),
                rule.at_most, sites, rule.at_most + 1,
            )
        )  # fmt: skip
    if rule.at_least is not None:
        found.append(_in_fewer(rule, put, ""))
    if rule.at_least is not None and rule.at_most is not None:
        found.append(_in_fewer(replace(rule, at_most=None), put, ", as many in each as you like"))
    return tuple(found)


def _in_fewer(rule: GroupRule, put: Callable[[Rule], Study], freed: str) -> Dial:
    at_least = rule.at_least or 1

    def looser(count: float) -> GroupRule:
        return replace(rule, at_least=int(count))

    return Dial(
        lambda count: at_least_words(looser(count)) + freed,
        lambda count: put(looser(count)),
        at_least,
        1,
        at_least - 1,
    )


def _capacity(study: Study, rule: CapacityRule, put: Callable[[Rule], Study]) -> tuple[Dial, ...]:
    found, fine = [], _digits(study)
    if rule.max_rps is not None:
        found.append(
            _carrying(
                study, rule.max_rps, lambda rps: f"at most {rps:,.12g} rps at a site",
                lambda rps: put(replace(rule, max_rps=rps)),
            )
        )  # fmt: skip
    if rule.min_rps is not None:
        least = math.floor(0.95 * rule.min_rps * 10**fine + 1e-6) / 10**fine
        found.append(
            Dial(
                lambda rps: f"at least {rps:,.12g} rps at a site",
                lambda rps: put(replace(rule, min_rps=rps)),
                rule.min_rps, 0.0, least, digits=fine,
            )
        )  # fmt: skip
    return tuple(found)


_STEPS_MS: Final = ((20.0, 1.0), (100.0, 5.0), (500.0, 10.0), (MOST_MS, 50.0))
"""Up to so many ms, steps of so many."""

_BY_LIMIT: Final[Mapping[str, Callable[[Study, int], tuple[Dial, ...]]]] = {
    "coverage": _coverage,
    "max_ms": _max_ms,
    "survive": _survive,
    "routing": _routing,
    "static_addresses": _static_addresses,
    "budget": _budget,
    "min_sites": _min_sites,
    "max_sites": _max_sites,
    "max_changes": _max_changes,
    "max_utilisation": _max_utilisation,
    "min_utilisation": _min_utilisation,
    "rto": lambda study, sites: _recovery(study, "rto"),
    "rpo": lambda study, sites: _recovery(study, "rpo"),
}
