"""What a study supposes that no catalog says: zones that are announced, prices that change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from probes.strict_toml import Table

ROUTING_PRICES: Final = ("route53", "global_accelerator")
"""Categories of the price list that are charged for all sites at once."""

PRICE_ITEMS: Final[Mapping[str, tuple[str, ...]]] = {
    **{
        name: (name,)
        for name in (
            *("instance_hour", "egress_gb", "parent_gb", "zone_gb", "port_hour", "direct_gb", "home_gb"),
            *ROUTING_PRICES,
        )
    },
    "internet_egress": ("egress_gb",),
    "intra_region": ("parent_gb", "zone_gb"),
    "inter_region": ("home_gb",),
    "direct_connect": ("port_hour", "direct_gb"),
}
"""What a change may name, a price of a site (:class:`planner.catalog.SitePrices`) or a category of the price
list, and the prices that are meant."""

LARGEST_FACTOR: Final = 1000.0


@dataclass(frozen=True, slots=True)
class AnnouncedZone:
    """A zone that a provider has announced, or that one hopes for: a candidate as any zone is.

    Its parent Region prices it, with the study's premium; nobody has measured it. ``services``: none said =
    those of its kind. ``metro``: none said = one of its own. ``source``, ``as_of``: who said so, and when.
    """

    id: str
    parent: str
    country: str
    lat: float
    lon: float
    kind: Literal["local_zone", "wavelength_zone"] = "local_zone"
    services: tuple[str, ...] = ()
    metro: str = ""
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class PriceChange:
    """A price that is supposed to become ``factor`` times what it is, at ``sites`` (ids or globs).

    ``item``: one of :data:`PRICE_ITEMS`. Changes of one price multiply.
    """

    item: str
    factor: float
    sites: tuple[str, ...] = ("*",)

    @property
    def of_routing(self) -> bool:
        """Whether no site in particular is charged."""
        return self.item in ROUTING_PRICES


def read_price_change(table: Table) -> PriceChange:
    """One ``[[price_change]]``. Raises the table's error."""
    default = PriceChange("", 1.0)
    change = PriceChange(
        item=table.text("item", choices=PRICE_ITEMS),
        factor=table.number("factor", low=0, high=LARGEST_FACTOR),
        sites=table.texts("sites", default.sites),
    )
    table.close()
    if not change.sites:
        raise table.fault("sites", "is empty")
    if change.of_routing and change.sites != default.sites:
        raise table.fault("sites", f"{change.item} is charged for all sites at once")
    return change
