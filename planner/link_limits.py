"""What a provider asks of the line between an Outpost and its parent Region, from ``limits.csv`` [I/O]."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from planner.csv_rows import read_rows
from probes.strict_toml import InputError

_UNITS: Final = {"service-link-rtt": "ms", "service-link-bandwidth": "Mbps"}


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """A round trip of at most ``most_ms``, and ``least_mbps`` for each rack."""

    most_ms: float
    least_mbps: float


def load_link_limits(path: Path, error: type[InputError]) -> LinkLimits | None:
    """The limits of a provider's file; None where it has none. Raises ``error``."""
    if not path.exists():
        return None
    values: dict[str, float] = {}
    for row in read_rows(path, ("limit", "value", "unit", "source", "as_of"), ("note",), error):
        name = row.choice("limit", _UNITS)
        if name in values:
            raise row.fault("limit", f"{name!r} is given twice")
        row.choice("unit", (_UNITS[name],)), row.text("source"), row.date("as_of")
        values[name] = row.number("value", low=0.0)
    for name in _UNITS:
        if name not in values:
            raise error(path, f"has no row for {name}")
    return LinkLimits(values["service-link-rtt"], values["service-link-bandwidth"])
