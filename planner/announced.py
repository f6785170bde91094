"""Zones that a study says are announced, laid beside those of the catalog."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from planner.catalog import Catalog, Site
from planner.client_places import far_off, swapped
from planner.study import Study, StudyError
from planner.study_supposed import AnnouncedZone
from probes.strict_toml import nearest_name


def with_announced(study: Study, catalogs: Sequence[Catalog]) -> list[Catalog]:
    """``catalogs`` with the announced zones of ``study``, each beside its parent Region.

    Raises :class:`StudyError` for a parent that is no Region, an id that is taken, a service that no site of
    the provider has, and a place that is nowhere near the country.
    """
    regions = {site.id: catalog for catalog in catalogs for site in catalog.sites if site.kind == "region"}
    taken = {site.id: site.status for catalog in catalogs for site in catalog.sites}
    taken |= {id_: "ga" for post in study.candidates.outposts for id_ in (post.id, *post.site_ids)}
    added: dict[str, list[Site]] = {}
    for position, zone in enumerate(study.candidates.announced, start=1):
        here = f"candidates.announced[{position}]"
        if zone.id in taken:
            words, status = f"{zone.id!r} is already the id of a site", taken[zone.id]
            words += "" if status == "ga" else f", {status}: name it in candidates.include"
            raise _fault(study, f"{here}.id", words)
        catalog = regions.get(zone.parent)
        if catalog is None:
            hint = nearest_name(zone.parent, regions)
            raise _fault(study, f"{here}.parent", f"{zone.parent!r} is not a known Region", hint)
        at = (zone.country, zone.lat, zone.lon)
        if (mixed_up := swapped(*at)) is not None:
            raise _fault(study, f"{here}.lat", mixed_up)
        if (astray := far_off(*at)) is not None:
            raise _fault(study, f"{here}.lat", f"stands {astray}")
        added.setdefault(catalog.provider, []).append(_site(study, here, zone, catalog))
    return [
        replace(catalog, sites=(*catalog.sites, *added[catalog.provider]))
        if catalog.provider in added
        else catalog
        for catalog in catalogs
    ]


def announced_notes(study: Study, sites: Collection[Site]) -> Iterator[str]:
    """On what word each announced zone is planned with, or that it is not."""
    ids = {site.id for site in sites}
    for zone in study.candidates.announced:
        if zone.id not in ids:
            yield f"{zone.id} is announced and no candidate: excluded, or without its parent {zone.parent}"
            continue
        said = ", ".join(filter(None, (zone.source or "the study", zone.as_of)))
        words = f"{zone.id} is announced ({said}): its prices are estimated from {zone.parent}"
        yield f"{words}, its services {'as said' if zone.services else f'those of a {zone.kind}'}"


def _site(study: Study, here: str, zone: AnnouncedZone, catalog: Catalog) -> Site:
    parent = catalog.site(zone.parent)
    usual = catalog.kind_services(zone.kind, parent.partition)
    known = usual.union(*(site.services for site in catalog.sites))
    for name in zone.services:
        if name not in known:
            words = f"{name!r} is not a known service of {catalog.provider}"
            raise _fault(study, f"{here}.services", words, nearest_name(name, known))
    return Site(
        id=zone.id,
        provider=catalog.provider,
        kind=zone.kind,
        name=zone.id,
        parent=parent.id,
        metro=zone.metro,
        country=zone.country,
        lat=zone.lat,
        lon=zone.lon,
        status="planned",
        partition=parent.partition,
        network_border_group=zone.id,
        services=frozenset(zone.services) or usual,
        programs=catalog.kind_programs(zone.kind, parent.partition),
        source=zone.source or "the study",
        as_of=zone.as_of,
        tags={},
    )


def _fault(study: Study, column: str, message: str, nearest: str | None = None) -> StudyError:
    return StudyError(study.path or Path(study.name), message, column=column, nearest=nearest)
