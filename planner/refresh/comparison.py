"""A provider's files as they are, and as they would be after what the APIs answered [I/O: reads]."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from planner.catalog import Catalog, CatalogError
from planner.csv_rows import read_rows
from planner.jurisdictions import country_cell, load_countries
from planner.refresh.answers import REGIONS, SOURCES, Answers
from planner.refresh.offer_rows import Offers, compare_offers
from planner.refresh.price_rows import PriceRows, compare_prices
from planner.refresh.rows import Cells, cells_of, text_of
from planner.refresh.site_rows import OWN, PENDING, Sites, compare_sites
from probes.strict_toml import read_toml

NAMING: Final = ("services.csv", "compliance.csv", "prices.csv")
"""The files that name a site, or its network border group, in their column ``site``."""


_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Comparison:
    """``files`` are all of the provider's, by name, as they would be; ``base`` is where they are as they
    were, and ``base_as_of`` the newest date of their rows."""

    base: Path
    base_as_of: str
    answers: Answers
    sites: Sites
    offers: Offers
    prices: PriceRows
    files: Mapping[str, bytes]


def compare(catalog: Catalog, answers: Answers, priced: Collection[str]) -> Comparison:
    """``priced`` are the instance types that were asked for. Raises :class:`CatalogError` when a file that
    waits for a person's word cannot be read."""
    base = catalog.path
    files = {path.name: path.read_bytes() for path in sorted(base.iterdir()) if _is_file_of_its_own(path)}
    tables = {name: cells_of(files[name].decode("utf-8")) for name in ("sites.csv", "endpoints.csv", *NAMING)}
    in_use = {row["site"] for name in NAMING for row in tables[name][1]}
    sites = compare_sites(
        tables["sites.csv"][1],
        _pending(base / PENDING, tables["sites.csv"][0]),
        answers,
        groups_in_use=in_use,
        countries={name: code for code, name in load_countries().items()},
    )
    offers = compare_offers(tables["services.csv"][1], sites.rows, answers, priced)
    prices = compare_prices(
        tables["prices.csv"][1],
        answers.prices,
        places={
            name: row["partition"]
            for row in sites.rows
            for name in (row["site_id"], row["network_border_group"])
        },
        regions={row["site_id"] for row in sites.rows if row["kind"] == "region"},
        currencies={"USD", *catalog.price_list.usd_per},
        as_of=answers.as_of,
    )
    new = {
        "sites.csv": sites.rows,
        "services.csv": offers.rows,
        "prices.csv": prices.rows,
        "endpoints.csv": (*tables["endpoints.csv"][1], *_endpoints(sites.hosts, answers.as_of)),
    }
    files |= {name: text_of(tables[name][0], rows).encode() for name, rows in new.items()}
    files.pop(PENDING, None)
    if sites.pending:
        files[PENDING] = text_of(tables["sites.csv"][0], sites.pending).encode()
    cited = {key for rows in new.values() for row in rows for key in row["source"].split(";")}
    files["source.toml"] += _explaining(cited - _explained(base / "source.toml")).encode()
    days = [row["as_of"] for _, rows in tables.values() for row in rows if _DAY.fullmatch(row["as_of"])]
    return Comparison(base, max(days, default="undated"), answers, sites, offers, prices, files)


def _is_file_of_its_own(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _pending(path: Path, columns: Collection[str]) -> list[Cells]:
    """What waits for a person's word, and what was written there."""
    if not path.exists():
        return []
    rows = []
    for row in read_rows(path, ("site_id", "kind", "partition"), tuple(columns), CatalogError):
        row.text("site_id")
        row.number("lat", None, low=-90.0, high=90.0)
        row.number("lon", None, low=-180.0, high=180.0)
        if row.text("country", ""):
            country_cell(row)
        rows.append({column: row.text(column, "") for column in columns})
    return rows


def _endpoints(hosts: Mapping[str, str], as_of: str) -> list[Cells]:
    """What an agent may probe of a new Region."""
    return [
        {
            "site_id": site,
            "kind": "region",
            "host": host,
            "port": "443",
            "protocols": "dns;tcp;tls",
            "path": "",
            "source": REGIONS,
            "as_of": as_of,
            "note": "",
        }
        for site, host in sorted(hosts.items())
    ]


def _explained(path: Path) -> frozenset[str]:
    """The sources that a ``source.toml`` explains."""
    return frozenset(read_toml(path, CatalogError).table("sources", {}).names())


def _explaining(sources: Iterable[str]) -> str:
    """Tables for ``source.toml`` about sources that it does not know yet."""
    own = {OWN: "written by a user of this catalog"}
    meanings = {**SOURCES, **own}
    return "".join(
        f"\n[sources.{json.dumps(key)}]\n"
        f"title = {json.dumps(meanings[key])}\n"
        f'licence = "facts only"\nas_of = "as each row says"\n'
        for key in sorted(sources)
        if key in meanings
    )
