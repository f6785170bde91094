"""Reading ``sites.csv`` and ``endpoints.csv`` [I/O]."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from planner.csv_rows import Row, read_rows
from planner.jurisdictions import country_cell
from planner.site_offers import Offers
from planner.site_values import SITE_KINDS, SITE_STATUSES, CatalogError, Endpoint, Site
from planner.wording import with_article
from probes.strict_toml import nearest_name

PROTOCOLS: Final = ("dns", "tcp", "tls", "http", "icmp")

_SITE_COLUMNS: Final = (
    *("site_id", "kind", "name", "parent", "metro", "country", "lat", "lon", "coordinates", "status"),
    *("partition", "network_border_group", "source", "as_of"),
)
_FACT_COLUMNS: Final = ("zone_id", "dns_suffix", "opt_in", "announced", "carrier")


def load_sites(path: Path, provider: str, offers: Offers) -> tuple[Site, ...]:
    """Every site of the file, in its order, with what it offers. Raises :class:`CatalogError`."""
    sites: dict[str, Site] = {}
    rows: dict[str, Row] = {}
    for row in read_rows(path, _SITE_COLUMNS, (*_FACT_COLUMNS, "note"), CatalogError):
        site_id, kind = row.text("site_id"), row.choice("kind", SITE_KINDS)
        if site_id in rows:
            raise row.fault("site_id", f"{site_id!r} is used twice (first in row {rows[site_id].line})")
        parent = row.text("parent", None)
        if (kind == "region") != (parent is None):
            raise row.fault(
                "parent", "a Region has none" if kind == "region" else f"{with_article(kind)} needs one"
            )
        partition, group = row.text("partition"), row.text("network_border_group")
        names = (site_id, group)
        written = {column: row.text(column, "") for column in ("coordinates", *_FACT_COLUMNS, "note")}
        rows[site_id] = row
        sites[site_id] = Site(
            id=site_id,
            provider=provider,
            kind=kind,
            name=row.text("name"),
            parent=parent,
            metro=row.text("metro"),
            country=country_cell(row),
            lat=row.number("lat", low=-90.0, high=90.0),
            lon=row.number("lon", low=-180.0, high=180.0),
            status=row.choice("status", SITE_STATUSES),
            partition=partition,
            network_border_group=group,
            services=offers.offered(offers.services, kind, partition, names),
            programs=offers.offered(offers.programs, kind, partition, names),
            source=row.text("source"),
            as_of=row.date("as_of"),
            tags={},
            facts={column: text for column, text in written.items() if text},
        )
    regions = {site.id for site in sites.values() if site.kind == "region"}
    for site in sites.values():
        if site.parent is not None:
            rows[site.id].choice("parent", regions, what="Region")
    return tuple(sites.values())


def load_endpoints(path: Path, sites: Mapping[str, Site]) -> tuple[Endpoint, ...]:
    """Every endpoint of the file, in its order; ``sites`` by id. Raises :class:`CatalogError`."""
    endpoints: dict[tuple[str, str, int | None], Endpoint] = {}
    required = ("site_id", "kind", "host", "port", "protocols", "path", "source", "as_of", "note")
    for row in read_rows(path, required, (), CatalogError):
        site = sites[row.choice("site_id", sites, what="site")]
        if row.choice("kind", SITE_KINDS) != site.kind:
            raise row.fault("kind", f"{site.id} is {with_article(site.kind)}")
        protocols = row.texts("protocols")
        for protocol in protocols:
            if protocol not in PROTOCOLS:
                message = f"{protocol!r} is not one of {', '.join(PROTOCOLS)}"
                raise row.fault("protocols", message, nearest=nearest_name(protocol, PROTOCOLS))
        port = row.number("port", None, low=1, high=65535, whole=True)
        if port is None and {"tcp", "tls", "http"} & set(protocols):
            raise row.fault("port", "is blank, but tcp, tls and http need one")
        host = row.text("host")
        if (site.id, host, port) in endpoints:
            raise row.fault("host", f"{host!r} is listed twice for {site.id}")
        endpoints[site.id, host, port] = Endpoint(
            site_id=site.id,
            kind=site.kind,
            host=host,
            port=port,
            protocols=protocols,
            path=row.text("path", None),
            source=row.text("source"),
            as_of=row.date("as_of"),
            note=row.text("note", ""),
        )
    return tuple(endpoints.values())
