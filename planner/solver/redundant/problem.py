"""The problem as arrays, checked once, and the columns every linear programme here takes its own from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planner.solver.facility import checked, looked_at, site_bounds

SCALE = 1.0e6
"""Objectives are scaled to about this size: HiGHS's dual tolerance is then far below 1e-9 relative."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """m clients, n sites, P allowed pairs. Columns: y (n), spare capacity s (n), then x, one per pair.

    ``opening`` (n,); ``cost`` (m, n), inf = not allowed; ``demand`` (m,); ``capacity`` (n,), at most the
    whole demand, since no site can use more; ``backup`` (m, n); ``domains``: index arrays, none inside
    another. ``client``, ``site`` (P,) per pair and ``pair`` (m, n) back (-1 = none). ``column_cost`` (2n +
    P,) is above each client's cheapest site, whose sum is ``constant``, and times ``scale``."""

    opening: NDArray[np.float64]
    cost: NDArray[np.float64]
    demand: NDArray[np.float64]
    capacity: NDArray[np.float64]
    backup: NDArray[np.bool_]
    domains: tuple[NDArray[np.intp], ...]
    min_open: int
    max_open: int
    client: NDArray[np.intp]
    site: NDArray[np.intp]
    pair: NDArray[np.intp]
    column_cost: NDArray[np.float64]
    constant: float
    scale: float

    @property
    def n(self) -> int:
        """Sites."""
        return len(self.opening)

    @property
    def m(self) -> int:
        """Clients."""
        return len(self.demand)

    @property
    def total(self) -> float:
        """The whole demand, or 1 where there is none: what loads are measured by."""
        return float(self.demand.sum()) or 1.0

    def x_columns(self, pairs: NDArray[np.intp]) -> NDArray[np.intp]:
        """Their columns."""
        return pairs + 2 * self.n

    def spread(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(m, n) shares from a value per column."""
        shares = np.zeros((self.m, self.n))
        shares[self.client, self.site] = values[2 * self.n :]
        return shares


def build(
    opening_cost: ArrayLike,
    assignment_cost: ArrayLike,
    demand: ArrayLike,
    capacity: ArrayLike,
    backup_allowed: ArrayLike | None,
    failure_domain: ArrayLike | None,
    min_open: int | None,
    max_open: int | None,
) -> Problem:
    """Check and convert. Raises ``ValueError`` on wrong shapes or values."""
    opening, cost = checked(opening_cost, assignment_cost)
    weight, room = (np.asarray(a, dtype=np.float64) for a in (demand, capacity))
    m, n = cost.shape
    if weight.shape != (m,) or room.shape != (n,):
        raise ValueError(f"demand {weight.shape} and capacity {room.shape} do not fit: ({m},), ({n},)")
    looked_at(opening, cost)
    if not np.isfinite(weight).all() or (weight < 0.0).any():
        raise ValueError("demand must be finite and not negative")
    if np.isnan(room).any() or (room < 0.0).any():
        raise ValueError("capacity must not be negative (inf = unlimited)")
    low, high = site_bounds(n, min_open, max_open)
    allowed = np.isfinite(cost)
    backup = allowed if backup_allowed is None else np.asarray(backup_allowed)
    if backup.shape != (m, n) or backup.dtype != np.bool_:
        raise ValueError(f"backup_allowed {backup.dtype} {backup.shape} is not bool ({m}, {n})")
    if failure_domain is None:
        domains = [] if backup_allowed is None else [np.array([j]) for j in range(n)]
    else:
        domains = _domains(np.asarray(failure_domain), n)
    client, site = np.nonzero(allowed)
    pair = np.full((m, n), -1, dtype=np.intp)
    pair[client, site] = np.arange(len(client))
    cheapest = np.where(allowed.any(axis=1), cost.min(axis=1, initial=np.inf), 0.0)
    above = cost[client, site] - cheapest[client]
    size = float(np.abs(opening).mean() if n else 0.0) + float(above.mean() if len(above) else 0.0) * m / 2
    scale = SCALE / size if size > 0 else 1.0
    column_cost = np.concatenate((opening, np.zeros(n), above)) * scale
    whole = float(weight.sum())
    return Problem(
        opening,
        cost,
        weight,
        np.minimum(room, whole),
        backup,
        tuple(domains),
        low,
        min(high, n),
        client,
        site,
        pair,
        column_cost,
        float(cheapest.sum()),
        scale,
    )


def _domains(given: NDArray[np.generic], n: int) -> list[NDArray[np.intp]]:
    """Index arrays from labels (n,), negative = never fails, or a boolean matrix (k, n); subsets dropped.

    What survives a domain survives every part of it: fewer clients move, and to the same places.
    """
    if given.dtype == np.bool_ and given.ndim == 2 and given.shape[1] == n:
        members = [np.flatnonzero(row) for row in given]
    elif given.shape == (n,) and np.issubdtype(given.dtype, np.integer):
        labels = given.astype(np.int64)
        members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    else:
        raise ValueError(
            f"failure_domain {given.dtype} {given.shape} is neither int ({n},) nor bool (k, {n})"
        )
    kept: list[NDArray[np.intp]] = []
    for sites in sorted(members, key=len, reverse=True):
        if len(sites) and not any(np.isin(sites, other).all() for other in kept):
            kept.append(sites)
    return sorted(kept, key=lambda sites: tuple(sites))


def members(domains: Sequence[NDArray[np.intp]], n: int) -> NDArray[np.bool_]:
    """(k, n): which sites fail with which domain."""
    inside = np.zeros((len(domains), n), dtype=bool)
    for k, sites in enumerate(domains):
        inside[k, sites] = True
    return inside
