"""Demand gathered into cells before it is drawn: a few hundred markers whatever the number of clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

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
    gathered: tuple[Cell, ...] = ()
    for size in GRID_DEG:
        gathered = _gather(assignments, places, size, total)
        if len(gathered) <= MAX_CELLS:
            break
    return gathered


def _gather(
    assignments: tuple[Assignment, ...], places: list[Client], size: float, total: float
) -> tuple[Cell, ...]:
    groups: dict[tuple[int, int, str, bool], list[int]] = {}
    for row, (assignment, place) in enumerate(zip(assignments, places, strict=True)):
        band = int(np.floor(place.lat / size))
        # Wider steps of longitude towards the poles keep the cells about square on the ground.
        step = size / max(0.2, float(np.cos(np.radians((band + 0.5) * size))))
        key = (band, int(np.floor(place.lon / step)), assignment.site_id, assignment.provenance == "measured")
        groups.setdefault(key, []).append(row)
    found = []
    for (_, _, site_id, measured), rows in groups.items():
        weight = np.array([assignments[row].weight for row in rows], dtype=np.float64)
        # Clients of no weight still have a place: they count alike.
        by = weight if weight.sum() > 0 else np.ones_like(weight)
        heaviest = places[rows[int(np.argmax(by))]]
        found.append(
            Cell(
                lon=float(np.average([places[row].lon for row in rows], weights=by)),
                lat=float(np.average([places[row].lat for row in rows], weights=by)),
                site_id=site_id,
                measured=measured,
                share=float(weight.sum() / total),
                latency_ms=float(np.average([assignments[row].latency_ms for row in rows], weights=by)),
                clients=len(rows),
                largest=heaviest.name or heaviest.id,
            )
        )
    return tuple(sorted(found, key=lambda cell: (-cell.share, cell.lon, cell.lat)))
