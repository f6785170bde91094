"""A model of pairs for each provider's network, from what was measured to its sites.

What is detour on one network is none on another: a model taught by two misses either by half as much again,
and its intervals hold for neither (docs/design/0014-modelled-pairs.md). So each network that has
:data:`ENOUGH` measured pairs teaches a model of its own. One that has fewer borrows what all of them teach
together, its own few pairs included; to it every place is new, whoever measured there, and the intervals say
so.

A site's network is its provider's; that of a measured site that is no candidate is its publisher's. What
nobody can tell the network of teaches every one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.catalog import Site
from planner.latency.pairs import PairModel, fit_pair_model
from planner.latency.plausible import sift
from planner.measurements import PairStatistic

Array = NDArray[np.float64]

ENOUGH: Final = 120
"""So many measured pairs know their network better than all networks together do."""

BORROWED: Final = 1_000
"""No more pairs than this are borrowed, evenly drawn: more tell a strange network nothing, and take time."""


@dataclass(frozen=True, slots=True, eq=False)
class NetworkModels:
    """``of`` maps each provider of the sites asked about to the model of its network."""

    of: Mapping[str, PairModel]

    def estimate_ms(self, origin: ArrayLike, sites: Sequence[Site]) -> Array:
        """Estimates (m, n) from ``origin`` (m, 2), latitudes and longitudes, to ``sites`` (n)."""
        places = _places(sites)
        found = np.zeros((len(np.asarray(origin).reshape(-1, 2)), len(sites)))
        for model, columns in self._parts(sites):
            found[:, columns] = model.estimate_ms(origin, places[columns])
        return found

    def predict(self, origin: ArrayLike, sites: Sequence[Site]) -> tuple[Array, Array, Array]:
        """``(estimate, lower, upper)`` in ms, each (m, n), as :meth:`PairModel.predict` says."""
        places = _places(sites)
        found = np.zeros((3, len(np.asarray(origin).reshape(-1, 2)), len(sites)))
        for model, columns in self._parts(sites):
            found[:, :, columns] = model.predict(origin, places[columns])
        return found[0], found[1], found[2]

    def _parts(self, sites: Sequence[Site]) -> list[tuple[PairModel, NDArray[np.intp]]]:
        providers = np.array([site.provider for site in sites])
        return [(model, np.flatnonzero(providers == name)) for name, model in self.of.items()]


def network_models(sites: Sequence[Site], statistics: Sequence[PairStatistic]) -> NetworkModels:
    """The models of the networks of ``sites``, taught by those ``statistics`` that do not beat light and
    whose site's position is known. A site's own position and provider come before its publisher's."""
    taught = _teaching(sites, statistics)
    networks = networks_of(sites, statistics)
    network = [networks.get(each.site_id) for each, _ in taught]
    models = {}
    for name in dict.fromkeys(site.provider for site in sites):
        own = [one for one, at in zip(taught, network, strict=True) if at in (name, None)]
        if len(own) >= ENOUGH or len(own) == len(taught):
            models[name] = _fit(own)
        else:
            others = [one for one, at in zip(taught, network, strict=True) if at not in (name, None)]
            part = np.linspace(0, len(others) - 1, min(BORROWED, len(others))).astype(np.intp)
            models[name] = replace(_fit([*own, *(others[at] for at in part)]), foreign=True)
    return NetworkModels(models)


def pair_model(sites: Sequence[Site], statistics: Sequence[PairStatistic]) -> PairModel:
    """What all these statistics teach together, whichever network they are of."""
    return _fit(_teaching(sites, statistics))


def positions_of(
    sites: Sequence[Site], statistics: Sequence[PairStatistic]
) -> Mapping[str, tuple[float, float]]:
    """Latitude and longitude by site id; a candidate's own comes before its publisher's."""
    published = {each.site_id: each.site_position for each in statistics if each.site_position is not None}
    return published | {site.id: (site.lat, site.lon) for site in sites}


def networks_of(sites: Sequence[Site], statistics: Sequence[PairStatistic]) -> Mapping[str, str]:
    """Provider by site id; a candidate's own comes before its publisher's."""
    published = {each.site_id: each.provider for each in statistics if each.provider is not None}
    return published | {site.id: site.provider for site in sites}


_Taught = tuple[PairStatistic, tuple[float, float]]


def _teaching(sites: Sequence[Site], statistics: Sequence[PairStatistic]) -> list[_Taught]:
    positions = positions_of(sites, statistics)
    plausible = sift(statistics, positions).plausible
    return [(each, positions[each.site_id]) for each in plausible if each.site_id in positions]


def _fit(taught: Sequence[_Taught]) -> PairModel:
    return fit_pair_model(
        [(each.vantage.lat, each.vantage.lon) for each, _ in taught],
        [position for _, position in taught],
        [each.rtt_ms for each, _ in taught],
    )


def _places(sites: Sequence[Site]) -> Array:
    return np.array([(site.lat, site.lon) for site in sites], dtype=np.float64).reshape(-1, 2)
