"""An instance with capacities, residency and N-1 redundancy, from the project's own sites and cities.

Candidates are AWS's open sites and, up to the number asked for, racks in the largest cities; a Region fails
with its Local and Wavelength Zones, a rack alone. Clients are clusters of the 20,000 largest cities: each
joins the nearest of its country's largest. Countries in ``AT_HOME`` are served at home only, the EEA from
the EEA and from countries it found adequate; nobody is served above ``WITHIN_MS``, nor backed up above
``BACKUP_WITHIN_MS``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.catalog import load_catalog
from planner.demand import load_cities
from planner.geo import pairwise_km
from planner.jurisdictions import load_jurisdictions
from planner.latency.estimate import PRIOR

AT_HOME = ("BR", "CN", "ID", "IN", "RU")
LATENCY_USD = 3.0
"""What a millisecond for one request a second is worth, a month."""

WITHIN_MS, BACKUP_WITHIN_MS = 120.0, 160.0
CITIES = 20_000


@dataclass(frozen=True, slots=True)
class Instance:
    """``opening`` (n,) and ``cost`` (m, n) in USD a month, ``demand`` (m,) and ``capacity`` (n,) in requests
    a second, ``backup`` (m, n) allowed, ``domain`` (n,) labels of what fails together, ``jurisdiction`` (m,)
    of who must be served where."""

    opening: NDArray[np.float64]
    cost: NDArray[np.float64]
    demand: NDArray[np.float64]
    capacity: NDArray[np.float64]
    backup: NDArray[np.bool_]
    domain: NDArray[np.intp]
    jurisdiction: NDArray[np.intp]


def worldwide(n: int, m: int, *, seed: int = 4, fixed: float = 1.0, tight: float = 1.0) -> Instance:
    """``n`` sites and ``m`` clusters. ``fixed`` multiplies what opening costs,
    ``tight`` divides the capacities."""
    rng = np.random.default_rng(seed)
    cities = load_cities(top=CITIES)
    lat, lon = (np.array([getattr(city, axis) for city in cities.clients]) for axis in ("lat", "lon"))
    country = np.array([city.country for city in cities.clients])
    offered = [
        site for site in load_catalog().sites if site.partition in ("aws", "aws-cn") and site.status == "ga"
    ]
    regions = {site.id: k for k, site in enumerate(offered) if site.parent is None}
    domain = [regions.get(site.parent or site.id, k) for k, site in enumerate(offered)]
    place = [(site.lat, site.lon, site.country) for site in offered]
    size = [2.0 if site.parent is None else 0.7 for site in offered]
    for k in range(CITIES):
        if len(place) == n:
            break
        at = np.array([(a, b) for a, b, _ in place[len(offered) :]]).reshape(-1, 2)
        if not len(at) or pairwise_km([lat[k]], [lon[k]], at[:, 0], at[:, 1]).min() > 60.0:
            domain.append(len(place))
            place.append((lat[k], lon[k], country[k]))
            size.append(1.0)
    place, size, domain = place[:n], size[:n], domain[:n]
    site_lat, site_lon = np.array([p[0] for p in place]), np.array([p[1] for p in place])
    site_country = np.array([p[2] for p in place])

    label = _nearest_of_country(lat, lon, country, m)
    weight = np.bincount(label, cities.weight, m)
    demand = np.round(1e6 * weight / weight.sum(), 3)
    ms = np.zeros((m, n))
    for start in range(0, CITIES, 4_000):
        part = slice(start, start + 4_000)
        rtt = PRIOR.estimate_ms(pairwise_km(lat[part], lon[part], site_lat, site_lon))
        np.add.at(ms, label[part], rtt * cities.weight[part, None])
    ms /= weight[:, None]
    home = country[:m]
    resident = np.ones((m, n), dtype=bool)
    eea, adequate = (load_jurisdictions()[name] for name in ("EEA", "EU-adequacy"))
    for code in AT_HOME:
        resident[home == code] = site_country == code
    resident[np.isin(home, list(eea))] = np.isin(site_country, list(eea | adequate))
    _, law = np.unique(resident, axis=0, return_inverse=True)
    # Where nothing stands within the limit, the nearest few resident sites do.
    floor = np.sort(np.where(resident, ms, np.inf), axis=1)[:, min(7, n - 1)][:, None]
    cost = np.where(
        resident & ((ms <= WITHIN_MS) | (ms <= floor)), LATENCY_USD * ms * demand[:, None], np.inf
    )
    backup = resident & ((ms <= BACKUP_WITHIN_MS) | (ms <= floor))
    sizes = np.array(size)
    capacity = np.round(sizes * rng.choice([30e3, 40e3, 60e3], n) / tight)
    price = rng.uniform(0.8, 1.25, n)
    opening = np.round(fixed * price * (100e3 + 5.0 * capacity), 2)
    return Instance(opening, cost, demand, capacity, backup, np.array(domain, dtype=np.intp), law)


def _nearest_of_country(
    lat: NDArray[np.float64], lon: NDArray[np.float64], country: NDArray[np.str_], m: int
) -> NDArray[np.intp]:
    """Cluster per city: the nearest of the first ``m`` cities in its country, elsewhere if it has none."""
    label = np.arange(len(lat))
    for code in np.unique(country):
        members = np.flatnonzero(country == code)
        centres = members[members < m]
        if not len(centres):
            centres = np.arange(m)
        rest = members[members >= m]
        if len(rest):
            km = pairwise_km(lat[rest], lon[rest], lat[centres], lon[centres])
            label[rest] = centres[km.argmin(axis=1)]
    return label.astype(np.intp)
