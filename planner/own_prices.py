"""A person's own prices, which go before the shipped ones [I/O].

The file has the columns of ``prices.csv``, and ``provider`` where a study has several. It may price what
nobody lists (an instance type, the speed of a Direct Connect port, a rack's own line); anything else must
be an item that the provider's file knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from planner.catalog import Catalog, usd_per
from planner.csv_rows import Row
from planner.price_list import Price, PriceList, load_price_list
from probes.strict_toml import InputError, nearest_name

NEW_ITEMS: Final = {"ec2_hour", "direct_connect"}
"""Categories in which an item that no file knows is new, not misspelt: instance types and speeds of ports."""

KNOWN_BESIDES: Final = {"outposts": ("local-gateway-egress",)}
"""Items that a person may price although nobody lists them."""


class OwnPricesError(InputError):
    """The file of one's own prices is malformed, or prices what nobody sells."""


def with_own_prices(catalogs: Sequence[Catalog], path: Path) -> list[Catalog]:
    """The catalogs with the file's prices in place of the shipped ones. Raises :class:`OwnPricesError`."""
    providers = [catalog.provider for catalog in catalogs]
    found = []
    for catalog in catalogs:
        listed = load_price_list(
            path,
            regions=catalog.price_list.regions,
            groups={site.id for site in catalog.sites}
            | {site.network_border_group for site in catalog.sites},
            usd_per=usd_per(catalog.path / "source.toml"),
            error=OwnPricesError,
            concerns=partial(_concerns, catalog.provider, providers, catalogs),
        )
        own = {key: _marked(price, path) for key, price in listed.listed.items()}
        merged = PriceList({**catalog.price_list.listed, **own}, catalog.price_list.regions)
        found.append(replace(catalog, price_list=merged))
    return found


def _concerns(provider: str, providers: list[str], catalogs: Sequence[Catalog], row: Row) -> bool:
    """Whether the row is about ``provider``; raises its error where it prices what that one does not sell."""
    if len(providers) > 1 and not row.text("provider", ""):
        raise row.fault("provider", f"is blank; the study has {', '.join(providers)}")
    if row.choice("provider", providers, providers[0]) != provider:
        return False
    catalog = next(each for each in catalogs if each.provider == provider)
    categories = {category for category, _, _ in catalog.price_list.listed}
    category = row.choice("category", sorted(categories), what="category")
    known = {*catalog.price_list.items(category), *KNOWN_BESIDES.get(category, ())}
    item = row.text("item")
    if category not in NEW_ITEMS and item not in known:
        hint = nearest_name(item, known)
        raise row.fault("item", f"{item!r} is not a known item of {category}", nearest=hint)
    return True


def _marked(price: Price, path: Path) -> Price:
    """The price with the file as its source: it is the person's own word, and no estimate."""
    return replace(price, source=f"{path.name}: {price.source}")
