"""The shipped catalog as the agent sees it: which endpoints speak for which site, and known names [I/O].

Reads only the few columns it needs, with the standard library, so that an agent host needs no planner.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from probes.addresses import Network, Prefixes
from probes.strict_toml import InputError
from probes.target import Target, is_host

CATALOG: Final = "EDGEPLAN_CATALOG"
"""Environment variable: a directory with catalogs of one's own, as `edgeplan catalog refresh` writes them."""

DEFAULT_PORT: Final = 443
SITE_KINDS: Final = ("region", "local_zone", "wavelength_zone")


@dataclass(frozen=True, slots=True)
class CatalogSite:
    """What the catalog says of one site.

    ``coordinates`` says how sure its place is: metro, approximate, country, guess. ``group`` is its network
    border group; ``carrier`` whose network a Wavelength Zone is in, None for every other kind.
    """

    id: str
    provider: str
    kind: str
    lat: float
    lon: float
    coordinates: str
    status: str
    group: str
    carrier: str | None


def data_dir() -> Path:
    """Where the shipped data stands: inside the planner package in a wheel, beside the code in a checkout."""
    root = Path(__file__).parent.parent
    packaged = root / "planner" / "_data"
    return packaged if packaged.is_dir() else root / "data"


def provider_directories() -> dict[str, Path]:
    """Where the files of each provider stand, sorted by name: of those in the directory that
    ``EDGEPLAN_CATALOG`` names there, of the rest where the shipped ones are.

    Each path is resolved, so that who reads one file after another reads one version of a catalog even when
    another takes its place meanwhile. Names that begin with a dot are leftovers and versions, not providers.
    Raises InputError when the variable names no directory, or a provider in it leads nowhere.
    """
    found = {path.name: path for path in _visible(data_dir() / "providers") if path.is_dir()}
    if own := os.environ.get(CATALOG):
        if not Path(own).is_dir():
            raise InputError(CATALOG, f"{own} is not a directory; make it, or unset the variable")
        for path in _visible(Path(own)):
            if path.is_symlink() and not path.exists():
                raise InputError(CATALOG, f"{path} leads nowhere; refresh it again or remove it")
            if path.is_dir():
                found[path.name] = path
    return {name: found[name].resolve() for name in sorted(found)}


def _visible(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if not path.name.startswith(".")]


def providers() -> tuple[str, ...]:
    """The providers that ship endpoints, sorted."""
    return tuple(name for name, path in provider_directories().items() if (path / "endpoints.csv").is_file())


def catalog_targets(provider: str, kinds: Collection[str], protocols: Sequence[str]) -> tuple[Target, ...]:
    """The shipped endpoints of ``provider``'s sites of ``kinds``, each with those of ``protocols`` it
    answers.

    An endpoint that answers none of them is left out. Raises InputError when the shipped file is damaged.
    """
    path = _directory(provider) / "endpoints.csv"
    found = []
    for row, cells in _rows(path, ("site_id", "kind", "host", "port", "protocols", "path")):
        if cells["kind"] not in kinds:
            continue
        answered = re.split(r"[;\s]+", cells["protocols"])
        wanted = tuple(protocol for protocol in protocols if protocol in answered)
        if not wanted:
            continue
        if not is_host(cells["host"]):
            raise InputError(
                path, f"{cells['host']!r} is not a host name or an address", row=row, column="host"
            )
        port = cells["port"] or str(DEFAULT_PORT)
        if not port.isdecimal() or not 1 <= int(port) <= 65535:
            raise InputError(path, f"{port!r} is not a port", row=row, column="port")
        found.append(Target(cells["site_id"], cells["host"], int(port), wanted, cells["path"] or None))
    return tuple(found)


def catalog_sites() -> dict[str, CatalogSite]:
    """Every site of every shipped provider, by id. Raises InputError when a shipped file is damaged."""
    columns = ("site_id", "kind", "lat", "lon", "coordinates", "status", "network_border_group", "carrier")
    found = {}
    for provider, directory in provider_directories().items():
        path = directory / "sites.csv"
        for row, cells in _rows(path, columns) if path.is_file() else ():
            found[cells["site_id"]] = CatalogSite(
                cells["site_id"],
                provider,
                cells["kind"],
                _degrees(path, row, cells, "lat", 90),
                _degrees(path, row, cells, "lon", 180),
                cells["coordinates"],
                cells["status"],
                cells["network_border_group"],
                cells["carrier"] or None,
            )
    return found


def sites_of(provider: str, kinds: Collection[str], carrier: str | None = None) -> tuple[str, ...]:
    """The open sites of ``provider`` of these kinds, in the catalog's order; of Wavelength Zones those of
    ``carrier`` only."""
    return tuple(
        site.id
        for site in catalog_sites().values()
        if (site.provider, site.status) == (provider, "ga") and site.kind in kinds
        if site.carrier is None or on_carrier(site, carrier)
    )


def carriers(sites: Iterable[CatalogSite]) -> tuple[str, ...]:
    """Every mobile network with a Wavelength Zone among the sites, sorted; "Vodafone/BT" is two."""
    return tuple(sorted({name for site in sites if site.carrier for name in site.carrier.split("/")}))


def on_carrier(site: CatalogSite, carrier: str | None) -> bool:
    """Whether a Wavelength Zone is in the network of ``carrier``, in whatever case that is written.

    >>> zone = CatalogSite("z", "aws", "wavelength_zone", 51.5, -0.1, "metro", "ga", "z", "Vodafone/BT")
    >>> on_carrier(zone, "vodafone"), on_carrier(zone, "Verizon"), on_carrier(zone, None)
    (True, False, False)
    """
    if site.carrier is None or carrier is None:
        return False
    return carrier.casefold() in (site.carrier.casefold(), *site.carrier.casefold().split("/"))


def prefixes(provider: str) -> Prefixes:
    """The published prefixes of ``provider``'s network border groups; none where it ships no such file.

    Raises InputError when the file is damaged.
    """
    path = _directory(provider) / "prefixes.csv"
    named: list[tuple[Network, str]] = []
    for row, cells in _rows(path, ("network_border_group", "prefix")) if path.is_file() else ():
        try:
            named.append((ip_network(cells["prefix"]), cells["network_border_group"]))
        except ValueError as fault:
            raise InputError(path, str(fault), row=row, column="prefix") from None
    return Prefixes(named)


def _directory(provider: str) -> Path:
    return provider_directories().get(provider, data_dir() / "providers" / provider)


def country_codes() -> frozenset[str]:
    """The ISO 3166-1 alpha-2 codes the shipped data knows; empty when that file did not travel along."""
    path = data_dir() / "countries.csv"
    return frozenset(cells["code"] for _, cells in _rows(path, ("code",))) if path.is_file() else frozenset()


def _degrees(path: Path, row: int, cells: dict[str, str], column: str, limit: int) -> float:
    try:
        value = float(cells[column])
    except ValueError:
        value = math.nan
    if not -limit <= value <= limit:
        raise InputError(path, f"{cells[column]!r} is not in degrees", row=row, column=column)
    return value


def _rows(path: Path, columns: Collection[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV with their number as an editor shows it; missing cells read as empty."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            for column in columns:
                if column not in (reader.fieldnames or ()):
                    raise InputError(path, f"has no column {column!r}")
            return [(reader.line_num, cells) for cells in reader]
    except OSError as fault:
        raise InputError(path, fault.strerror or str(fault)) from None
    except UnicodeDecodeError as fault:
        raise InputError(path, f"is not UTF-8 (byte {fault.start})") from None
