"""The line from each Outpost to its parent Region: what the study says of it, or what is known of that pair.

An Outpost is run from its parent, over this service link. Its round trip is the study's ``link_ms``; else
what the latency matrix would say of a client that stands where the rack does: measured where a vantage
speaks for that place, modelled from distance elsewhere. Its bandwidth is the study's ``link_mbps``, or not
known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.catalog import Catalog, Site
from planner.demand import Client, Demand
from planner.latency.matrix import MEASURED, build_matrix
from planner.measurements import PairStatistic
from planner.study import Study


@dataclass(frozen=True, slots=True)
class ServiceLink:
    """``rtt_ms``: inf where too many probes were lost; ``mbps`` None: not said. The provider asks for a round
    trip of at most ``most_ms`` and for at least ``least_mbps``."""

    rtt_ms: float
    basis: Literal["stated", "measured", "modelled"]
    mbps: float | None
    most_ms: float
    least_mbps: float

    @property
    def suffices(self) -> bool:
        """Whether it keeps both limits, as far as is known."""
        return self.rtt_ms <= self.most_ms and (self.mbps is None or self.mbps >= self.least_mbps)


def service_links(
    study: Study, sites: Sequence[Site], catalogs: Sequence[Catalog], statistics: Sequence[PairStatistic]
) -> Mapping[str, ServiceLink]:
    """The link of each Outpost among ``sites`` whose provider asks anything of it, by id."""
    limits = {catalog.provider: catalog.link_limits for catalog in catalogs}
    regions = {site.id: site for catalog in catalogs for site in catalog.sites}
    racks = [site for site in sites if site.outpost is not None and limits[site.provider] is not None]
    unsaid = [site for site in racks if site.outpost is not None and site.outpost.link_ms is None]
    known = _known(study, unsaid, regions, statistics) if unsaid else {}
    links = {}
    for site in racks:
        terms, limit = site.outpost, limits[site.provider]
        assert terms is not None
        assert limit is not None
        rtt_ms, basis = known.get(site.id) or (float(terms.link_ms or 0.0), "stated")
        least = limit.least_mbps if terms.form == "rack" else 0.0
        links[site.id] = ServiceLink(rtt_ms, basis, terms.link_mbps, limit.most_ms, least)
    return links


def _known(
    study: Study, racks: Sequence[Site], regions: Mapping[str, Site], statistics: Sequence[PairStatistic]
) -> dict[str, tuple[float, Literal["measured", "modelled"]]]:
    """Round trip from where each rack stands to its parent, and whether it was measured."""
    clients = tuple(Client(site.id, site.name, site.country, site.lat, site.lon, 1.0) for site in racks)
    parents = tuple({site.parent: regions[site.parent] for site in racks if site.parent}.values())
    matrix = build_matrix(
        Demand(clients, np.ones(len(clients)), "racks"),
        parents,
        statistics,
        quantile=study.latency.quantile,
        metro_km=study.latency.metro_km,
        vantage_km=study.latency.vantage_km,
    )
    planning, column = matrix.planning_ms(study.latency.bound), {site.id: j for j, site in enumerate(parents)}
    return {
        site.id: (
            float(planning[i, column[site.parent or ""]]),
            "measured" if matrix.provenance[i, column[site.parent or ""]] == MEASURED else "modelled",
        )
        for i, site in enumerate(racks)
    }


def link_notes(links: Mapping[str, ServiceLink]) -> Iterator[str]:
    """What is taken for granted of the links: a modelled round trip, a bandwidth that nobody said."""
    modelled = [f"{rack} {link.rtt_ms:.0f} ms" for rack, link in links.items() if link.basis == "modelled"]
    if modelled:
        most = next(iter(links.values())).most_ms
        yield (
            f"service link, modelled from distance and not measured: {', '.join(modelled)};"
            f" at most {most:g} ms is allowed"
        )
    unsaid = [rack for rack, link in links.items() if link.mbps is None and link.least_mbps > 0]
    if unsaid:
        least = links[unsaid[0]].least_mbps
        yield (
            f"service link of {', '.join(unsaid)}: link_mbps is not said; at least {least:g} Mbps are needed"
        )
