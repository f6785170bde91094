"""Items of AWS' price list, each a JSON document, to prices.

On demand only: a product has terms, a term has dimensions, a dimension is a tier with its amount in one
currency. Of EC2 the plain Linux instance on shared hardware is read; of data transfer, what leaves for the
internet, for another Region, and for another zone of the Region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, Final

from planner.refresh.answers import PRODUCTS, CloudError, Listed, Prices

Products = Callable[[str, Mapping[str, str]], Iterator[str]]
"""A service's code and the attributes its products must have, to those products."""

Progress = Callable[[int, int, str], None]

EC2: Final = "AmazonEC2"
TRANSFER: Final = "AWSDataTransfer"

INSTANCE: Final[Mapping[str, str]] = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
}

INSTANCE_HOUR: Final = "instance_hour"
EGRESS_ITEM: Final = ("internet_egress", "to-internet")
ONWARD: Final = "inter_region"
ZONES_ITEM: Final = ("intra_region", "between-zones")

_UNITS: Final = {"Hrs": "hour", "GB": "GB"}

_BINARY_GB: Final = "volume in a month, binary GB"
_BOTH_ENDS: Final = "charged at each end, so a GB that crosses costs twice this"


def ask(products: Products, instances: Collection[str], as_of: str, progress: Progress) -> Prices:
    """The prices of those instance types, and of traffic, in force on a day. Raises :class:`CloudError`."""
    gathered = _Gathered(as_of)
    total = len(instances) + 3
    for done, instance in enumerate(instances):
        progress(done, total, f"prices of {instance}")
        found = products(EC2, {"instanceType": instance} | dict(INSTANCE))
        gathered.add(INSTANCE_HOUR, instance, map(_instance, map(_document, found)))
    progress(total - 3, total, "prices of traffic to the internet")
    out = products(TRANSFER, {"transferType": "AWS Outbound", "toLocation": "External"})
    gathered.add(*EGRESS_ITEM, map(_egress, map(_document, out)))
    progress(total - 2, total, "prices between Regions")
    onward = products(TRANSFER, {"transferType": "InterRegion Outbound", "toLocationType": "AWS Region"})
    for destination, ways in _by_destination(map(_document, onward)).items():
        gathered.add(ONWARD, f"to-{destination}", ways)
    progress(total - 1, total, "prices between zones")
    within = products(TRANSFER, {"transferType": "IntraRegion"})
    gathered.add(*ZONES_ITEM, map(_between_zones, map(_document, within)))
    listed, unclear = tuple(gathered.listed), tuple(gathered.unclear)
    keys = [*((each.category, each.item) for each in listed), *((key[0], key[2]) for key in unclear)]
    answered = {item for category, item in keys if category == INSTANCE_HOUR}
    return Prices(listed, tuple(sorted(set(instances) - answered)), unclear)


Found = tuple[str, Mapping[str, Any]]
"""A place and the product that is priced there."""


@dataclass(slots=True)
class _Gathered:
    """Prices as they come in; ``as_of`` is the day on which they must be in force."""

    as_of: str
    listed: list[Listed] = field(default_factory=list)
    unclear: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, category: str, item: str, found: Iterable[Found | None]) -> None:
        """One price for each place; a place of which two amounts are said has none."""
        by_place: dict[str, Listed | None] = {}
        for entry in found:
            if entry is None or not entry[0]:
                continue
            place, document = entry
            price = _price(category, place, item, document, self.as_of)
            if price is None or by_place.get(place, price) != price:
                by_place[place] = None
            else:
                by_place[place] = price
        for place, price in sorted(by_place.items()):
            if price is None:
                self.unclear.append((category, place, item))
            else:
                self.listed.append(price)


def _document(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
        attributes = document["product"]["attributes"]
        document["terms"].get("OnDemand")
        if not isinstance(attributes, dict):
            raise TypeError
    except (ValueError, TypeError, KeyError, AttributeError):
        raise CloudError(f"{PRODUCTS}: an item of the price list could not be read: {text[:80]}") from None
    return document  # type: ignore[no-any-return]


def _instance(document: Mapping[str, Any]) -> Found | None:
    attributes = document["product"]["attributes"]
    plain = attributes.get("marketoption", "OnDemand") == "OnDemand" and re.search(
        r"(^|-)BoxUsage:", attributes.get("usagetype", "")
    )
    return (attributes.get("regionCode", ""), document) if plain else None


def _egress(document: Mapping[str, Any]) -> Found | None:
    attributes = document["product"]["attributes"]
    plain = attributes.get("usagetype", "").endswith("DataTransfer-Out-Bytes")
    return (attributes.get("fromRegionCode", ""), document) if plain else None


def _between_zones(document: Mapping[str, Any]) -> Found | None:
    attributes = document["product"]["attributes"]
    plain = attributes.get("usagetype", "").endswith("DataTransfer-Regional-Bytes")
    return (attributes.get("fromRegionCode", ""), document) if plain else None


def _by_destination(documents: Iterator[Mapping[str, Any]]) -> Mapping[str, list[Found]]:
    found: dict[str, list[Found]] = {}
    for document in documents:
        attributes = document["product"]["attributes"]
        source, destination = attributes.get("fromRegionCode", ""), attributes.get("toRegionCode", "")
        if (
            destination
            and source != destination
            and attributes.get("usagetype", "").endswith("AWS-Out-Bytes")
        ):
            found.setdefault(destination, []).append((source, document))
    return found


def _price(category: str, place: str, item: str, document: Mapping[str, Any], as_of: str) -> Listed | None:
    """Of the terms in force the latest; None when that is none, free, or in no unit or currency we know."""
    try:
        every = (document["terms"].get("OnDemand") or {}).values()
        terms = sorted(
            (term for term in every if term["effectiveDate"][:10] <= as_of),
            key=lambda term: term["effectiveDate"],
        )
        dimensions = list(terms[-1]["priceDimensions"].values())
        units = {_UNITS[each["unit"]] for each in dimensions}
        currencies = {currency for each in dimensions for currency in each["pricePerUnit"]}
        (unit,), (currency,) = units, currencies
        tiers = sorted(
            (Decimal(each.get("beginRange") or 0), Decimal(each["pricePerUnit"][currency]))
            for each in dimensions
        )
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, InvalidOperation):
        return None
    falling = all(below[1] >= above[1] and below[0] < above[0] for below, above in pairwise(tiers))
    if not tiers or tiers[0][0] != 0 or not all(price.is_finite() and price > 0 for _, price in tiers):
        return None
    if not falling or (len(tiers) > 1 and category != EGRESS_ITEM[0]):
        return None
    note = _BOTH_ENDS if category == ZONES_ITEM[0] else _BINARY_GB if len(tiers) > 1 else ""
    amounts = tuple((plain(start), plain(price)) for start, price in tiers)
    return Listed(category, place, item, unit, currency, amounts, note)


def plain(amount: Decimal) -> str:
    """``0.0900000000`` -> ``0.09``; never with an exponent."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
