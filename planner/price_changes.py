"""Prices as a study supposes they become: what it names is multiplied, wherever a price is read.

A change speaks of what a site is charged in the end: of a zone that takes its parent's price as well as of a
Region whose price is estimated. So a zone is meant by its own id, and ``us-east-1*`` means a Region with its
zones.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from planner.candidates import Candidates
from planner.catalog import SitePrices
from planner.homes import Home
from planner.price_list import Price
from planner.routing_facts import RoutingFacts
from planner.site_values import Site
from planner.study import Study, StudyError
from planner.study_supposed import PRICE_ITEMS, PriceChange
from planner.wording import counted
from probes.strict_toml import nearest_name


def changed_candidates(study: Study, candidates: Candidates, known: Collection[str]) -> Candidates:
    """``candidates`` at the prices that ``study`` supposes, and a note on each change.

    ``known``: the ids of every site. Raises :class:`StudyError` for a pattern that matches no candidate.
    """
    if not study.price_changes:
        return candidates
    for position, change in enumerate(study.price_changes, start=1):
        for pattern in change.sites:
            if not any(site.matches(pattern) for site in candidates.sites):
                words = f"{pattern!r} matches no candidate"
                hint = nearest_name(pattern, {id_ for site in candidates.sites for id_ in site.ids})
                column = f"price_change[{position}].sites"
                unknown = None if pattern in known else hint
                raise StudyError(study.path or Path(study.name), words, column=column, nearest=unknown)
    prices = tuple(
        _changed_prices(study, site, mine)
        for site, mine in zip(candidates.sites, candidates.prices, strict=True)
    )
    notes = (*candidates.notes, *_notes(study, candidates))
    return replace(candidates, prices=prices, notes=notes)


def changed_homes(study: Study, homes: tuple[Home, ...]) -> tuple[Home, ...]:
    """``homes``, built from changed prices, with what leaves each of them changed as well."""
    return tuple(
        replace(home, leaving_usd_gb=home.leaving_usd_gb * factor(study, "home_gb", home.site))
        for home in homes
    )


def changed_routing(study: Study, facts: RoutingFacts | None) -> RoutingFacts | None:
    """``facts`` at the prices that ``study`` supposes."""
    if facts is None or not study.price_changes:
        return facts
    by_category = {name: factor(study, name) for name in ("route53", "global_accelerator")}

    def dns(price: Price) -> Price:
        return supposed(price, by_category["route53"])

    def accelerator(price: Price) -> Price:
        return supposed(price, by_category["global_accelerator"])

    return replace(
        facts,
        queries={policy: dns(price) for policy, price in facts.queries.items()},
        zone_month=dns(facts.zone_month),
        check_inside=dns(facts.check_inside),
        option_inside=dns(facts.option_inside),
        check_outside=dns(facts.check_outside),
        option_outside=dns(facts.option_outside),
        accelerator_hour=accelerator(facts.accelerator_hour),
        premium_gb=tuple(accelerator(price) for price in facts.premium_gb),
    )


def factor(study: Study, price: str, site: Site | None = None) -> float:
    """What the changes of ``study`` make of one price, together: of ``site``, or of no site in particular."""
    return math.prod(
        change.factor
        for change in study.price_changes
        if price in PRICE_ITEMS[change.item] and (site is None or site.matches(*change.sites))
    )


def supposed(price: Price, factor: float) -> Price:
    """``price`` × ``factor`` in all its tiers, marked with what it was."""
    if factor == 1.0:
        return price
    note = "; ".join(filter(None, (price.note, f"× {factor:g} is supposed")))
    return replace(price.times(factor), note=note, before=price.usd)


def _changed_prices(study: Study, site: Site, prices: SitePrices) -> SitePrices:
    changed: dict[str, Any] = {}
    for each in fields(prices):
        price = getattr(prices, each.name)
        if isinstance(price, Price):
            changed[each.name] = supposed(price, factor(study, each.name, site))
    return replace(prices, **changed)


def _notes(study: Study, candidates: Candidates) -> Iterator[str]:
    for change in study.price_changes:
        words = f"supposed: {change.item} × {change.factor:g}"
        if change.of_routing:
            yield words
            continue
        pairs = zip(candidates.sites, candidates.prices, strict=True)
        count = sum(site.matches(*change.sites) and _has(prices, change) for site, prices in pairs)
        yield f"{words} at {counted(count, 'site')}" if count else f"{words} changes nothing: no site has one"


def _has(prices: SitePrices, change: PriceChange) -> bool:
    return any(getattr(prices, name, None) is not None for name in PRICE_ITEMS[change.item])
