"""Demand gathered into cells before it is drawn: a few hundred markers whatever the number of clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.demand import Client
from planner.plan import Assignment

MAX_CELLS = 260
GRID_DEG = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0)
"""Cell sizes tried in turn; the first that keeps the map under :data:`MAX_CELLS` markers is used."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Clients near each other, served by one site, all measured or all modelled.

    ``lon``, ``lat``: weighted centre, degrees. ``share`` of all demand. ``latency_ms``: weighted mean.
    """

    lon: float
    lat: float
    site_id: str
    measured: bool
    share: float
    latency_ms: float
    clients: int
    largest: str


def cells(assignments: tuple[Assignment, ...], clients: Mapping[str, Client]) -> tuple[Cell, ...]:
    """The plan's demand as at most :data:`MAX_CELLS` cells where the grid allows, largest first.

    ``clients`` by id; an assignment whose client it lacks is a fault of the caller (``KeyError``).
    """
    if not assignments:
        return ()
    places = [clients[assignment.client_id] for assignment in assignments]
    total = sum(assignment.weight for assignment in assignments) or 1.0
    lon = np.array([place.lon for place in places])
    lat = np.array([place.lat for place in places])
    sites = sorted({assignment.site_id for assignment in assignments})
    number = {site: at for at, site in enumerate(sites)}
    # One whole number for who serves, and whether that was measured.
    served = np.array([2 * number[a.site_id] + (a.provenance == "measured") for a in assignments])
    for size in GRID_DEG:
        _, first, cell = np.unique(
            _keys(lon, lat, served, size), axis=0, return_index=True, return_inverse=True
        )
        if len(first) <= MAX_CELLS:
            break
    cell = cell.reshape(-1)
    weight = np.array([assignment.weight for assignment in assignments])
    mass = np.bincount(cell, weights=weight)
    # Clients of no weight still have a place: they count alike.
    by = np.where(mass[cell] > 0, weight, 1.0)
    whole = np.bincount(cell, weights=by)
    latency = np.array([assignment.latency_ms for assignment in assignments])
    mean_lon, mean_lat, mean_ms = (
        np.bincount(cell, weights=by * value) / whole for value in (lon, lat, latency)
    )
    members = np.bincount(cell)
    # The heaviest of each cell; of equals the first.
    order = np.lexsort((np.arange(len(by)), -by, cell))
    heaviest = order[np.searchsorted(cell[order], np.arange(len(first)))]
    found = [
        Cell(
            lon=float(mean_lon[at]),
            lat=float(mean_lat[at]),
            site_id=assignments[row].site_id,
            measured=assignments[row].provenance == "measured",
            share=float(mass[at] / total),
            latency_ms=float(mean_ms[at]),
            clients=int(members[at]),
            largest=places[heaviest[at]].name or places[heaviest[at]].id,
        )
        for at, row in enumerate(first)
    ]
    return tuple(sorted(found, key=lambda cell: (-cell.share, cell.lon, cell.lat)))


def _keys(
    lon: NDArray[np.float64], lat: NDArray[np.float64], served: NDArray[np.int64], size: float
) -> NDArray[np.int64]:
    """(m, 3) the cell of each client: band of latitude, step of longitude within it, who serves."""
    band = np.floor(lat / size)
    # Wider steps of longitude towards the poles keep the cells about square on the ground.
    step = size / np.maximum(0.2, np.cos(np.radians((band + 0.5) * size)))
    return np.stack((band, np.floor(lon / step), served), axis=1).astype(np.int64)
