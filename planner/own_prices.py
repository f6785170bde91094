"""The user's own prices, laid over what the providers list [I/O].

One file for all that can be negotiated or is nobody's list price, with the columns of ``prices.csv`` and
``provider`` beside them where two providers could be meant. A row goes before the listed one of the same
category, site and item; a row that says what is listed changes nothing. Whatever no plan would look up is
refused with the nearest name: a price that is misspelt and then forgotten would be a promise nobody keeps.

Beyond what is listed a file may set a rack's own line (``outposts``, ``local-gateway-egress``, at ``outpost``
for all racks or at one), a Direct Connect port of any speed, the hour of the study's own instance type, and
the discount of a commitment (``commitment``, ``global``, its name, in ``share`` of the price).
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from planner.catalog import LOCAL_EGRESS, Catalog, Price, shipped_providers
from planner.commitments import Commitment
from planner.csv_rows import Row, read_rows
from planner.price_list import MORE_PRICE_COLUMNS, PRICE_COLUMNS, prices_of
from probes.strict_toml import InputError, nearest_name

INSTANCE: Final = "instance_hour"
RACKS: Final = "outposts"
COMMITMENT: Final = "commitment"

SAID: Final = 4
"""So many places of an item are said in a complaint."""

_PORT: Final = re.compile(r"port-(dedicated-\d+gbps|hosted-\d+mbps)")
_PLACES: Final = ("global", "outpost")
"""What ``site`` may say beside a site, a zone group or a group of Regions ("geo:NAME")."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What one provider's rows may name: for each category its items, each with its units and its places."""

    catalog: Catalog
    instance: str
    racks: Collection[str] | None

    @property
    def sites(self) -> frozenset[str]:
        """Ids of sites and of zone groups."""
        sites = self.catalog.sites
        return frozenset(name for site in sites for name in (site.id, site.network_border_group))

    def categories(self) -> frozenset[str]:
        listed = frozenset(category for category, _, _ in self.catalog.price_list.listed)
        return listed | ({COMMITMENT} if self.catalog.commitments else frozenset())

    def items(self, category: str) -> frozenset[str]:
        """The items that are listed, and those a file may add by name."""
        names = {name for each, _, name in self.catalog.price_list.listed if each == category}
        if category == INSTANCE:
            names.add(self.instance)
        if category == RACKS:
            names.add(LOCAL_EGRESS)
        if category == COMMITMENT:
            names |= {each.name for each in self.catalog.commitments}
        return frozenset(names)

    def like(self, category: str, item: str) -> Mapping[str, Price]:
        """The listed prices of an item by site; of its whole category, where nobody lists the item."""
        listed = self.catalog.price_list.listed.items()
        same = {site: price for (each, site, name), price in listed if (each, name) == (category, item)}
        ports = category == "direct_connect" and _PORT.fullmatch(item)
        if same or category == COMMITMENT:
            return same
        return {
            site: price
            for (each, site, name), price in listed
            if each == category and (not ports or _PORT.fullmatch(name))
        }

    def places(self, category: str, item: str) -> frozenset[str]:
        """Where the item may be priced: at sites, or at the names that stand for none."""
        if category == COMMITMENT:
            return frozenset({"global"})
        if category == RACKS:
            return frozenset({"outpost", *(self.racks or ())})
        listed = self.like(category, item)
        named = frozenset(site for site in listed if site in _PLACES or site.startswith("geo:"))
        return named | (self.sites if len(named) < len(listed) else frozenset())


class OwnPricesError(InputError):
    """The file of one's own prices is malformed, or prices what no plan would look up."""


def with_own_prices(
    catalogs: Sequence[Catalog],
    path: Path,
    *,
    instance: str | Mapping[str, str],
    racks: Collection[str] | None = None,
) -> list[Catalog]:
    """``catalogs`` with the prices of ``path`` before their own.

    ``instance``: the type the study runs, for all or by provider, which need not be listed; ``racks``: ids of
    its racks, None where no study says which there are. Rows of a provider that is not among ``catalogs`` are
    for other studies and left out. Raises :class:`OwnPricesError` about the first row that sets nothing.
    """
    known = {
        each.provider: _Known(each, instance if isinstance(instance, str) else instance[each.provider], racks)
        for each in catalogs
    }
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in read_rows(path, PRICE_COLUMNS, (*MORE_PRICE_COLUMNS, "provider"), OwnPricesError):
        _check_date(row)
        for provider in _providers(row, known):
            rows[provider].append(row)
    return [_laid_over(catalog, rows[catalog.provider], path) for catalog in catalogs]


def _check_date(row: Row) -> None:
    """A price is one that somebody has seen; east of here it may be tomorrow already."""
    given, tomorrow = row.date("as_of"), (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    since = given.partition("/")[0]
    if since != "undated" and since > tomorrow[: len(since)]:
        raise row.fault("as_of", f"{given} has not come yet")


def _providers(row: Row, known: Mapping[str, _Known]) -> Iterator[str]:
    """Whose prices the row sets; none where it says a provider that is not asked."""
    named = row.choice("provider", shipped_providers(), None)
    asked = {name: each for name, each in known.items() if named in (None, name)}
    if not asked:
        return
    category = row.choice("category", sorted({name for each in asked.values() for name in each.categories()}))
    item, site = row.text("item"), row.text("site")
    having = {name: each for name, each in asked.items() if _is_item(each, category, item)}
    if not having:
        items = [name for each in asked.values() for name in each.items(category)]
        words = f"{item!r} is not a known item of {category}"
        raise row.fault("item", words, nearest=nearest_name(item, items))
    at = {name: each for name, each in having.items() if _is_place(each, category, item, site)}
    if not at:
        raise _misplaced(row, category, item, site, having.values())
    if site in _PLACES and len(at) > 1:
        raise row.fault("provider", f"is blank; {site!r} may be that of {', '.join(sorted(at))}")
    for name, each in at.items():
        _check_unit(row, each, category, item)
        yield name


def _misplaced(row: Row, category: str, item: str, site: str, having: Iterable[_Known]) -> InputError:
    places = frozenset[str]().union(*(each.places(category, item) for each in having))
    known = any(site in each.sites for each in having) or site in _PLACES
    if not known:
        return row.fault("site", f"{site!r} is not a known site", nearest=nearest_name(site, places))
    where = f": {', '.join(sorted(places))}" if len(places) <= SAID else ""
    return row.fault("site", f"{site!r} is not where {category}, {item} is priced{where}")


def _is_item(known: _Known, category: str, item: str) -> bool:
    port = category == "direct_connect" and _PORT.fullmatch(item) is not None
    way = category == "inter_region" and item.startswith("to-") and item[3:] in known.sites
    return port or way or item in known.items(category)


def _is_place(known: _Known, category: str, item: str, site: str) -> bool:
    some_rack = category == RACKS and known.racks is None and site not in {*known.sites, "global"}
    return some_rack or site in known.places(category, item)


def _check_unit(row: Row, known: _Known, category: str, item: str) -> None:
    if category == COMMITMENT:
        units = {"share"}
        row.number("price", low=0.0, high=1.0)
    else:
        units = {price.unit for price in known.like(category, item).values()}
        units = {"GB"} if item == LOCAL_EGRESS else units
    row.choice("unit", sorted(units))


def _laid_over(catalog: Catalog, rows: Sequence[Row], path: Path) -> Catalog:
    shipped, given = catalog.price_list, prices_of(rows, catalog.price_list.usd_per)
    discounts = {name: price for (category, _, name), price in given.items() if category == COMMITMENT}
    listed = _for_all_families(catalog)
    mine = {
        name: Commitment(name, frozenset(), price.usd, f"{path.name}: {price.source}", price.as_of, own=True)
        for name, price in discounts.items()
        if (name, price.usd, price.source, price.as_of) not in listed
    }
    own = {
        key: replace(price, own=True, source=f"{path.name}: {price.source}")
        for key, price in given.items()
        if key[0] != COMMITMENT and price != shipped.listed.get(key)
    }
    kept = tuple(each for each in catalog.commitments if each.name not in mine)
    return replace(catalog, price_list=replace(shipped, own=own), commitments=(*kept, *mine.values()))


def _for_all_families(catalog: Catalog) -> set[tuple[str, float, str, str]]:
    """The discounts of the catalog that a file of own prices can say in the same words."""
    return {
        (each.name, each.discount, each.source, each.as_of)
        for each in catalog.commitments
        if not each.families
    }


def start_of_a_file(catalog: Catalog) -> str:
    """What ``catalog`` lists, as a file of own prices to begin with: as it stands, it changes nothing."""
    text = io.StringIO((catalog.path / "prices.csv").read_text("utf-8"), newline="")
    columns = next(csv.reader(text))
    text.seek(0, io.SEEK_END)
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    for name, discount, source, as_of in sorted(_for_all_families(catalog)):
        row = {"category": COMMITMENT, "site": "global", "item": name, "unit": "share", "price": discount}
        writer.writerow(row | {"currency": "USD", "source": source, "as_of": as_of})
    return text.getvalue()
