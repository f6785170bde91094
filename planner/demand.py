"""Who asks for the service, and from where [I/O]."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.client_places import far_off, swapped
from planner.csv_rows import Row, read_rows
from planner.datadir import data_dir
from planner.jurisdictions import country_cell, load_countries, nearest_country
from probes.strict_toml import InputError, read_toml


class DemandError(InputError):
    """The clients cannot be read: malformed, out of range, duplicated, or weightless."""


@dataclass(frozen=True, slots=True)
class Client:
    """A weighted origin of requests; ``weight`` is its share before normalisation (population, users...).

    ``classes``: the sorts of data it brings; ``tags``: whose it is, what it belongs to.
    """

    id: str
    name: str
    country: str
    lat: float
    lon: float
    weight: float
    classes: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Demand:
    """The clients of a study. ``weight`` (m,) is float64, non-negative, read-only; not normalised.

    ``notes``: what is odd about some.
    """

    clients: tuple[Client, ...]
    weight: NDArray[np.float64]
    source: str
    notes: tuple[str, ...] = ()


def load_cities(countries: Sequence[str] = ("*",), top: int = 2000, path: Path | None = None) -> Demand:
    """The ``top`` most populous cities of ``countries`` (codes, or "*" for all); weight = population.

    ``id`` is the city's name in plain letters and its GeoNames id ("shanghai-1796236"), the same in every
    release. The file must be sorted by population, largest first: reading stops after the last city wanted.
    """
    file = path or data_dir() / "demand" / "cities.csv"
    if top < 1:
        raise DemandError(file, f"{top} cities were asked for; at least 1 is needed")
    known = load_countries()
    for code in countries:
        if code != "*" and code not in known:
            hint = nearest_country(code)
            raise DemandError(file, f"{code!r} is not a known ISO 3166 country code", nearest=hint)
    wanted = None if "*" in countries else frozenset(countries)
    clients: list[Client] = []
    seen: set[str] = set()
    largest = np.inf
    required = ("geoname_id", "name", "country", "lat", "lon", "population")
    for row in read_rows(file, required, (), DemandError):
        population = row.number("population", low=0, whole=True)
        if population > largest:
            raise row.fault("population", "is greater than the row before; sort the file, largest first")
        largest = population
        country = country_cell(row)
        if wanted is not None and country not in wanted:
            continue
        geoname_id, name = row.text("geoname_id"), row.text("name")
        if geoname_id in seen:
            raise row.fault("geoname_id", f"{geoname_id!r} is used twice")
        seen.add(geoname_id)
        lat, lon = _coordinates(row)
        clients.append(Client(f"{_slug(name)}-{geoname_id}", name, country, lat, lon, float(population)))
        if len(clients) == top:
            break
    if not clients:
        raise DemandError(file, f"has no city in {', '.join(countries) or 'an empty list of countries'}")
    return _demand(file, clients, _city_source(file))


def load_clients_csv(path: Path) -> Demand:
    """A person's own clients: ``id,country,lat,lon,weight`` and optionally ``classes,name``.

    ``classes`` are separated by ``;``. A column named ``tag:KEY`` holds that tag; a blank cell is no tag.
    """
    clients: list[Client] = []
    lines: dict[str, int] = {}
    notes: list[str] = []
    required, optional = ("id", "country", "lat", "lon", "weight"), ("classes", "name")
    for row in read_rows(path, required, optional, DemandError, prefixes=("tag:",)):
        client_id = row.text("id")
        if client_id in lines:
            raise row.fault("id", f"{client_id!r} is used twice (first in row {lines[client_id]})")
        lines[client_id] = row.line
        country = country_cell(row)
        lat, lon = _coordinates(row)
        if (mistake := swapped(country, lat, lon)) is not None:
            raise row.fault("lat", mistake)
        if (how_far := far_off(country, lat, lon)) is not None:
            notes.append(f"{path.name}, row {row.line}: {client_id} is {how_far}")
        weight = row.number("weight", low=0.0)
        classes = frozenset(row.texts("classes", ()))
        tags = row.prefixed("tag:")
        name = row.text("name", client_id)
        clients.append(Client(client_id, name, country, lat, lon, weight, classes, tags))
    if not clients:
        raise DemandError(path, "has a header but no client")
    return replace(_demand(path, clients, path.name), notes=tuple(notes))


def _coordinates(row: Row) -> tuple[float, float]:
    return row.number("lat", low=-90.0, high=90.0), row.number("lon", low=-180.0, high=180.0)


def _demand(file: Path, clients: Sequence[Client], source: str) -> Demand:
    weight = np.array([client.weight for client in clients], dtype=np.float64)
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not total > 0:
        raise DemandError(
            file, "every weight is 0; at least one client must ask for something", column="weight"
        )
    if not np.isfinite(total):
        raise DemandError(file, "the sum of the weights is too large", column="weight")
    weight.setflags(write=False)
    return Demand(tuple(clients), weight, source)


def _slug(name: str) -> str:
    """Plain lower-case letters, digits and hyphens: "São Paulo" -> "sao-paulo"."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "city"


def _city_source(file: Path) -> str:
    """What ``source.toml`` beside the file says to cite; the file's name when there is none."""
    described = file.parent / "source.toml"
    if not described.is_file():
        return file.name
    citation: str = read_toml(described, DemandError).table("sources").table("geonames").text("citation")
    return citation
