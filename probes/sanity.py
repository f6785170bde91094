"""Whether a round's rows can be true of the sites they name: what cannot is marked ``implausible``.

A row that is marked keeps every time it was measured with, and says in ``reason`` why it is no figure of
its site. A failed row is marked only where the address or the vantage shows that the site was never asked;
its class then stands in the reason. What cannot be judged is left alone. ``dns`` rows time a resolver and no
site, and are never judged; a site whose place a target gives (``lat``, ``lon``) is judged by that place only.

The catalog is read when the first row wants it, and not at all where every target says its place.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Final

from probes import shipped
from probes.addresses import Address, Prefixes, nowhere, true_address
from probes.light import Place, fibre_ms, great_circle_km
from probes.proxy import Reached, proxied
from probes.record import Measurement
from probes.shipped import CatalogSite
from probes.strict_toml import InputError
from probes.target import Target, address_family

SURE_KM: Final[Mapping[str, float]] = {"metro": 50.0, "approximate": 150.0, "country": 300.0}
"""How far off a catalogued place may be, by its ``coordinates``; one that is a guess is no place at all."""

OWN_KM: Final = 50.0
"""The same where a target says its place: how exactly the vantage's is known limits it too."""

# The clock's fault, or nothing was asked, or judged before.
_NOT_JUDGED: Final = frozenset({"deadline", "clock_step", "implausible"})

# What a transparent proxy answers in a site's place; it lets echoes through.
_PROXIED: Final = ("tcp", "tls", "http")


class Sanity:
    """The judge of one agent's rounds. ``carrier`` is the mobile network it is in, if it is in one."""

    def __init__(self, targets: Sequence[Target], carrier: str | None = None) -> None:
        self._own: dict[str, Place] = {
            target.site: (target.lat, target.lon)
            for target in targets
            if target.lat is not None and target.lon is not None
        }
        self._carrier = carrier
        self._prefixes: dict[str, Prefixes] = {}

    def __call__(self, rows: Sequence[Measurement]) -> list[Measurement]:
        """The rows in their order; those that are sound are the very same objects."""
        reasons: list[str | None] = [None] * len(rows)
        verdicts: dict[tuple[str, str, str | None], str | None] = {}
        for position, row in enumerate(rows):
            if row.protocol == "dns" or row.failure in _NOT_JUDGED:
                continue
            key = (row.site, row.host, row.peer)
            if key not in verdicts:
                verdicts[key] = self._never_asked(*key)
            reason = verdicts[key]
            if reason is not None and row.failure is not None:
                reason = f"{reason}; {row.failure}"
            reasons[position] = reason
        self._mark_proxied(rows, reasons)
        self._mark_faster_than_light(rows, reasons)
        return [
            row if reason is None else dataclasses.replace(row, failure="implausible", reason=reason)
            for row, reason in zip(rows, reasons, strict=True)
        ]

    def _never_asked(self, site_id: str, host: str, peer: str | None) -> str | None:
        """Why a row of this peer says nothing of this site, however it ended."""
        if site_id in self._own or (site := self._site(site_id)) is None:
            return None
        if site.carrier is not None and not shipped.on_carrier(site, self._carrier):
            return f"measured from outside the network of {site.carrier}"
        if peer is None:
            return None
        try:
            address = true_address(peer)
        except ValueError:
            return None
        what = self._nowhere.name(address)
        if what is None:
            return self._elsewhere(site, address)
        # An address written by hand may be a private line to the site; a public name has no such address.
        if address_family(host) is not None:
            return None
        return f"{peer} is {what} address: an intercepting resolver or a VPC endpoint"

    def _elsewhere(self, site: CatalogSite, address: Address) -> str | None:
        """Where the published prefixes say that the address belongs, if not to the site."""
        prefixes = self._prefixes_of(site.provider)
        group = prefixes.name(address)
        if group == site.group:
            return None
        if group is not None:
            return f"{address} is in the prefixes of {group}, not of {site.group}"
        if prefixes.lists(site.group, address.version):
            return f"{address} is outside the published prefixes of {site.group}"
        return None

    def _mark_proxied(self, rows: Sequence[Measurement], reasons: list[str | None]) -> None:
        """One round trip for all sites. A proxy takes a port and a protocol, so each is judged by itself."""
        series: dict[tuple[str, int | None, int | None], list[int]] = {}
        for position, row in enumerate(rows):
            if row.protocol in _PROXIED and _timed(row) and reasons[position] is None:
                series.setdefault((row.protocol, row.port, row.family), []).append(position)
        for positions in series.values():
            reached: dict[str, Reached] = {}
            for position in positions:
                row = rows[position]
                known = reached.get(row.site)
                if known is not None:
                    if row.rtt_ms is not None and row.rtt_ms < known.rtt_ms:
                        reached[row.site] = dataclasses.replace(known, rtt_ms=row.rtt_ms)
                elif (place := self._place(row.site)) is not None and row.rtt_ms is not None:
                    km = great_circle_km((row.vantage_lat, row.vantage_lon), place[0])
                    reached[row.site] = Reached(row.rtt_ms, place[0], fibre_ms(km))
            if (found := proxied(reached)) is None:
                continue
            reason = (
                f"one round trip to {found.places} places, within {found.width_ms:.1f} ms: a proxy answers"
            )
            for position in positions:
                if rows[position].site in found.sites:
                    reasons[position] = reason

    def _mark_faster_than_light(self, rows: Sequence[Measurement], reasons: list[str | None]) -> None:
        bounds: dict[tuple[str, Place], tuple[float, str]] = {}
        for position, row in enumerate(rows):
            if (
                row.protocol == "dns"
                or row.rtt_ms is None
                or not _timed(row)
                or reasons[position] is not None
            ):
                continue
            vantage = (row.vantage_lat, row.vantage_lon)
            key = (row.site, vantage)
            if key not in bounds:
                bounds[key] = self._bound(row.site, vantage)
            bound_ms, words = bounds[key]
            if row.rtt_ms < bound_ms:
                reasons[position] = words

    def _bound(self, site_id: str, vantage: Place) -> tuple[float, str]:
        """The least round trip to a site, its place as far off as it may be, and what to say of less."""
        place = self._place(site_id)
        if place is None:
            return 0.0, ""
        km = great_circle_km(vantage, place[0])
        words = f"faster than light: {fibre_ms(km):.1f} ms in fibre over {km:,.0f} km"
        return fibre_ms(max(km - place[1], 0.0)), words

    def _place(self, site_id: str) -> tuple[Place, float] | None:
        """Where a site is, and by how many kilometres that may be wrong."""
        if site_id in self._own:
            return self._own[site_id], OWN_KM
        site = self._site(site_id)
        if site is None or site.coordinates not in SURE_KM:
            return None
        return (site.lat, site.lon), SURE_KM[site.coordinates]

    def _site(self, site_id: str) -> CatalogSite | None:
        return self._sites.get(site_id)

    # Sealing must not fail for a damaged catalog, which `edgeprobe check` complains about.
    @functools.cached_property
    def _sites(self) -> Mapping[str, CatalogSite]:
        try:
            return shipped.catalog_sites()
        except InputError:
            return {}

    @functools.cached_property
    def _nowhere(self) -> Prefixes:
        return nowhere()

    def _prefixes_of(self, provider: str) -> Prefixes:
        if provider not in self._prefixes:
            try:
                self._prefixes[provider] = shipped.prefixes(provider)
            except InputError:
                self._prefixes[provider] = Prefixes(())
        return self._prefixes[provider]


def _timed(row: Measurement) -> bool:
    """Whether a row has a round trip that may count; a response that says no has one as well."""
    return row.rtt_ms is not None and row.failure in (None, "http_status")
