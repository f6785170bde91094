"""A worldwide service as an instance: cities by population, the real site list, residency masks.

Opening costs are USD per month of a site; a pair costs its client's share of demand times the modelled
round-trip time (the prior of planner.latency) times what a millisecond of mean latency is worth per month.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.solver.instances import Instance
from planner.catalog import load_catalog
from planner.demand import load_cities
from planner.geo import pairwise_km
from planner.jurisdictions import load_jurisdictions
from planner.latency.estimate import PRIOR

SITES = 300
APART_KM = 60.0
"""A city becomes a candidate beside the real sites only this far from all of them."""

SITE_USD = 6_000.0
MS_USD = 15_000.0
"""A month of one site, and of a millisecond of mean latency: together they open some 20 to 40 sites."""

JITTER_DEGREES = 0.08

RESIDENT = ("EEA", "IN", "CN", "BR", "ID", "SA")
"""Clients of these (a jurisdiction's name or a country) may only be served from within."""


def cities(clients: int, *, seed: int = 1) -> Instance:
    """300 sites × ``clients``. Another seed gives other prices, weights and places of the repeated cities."""
    random = np.random.default_rng([seed, clients])
    where, country, weight = _clients(clients, random)
    place, site_country, price = _sites(random)
    km = pairwise_km(where[:, 0], where[:, 1], place[:, 0], place[:, 1])
    cost = PRIOR.estimate_ms(km) * (MS_USD * weight / weight.sum())[:, None]
    cost[_forbidden(country, site_country)] = np.inf
    name = f"cities {clients}" + ("" if seed == 1 else f" (seed {seed})")
    return Instance(name, "uflp", price, cost)


def _clients(count: int, random: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """(m, 2) places, (m,) countries, (m,) weights: the largest cities; beyond those in the file, the largest
    again as suburbs a few km off, which share the city's population."""
    known = load_cities(top=count).clients
    again = np.arange(count) % len(known)
    times = np.bincount(again, minlength=len(known))
    where = np.array([(known[k].lat, known[k].lon) for k in again])
    repeated = np.arange(count) >= len(known)
    where[repeated] += random.normal(0, JITTER_DEGREES, (int(repeated.sum()), 2))
    where[:, 0] = np.clip(where[:, 0], -89.9, 89.9)
    weight = np.array([known[k].weight for k in again]) / times[again] * random.lognormal(0, 0.1, count)
    return where, np.array([known[k].country for k in again]), weight


def _sites(random: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """(n, 2) places, (n,) countries, (n,) USD per month: every site of the catalog, then large cities."""
    places = [(site.lat, site.lon) for site in load_catalog().sites]
    countries = [site.country for site in load_catalog().sites]
    for city in load_cities(top=3_000).clients:
        if len(places) == SITES:
            break
        near = pairwise_km([city.lat], [city.lon], *zip(*places, strict=True))
        if near.min() > APART_KM:
            places.append((city.lat, city.lon))
            countries.append(city.country)
    return np.array(places), np.array(countries), SITE_USD * random.uniform(0.7, 1.5, len(places))


def _forbidden(clients: NDArray, sites: NDArray) -> NDArray[np.bool_]:
    """(m, n): the pairs that residency rules out."""
    named = load_jurisdictions()
    forbidden = np.zeros((len(clients), len(sites)), dtype=bool)
    for name in RESIDENT:
        members = list(named.get(name, frozenset({name})))
        within = np.isin(sites, members)
        if within.any():
            forbidden |= np.isin(clients, members)[:, None] & ~within[None, :]
    return forbidden
