"""Which Regions' prices say something of each other, from a provider's ``source.toml`` [I/O].

    [estimates]
    reference = "us-east-1"           # lists the most; other Regions' price levels are read against it
    apart = ["cn-*", "us-gov-*"]      # markets of their own, each pattern one: nothing outside follows them
    [estimates.geographies]           # a Region is compared with those of its geography first
    Europe = ["eu-*"]

A provider without the table has no reference, and each of its Regions is a geography of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from probes.strict_toml import Table


@dataclass(frozen=True, slots=True)
class Markets:
    """``geographies``: patterns of Region ids by name, the first that matches decides."""

    reference: str | None = None
    geographies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    apart: tuple[str, ...] = ()

    def geography(self, region: str) -> str:
        """The name of the geography a Region belongs to; its own id where the provider names none."""
        return next(
            (
                name
                for name, patterns in self.geographies.items()
                if any(fnmatchcase(region, pattern) for pattern in patterns)
            ),
            region,
        )

    def comparable(self, listed: str, region: str) -> bool:
        """Whether a price listed in one Region says anything of another: not out of a market apart."""
        market = [pattern for pattern in self.apart if fnmatchcase(listed, pattern)]
        return not market or any(fnmatchcase(region, pattern) for pattern in market)


def read_markets(source: Table) -> Markets:
    """The markets of a provider's ``source.toml``. Raises the table's error."""
    if not source.has("estimates"):
        return Markets()
    table = source.table("estimates")
    given = table.table("geographies", {})
    markets = Markets(
        reference=table.text("reference", None),
        geographies={name: given.texts(name) for name in given.names()},
        apart=table.texts("apart", ()),
    )
    given.close()
    table.close()
    return markets
