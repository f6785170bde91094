"""The client × site latency matrix: what is measured, what is modelled, and how far each may be off.

A vantage speaks for a client within ``metro_km`` of it, whatever the country, and for the clients of
its own country within ``vantage_km``. Of several, the metro's comes before the country's, own samples
before published figures, and then the nearest. A pair for which none speaks is modelled from its
distance and from what was measured around it on its provider's network
(``planner/latency/networks.py``).

In the metro a client gets the vantage's figure as it stands. Beyond, it stands elsewhere than the
vantage does, and the figure is moved by what the model says of that difference,

    estimate = measured(v, s) + r · (model(c, s) - model(v, s)),

where r rises from 0 at ``metro_km`` to 1 at twice that. On the shipped table, with Regions at most 520
km apart in each other's place, this leaves a mean error of 1.3 ms for sites beside either, where the
figure as it stands is 7.9 ms off (docs/design/0003-latency-model.md). Bounds widen with the distance to
the vantage all the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Site
from planner.demand import Demand
from planner.geo import fibre_ms, pairwise_km
from planner.latency.networks import network_models, positions_of
from planner.latency.plausible import sift
from planner.measurements import PairStatistic, Vantage

Provenance = Literal["absent", "modelled", "measured"]
PROVENANCES: Final[tuple[Provenance, ...]] = ("absent", "modelled", "measured")
ABSENT, MODELLED, MEASURED = range(3)
"""Codes in :attr:`LatencyMatrix.provenance`, indices into :data:`PROVENANCES`."""

PATH_FACTOR: Final = 1.8
"""Round-trip time over light in straight fibre, the median of the shipped table: what a client's distance to
the vantage that speaks for it adds to the bounds' width, to either side."""

ROUTE_SHARE_PER_KM: Final = 0.12 / 1000.0
"""And of the figure itself, for each kilometre: the two may reach a far site by different routes. With it,
bounds hold nine times in ten for Regions of the shipped table that speak for each other."""

_KINDS: Final[tuple[Literal["sampled", "published"], ...]] = ("sampled", "published")


WALLED: Final = "CN"
"""Traffic across this country's border passes gateways that distance says nothing of: a vantage on one side
does not speak for a client on the other, however near (Hong Kong is 30 km from Shenzhen)."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a matrix stands on: clients (m) by sites (n), arrays read-only.

    ``widened_ms``: float64 (m, n), by how much either bound is wider than the vantage's own, for the client's
    distance to it; 0 where none speaks. ``access_ms``: float64 (m, n), what the client's access line adds to
    the estimate. ``spoken``: by vantage and site, as indices, the statistic that speaks. ``trips``: how many
    round trips each of its figures stands for here.
    """

    widened_ms: NDArray[np.float64]
    access_ms: NDArray[np.float64]
    spoken: Mapping[tuple[int, int], PairStatistic]
    trips: float = 1.0

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Grounds:
        """Nothing known of a matrix of this shape, and nothing added."""
        zero = np.zeros(shape)
        zero.flags.writeable = False
        return cls(zero, zero, {})

    def times(self, trips: float) -> Grounds:
        """The same of so many round trips one after the other."""
        widened, access = self.widened_ms * trips, self.access_ms * trips
        widened.flags.writeable = access.flags.writeable = False
        return Grounds(widened, access, self.spoken, self.trips * trips)


@dataclass(frozen=True, slots=True)
class LatencyMatrix:
    """Round-trip times, clients (m) by sites (n), in milliseconds. Arrays are read-only.

    ``estimate_ms``, ``lower_ms``, ``upper_ms``: float64 (m, n); inf where absent (or where more than the
    asked share of probes was lost). ``samples``: int64 (m, n), 0 where modelled; a published statistic of
    unknown sample count has -1. ``loss_ratio``: float64 (m, n), nan where nothing was sampled (RFC 6673).
    ``provenance``: int8 (m, n), codes above. ``vantage``: int32 (m, n), index into ``vantages`` of the one
    that speaks for the pair, -1 where none does; a pair may be modelled although one does, from another
    quantile of its. ``grounds``: None for a matrix that was not built from statistics.
    """

    client_ids: tuple[str, ...]
    site_ids: tuple[str, ...]
    vantages: tuple[str, ...]
    quantile: float
    estimate_ms: NDArray[np.float64]
    lower_ms: NDArray[np.float64]
    upper_ms: NDArray[np.float64]
    samples: NDArray[np.int64]
    loss_ratio: NDArray[np.float64]
    provenance: NDArray[np.int8]
    vantage: NDArray[np.int32]
    grounds: Grounds | None = None

    def planning_ms(self, bound: Literal["estimate", "upper"]) -> NDArray[np.float64]:
        """The number a study plans with."""
        return self.estimate_ms if bound == "estimate" else self.upper_ms


def build_matrix(
    demand: Demand,
    sites: Sequence[Site],
    statistics: Sequence[PairStatistic],
    *,
    quantile: float,
    metro_km: float,
    vantage_km: float,
) -> LatencyMatrix:
    """Clients (m) by ``sites`` (n, in this order) from ``statistics``, which are all at ``quantile``.

    Statistics of sites that are not asked for still teach the model, where their position is
    known. A sampled figure that beats light from its vantage to the site is left out (the pair is then
    modelled, or another vantage speaks for it), and no estimate or bound is below light in fibre from
    the client to the site. A statistic that is not ``direct`` gives its figures but counts as modelled.
    Where more than the asked share of probes was lost, estimate and upper bound are inf. Raises
    ``ValueError`` for a statistic at another quantile.
    """
    if any(abs(each.quantile - quantile) > 1e-9 for each in statistics):
        raise ValueError(f"every statistic must be at quantile {quantile:g}")
    lat, lon = (
        np.array([getattr(c, axis) for c in demand.clients], dtype=np.float64) for axis in ("lat", "lon")
    )
    site_lat, site_lon = (
        np.array([getattr(s, axis) for s in sites], dtype=np.float64) for axis in ("lat", "lon")
    )
    statistics = sift(statistics, positions_of(sites, statistics)).plausible
    km = pairwise_km(lat, lon, site_lat, site_lon)
    floor = fibre_ms(km)
    models = network_models(sites, statistics)
    estimate, lower, upper = models.predict(np.column_stack((lat, lon)), sites)
    samples = np.zeros(km.shape, dtype=np.int64)
    loss = np.full(km.shape, np.nan)
    provenance = np.full(km.shape, MODELLED, dtype=np.int8)
    speaker = np.full(km.shape, -1, dtype=np.int32)
    widened = np.zeros(km.shape)
    spoken: dict[tuple[int, int], PairStatistic] = {}

    tables = _Tables(sites, statistics)
    vantages = tables.vantages
    if vantages:
        vantage_lat, vantage_lon = (np.array([getattr(v, axis) for v in vantages]) for axis in ("lat", "lon"))
        away = pairwise_km(lat, lon, vantage_lat, vantage_lon)
        countries = np.array([v.country for v in vantages])
        same = np.array([c.country for c in demand.clients])[:, None] == countries[None, :]
        at_vantage = models.estimate_ms(np.column_stack((vantage_lat, vantage_lon)), sites)
        homes = np.array([c.country for c in demand.clients])
        walled = (homes[:, None] == WALLED) != (countries[None, :] == WALLED)
        speaker, kind = _speakers(away, same, walled, tables.present, metro_km, vantage_km)
        row, column = np.nonzero(speaker >= 0)
        who = speaker[row, column]
        figures = tables.figures[kind[row, column], who, column]
        distance = away[row, who]
        moved = np.clip((distance - metro_km) / max(metro_km, 1.0), 0.0, 1.0)
        shift = moved * (estimate[row, column] - at_vantage[who, column])
        finite = np.where(np.isfinite(figures[:, 0]), figures[:, 0], 0.0)
        width = bound_width(distance, finite)
        light = floor[row, column]
        centre = np.maximum(figures[:, 0] + shift, light)
        estimate[row, column] = centre
        lower[row, column] = np.clip(figures[:, 1] + shift - width, light, centre)
        upper[row, column] = np.maximum(figures[:, 2] + shift + width, centre)
        direct = figures[:, 5] > 0.0
        provenance[row, column] = np.where(direct, MEASURED, MODELLED)
        samples[row, column] = np.where(direct, figures[:, 3], 0)
        loss[row, column] = np.where(direct, figures[:, 4], np.nan)
        widened[row, column] = width
        spoken = tables.spoken(kind[row, column], who, column)
    grounds = Grounds(widened, np.zeros(km.shape), spoken)
    matrix = LatencyMatrix(
        client_ids=tuple(client.id for client in demand.clients),
        site_ids=tuple(site.id for site in sites),
        vantages=tuple(vantage.id for vantage in vantages),
        quantile=quantile,
        estimate_ms=estimate,
        lower_ms=lower,
        upper_ms=upper,
        samples=samples,
        loss_ratio=loss,
        provenance=provenance,
        vantage=speaker,
        grounds=grounds,
    )
    for array in (
        *(estimate, lower, upper, samples, loss, provenance, speaker),
        *(grounds.widened_ms, grounds.access_ms),
    ):
        array.flags.writeable = False
    return matrix


def bound_width(km: ArrayLike, figure_ms: ArrayLike) -> NDArray[np.float64]:
    """By how many ms a figure's bounds widen, to either side, for a client ``km`` away from its vantage."""
    figure = np.asarray(figure_ms, dtype=np.float64)
    return np.asarray(PATH_FACTOR * fibre_ms(km) + ROUTE_SHARE_PER_KM * np.asarray(km) * figure)


class _Tables:
    """The statistics as arrays: ``figures`` (kinds, vantages, sites, 6) holds estimate, lower, upper,
    samples, loss ratio, and 1 where direct; ``present`` (kinds, vantages, sites) says where there is
    one."""

    def __init__(self, sites: Sequence[Site], statistics: Sequence[PairStatistic]) -> None:
        column = {site.id: position for position, site in enumerate(sites)}
        used = [each for each in statistics if each.site_id in column]
        self.vantages: tuple[Vantage, ...] = tuple({each.vantage.id: each.vantage for each in used}.values())
        row = {vantage.id: position for position, vantage in enumerate(self.vantages)}
        shape = (len(_KINDS), len(self.vantages), len(sites))
        self.figures = np.zeros((*shape, 6), dtype=np.float64)
        self.present = np.zeros(shape, dtype=bool)
        self._statistic: dict[tuple[int, int, int], PairStatistic] = {}
        for each in used:
            cell = (_KINDS.index(each.kind), row[each.vantage.id], column[each.site_id])
            self.present[cell] = True
            self._statistic[cell] = each
            self.figures[cell] = (
                each.rtt_ms,
                each.lower_ms,
                each.upper_ms,
                each.samples,
                each.loss_ratio,
                each.direct,
            )

    def spoken(
        self, kind: NDArray[np.int8], vantage: NDArray[np.int32], site: NDArray[np.intp]
    ) -> dict[tuple[int, int], PairStatistic]:
        """By vantage and site, the statistic that speaks: a vantage's sampled one, where it has two."""
        cells = np.unique(np.stack((kind, vantage, site), axis=1), axis=0).tolist()
        return {(who, where): self._statistic[code, who, where] for code, who, where in cells}


def _speakers(
    away: NDArray[np.float64],
    same_country: NDArray[np.bool_],
    walled: NDArray[np.bool_],
    present: NDArray[np.bool_],
    metro_km: float,
    vantage_km: float,
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Which vantage speaks for each client × site, -1 for none, and with which kind of figure.

    ``away``, ``same_country`` and ``walled`` are (clients, vantages), ``present`` (kinds, vantages, sites).
    """
    clients, sites = away.shape[0], present.shape[2]
    speaker = np.full((clients, sites), -1, dtype=np.int32)
    kind = np.zeros((clients, sites), dtype=np.int8)
    metro = np.where((away <= metro_km) & ~walled, away, np.inf)
    country = np.where(same_country & (away <= vantage_km), away, np.inf)
    for reach in (metro, country):
        for code in range(len(_KINDS)):
            # Sites measured by the same vantages share one search; there are few such patterns.
            patterns, of_site = np.unique(present[code], axis=1, return_inverse=True)
            for number in range(patterns.shape[1]):
                has = np.flatnonzero(patterns[:, number])
                if not has.size:
                    continue
                nearest = np.argmin(reach[:, has], axis=1)
                heard = np.isfinite(reach[np.arange(clients), has[nearest]])
                columns = np.flatnonzero(of_site.reshape(-1) == number)
                free = heard[:, None] & (speaker[:, columns] < 0)
                speaker[:, columns] = np.where(free, has[nearest][:, None], speaker[:, columns])
                kind[:, columns] = np.where(free, code, kind[:, columns])
    return speaker, kind
