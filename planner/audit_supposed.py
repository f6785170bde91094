"""The part of the audit about what a study supposes; :mod:`planner.audit` has the rest."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from planner.inputs import Charged
from planner.ledger import Ledger, close_to
from planner.price_list import Price


def announced_kept(case: Ledger) -> Iterator[str]:
    """An open zone that is only announced is as the study describes it, at prices drawn from its parent's."""
    for zone in case.study.candidates.announced:
        if zone.id not in case.open_ids or zone.id not in case.site_column:
            continue
        column, where = case.site_column[zone.id], f"announced: {zone.id}"
        site, prices = case.inputs.sites[column], case.inputs.prices[column]
        said = (zone.kind, zone.parent, zone.country, zone.lat, zone.lon)
        planned = (site.kind, site.parent, site.country, site.lat, site.lon)
        if planned != said:
            yield f"{where} is planned as {planned} and described as {said}"
        if zone.services and site.services != frozenset(zone.services):
            yield f"{where} is planned with {sorted(site.services)} and said to offer {sorted(zone.services)}"
        if zone.parent not in case.site_column:
            continue
        parents = case.inputs.prices[case.site_column[zone.parent]]
        pairs = (
            ("instance_hour", prices.instance_hour, parents.instance_hour, 1 + case.study.local_zone_premium),
            ("egress_gb", prices.egress_gb, parents.egress_gb, 1.0),
        )
        for name, price, parent, factor in pairs:
            if price is None or parent is None or price.own:
                continue
            if not price.estimated:
                yield f"{where} has a {name} that is not marked as estimated"
            was, parents_was = (one.usd if one.before is None else one.before for one in (price, parent))
            if not close_to(was, parents_was * factor):
                stated = f"{where} has {name} {was:.9g}, its parent {parents_was:.9g}"
                yield f"{stated}, of which {factor:g} is due"


_MEANT: Final = {
    "internet_egress": ("egress_gb",),
    "intra_region": ("parent_gb", "zone_gb"),
    "inter_region": ("home_gb",),
    "direct_connect": ("port_hour", "direct_gb"),
}
"""Prices that a category of the price list stands for; any other name is that of a price."""


def prices_kept(case: Ledger) -> Iterator[str]:
    """Each price of an open site, of leaving the home and of routing is what is charged, times what the study
    supposes of it; that of a site is marked so."""
    charged = case.inputs.charged
    if charged is None and case.study.price_changes:
        yield "price_change: what is charged without it is not known"
        return
    for site_id in sorted(case.open_ids & case.site_column.keys()):
        column = case.site_column[site_id]
        names = case.inputs.sites[column].ids
        for slot in fields(case.inputs.prices[column]):
            price = getattr(case.inputs.prices[column], slot.name)
            if isinstance(price, Price):
                what, due = f"price_change: {slot.name} of {site_id}", _due(case, slot.name, names)
                yield from _multiplied(what, price, due)
                if charged is not None:
                    yield from _from_what_is_charged(
                        what, price, getattr(charged.prices[column], slot.name), due
                    )
    if charged is None:
        return
    for home in case.inputs.homes:
        due = charged.leaving_usd_gb[home.site.id] * _due(case, "home_gb", home.site.ids)
        if not close_to(home.leaving_usd_gb, due):
            yield f"price_change: leaving {home.site.id} is {home.leaving_usd_gb:.9g} a GB, {due:.9g} is due"
    for name, price, was in _of_routing(case, charged):
        category = "route53" if name in _DNS else "global_accelerator"
        yield from _from_what_is_charged(f"price_change: {name}", price, was, _due(case, category, None))


_DNS: Final = ("zone_month", "check_inside", "option_inside", "check_outside", "option_outside", "queries")


def _of_routing(case: Ledger, charged: Charged) -> Iterator[tuple[str, Price, Price]]:
    """By the name of its field, each price that routing may have, and what it is without any change."""
    now, was = case.inputs.routing, charged.routing
    if now is None or was is None:
        return
    for name in (*_DNS[:-1], "accelerator_hour"):
        yield name, getattr(now, name), getattr(was, name)
    for policy, price in now.queries.items():
        yield "queries", price, was.queries[policy]
    for price, before in zip(now.premium_gb, was.premium_gb, strict=True):
        yield "premium_gb", price, before


def _due(case: Ledger, price: str, names: tuple[str, ...] | None) -> float:
    """How many times a price is due: of the site of these ``names``, or of none."""
    due = 1.0
    for change in case.study.price_changes:
        here = names is None or any(fnmatch.fnmatchcase(one, glob) for one in names for glob in change.sites)
        if here and price in _MEANT.get(change.item, (change.item,)):
            due *= change.factor
    return due


def _from_what_is_charged(what: str, price: Price, charged: Price | None, due: float) -> Iterator[str]:
    """At every volume; and what it is said to have been, it was."""
    if charged is None:
        yield f"{what} is charged by nobody"
        return
    if price.before is not None and not close_to(price.before, charged.usd):
        yield f"{what} is said to have been {price.before:.9g}, and {charged.usd:.9g} is charged"
    now, then = ((each.usd, *(usd for _, usd in each.tiers)) for each in (price, charged))
    same = len(now) == len(then) and [at for at, _ in price.tiers] == [at for at, _ in charged.tiers]
    if not same or not all(close_to(usd, was * due) for usd, was in zip(now, then, strict=False)):
        yield f"{what} is {now}, and {due:g} times {then} is due"


def _multiplied(what: str, price: Price, due: float) -> Iterator[str]:
    if due == 1.0 and price.before is not None:
        yield f"{what} is marked as supposed, and the study supposes nothing of it"
    elif due != 1.0 and price.before is None:
        yield f"{what} is to become {due:g} times as much, and is not marked as supposed"
    elif price.before is not None and not close_to(price.usd, price.before * due):
        yield f"{what} is {price.usd:.9g}, and {due:g} times {price.before:.9g} is supposed"
