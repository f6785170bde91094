"""Latencies as they may be, of clients' ways to sites and of sites' ways to the home of the stateful tier.

A draw is of the ways and not of whole requests: an estate, whose home stands, and a plan decided anew, whose
home may stand elsewhere, then see one truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.demand import Client, Demand
from planner.homes import Home
from planner.inputs import Inputs
from planner.latency.draws import Errors, errors_of
from planner.latency.matrix import LatencyMatrix

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

APART: Final = 2**40
"""Added to a seed for the ways home, so that their random numbers are others than those of clients' ways."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Of clients (m) and homes (h) to some sites (k): the errors of all pairs, row by row. Without a stateful
    tier, h is 0."""

    sites: int
    clients: Errors
    homes: Errors | None = None

    def of_clients(self, seed: int, number: int) -> Floats:
        """(m, k) ms in draw ``number``."""
        return self.clients.draw(seed, number).reshape(-1, self.sites)

    def of_homes(self, seed: int, number: int) -> Floats:
        """(h, k) ms in draw ``number``."""
        if self.homes is None:
            return np.zeros((0, self.sites))
        return self.homes.draw(seed + APART, number).reshape(-1, self.sites)


def ways_of(inputs: Inputs, columns: Indices, homes: tuple[str, ...]) -> Ways:
    """To the sites ``columns`` (k,) from every client and from the Regions ``homes``, of inputs as read: with
    no home in their matrix yet."""
    m, k = len(inputs.demand.clients), len(columns)
    client, site = np.repeat(np.arange(m), k), np.tile(columns, m)
    clients = errors_of(inputs.matrix, inputs.demand, inputs.sites, client, site)
    if not homes:
        return Ways(k, clients)
    # All of them, so that a draw is the same whichever are looked at.
    every = every_home(inputs)
    row = np.array([list(every).index(home) for home in homes], dtype=np.intp)
    matrix, demand = _as_clients(tuple(every.values()), inputs)
    pairs = np.repeat(row, k), np.tile(columns, len(row))
    return Ways(k, clients, errors_of(matrix, demand, inputs.sites, *pairs))


def every_home(inputs: Inputs) -> dict[str, Home]:
    """Where the stateful tier may stand, and where it could, by Region."""
    return {home.site.id: home for home in (*inputs.homes, *inputs.other_homes)}


def _as_clients(homes: tuple[Home, ...], inputs: Inputs) -> tuple[LatencyMatrix, Demand]:
    """The homes' ways to the sites, as a matrix with each home in the place of a client."""
    clients = tuple(
        Client(home.site.id, home.site.name, home.site.country, home.site.lat, home.site.lon, 1.0)
        for home in homes
    )
    shape = len(homes), len(inputs.sites)
    matrix = LatencyMatrix(
        client_ids=tuple(client.id for client in clients),
        site_ids=inputs.matrix.site_ids,
        vantages=(),
        quantile=inputs.matrix.quantile,
        estimate_ms=np.array([home.estimate_ms for home in homes]),
        lower_ms=np.array([home.lower_ms for home in homes]),
        upper_ms=np.array([home.upper_ms for home in homes]),
        samples=np.zeros(shape, dtype=np.int64),
        loss_ratio=np.full(shape, np.nan),
        provenance=np.array([home.provenance for home in homes]),
        vantage=np.full(shape, -1, dtype=np.int32),
    )
    return matrix, Demand(clients, np.ones(len(homes)), "homes")
