"""The Natural Earth projection: longitude and latitude to a flat map, computed here.

Plotly's own maps fetch their outlines from a content network, so the map is an ordinary x/y chart and the
projection is ours. Polynomial form: B. Šavrič, B. Jenny, T. Patterson, D. Petrovič, L. Hurni, "A Polynomial
Equation for the Natural Earth Projection", Cartography and Geographic Information Science 38(4), 2011.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

X_HALF = 0.8707 * np.pi
"""Half the width of the map at the equator, in units of the globe's radius."""


def natural_earth(lon_deg: ArrayLike, lat_deg: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Map coordinates (x, y) of points given in degrees; arrays of one shape, radii of the globe.

    NaN in gives NaN out, so that pen lifts in a line survive.
    """
    lam = np.radians(np.asarray(lon_deg, dtype=np.float64))
    phi = np.radians(np.asarray(lat_deg, dtype=np.float64))
    p2 = phi * phi
    p4 = p2 * p2
    x = lam * (0.8707 - 0.131979 * p2 + p4 * (-0.013791 + p4 * (0.003971 * p2 - 0.001529 * p4)))
    y = phi * (1.007226 + p2 * (0.015085 + p4 * (-0.044475 + 0.028874 * p2 - 0.005916 * p4)))
    return x, y


def great_circle(
    lon0: float, lat0: float, lon1: float, lat1: float, steps: int = 24
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (lon, lat in degrees) along the shortest way between two places, ends included.

    Where the way crosses the antimeridian a NaN lifts the pen. Antipodes have no single shortest way; the
    straight mean of the two ends stands in there.
    """
    start, end = _unit(lon0, lat0), _unit(lon1, lat1)
    angle = float(np.arccos(np.clip(start @ end, -1.0, 1.0)))
    t = np.linspace(0.0, 1.0, steps)[:, None]
    if angle < 1e-6 or np.pi - angle < 1e-6:
        way = (1.0 - t) * start + t * end
    else:
        way = (np.sin((1.0 - t) * angle) * start + np.sin(t * angle) * end) / np.sin(angle)
    lon = np.degrees(np.arctan2(way[:, 1], way[:, 0]))
    lat = np.degrees(np.arctan2(way[:, 2], np.hypot(way[:, 0], way[:, 1])))
    jumps = np.flatnonzero(np.abs(np.diff(lon)) > 180.0) + 1
    return np.insert(lon, jumps, np.nan), np.insert(lat, jumps, np.nan)


def _unit(lon: float, lat: float) -> NDArray[np.float64]:
    lam, phi = np.radians(lon), np.radians(lat)
    return np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def polyline(parts: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Several paths, each (k, 2) of lon, lat, as one projected path with NaN between them."""
    if not parts:
        return np.empty(0), np.empty(0)
    gap = np.full((1, 2), np.nan)
    joined = np.concatenate([piece for part in parts for piece in (part, gap)][:-1])
    return natural_earth(joined[:, 0], joined[:, 1])
