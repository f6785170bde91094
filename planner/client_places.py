"""Whether a client stands where its country is: latitude and longitude are easily swapped [I/O].

Countries are judged by their cities among the embedded ones. A country may have islands far off, so what is
only far is said; what would be near with its coordinates the other way round is a mistake.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.datadir import data_dir
from planner.geo import great_circle_km

FAR_KM: Final = 2000.0
SWAPPED_KM: Final = 1000.0
"""Further off than this is a mistake, where swapping the coordinates brings it within :data:`NEAR_KM`."""
NEAR_KM: Final = 500.0


def swapped(country: str, lat: float, lon: float) -> str | None:
    """What to say of coordinates that stand in each other's place; None where they seem not to."""
    km = from_its_cities_km(country, lat, lon)
    if km is None or km <= SWAPPED_KM or abs(lon) > 90.0:
        return None
    other = from_its_cities_km(country, lon, lat)
    if other is None or other > NEAR_KM:
        return None
    words = f"lat {lat:g}, lon {lon:g} is {km:,.0f} km from any city of {country}"
    return f"{words}; the other way round it is {other:,.0f} km: lat and lon are swapped"


def far_off(country: str, lat: float, lon: float) -> str | None:
    """What to say of a place far from all of its country; None of one that is not."""
    km = from_its_cities_km(country, lat, lon)
    return None if km is None or km <= FAR_KM else f"{km:,.0f} km from any city of {country}"


def from_its_cities_km(country: str, lat: float, lon: float) -> float | None:
    """Distance to the nearest embedded city of a country; None where it has none."""
    places = _cities().get(country)
    if places is None:
        return None
    return float(great_circle_km(lat, lon, places[:, 0], places[:, 1]).min())


@cache
def _cities() -> Mapping[str, NDArray[np.float64]]:
    """(k, 2) latitude and longitude of the cities of each country."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (data_dir() / "demand" / "cities.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["country"]].append((float(row["lat"]), float(row["lon"])))
    return {country: np.array(places) for country, places in found.items()}
