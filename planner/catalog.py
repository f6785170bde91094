"""The candidate sites and what they cost, read from ``data/providers/`` [I/O].

Every row of the files cites its source and date; a price nobody published is estimated and says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from planner.commitments import Commitment, discount_of, load_commitments
from planner.datadir import data_dir
from planner.link_limits import LinkLimits, load_link_limits
from planner.markets import read_markets
from planner.price_list import Price, PriceList, load_price_list
from planner.site_files import load_endpoints, load_sites
from planner.site_offers import Offers, load_offers
from planner.site_values import (
    OFFER_KINDS,
    SITE_KINDS,
    SITE_STATUSES,
    ZONE_KINDS,
    CatalogError,
    Endpoint,
    NoPriceError,
    OutpostTerms,
    Site,
    SiteKind,
    SiteStatus,
)
from probes.shipped import provider_directories
from probes.strict_toml import Table, nearest_name, read_toml

__all__ = [
    "SITE_KINDS",
    "SITE_STATUSES",
    "ZONE_KINDS",
    "Catalog",
    "CatalogError",
    "Endpoint",
    "NoPriceError",
    "OutpostTerms",
    "Price",
    "Site",
    "SiteKind",
    "SitePrices",
    "SiteStatus",
    "load_catalog",
    "provider_directory",
    "shipped_providers",
]


DIRECT_EGRESS: Final = "egress"
"""Item of a GB that leaves by Direct Connect."""

LOCAL_EGRESS: Final = "local-gateway-egress"
"""Item of a GB that leaves a rack by the customer's own line; no provider lists it."""

SAID: Final = 12
"""Up to so many instance families and types are named in a complaint."""


@dataclass(frozen=True, slots=True)
class SitePrices:
    """What one site charges. ``outpost`` racks have no per-instance price (the term pays for them).

    ``instance_hour``: the study's instance; ``egress_gb``: to the internet;
    ``parent_gb``: site to its parent Region, one way (None for a Region: it is its own parent).
    ``zone_gb``: between two zones of a Region, both ends charged (None where nothing crosses: a Local Zone
    or a rack is one zone).
    ``commitment``: the discount the study commits to, where it holds here. ``port_hour`` and ``direct_gb``: a
    Direct Connect port, and a GB that leaves by it; None where the study has none here. ``home_gb``: from the
    site's Region to another one, where the study has a home tier or a recovery.
    """

    instance_hour: Price | None
    egress_gb: Price
    parent_gb: Price | None
    zone_gb: Price | None = None
    commitment: Commitment | None = None
    port_hour: Price | None = None
    direct_gb: Price | None = None
    home_gb: Price | None = None

    @property
    def listed(self) -> tuple[Price, ...]:
        """Every price there is."""
        every = (
            self.instance_hour,
            self.egress_gb,
            self.parent_gb,
            self.zone_gb,
            self.port_hour,
            self.direct_gb,
            self.home_gb,
        )
        return tuple(price for price in every if price is not None)


@dataclass(frozen=True)
class Catalog:
    """One provider's sites, prices and endpoints. ``hashes`` maps each file's name to its sha256.

    An Outpost stands in no catalog; :meth:`kind_services` and :meth:`kind_programs` say what one offers.
    """

    provider: str
    sites: tuple[Site, ...]
    endpoints: tuple[Endpoint, ...]
    hashes: Mapping[str, str]
    path: Path
    offers: Offers = field(repr=False)
    price_list: PriceList = field(repr=False)
    commitments: tuple[Commitment, ...] = ()
    link_limits: LinkLimits | None = None

    @cached_property
    def _by_id(self) -> Mapping[str, Site]:
        return {site.id: site for site in self.sites}

    @cached_property
    def instances(self) -> frozenset[str]:
        """Every instance type the price list knows."""
        return self.price_list.items("instance_hour")

    def site(self, site_id: str) -> Site:
        """The site of that id. Raises :class:`CatalogError` with the nearest one."""
        found = self._by_id.get(site_id)
        if found is None:
            hint = nearest_name(site_id, self._by_id)
            raise CatalogError(self.path / "sites.csv", f"{site_id!r} is not a known site", nearest=hint)
        return found

    def kind_services(self, kind: str, partition: str = "aws") -> frozenset[str]:
        """The services a site of ``kind`` offers unless the catalog knows better."""
        return self.offers.offered(self.offers.services, kind, partition, ())

    def kind_programs(self, kind: str, partition: str = "aws") -> frozenset[str]:
        """The certification programs that cover a site of ``kind`` unless the catalog knows better."""
        return self.offers.offered(self.offers.programs, kind, partition, ())

    def unverified(self, site: Site) -> frozenset[str]:
        """Those of a site's services and programs for which no source was found; to be checked first."""
        return self.offers.unverified(site.offers_as, site.partition, _names(site))

    def program_notes(self, site: Site) -> Mapping[str, str]:
        """What is said of each certification program that covers the site: a condition, a duty."""
        return self.offers.program_notes(site.offers_as, site.partition, _names(site))

    def site_prices(
        self,
        site: Site,
        instance: str,
        *,
        local_zone_premium: float,
        commitment: str | None = None,
        port_gbps: float | None = None,
        crosses_zones: bool = False,
        goes_home: bool = False,
    ) -> SitePrices:
        """What ``site`` charges for ``instance`` and for traffic.

        A zone without a price of its own takes its parent's × (1 + ``local_zone_premium``), and its parent's
        egress; both marked estimated. ``commitment``: the name of one; ``port_gbps``: of a Direct Connect
        port at this site; ``crosses_zones``: whether the price between zones is needed; ``goes_home``:
        whether that between Regions is.

        Raises :class:`CatalogError` when no site lists the instance type, :class:`NoPriceError` when this
        site does not offer it.
        """
        if instance not in self.instances:
            hint = nearest_name(instance, self.instances)
            message = f"{instance!r} is not a known instance type"
            raise CatalogError(self.path / "prices.csv", message, nearest=hint)
        if site.kind == "outpost":
            return self._outpost_prices(site, goes_home=goes_home)
        offered = self.offers.families(site.kind, site.partition, _names(site))
        if offered is not None and offered.isdisjoint((instance, instance.split(".")[0])):
            families = f"offers {', '.join(sorted(offered))} only, not" if len(offered) <= SAID else "lacks"
            raise NoPriceError(self.path / "services.csv", f"{site.id} {families} {instance}")
        hour = self._price("instance_hour", site, instance, premium=local_zone_premium)
        egress = self._price("internet_egress", site, "to-internet", premium=0.0)
        return SitePrices(
            hour,
            egress,
            self._to_parent(site) if site.parent is not None else None,
            zone_gb=self._both_ends(site) if site.parent is None and crosses_zones else None,
            commitment=None
            if commitment is None
            else discount_of(self.commitments, commitment, instance.split(".")[0]),
            port_hour=None if port_gbps is None else self._port(port_gbps),
            direct_gb=None
            if port_gbps is None
            else self._price("direct_connect", site, DIRECT_EGRESS, premium=0.0),
            home_gb=self.onward(site) if goes_home else None,
        )

    def _price(self, category: str, site: Site, item: str, *, premium: float) -> Price:
        """Listed for the site or its zone group; else its parent's × (1 + premium); else estimated."""
        for listed_as in _names(site):
            price = self.price_list.price(category, listed_as, item)
            if price is not None:
                return price
        if site.parent is None:
            estimate = self.price_list.estimate(category, site.id, item)
            if estimate is None:
                raise NoPriceError(
                    self.path / "prices.csv", f"no Region comparable to {site.id} lists {item}"
                )
            return estimate
        base = self._price(category, self.site(site.parent), item, premium=0.0)
        note = f"{site.parent} × {1 + premium:g}" if premium else f"as in {site.parent}"
        note = f"not listed for {site.id}: {note}" + (f"; {base.note}" if base.estimated else "")
        return replace(base.times(1 + premium), estimated=True, own=False, note=note)

    def _port(self, gbps: float) -> Price:
        """A dedicated Direct Connect port. Raises :class:`CatalogError` with the nearest speed."""
        item = port_item(gbps)
        price = self.price_list.price("direct_connect", "global", item)
        if price is None:
            hint = nearest_name(item, self.price_list.items("direct_connect"))
            message = f"has no price for direct_connect, global, {item}: add it to your own prices"
            raise CatalogError(self.path / "prices.csv", message, nearest=hint)
        return price

    def onward(self, site: Site) -> Price:
        """From the site's Region to another one."""
        region = site if site.parent is None else self.site(site.parent)
        return self._price("inter_region", region, "to-other-region", premium=0.0)

    def _to_parent(self, site: Site) -> Price:
        """Zone to parent Region."""
        return self._both_ends(site)

    def _both_ends(self, site: Site) -> Price:
        """Between zones: a GB that crosses is charged as leaving one and as entering the other."""
        one_end = self._price("intra_region", site, "between-zones", premium=0.0)
        note = f"{one_end.usd:g} at each end" + (f"; {one_end.note}" if one_end.estimated else "")
        return replace(one_end, usd=2 * one_end.usd, note=note)

    def _outpost_prices(self, site: Site, *, goes_home: bool) -> SitePrices:
        """A rack: its term pays for the instances; its traffic leaves through the local network.

        What that network's carrier charges is nobody's list price. Unless a price says it, of this rack or of
        all, the parent Region's egress stands in, so that no rack wins by traffic that seems free.
        """
        egress = self._rack_price(site, LOCAL_EGRESS)
        if egress is None:
            # The Site of a rack names a parent always; only the type cannot know.
            parent = site if site.parent is None else self.site(site.parent)
            egress = self._price("internet_egress", parent, "to-internet", premium=0.0)
            note = f"as in {parent.id}; the rack leaves by its own line, which may cost something else"
            note += f"; {egress.note}" if egress.estimated else ""
            egress = replace(egress, estimated=True, own=False, note=note)
        link = self._rack_price(site, "service-link-to-parent")
        if link is None:
            message = "has no price for outposts, outpost, service-link-to-parent"
            raise NoPriceError(self.path / "prices.csv", message)
        onward = self.onward(site) if goes_home else None
        return SitePrices(None, egress, replace(link, estimated=not link.own), home_gb=onward)

    def _rack_price(self, site: Site, item: str) -> Price | None:
        prices = (self.price_list.price("outposts", name, item) for name in (*site.ids, "outpost"))
        return next((price for price in prices if price is not None), None)


def port_item(gbps: float) -> str:
    """What the price list calls a Direct Connect port of that speed."""
    return f"port-dedicated-{gbps:g}gbps" if gbps >= 1 else f"port-hosted-{1000 * gbps:g}mbps"


def _names(site: Site) -> tuple[str, str]:
    """What the files may call a site: its id, or its network border group for all zones of the group."""
    return site.id, site.network_border_group


def load_catalog(provider: str = "aws", directory: Path | None = None) -> Catalog:
    """Read one provider's catalog; ``directory`` replaces :func:`provider_directory`.

    Raises :class:`CatalogError` about an unknown provider or a malformed file.
    """
    path = directory or provider_directory(provider)
    files = ("sites.csv", "prices.csv", "services.csv", "compliance.csv", "endpoints.csv", "source.toml")
    optional = tuple(
        name
        for name in ("commitments.csv", "limits.csv", "routing.csv", "accelerator_destinations.csv")
        if (path / name).exists()
    )
    hashes = {f"providers/{provider}/{name}": _sha256(path / name) for name in (*files, *optional)}
    source = read_toml(path / "source.toml", CatalogError)
    offers = load_offers(path, OFFER_KINDS, CatalogError)
    sites = load_sites(path / "sites.csv", provider, offers)
    named = {site.id for site in sites} | {site.network_border_group for site in sites}
    regions = frozenset(site.id for site in sites if site.kind == "region")
    markets = read_markets(source)
    if markets.reference is not None and markets.reference not in regions:
        what = f"{markets.reference!r} is not a Region of sites.csv"
        raise source.fault("estimates.reference", what, regions, markets.reference)
    offers.check_sites(named)
    return Catalog(
        provider=provider,
        sites=sites,
        endpoints=load_endpoints(path / "endpoints.csv", {site.id: site for site in sites}),
        hashes=hashes,
        path=path,
        offers=offers,
        commitments=load_commitments(path / "commitments.csv", CatalogError),
        link_limits=load_link_limits(path / "limits.csv", CatalogError),
        price_list=load_price_list(
            path / "prices.csv",
            regions=regions,
            groups=named,
            usd_per=_usd_per(source),
            markets=markets,
            error=CatalogError,
        ),
    )


def shipped_providers() -> tuple[str, ...]:
    """The providers whose sites and prices ship with edgeplan, or stand in a directory of one's own
    (:func:`~probes.shipped.provider_directories`)."""
    return tuple(provider_directories())


def provider_directory(provider: str) -> Path:
    """Where the files of ``provider`` stand. Raises :class:`CatalogError` with the nearest provider."""
    known = provider_directories()
    if provider not in known:
        hint = nearest_name(provider, known)
        raise CatalogError(data_dir() / "providers", f"{provider!r} is not a known provider", nearest=hint)
    return known[provider]


def usual_instance(provider: str) -> str | None:
    """The type that a study runs on where it names none, as ``source.toml`` says; None where it says none."""
    source = read_toml(provider_directory(provider) / "source.toml", CatalogError)
    instance: str | None = source.table("usual", {}).text("instance", None)
    return instance


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as fault:
        raise CatalogError(path, fault.strerror or str(fault)) from None


def _usd_per(source: Table) -> Mapping[str, float]:
    """Dollars per unit of each other currency in which the provider quotes, from ``source.toml``."""
    return {entry.text("currency"): entry.number("usd", above=0.0) for entry in source.tables("exchange")}
