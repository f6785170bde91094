"""Square tables of measured round-trip times.

AWS and Azure are shipped, with coordinates. PlanetLab and Seattle (the netlatency data set, MIT licence)
are not: they are read from a folder, and have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.geo import pairwise_km
from planner.measurements import read_published

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SAME_METRO_KM = 50.0


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """``rtt`` (n, n) in ms from row to column, nan where unknown; ``place`` (n, 2) latitude and longitude, or
    None."""

    name: str
    rtt: Array
    place: Array | None

    @property
    def known(self) -> Mask:
        return np.isfinite(self.rtt)

    @property
    def km(self) -> Array:
        assert self.place is not None
        return pairwise_km(*self.place.T, *self.place.T)


def published(name: str, provider: str, quantile: float = 0.5) -> Table:
    """A shipped table."""
    statistics = [each for each in read_published(quantile, provider).statistics if each.site_position]
    place: dict[str, tuple[float, float]] = {}
    for each in statistics:
        place.setdefault(each.vantage.id.removeprefix("metro:"), (each.vantage.lat, each.vantage.lon))
        place.setdefault(each.site_id, each.site_position or (0.0, 0.0))
    number = {site: k for k, site in enumerate(place)}
    rtt = np.full((len(place), len(place)), np.nan)
    for each in statistics:
        rtt[number[each.vantage.id.removeprefix("metro:")], number[each.site_id]] = each.rtt_ms
    return Table(name, rtt, np.array(list(place.values())))


def from_file(name: str, path: Path, unit_ms: float) -> Table:
    """A matrix of numbers without coordinates. A zero is a time that was not taken, or too short for the
    clock; neither it nor the diagonal can be judged by relative error, so both are unknown."""
    rtt = np.loadtxt(path) * unit_ms
    rtt[rtt <= 0.0] = np.nan
    np.fill_diagonal(rtt, np.nan)
    return Table(name, rtt, None)
