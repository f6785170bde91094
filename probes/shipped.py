"""The shipped catalog as the agent sees it: which endpoints speak for which site, and known names [I/O].

Reads only the few columns it needs, with the standard library, so that an agent host needs no planner.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from probes.strict_toml import InputError
from probes.target import Target, is_host

DEFAULT_PORT: Final = 443
SITE_KINDS: Final = ("region", "local_zone", "wavelength_zone")


def data_dir() -> Path:
    """Where the shipped data stands: inside the planner package in a wheel, beside the code in a checkout."""
    root = Path(__file__).parent.parent
    packaged = root / "planner" / "_data"
    return packaged if packaged.is_dir() else root / "data"


def providers() -> tuple[str, ...]:
    """The providers that ship endpoints, sorted."""
    return tuple(sorted(path.parent.name for path in data_dir().glob("providers/*/endpoints.csv")))


def catalog_targets(provider: str, kinds: Collection[str], protocols: Sequence[str]) -> tuple[Target, ...]:
    """The shipped endpoints of ``provider``'s sites of ``kinds``, each with those of ``protocols`` it
    answers.

    An endpoint that answers none of them is left out. Raises InputError when the shipped file is damaged.
    """
    path = data_dir() / "providers" / provider / "endpoints.csv"
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


def sites_of(provider: str, kinds: Collection[str]) -> tuple[str, ...]:
    """The open sites of ``provider`` of these kinds, in the catalog's order."""
    path = data_dir() / "providers" / provider / "sites.csv"
    rows = _rows(path, ("site_id", "kind", "status"))
    return tuple(cells["site_id"] for _, cells in rows if cells["kind"] in kinds and cells["status"] == "ga")


def site_ids() -> frozenset[str]:
    """Every site of every shipped provider."""
    return frozenset(
        cells["site_id"]
        for path in data_dir().glob("providers/*/sites.csv")
        for _, cells in _rows(path, ("site_id",))
    )


def country_codes() -> frozenset[str]:
    """The ISO 3166-1 alpha-2 codes the shipped data knows; empty when that file did not travel along."""
    path = data_dir() / "countries.csv"
    return frozenset(cells["code"] for _, cells in _rows(path, ("code",))) if path.is_file() else frozenset()


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
