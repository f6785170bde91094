"""Prices: the rows of ``prices.csv`` and what the price list says.

A row the list speaks of takes its price, source and date. An instance type that it does not list any more for
a place is taken out there, and the planner estimates that price from then on. Traffic is charged everywhere:
what the list does not say of it, and every other row, stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from planner.refresh.answers import PRODUCTS, Listed, Prices
from planner.refresh.price_items import INSTANCE_HOUR, ONWARD
from planner.refresh.rows import Cells

ANYWHERE: Final = "to-other-region"

Key = tuple[str, str, str]
"""Category, site, item."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A price in all its tiers, by the volume from which each holds; in words, its source and date."""

    tiers: tuple[tuple[str, str], ...]
    currency: str
    unit: str
    source: str
    as_of: str

    def same_as(self, other: Amount) -> bool:
        """Whether the same is charged."""
        mine, theirs = ([tuple(map(Decimal, tier)) for tier in each.tiers] for each in (self, other))
        return (mine, self.currency, self.unit) == (theirs, other.currency, other.unit)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """``was`` is None for a new price, ``now`` for one that is gone."""

    category: str
    site: str
    item: str
    was: Amount | None
    now: Amount | None


@dataclass(frozen=True, slots=True)
class PriceRows:
    """``rows`` for ``prices.csv``. ``elsewhere`` are places of the list that are no site of the catalog; as
    they were are the prices that are ``unlisted``, and ``unclear``: two for one place, or none that can be
    read."""

    rows: tuple[Cells, ...]
    changes: tuple[PriceChange, ...]
    confirmed: int
    elsewhere: tuple[str, ...]
    unclear: tuple[Key, ...]
    unlisted: tuple[Key, ...]


def compare_prices(
    rows: Iterable[Cells],
    prices: Prices,
    *,
    places: Mapping[str, str],
    regions: Collection[str],
    currencies: Collection[str],
    as_of: str,
) -> PriceRows:
    """``places``: partition by each name that a row may say, a site's or a zone group's; ``regions`` are the
    destinations that count; ``currencies`` those the catalog can convert."""
    had: dict[Key, list[Cells]] = defaultdict(list)
    for row in rows:
        had[_key(row)].append(row)
    listed, doubtful_from = _with_onward(prices, places, regions, had)
    unclear = set(prices.unclear) | {(ONWARD, place, ANYWHERE) for place in doubtful_from}
    found: dict[Key, Listed] = {}
    for each in listed:
        key = (each.category, each.place, each.item)
        if each.currency in currencies:
            found[key] = each
        else:
            unclear.add(key)
    spoken = {(each.category, each.item, places[each.place]) for each in listed}
    kept: list[Cells] = []
    unlisted: list[Key] = []
    changes: list[PriceChange] = []
    confirmed = 0
    for key, mine in had.items():
        category, site, item = key
        was = _amount(mine)
        if (new := found.pop(key, None)) is not None:
            fresh = _rows(new, as_of)
            now = _amount(fresh)
            kept += fresh
            if was.same_as(now):
                confirmed += 1
            else:
                changes.append(PriceChange(*key, was, now))
        elif (category, item, places.get(site, "")) in spoken and key not in unclear:
            if category == INSTANCE_HOUR:
                changes.append(PriceChange(*key, was, None))
            else:
                unlisted.append(key)
                kept += mine
        else:
            kept += mine
    for key in sorted(found):
        fresh = _rows(found[key], as_of)
        at = [at for at, row in enumerate(kept) if row["category"] == key[0]]
        end = at[-1] + 1 if at else len(kept)
        kept[end:end] = fresh
        changes.append(PriceChange(*key, None, _amount(fresh)))
    elsewhere = sorted({each.place for each in prices.listed} - set(places))
    doubtful = sorted(key for key in unclear if key[1] in places and (key in had or key[0] != ONWARD))
    return PriceRows(
        rows=tuple(kept),
        changes=tuple(sorted(changes, key=_order)),
        confirmed=confirmed,
        elsewhere=tuple(elsewhere),
        unclear=tuple(doubtful),
        unlisted=tuple(unlisted),
    )


def _with_onward(
    prices: Prices,
    places: Mapping[str, str],
    regions: Collection[str],
    had: Collection[Key],
) -> tuple[list[Listed], frozenset[str]]:
    """Prices at known places, and the places of which one way is unclear, so that none is the dearest.

    Of those between Regions the dearest stands for all destinations of the same partition, which errs high;
    one of its own stands only where the catalog has it already.
    """

    def counts(place: str, item: str) -> bool:
        destination = item.removeprefix("to-")
        return destination in regions and places.get(destination) == places.get(place)

    kept: list[Listed] = []
    ways: dict[str, list[Listed]] = defaultdict(list)
    for each in prices.listed:
        if each.place not in places:
            continue
        if each.category != ONWARD:
            kept.append(each)
            continue
        if counts(each.place, each.item):
            ways[each.place].append(each)
        if (each.category, each.place, each.item) in had:
            kept.append(each)
    unclear = frozenset(
        place for category, place, item in prices.unclear if category == ONWARD and counts(place, item)
    )
    for place, mine in ways.items():
        if place in unclear:
            continue
        dearest = max(mine, key=lambda each: Decimal(each.tiers[0][1]))
        note = f"the dearest of {len(mine)} destinations" if len(mine) > 1 else f"{dearest.item} only"
        kept.append(replace(dearest, item=ANYWHERE, note=note))
    return kept, unclear


def _rows(price: Listed, as_of: str) -> list[Cells]:
    return [
        {
            "category": price.category,
            "site": price.place,
            "item": price.item,
            "unit": price.unit,
            "price": amount,
            "currency": price.currency,
            "tier_from_gb": start if price.category == "internet_egress" else "",
            "source": PRODUCTS,
            "as_of": as_of,
            "note": price.note,
        }
        for start, amount in price.tiers
    ]


def _amount(rows: list[Cells]) -> Amount:
    """The rows of one price, a tier each."""
    tiers = sorted(((row.get("tier_from_gb") or "0", row["price"]) for row in rows), key=_start)
    first = rows[0]
    return Amount(tuple(tiers), first["currency"], first["unit"], first["source"], first["as_of"])


def _start(tier: tuple[str, str]) -> Decimal:
    return Decimal(tier[0])


def _key(row: Cells) -> Key:
    return row["category"], row["site"], row["item"]


def _order(change: PriceChange) -> tuple[bool, bool, Key]:
    """Changed prices first, then new ones, then those that are gone."""
    return change.now is None, change.was is None, (change.category, change.site, change.item)
