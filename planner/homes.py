"""Where the stateful tier may stand, how far each site is from it, and what a request then takes.

    l'_ij = client_trips × l_ij + home_trips × d_jh

The leg *d_jh* from site to home is read as if the site were a client: what was measured near it, else the
distance model. A zone or rack reaches the home through its parent Region.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.catalog import Catalog, Site, SitePrices
from planner.demand import Client, Demand
from planner.latency.matrix import MEASURED, LatencyMatrix, build_matrix
from planner.measurements import PairStatistic
from planner.site_tags import site_tags
from planner.study import HomeTier, Study, StudyError
from probes.strict_toml import nearest_name

AUTO = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Home:
    """A Region that may hold the stateful tier, seen from the candidates (n,), arrays read-only.

    ``estimate_ms``, ``lower_ms``, ``upper_ms``: round trip from site to home, inf where there is none.
    ``provenance``: codes of :mod:`planner.latency.matrix`, of the weaker leg. ``usd_gb``: what a GB costs
    from the site's Region to this one; zero within it. ``leaving_usd_gb``: from here to another.
    """

    site: Site
    estimate_ms: NDArray[np.float64]
    lower_ms: NDArray[np.float64]
    upper_ms: NDArray[np.float64]
    provenance: NDArray[np.int8]
    usd_gb: NDArray[np.float64]
    leaving_usd_gb: float = 0.0


def possible_homes(study: Study, catalogs: Sequence[Catalog], sites: Sequence[Site]) -> tuple[Site, ...]:
    """The Region the study names, which need not be a candidate; or with "auto" each candidate Region.

    None without ``[workload.home]``. Raises :class:`StudyError` for a name that is no Region's.
    """
    tier = study.workload.home
    if tier is None:
        return ()
    column, file = "workload.home.region", study.path or Path(study.name)
    if tier.region == AUTO:
        homes = tuple(site for site in sites if site.kind == "region")
        if not homes:
            raise StudyError(file, "no Region is a candidate, so none can be chosen; name one", column=column)
        return homes
    known = {site.id: site for catalog in catalogs for site in catalog.sites if site.kind == "region"}
    if tier.region not in known:
        hint = nearest_name(tier.region, known)
        raise StudyError(file, f"{tier.region!r} is not a known Region", column=column, nearest=hint)
    home = known[tier.region]  # with the tags it has as a site, be it a candidate or not
    return (replace(home, tags=site_tags(study, (home,))[home.id]),)


def build_homes(
    study: Study,
    catalogs: Sequence[Catalog],
    sites: Sequence[Site],
    prices: Sequence[SitePrices],
    statistics: Sequence[PairStatistic],
) -> tuple[Home, ...]:
    """Each possible home with its legs and prices, from the statistics the clients' matrix is made of."""
    homes = possible_homes(study, catalogs, sites)
    if not homes:
        return ()
    known = {site.id: site for catalog in catalogs for site in catalog.sites}
    parents = {site.parent: known[site.parent] for site in sites if site.parent is not None}
    legs = _legs(study, (*sites, *parents.values()), (*homes, *parents.values()), statistics)
    leaving = {
        site.id: catalog.onward(site).usd
        for catalog in catalogs
        for site in catalog.sites
        if site.id in {home.id for home in homes}
    }
    return tuple(
        replace(_home(home, sites, prices, parents, legs), leaving_usd_gb=leaving[home.id]) for home in homes
    )


def other_homes(
    study: Study,
    catalogs: Sequence[Catalog],
    sites: Sequence[Site],
    prices: Sequence[SitePrices],
    statistics: Sequence[PairStatistic],
) -> tuple[Home, ...]:
    """Where the tier could stand beside the Region that the study names: each other candidate Region.

    None where it names none.
    """
    tier = study.workload.home
    if tier is None or tier.region == AUTO or not any(site.kind == "region" for site in sites):
        return ()
    free = replace(study, workload=replace(study.workload, home=replace(tier, region=AUTO)))
    every = build_homes(free, catalogs, sites, prices, statistics)
    return tuple(home for home in every if home.site.id != tier.region)


def through_home(matrix: LatencyMatrix, tier: HomeTier, home: Home) -> LatencyMatrix:
    """The matrix of whole requests: measured where both legs are, absent where either is.

    Where a pair is not measured, samples, loss and vantage say so, as they do of any modelled pair.
    """
    both = np.minimum(matrix.provenance, home.provenance[None, :] if tier.home_trips > 0 else MEASURED)
    measured = both == MEASURED

    def whole(legs: NDArray[np.float64], onward: NDArray[np.float64]) -> NDArray[np.float64]:
        # Without trips home, a missing leg is no obstacle: 0 × inf must not turn up.
        far = tier.home_trips * onward if tier.home_trips > 0 else np.zeros(len(onward))
        return np.asarray(tier.client_trips * legs + far[None, :], dtype=np.float64)

    changed = replace(
        matrix,
        estimate_ms=whole(matrix.estimate_ms, home.estimate_ms),
        lower_ms=whole(matrix.lower_ms, home.lower_ms),
        upper_ms=whole(matrix.upper_ms, home.upper_ms),
        samples=np.where(measured, matrix.samples, 0),
        loss_ratio=np.where(measured, matrix.loss_ratio, np.nan),
        provenance=both.astype(np.int8),
        vantage=np.where(measured, matrix.vantage, -1).astype(np.int32),
        grounds=None if matrix.grounds is None else matrix.grounds.times(tier.client_trips),
    )
    for array in (
        *(changed.estimate_ms, changed.lower_ms, changed.upper_ms, changed.samples),
        *(changed.loss_ratio, changed.provenance, changed.vantage),
    ):
        array.flags.writeable = False
    return changed


def _legs(
    study: Study, origins: Sequence[Site], targets: Sequence[Site], statistics: Sequence[PairStatistic]
) -> LatencyMatrix:
    """Round trips between facilities: ``origins`` in the place of clients."""
    unique = {site.id: site for site in origins}
    clients = tuple(
        Client(site.id, site.name, site.country, site.lat, site.lon, 1.0, frozenset())
        for site in unique.values()
    )
    return build_matrix(
        Demand(clients, np.ones(len(clients)), "candidates"),
        tuple({site.id: site for site in targets}.values()),
        statistics,
        quantile=study.latency.quantile,
        metro_km=study.latency.metro_km,
        vantage_km=study.latency.vantage_km,
    )


def _home(
    home: Site,
    sites: Sequence[Site],
    prices: Sequence[SitePrices],
    parents: Mapping[str, Site],
    legs: LatencyMatrix,
) -> Home:
    row = {name: position for position, name in enumerate(legs.client_ids)}
    column = {name: position for position, name in enumerate(legs.site_ids)}
    figures = np.zeros((3, len(sites)))
    provenance = np.full(len(sites), MEASURED, dtype=np.int8)
    usd_gb = np.zeros(len(sites))
    for j, (site, price) in enumerate(zip(sites, prices, strict=True)):
        region = site if site.parent is None else parents[site.parent]
        steps = [(site.id, home.id)] if site.parent is None else [(site.id, region.id)]
        if site.parent is not None and region.id != home.id:
            steps.append((region.id, home.id))
        for origin, target in steps:
            at = row[origin], column[target]
            figures[:, j] += (legs.estimate_ms[at], legs.lower_ms[at], legs.upper_ms[at])
            provenance[j] = min(provenance[j], legs.provenance[at])
        if region.id != home.id:
            # Networks that no provider joins meet on the internet.
            joined = (region.provider, region.partition) == (home.provider, home.partition)
            onward = price.home_gb if joined and price.home_gb is not None else price.egress_gb
            usd_gb[j] = onward.usd
    for array in (figures, provenance, usd_gb):
        array.flags.writeable = False
    return Home(home, figures[0], figures[1], figures[2], provenance, usd_gb)
