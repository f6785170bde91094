"""How long light takes: the bound no network beats. Pure.

The planner has its own in ``planner.geo``, on arrays: the agent installs without NumPy.
"""

from __future__ import annotations

import math
from typing import Final

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius (IUGG R1)."""

FIBRE_KM_PER_MS: Final = 299.792458 * 2.0 / 3.0
"""Light in glass of refractive index 1.5."""

Place = tuple[float, float]
"""Latitude and longitude in degrees."""


def great_circle_km(one: Place, other: Place) -> float:
    """Great-circle distance, by the haversine formula.

    >>> round(great_circle_km((50.1, 8.7), (35.69, 139.69)))
    9332
    """
    lat, lon, other_lat, other_lon = map(math.radians, (*one, *other))
    half = math.sin((other_lat - lat) / 2) ** 2
    half += math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    # Rounding can carry an antipodal pair above 1, where arcsin has no value.
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(half, 1.0)))


def fibre_ms(km: float) -> float:
    """Round-trip time of light in a straight fibre of that length."""
    return 2 * km / FIBRE_KM_PER_MS
