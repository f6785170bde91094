"""What a candidate facility is: the values that every part of the planner speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, get_args

from probes.strict_toml import InputError

SiteKind = Literal["region", "local_zone", "wavelength_zone", "outpost"]
SITE_KINDS: tuple[str, ...] = get_args(SiteKind)
ZONE_KINDS: tuple[str, ...] = ("local_zone", "wavelength_zone")
"""Extensions of a parent Region, which must be open for them to be."""

OFFER_KINDS: tuple[str, ...] = (*SITE_KINDS, "outpost_server")
"""Of what services and programs are told apart: a server offers less than a rack."""

SiteStatus = Literal["ga", "planned", "legacy", "restricted", "unverified"]
"""Only ``ga`` sites are candidates by default; a study that names another by its exact id gets it."""
SITE_STATUSES: tuple[str, ...] = get_args(SiteStatus)


class CatalogError(InputError):
    """The catalog is malformed, or does not have what was asked for."""


class NoPriceError(CatalogError):
    """This one site cannot be priced for this instance type; others can."""


@dataclass(frozen=True, slots=True)
class OutpostTerms:
    """What a rack or a server on the user's own premises can carry and costs.

    ``capital_rate``: the yearly cost of the capital that is paid up front. The service link to the parent
    Region: ``link_mbps`` None = not said; ``link_ms`` None = what the planner knows of that pair.
    """

    capacity_rps: float
    upfront_usd: float
    monthly_usd: float
    term_months: int
    host: str | None
    capital_rate: float = 0.0
    link_mbps: float | None = None
    link_ms: float | None = None
    form: Literal["rack", "server"] = "rack"


@dataclass(frozen=True, slots=True)
class Site:
    """A candidate facility. ``parent`` is the parent Region's id, None for a Region itself.

    ``tags`` are those that the study gives it; ``facts`` what else the catalog says of it, by column.
    ``rack``: of one size of a rack, the rack's id.
    """

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
    facts: Mapping[str, str] = field(default_factory=dict)
    rack: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """What a study may call it: its id, and a size of a rack by the rack's too, which means them all."""
        return (self.id,) if self.rack is None else (self.id, self.rack)

    def matches(self, *patterns: str) -> bool:
        """Whether one of ``patterns``, ids or globs, means this site."""
        return any(fnmatchcase(name, pattern) for name in self.ids for pattern in patterns)

    @property
    def offers_as(self) -> str:
        """One of :data:`OFFER_KINDS`."""
        is_server = self.outpost is not None and self.outpost.form == "server"
        return "outpost_server" if is_server else self.kind


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a site that anyone may probe. ``port`` is None for icmp."""

    site_id: str
    kind: SiteKind
    host: str
    port: int | None
    protocols: tuple[str, ...]
    path: str | None
    source: str
    as_of: str
    note: str
