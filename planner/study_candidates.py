"""The table ``[candidates]`` of a study, with its racks and the zones it says are announced."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from planner.catalog import shipped_providers
from planner.jurisdictions import load_countries
from planner.site_values import SITE_KINDS, ZONE_KINDS, OutpostTerms
from planner.study_names import country_fault, several, tags
from planner.study_supposed import AnnouncedZone
from planner.study_values import CandidateSpec, OutpostSpec
from probes.strict_toml import Table


def read_candidates(table: Table) -> tuple[CandidateSpec, float]:
    """The candidates, and what a zone costs above its parent. Raises the table's error."""
    default = CandidateSpec()
    spec = CandidateSpec(
        providers=several(table, "provider", default.providers, shipped_providers(), "provider"),
        kinds=several(table, "kinds", default.kinds, SITE_KINDS, "kind of site"),
        include=several(table, "include", default.include),
        exclude=table.texts("exclude", default.exclude),
        outposts=tuple(_outpost(outpost) for outpost in table.tables("outpost")),
        tags=_site_tags(table.table("tags", {})),
        announced=tuple(_announced(zone) for zone in table.tables("announced")),
    )
    for name, count in Counter(spec.providers).items():
        if count > 1:
            raise table.fault("provider", f"{name!r} is given {count} times")
    ids = [id_ for outpost in spec.outposts for id_ in {outpost.id, *outpost.site_ids}]
    for id_, count in Counter(ids).items():
        if count > 1:
            raise table.fault("outpost", f"{count} outposts have the id {id_!r}")
    for id_, count in Counter(zone.id for zone in spec.announced).items():
        if count > 1:
            raise table.fault("announced", f"{count} announced zones have the id {id_!r}")
    premium = table.number("local_zone_premium", 0.20, low=0, high=10)
    table.close()
    return spec, premium


def _site_tags(table: Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = tuple((pattern, tags(table, pattern)) for pattern in table.names())
    table.close()
    return found


def _announced(table: Table) -> AnnouncedZone:
    default = AnnouncedZone("", "", "", 0.0, 0.0)
    zone = AnnouncedZone(
        id=_site_name(table, "id"),
        parent=table.text("parent"),
        country=_country(table),
        lat=table.number("lat", low=-90, high=90),
        lon=table.number("lon", low=-180, high=180),
        kind=table.text("kind", default.kind, choices=ZONE_KINDS),
        services=several(table, "services", None),
        metro=table.text("metro", default.metro),
        source=table.text("source", default.source),
        as_of=table.text("as_of", default.as_of),
    )
    table.close()
    return zone


def _country(table: Table) -> str:
    country: str = table.text("country")
    if country not in load_countries():
        raise country_fault(table, "country", country)
    return country


def _outpost(table: Table) -> OutpostSpec:
    id_, country = _site_name(table, "id"), _country(table)
    sizes = tuple(_size(size) for size in table.tables("size"))
    spec = OutpostSpec(
        id=id_,
        country=country,
        lat=table.number("lat", low=-90, high=90),
        lon=table.number("lon", low=-180, high=180),
        parent=table.text("parent"),
        terms=_terms(table, () if not sizes else (0.0, 0.0, 0.0)),
        tags=tags(table, "tags"),
    )
    table.close()
    if not sizes:
        return spec
    for key in ("capacity_rps", "upfront_usd", "monthly_usd"):
        if getattr(spec.terms, key):
            raise table.fault(key, "stands in each size, and so not here")
    for name, count in Counter(name for name, _ in sizes).items():
        if count > 1:
            raise table.fault("size", f"{count} sizes have the name {name!r}")
    given = {
        name: replace(spec.terms, capacity_rps=capacity, upfront_usd=upfront, monthly_usd=monthly)
        for name, (capacity, upfront, monthly) in sizes
    }
    return replace(spec, terms=next(iter(given.values())), sizes=tuple(given.items()))


def _site_name(table: Table, key: str) -> str:
    name: str = table.text(key)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise table.fault(key, f"{name!r} is not made of letters, digits, dots, dashes and underscores")
    return name


def _size(table: Table) -> tuple[str, tuple[float, float, float]]:
    size = _site_name(table, "name"), _price(table, ())
    table.close()
    return size


def _price(table: Table, default: tuple[float, ...]) -> tuple[float, float, float]:
    """Capacity, up-front price, monthly price."""
    absent = default or (..., ..., ...)
    return (
        table.number("capacity_rps", absent[0], above=-1 if default else 0, high=1e12),
        table.number("upfront_usd", absent[1], low=0, high=1e12),
        table.number("monthly_usd", absent[2], low=0, high=1e12),
    )


def _terms(table: Table, default: tuple[float, ...]) -> OutpostTerms:
    capacity, upfront, monthly = _price(table, default)
    return OutpostTerms(
        capacity_rps=capacity,
        upfront_usd=upfront,
        monthly_usd=monthly,
        term_months=table.number("term_months", low=1, high=1200, whole=True),
        host=table.text("host", None),
        capital_rate=table.number("capital_rate", 0.0, low=0, high=10),
        link_mbps=table.number("link_mbps", None, above=0, high=1e9),
        link_ms=table.number("link_ms", None, above=0, high=1e5),
        form=table.text("form", "rack", choices=("rack", "server")),
    )
