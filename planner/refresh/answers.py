"""What the APIs answered, and who did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

REGIONS = "ec2:DescribeRegions"
ZONES = "ec2:DescribeAvailabilityZones"
OFFERINGS = "ec2:DescribeInstanceTypeOfferings"
PRODUCTS = "pricing:GetProducts"
RACK_ITEMS = "outposts:ListCatalogItems"

SOURCES: Mapping[str, str] = {
    REGIONS: "Amazon EC2 API: the Regions of the partition",
    ZONES: "Amazon EC2 API: Availability Zones, Local Zones and Wavelength Zones of a Region",
    OFFERINGS: "Amazon EC2 API: instance types by Region and by zone",
    PRODUCTS: "AWS Price List Query API: on demand, without taxes and discounts",
    RACK_ITEMS: "AWS Outposts API: what racks can be ordered with",
}
"""What stands in the ``source`` column of a row, and what it means. They are the IAM actions as well."""


class CloudError(OSError):
    """The cloud could not be asked, or did not answer."""


class DeniedError(CloudError):
    """The credentials may not do this."""


class ClosedError(CloudError):
    """This Region is not open to the account."""


@dataclass(frozen=True, slots=True)
class RegionSeen:
    """A Region of the partition. ``opt_in`` as the API says it."""

    id: str
    opt_in: str
    endpoint: str
    country: str


@dataclass(frozen=True, slots=True)
class ZoneSeen:
    """A Local Zone or a Wavelength Zone. ``country`` is the name the API gives, blank where it gives none."""

    id: str
    kind: str
    region: str
    zone_id: str
    border_group: str
    opt_in: str
    state: str
    name: str
    country: str


@dataclass(frozen=True, slots=True)
class RackSeen:
    """An Outpost of the account. ``types`` are the instance types on it, with their sizes."""

    id: str
    name: str
    region: str
    form: str
    state: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """One price of the list: amounts by the volume from which they hold, as decimal text.

    ``place`` is what the list calls a Region, or a zone's group.
    """

    category: str
    place: str
    item: str
    unit: str
    currency: str
    tiers: tuple[tuple[str, str], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Prices:
    """What the price list said.

    ``unanswered`` are the instance types of which it named no place at all; ``unclear`` the category, place
    and item of which it said two things, or nothing that can be read.
    """

    listed: tuple[Listed, ...] = ()
    unanswered: tuple[str, ...] = ()
    unclear: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answers:
    """All that was asked on one day.

    ``zones_of`` are the Regions that told their zones, ``silent`` those that did not and why. ``offerings``
    are the instance types by Region and by zone. ``rack_families`` are those that racks can be ordered with
    in the Regions that said so; ``racks_untold`` is whether any other has Outposts too, so that a family
    which was not named may be on offer there.
    """

    partition: str
    as_of: str
    regions: tuple[RegionSeen, ...]
    zones: tuple[ZoneSeen, ...] = ()
    zones_of: frozenset[str] = frozenset()
    silent: Mapping[str, str] = field(default_factory=dict)
    offerings: Mapping[str, frozenset[str]] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)
    racks: tuple[RackSeen, ...] = ()
    rack_families: frozenset[str] = frozenset()
    racks_untold: bool = False
    notes: tuple[str, ...] = ()
