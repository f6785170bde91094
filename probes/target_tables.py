"""Targets as a configuration gives them: [[target]] and [[catalog]] tables in, :class:`Target` out."""

from __future__ import annotations

import re
from typing import Final

from probes import shipped
from probes.protocols import PROTOCOLS
from probes.shipped import catalog_targets
from probes.strict_toml import Table
from probes.target import Target, address_family, ascii_host

WAVELENGTH: Final = "wavelength_zone"
SITE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_PATH: Final = re.compile(r"/[!-~]*")


def read_protocols(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    """The key ``protocols`` of a table. Raises InputError."""
    wanted: tuple[str, ...] = table.texts("protocols", default)
    if not wanted:
        raise table.fault("protocols", "is empty")
    for position, protocol in enumerate(wanted):
        if protocol in wanted[:position]:
            raise table.fault("protocols", f"{protocol!r} stands there twice")
        if protocol not in PROTOCOLS:
            raise table.fault(
                "protocols", f"{protocol!r} is not one of {', '.join(PROTOCOLS)}", PROTOCOLS, protocol
            )
    return wanted


def read_targets(root: Table, default: tuple[str, ...]) -> list[Target]:
    """All [[target]] tables, measured by ``default`` where they do not say. Raises InputError."""
    found: list[Target] = []
    families: dict[tuple[str, str, int, str], list[tuple[int | None, int]]] = {}
    places: dict[str, tuple[float | None, float | None, int]] = {}
    for position, table in enumerate(root.tables("target"), start=1):
        target = _target(table, default)
        if target.lat is not None:
            *place, first = places.setdefault(target.site, (target.lat, target.lon, position))
            if place != [target.lat, target.lon]:
                raise table.fault("lat", f"{target.site} stands elsewhere in target[{first}]")
        for protocol in target.protocols:
            earlier = families.setdefault((target.site, target.host, target.port, protocol), [])
            for family, first in earlier:
                # The same endpoint over IPv4 and over IPv6 is two targets, as long as both say which.
                if family is None or target.family is None or family == target.family:
                    raise table.fault(
                        "host",
                        f"{target.site} {target.host} port {target.port} {protocol} stands in target[{first}]"
                        " already",
                    )
            earlier.append((target.family, position))
        found.append(target)
    return found


def read_catalog(
    table: Table, protocols: tuple[str, ...], carrier: str | None
) -> tuple[tuple[Target, ...], tuple[str, ...]]:
    """The targets of a [[catalog]], and every site of its kinds. Raises InputError."""
    known = shipped.providers()
    provider = table.text("provider", choices=known)
    kinds = table.texts("kinds", ("region", "local_zone"), choices=shipped.SITE_KINDS)
    protocols = read_protocols(table, protocols)
    table.close()
    if WAVELENGTH in kinds and carrier is None:
        raise table.fault(
            "kinds",
            f"a {WAVELENGTH} answers only in its carrier's network: say agent.carrier where the agent is in"
            f" one ({', '.join(shipped.carriers(shipped.catalog_sites().values()))}), or leave the kind out",
        )
    found = catalog_targets(provider, kinds, protocols)
    if not found:
        advice = "; write a [[target]] for your own instance in the zone" if WAVELENGTH in kinds else ""
        raise table.fault(
            "kinds",
            f"no shipped endpoint of {provider} {', '.join(kinds)} answers {', '.join(protocols)}{advice}",
        )
    return found, shipped.sites_of(provider, kinds, carrier)


def _target(table: Table, default: tuple[str, ...]) -> Target:
    site = table.text("site")
    if not SITE_ID.fullmatch(site):
        raise table.fault("site", f"{site!r} is not a site id")
    host = table.text("host")
    try:
        host = ascii_host(host)
    except ValueError as fault:
        raise table.fault("host", str(fault)) from None
    port = table.number("port", shipped.DEFAULT_PORT, low=1, high=65535, whole=True)
    protocols = read_protocols(table, default)
    path = table.text("path", None)
    if path is not None and not _PATH.fullmatch(path):
        raise table.fault("path", f"{path!r} is not a path that starts with '/'")
    scheme = table.text("scheme", None, choices=("https", "http"))
    family = table.number("family", None, whole=True)
    if family not in (None, 4, 6):
        raise table.fault("family", f"{family!r} is neither 4 nor 6")
    actual = address_family(host)
    if actual is not None and family not in (None, actual):
        raise table.fault("family", f"{host} is an IPv{actual} address")
    lat, lon = table.number("lat", None, low=-90, high=90), table.number("lon", None, low=-180, high=180)
    if (lat is None) != (lon is None):
        raise table.fault("lat" if lat is None else "lon", "is required: a place has both lat and lon")
    table.close()
    if actual is not None and protocols == ("dns",):
        raise table.fault("protocols", f"dns needs a host name, and {host} is an address")
    return Target(site, host, port, protocols, path, family, lat, lon, scheme)
