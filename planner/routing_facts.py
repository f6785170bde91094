"""What the ways of routing can do and cost: Route 53's records and Global Accelerator [I/O].

``routing.csv`` says of each policy which kinds of site it can send clients to, and how fast it does;
``accelerator_destinations.csv`` which of the price list's destinations a country belongs to. Both are about
AWS's services, which route to the sites of any provider or of AWS alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from planner.catalog import SITE_KINDS, Catalog, CatalogError, Price
from planner.csv_rows import read_rows
from planner.demand import Demand
from planner.study_values import POLICIES, Policy

QUERIES: Final[Mapping[str, str]] = {
    "route53-latency": "queries-latency",
    "route53-geoproximity": "queries-geo",
    "global-accelerator": "queries-standard",
}
"""What a DNS query is charged as; the name of an accelerator is an ordinary one."""

EXPLICIT: Final[tuple[Policy, ...]] = ("route53-latency", "route53-geoproximity", "global-accelerator")

MORE: Final = "-over-1000m"
MORE_FROM: Final = 1000.0
"""Million queries a month from which a further one is cheaper."""

PREMIUM: Final = "premium-to "

_PROPERTIES: Final = ("kind", "elsewhere", "static_addresses", "redirect_s")


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """Kinds of AWS's sites (and an Outpost) that a policy knows, and whether it knows other providers' sites.

    ``redirect_s``: from the moment a site counts as down until its clients are sent elsewhere; None where
    that waits for what DNS resolvers and clients remember.
    """

    kinds: frozenset[str]
    elsewhere: bool = False
    static_addresses: bool = False
    redirect_s: float | None = None


@dataclass(frozen=True, slots=True)
class RoutingFacts:
    """What routing can do and costs. ``queries``: per million, by policy. A health check has a price for
    an endpoint ``inside`` AWS and one for any other, and each further option (HTTPS, fast interval) as well.

    ``premium_gb`` (m): per GB through an accelerator to each client.
    """

    policies: Mapping[Policy, PolicyFacts]
    queries: Mapping[Policy, Price]
    zone_month: Price
    check_inside: Price
    option_inside: Price
    check_outside: Price
    option_outside: Price
    accelerator_hour: Price
    premium_gb: tuple[Price, ...]


def load_routing_facts(catalog: Catalog, demand: Demand) -> RoutingFacts:
    """The facts beside AWS's ``catalog``, at its prices, for the study's clients.

    Raises :class:`CatalogError` about a malformed row, and about a price that is missing.
    """

    def listed(category: str, item: str) -> Price:
        price = catalog.price_list.price(category, "global", item)
        if price is None:
            raise CatalogError(catalog.path / "prices.csv", f"has no price for {category}, global, {item}")
        return price

    def query(item: str) -> Price:
        first, more = listed("route53", item), listed("route53", item + MORE)
        return replace(first, tiers=((MORE_FROM, more.usd),))

    return RoutingFacts(
        policies=_policies(catalog.path / "routing.csv"),
        queries={policy: query(QUERIES[policy]) for policy in EXPLICIT},
        zone_month=listed("route53", "hosted-zone"),
        check_inside=listed("route53", "health-check-aws"),
        option_inside=listed("route53", "health-check-option-aws"),
        check_outside=listed("route53", "health-check-other"),
        option_outside=listed("route53", "health-check-option-other"),
        accelerator_hour=listed("global_accelerator", "accelerator"),
        premium_gb=_premiums(catalog, [client.country for client in demand.clients]),
    )


def _policies(path: Path) -> Mapping[Policy, PolicyFacts]:
    found: dict[Policy, PolicyFacts] = {policy: PolicyFacts(frozenset()) for policy in EXPLICIT}
    said: dict[tuple[str, str, str], int] = {}
    for row in read_rows(path, ("policy", "property", "value", "source", "as_of"), ("note",), CatalogError):
        policy = row.choice("policy", [name for name in POLICIES if name != "auto"])
        name = row.choice("property", _PROPERTIES)
        row.text("source"), row.date("as_of")
        key = (policy, name, row.text("value") if name == "kind" else "")
        if key in said:
            raise row.fault("property", f"repeats row {said[key]}")
        said[key] = row.line
        facts = found[policy]
        if name == "kind":
            facts = replace(facts, kinds=facts.kinds | {row.choice("value", SITE_KINDS)})
        elif name == "redirect_s":
            facts = replace(facts, redirect_s=row.number("value", low=0.0))
        elif name == "elsewhere":
            facts = replace(facts, elsewhere=row.choice("value", ("yes", "no")) == "yes")
        else:
            facts = replace(facts, static_addresses=row.choice("value", ("yes", "no")) == "yes")
        found[policy] = facts
    return found


def _premiums(catalog: Catalog, countries: Sequence[str]) -> tuple[Price, ...]:
    """Per client, the dearest premium that any Region lists to where it is.

    An estimate that errs high, and the same from every site, so that no site wins by what is not listed. A
    country that no destination holds takes the dearest of all.
    """
    listed: dict[str, Price] = {}
    for (category, site, item), price in sorted(catalog.price_list.listed.items()):
        if category == "global_accelerator" and item.startswith(PREMIUM):
            destination = item.removeprefix(PREMIUM)
            if destination not in listed or price.usd > listed[destination].usd:
                note = f"the dearest to {destination}, from {site}"
                listed[destination] = replace(price, estimated=True, note=note)
    if not listed:
        raise CatalogError(catalog.path / "prices.csv", f"has no price for global_accelerator, {PREMIUM}...")
    anywhere = max(listed.values(), key=lambda price: price.usd)
    path, within = catalog.path / "accelerator_destinations.csv", dict[str, tuple[str, ...]]()
    for row in read_rows(path, ("country", "destinations", "source", "as_of"), ("note",), CatalogError):
        names = row.texts("destinations")
        for name in names:
            row_hint = None if name in listed else name
            if row_hint is not None:
                raise row.fault("destinations", f"no price is listed to {name!r}")
        if (country := row.text("country")) in within:
            raise row.fault("country", "stands twice")
        row.text("source"), row.date("as_of")
        within[country] = names
    return tuple(
        max((listed[name] for name in within.get(country, ())), key=lambda price: price.usd, default=anywhere)
        for country in countries
    )
