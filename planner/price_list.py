"""What a provider lists, and what an unlisted price is taken to be [I/O].

``prices.csv`` is long: one price a row, ``category,site,item,unit,price,currency,tier_from_gb,source,as_of``.
Nobody publishes every price, so some are estimated, and an estimate errs high: an unpriced site must never
win because of a guess. An unlisted price in Region *r* is the dearer of

- what the Regions of the same geography list at most for that item (any Region, if none there does), and
- the reference Region's price × the price level of *r*: the greatest ratio, over the items both list, of the
  price in *r* to the price in the reference Region (the geography's greatest level, if *r* lists nothing).

Of prices that fall with volume, the dearer at every volume.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from planner.csv_rows import Row, read_rows
from planner.markets import Markets
from probes.strict_toml import InputError

Key = tuple[str, str, str]
"""Category, site, item."""

PRICE_COLUMNS: Final = ("category", "site", "item", "unit", "price", "currency", "source", "as_of")
DEAREST: Final = 1e9
"""No unit of anything costs more, in any currency; what says so is a slip of the pen."""

MORE_PRICE_COLUMNS: Final = ("tier_from_gb", "note")
"""Those a file of prices may leave out."""


@dataclass(frozen=True, slots=True)
class Price:
    """One price: US dollars per unit, where it came from, and whether it was estimated.

    ``own``: from the user's own file. ``tiers``: the volume in a month from which a further unit is cheaper,
    and what it costs then, in order. ``before``: of a price that a study supposes to change, what it was.
    """

    usd: float
    unit: str
    source: str
    as_of: str
    estimated: bool = False
    note: str = ""
    tiers: tuple[tuple[float, float], ...] = ()
    own: bool = False
    before: float | None = None

    def times(self, factor: float) -> Price:
        """The same price at another level, in all its tiers."""
        tiers = tuple((start, factor * usd) for start, usd in self.tiers)
        return replace(self, usd=factor * self.usd, tiers=tiers)


@dataclass(frozen=True, slots=True)
class PriceList:
    """Every price by category, site and item; and which of the sites are Regions.

    ``own``: the user's own prices, which go before the listed ones. What one customer pays somewhere says
    nothing of what is unlisted elsewhere, so estimates look at them only where nothing is listed.
    ``usd_per``: dollars per unit of each other currency the provider quotes in.
    """

    listed: Mapping[Key, Price]
    regions: frozenset[str]
    usd_per: Mapping[str, float] = field(default_factory=dict)
    own: Mapping[Key, Price] = field(default_factory=dict)
    markets: Markets = field(default_factory=Markets)

    def price(self, category: str, site: str, item: str) -> Price | None:
        """The user's own price, or the listed one, or None."""
        key = (category, site, item)
        return self.own.get(key) or self.listed.get(key)

    def items(self, category: str) -> frozenset[str]:
        """Every item of a category that any site lists."""
        return frozenset(item for listed, _, item in (*self.listed, *self.own) if listed == category)

    def _public(self) -> Mapping[Key, Price]:
        return {**self.own, **self.listed} if self.own else self.listed

    def estimate(self, category: str, region: str, item: str) -> Price | None:
        """What an unlisted price is taken to be (module docstring); None when no Region lists the item."""
        elsewhere = {
            site: price
            for (listed, site, name), price in self._public().items()
            if listed == category and name == item and self._comparable(site, region)
        }
        if not elsewhere:
            return None
        neighbours = {site: price for site, price in elsewhere.items() if self._near(site, region)}
        compared = list((neighbours or elsewhere).values())
        site, dearest = max((neighbours or elsewhere).items(), key=lambda pair: (pair[1].usd, pair[0]))
        where = f"the dearest of {self.markets.geography(region)}" if neighbours else "the dearest anywhere"
        note = f"not listed for {region}: {where} ({site})"
        base = self.markets.reference
        reference = elsewhere.get(base or "")
        level_of, level = self._level(category, region)
        if reference is not None:
            compared.append(reference.times(level))
            if level * reference.usd > dearest.usd * (1 + 1e-9):
                dearest = compared[-1]
                where = f"{base} × {level:.3f}, the price level of {level_of}"
                note = f"not listed for {region}: {where}"
        tiers = _dearest_tiers(compared)
        if tiers != dearest.tiers:
            note += "; tiers as the dearest at each volume"
        return replace(dearest, estimated=True, own=False, note=note, tiers=tiers)

    def _level(self, category: str, region: str) -> tuple[str, float]:
        """The price level of ``region`` against the reference Region, and the Region it was read from."""
        base = {
            item: p.usd
            for (c, s, item), p in self._public().items()
            if (c, s) == (category, self.markets.reference)
        }
        levels: dict[str, float] = {}
        for (listed, site, item), price in self._public().items():
            if listed == category and item in base and base[item] > 0 and self._comparable(site, region):
                levels[site] = max(levels.get(site, 0.0), price.usd / base[item])
        if region in levels:
            return region, levels[region]
        near = {site: level for site, level in levels.items() if self._near(site, region)} or levels
        return max(near.items(), key=lambda pair: (pair[1], pair[0]), default=(region, 0.0))

    def _comparable(self, site: str, region: str) -> bool:
        """A Region whose market is not apart from the other's."""
        return site in self.regions and self.markets.comparable(site, region)

    def _near(self, site: str, region: str) -> bool:
        return self.markets.geography(site) == self.markets.geography(region)


def _dearest_tiers(prices: Iterable[Price]) -> tuple[tuple[float, float], ...]:
    """The tiers of a price that is at every volume the greatest of ``prices``."""
    every = [((0.0, price.usd), *price.tiers) for price in prices]
    steps = [
        (start, max(next(usd for at, usd in reversed(tiers) if at <= start) for tiers in every))
        for start in sorted({start for tiers in every for start, _ in tiers})
    ]
    return tuple(step for before, step in pairwise(steps) if step[1] < before[1])


def load_price_list(
    path: Path,
    *,
    regions: frozenset[str],
    groups: Collection[str],
    usd_per: Mapping[str, float],
    markets: Markets,
    error: type[InputError],
) -> PriceList:
    """Read ``prices.csv``. Other currencies are converted by ``usd_per`` and so estimated.

    A price may name a Region, a zone or one of the zone ``groups``; ``global``, ``outpost`` and ``geo:NAME``
    (a group of Regions) are known as well.
    """
    known = {*regions, *groups, "global", "outpost"}

    def checked() -> Iterator[Row]:
        for row in read_rows(path, PRICE_COLUMNS, MORE_PRICE_COLUMNS, error):
            site = row.text("site")
            if not site.startswith("geo:"):
                row.choice("site", known, what="site")
            yield row

    return PriceList(prices_of(checked(), usd_per), regions, usd_per, markets=markets)


def prices_of(rows: Iterable[Row], usd_per: Mapping[str, float]) -> dict[Key, Price]:
    """The prices that ``rows`` give, a row a price or one tier of it. Raises the rows' error."""
    currencies = ("USD", *sorted(usd_per))
    tiers: dict[Key, dict[float, tuple[Price, Row]]] = {}
    for row in rows:
        start = row.number("tier_from_gb", 0.0, low=0.0)
        mine = tiers.setdefault((row.text("category"), row.text("site"), row.text("item")), {})
        if start in mine:
            raise row.fault("item", f"is listed twice for this site (first in row {mine[start][1].line})")
        mine[start] = (_price(row, currencies, usd_per), row)
    return {key: _tiered(mine) for key, mine in tiers.items()}


def _tiered(tiers: Mapping[float, tuple[Price, Row]]) -> Price:
    """One price of all its tiers, the first of which starts at nothing and none of which is dearer than the
    one before. A first volume that is free is left out, which errs high."""
    starts = sorted(tiers)
    first, row = tiers[starts[0]]
    if starts[0] != 0.0:
        raise row.fault("tier_from_gb", f"{starts[0]:g} is the first tier listed; one must start at 0")
    if first.usd == 0.0 and len(starts) > 1:
        free, starts = starts[1], starts[1:]
        left_out = f"the first {free:g} {first.unit}, free, are charged"
        first = replace(tiers[free][0], note="; ".join(filter(None, (tiers[free][0].note, left_out))))
    for below, above in pairwise(starts):
        if tiers[above][0].usd > tiers[below][0].usd:
            raise tiers[above][1].fault(
                "price", "is more than that of the tier before: volume makes it cheaper"
            )
    return replace(first, tiers=tuple((start, tiers[start][0].usd) for start in starts[1:]))


def _price(row: Row, currencies: tuple[str, ...], usd_per: Mapping[str, float]) -> Price:
    amount = row.number("price", low=0.0, high=DEAREST)
    currency = row.choice("currency", currencies)
    note = row.text("note", "")
    if currency != "USD":
        converted = f"{amount:g} {currency} at {usd_per[currency]:g} USD"
        note = f"{converted}; {note}" if note else converted
        amount *= usd_per[currency]
    return Price(amount, row.text("unit"), row.text("source"), row.date("as_of"), currency != "USD", note)
