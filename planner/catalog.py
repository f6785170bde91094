"""The candidate sites and what they cost, read from ``data/providers/`` [I/O].

Every row of the files cites its source and date; a price nobody published is estimated and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

SiteKind = Literal["region", "local_zone", "wavelength_zone", "outpost"]
SITE_KINDS: tuple[str, ...] = get_args(SiteKind)

SiteStatus = Literal["ga", "planned", "legacy", "restricted", "unverified"]
"""Only ``ga`` sites are candidates by default; a study that names another by its exact id gets it."""


@dataclass(frozen=True, slots=True)
class OutpostTerms:
    """What a rack on the user's own premises can carry and costs."""

    capacity_rps: float
    upfront_usd: float
    monthly_usd: float
    term_months: int
    host: str | None


@dataclass(frozen=True, slots=True)
class Site:
    """A candidate facility. ``parent`` is the parent Region's id, None for a Region itself."""

    id: str
    provider: str
    kind: SiteKind
    name: str
    parent: str | None
    metro: str
    country: str
    lat: float
    lon: float
    status: SiteStatus
    partition: str
    network_border_group: str
    services: frozenset[str]
    programs: frozenset[str]
    source: str
    as_of: str
    tags: Mapping[str, str]
    outpost: OutpostTerms | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """One price: US dollars per unit, where it came from, and whether it was estimated."""

    usd: float
    unit: str
    source: str
    as_of: str
    estimated: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class SitePrices:
    """What one site charges. ``outpost`` racks have no per-instance price (the term pays for them).

    ``instance_hour``: the study's instance; ``egress_gb``: to the internet, first tier;
    ``parent_gb``: site to its parent Region, one way (None for a Region: it is its own parent).
    """

    instance_hour: Price | None
    egress_gb: Price
    parent_gb: Price | None
