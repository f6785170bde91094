"""What an agent should measure: the endpoints of a catalog's sites, and the racks of a study. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Final

from planner.catalog import Catalog, Site
from planner.study import OutpostSpec, Study, StudyError
from probes.addresses import Prefixes
from probes.protocols import PROTOCOLS
from probes.shipped import DEFAULT_PORT
from probes.strict_toml import nearest_name
from probes.target import Target, address_family, ascii_host
from probes.target_tables import SITE_ID

PER_GROUP: Final = 2
"""So many addresses of a network border group and family: some never answer."""

REACHED: Final = ("ga", "legacy", "unverified")
"""Of what stands nowhere yet, or is one customer's, no address is taken."""


def endpoint_targets(catalog: Catalog, kinds: Sequence[str]) -> list[Target]:
    """The shipped endpoints of the sites of these kinds, by every protocol they answer."""
    return [
        Target(endpoint.site_id, endpoint.host, endpoint.port or DEFAULT_PORT, protocols, endpoint.path)
        for endpoint in catalog.endpoints
        if endpoint.kind in kinds
        if (protocols := tuple(name for name in PROTOCOLS if name in endpoint.protocols))
    ]


def reachability_targets(
    catalog: Catalog, kinds: Sequence[str], addresses: Mapping[str, Sequence[str]], prefixes: Prefixes
) -> list[Target]:
    """Echoes to published addresses of the sites of these kinds, whose network border group has some.

    Those inside the group's own ``prefixes`` come first, and none inside another group's. A Wavelength Zone
    has none: its carrier lets nothing in from the internet.
    """
    return [
        Target(site.id, address, DEFAULT_PORT, ("icmp",))
        for site in catalog.sites
        if site.kind in kinds and site.kind != "wavelength_zone" and site.status in REACHED
        for address in _chosen(site, addresses.get(site.network_border_group, ()), prefixes)
    ]


def _chosen(site: Site, addresses: Iterable[str], prefixes: Prefixes) -> list[str]:
    inside: dict[str, bool] = {}
    for address in addresses:
        group = prefixes.name(ip_address(address))
        if group in (None, site.network_border_group):
            inside[address] = group is not None
    ranked = sorted(inside, key=lambda address: not inside[address])
    return [
        address
        for family in (4, 6)
        for address in [each for each in ranked if address_family(each) == family][:PER_GROUP]
    ]


def outpost_targets(study: Study) -> list[Target]:
    """The host of each of the study's racks, where the study says one. Raises :class:`StudyError`."""
    found = []
    for outpost in study.candidates.outposts:
        host = outpost.terms.host
        if host is None:
            continue
        place, column = study.path or study.name, f"candidates.outpost {outpost.id}"
        if not SITE_ID.fullmatch(outpost.id):
            raise StudyError(place, "no agent takes a site id as long as that", column=f"{column}.id")
        try:
            host = ascii_host(host)
        except ValueError as fault:
            raise StudyError(place, str(fault), column=f"{column}.host") from None
        wanted = ("tcp", "icmp") if address_family(host) else ("dns", "tcp", "icmp")
        protocols = tuple(name for name in PROTOCOLS if name in wanted)
        found.append(Target(outpost.id, host, DEFAULT_PORT, protocols, lat=outpost.lat, lon=outpost.lon))
    return found


def hostless(study: Study) -> list[str]:
    """The ids of the racks of which the study does not say what agents probe."""
    return [outpost.id for outpost in study.candidates.outposts if outpost.terms.host is None]


def find_outpost(study: Study, id_: str) -> OutpostSpec:
    """The study's rack of that id. Raises :class:`StudyError` with the nearest one."""
    racks = {outpost.id: outpost for outpost in study.candidates.outposts}
    if id_ not in racks:
        hint = nearest_name(id_, racks)
        raise StudyError("--outpost", f"{id_!r} is not an outpost of {study.name}", nearest=hint)
    return racks[id_]


def distinct(targets: Iterable[Target]) -> tuple[Target, ...]:
    """The targets without those of an endpoint that came before, in their order."""
    found: dict[tuple[str, str, int], Target] = {}
    for target in targets:
        found.setdefault((target.site, target.host, target.port), target)
    return tuple(found.values())


def out_of_reach(catalog: Catalog, kinds: Sequence[str], targets: Iterable[Target]) -> list[Site]:
    """The open sites of these kinds that no target measures, in catalog order."""
    measured = {target.site for target in targets if target.protocols != ("dns",)}
    return [
        site
        for site in catalog.sites
        if site.kind in kinds and site.status == "ga" and site.id not in measured
    ]


def notes_of(sites: Sequence[Site], *, with_addresses: bool) -> list[str]:
    """What to do about sites that cannot be reached; ``with_addresses`` when a published list was given."""
    notes = []
    zones = [site.id for site in sites if site.kind == "wavelength_zone"]
    others = [site.id for site in sites if site.kind != "wavelength_zone"]
    if others:
        ways = "write a [[target]] for your own instance there"
        if not with_addresses:
            ways += ", or give AWS's list of addresses with --reachability"
        notes.append(f"no address is known of {_count(others)}; {ways}: {', '.join(others)}")
    if zones:
        notes.append(
            f"{_count(zones)} can be reached from a SIM of the carrier only; there, say agent.carrier and"
            f" write a [[target]] for your own instance in the zone: {', '.join(zones)}"
        )
    return notes


def _count(sites: Sequence[str]) -> str:
    return "1 site" if len(sites) == 1 else f"{len(sites)} sites"
