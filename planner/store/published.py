"""The shipped latency tables: percentiles that somebody else measured and published [I/O].

``data/latency/PROVIDER-regions.csv`` holds a row per vantage, site, percentile and source;
``vantages.csv`` says where the vantages stand; ``source.toml`` lists the sources, best first.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from planner.csv_rows import read_rows
from planner.datadir import data_dir
from planner.latency.statistics import lognormal_quantile
from planner.store.query import Place
from planner.store.shelf import MeasurementError
from probes.strict_toml import read_toml

_PERCENTILE: Final = re.compile(r"p([1-9]\d?)")
_COLUMNS: Final = ("vantage", "site", "statistic", "rtt_ms", "source", "as_of")

Levels = Mapping[float, Mapping[str, float]]
"""Of one pair: quantile -> source -> ms."""


@dataclass(frozen=True, slots=True)
class PublishedPair:
    """One quantile of one pair, in ms. ``direct``: published as such, not derived from other quantiles."""

    vantage: str
    site: str
    rtt_ms: float
    lower_ms: float
    upper_ms: float
    direct: bool
    source: str


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One provider's table.

    ``levels``: (vantage, site) -> quantile -> source -> ms. ``sources``: best first. ``spread``: what
    two sources of one figure usually differ by, as the 5 % and 95 % ratios to the better one. ``tail``:
    the median ratio of p90 to p50. ``site_positions``: latitude and longitude of the sites that
    vantages stand in for.
    """

    places: tuple[Place, ...]
    site_positions: Mapping[str, tuple[float, float]]
    levels: Mapping[tuple[str, str], Levels]
    sources: tuple[str, ...]
    spread: tuple[float, float]
    tail: float
    rows: int

    def at(self, quantile: float) -> tuple[PublishedPair, ...]:
        """Every pair at ``quantile``, by vantage and site; a pair without it and without a p50 is left out.

        A published quantile stands as it is, from its best source. Its bounds are what its sources say
        between them or, where only one speaks, what two usually differ by. Any other quantile is that
        of the lognormal through the pair's p50 and p90 (or p50 and the table's median tail). Its bounds
        are the published quantiles on either side; outside them, the deviation from the median doubled
        in the logarithm: a judgement, not a confidence bound.
        """
        pairs = []
        for (vantage, site), levels in sorted(self.levels.items()):
            known = next((level for level in levels if math.isclose(level, quantile, abs_tol=1e-9)), None)
            if known is not None:
                pairs.append(PublishedPair(vantage, site, *self._direct(levels[known])))
            elif 0.5 in levels:
                pairs.append(PublishedPair(vantage, site, *self._derived(levels, quantile)))
        return tuple(pairs)

    def _direct(self, values: Mapping[str, float]) -> tuple[float, float, float, bool, str]:
        value, source = _best(values, self.sources)
        low, high = self.spread
        bounds = tuple(values.values()) if len(values) > 1 else (value * low, value * high)
        return value, min(bounds), max(bounds), True, source

    def _derived(self, levels: Levels, quantile: float) -> tuple[float, float, float, bool, str]:
        p50, source = _best(levels[0.5], self.sources)
        p90, tail_source = _best(levels[0.9], self.sources) if 0.9 in levels else (p50 * self.tail, source)
        p90 = max(p90, p50)
        value = float(lognormal_quantile(quantile, (0.5, p50), (0.9, p90)))
        doubled = value * value / p50
        if quantile < 0.5:
            lower, upper = doubled, p50
        elif quantile < 0.9:
            lower, upper = p50, p90
        else:
            lower, upper = p90, doubled
        names = source if source == tail_source else f"{source}, {tail_source}"
        return value, lower, upper, False, f"derived from {names}"


def read_table(provider: str) -> PublishedTable | None:
    """The table shipped for ``provider``, None where there is none. Raises :class:`MeasurementError`."""
    table, places_file, sources_file = _files(provider)
    if not table.is_file():
        return None
    places, site_positions = _places(places_file)
    entries = read_toml(sources_file, MeasurementError).tables("source")
    sources = tuple(entry.text("id") for entry in entries)
    levels: dict[tuple[str, str], dict[float, dict[str, float]]] = {}
    rows = 0
    for row in read_rows(table, _COLUMNS, ("note",), MeasurementError):
        percentile = _PERCENTILE.fullmatch(row.text("statistic"))
        if percentile is None:
            raise row.fault("statistic", f"{row.text('statistic')!r} is not a percentile like p50")
        pair = (row.choice("vantage", places, what="vantage"), row.text("site"))
        values = levels.setdefault(pair, {}).setdefault(int(percentile[1]) / 100.0, {})
        source = row.choice("source", sources)
        if source in values:
            raise row.fault("source", f"{source} already gave {percentile[0]} of this pair")
        values[source] = row.number("rtt_ms", low=0.001)
        rows += 1
    spread, tail = _habits(levels, sources)
    return PublishedTable(
        tuple(places.values()), site_positions, levels, sources, spread=spread, tail=tail, rows=rows
    )


def hash_table(provider: str) -> Mapping[str, str]:
    """The sha256 of each file that :func:`read_table` reads for ``provider``, by its name within the data."""
    files = _files(provider)
    if not files[0].is_file():
        return {}
    return {f"latency/{file.name}": hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _files(provider: str) -> tuple[Path, Path, Path]:
    folder = data_dir() / "latency"
    return folder / f"{provider}-regions.csv", folder / "vantages.csv", folder / "source.toml"


def _best(values: Mapping[str, float], sources: Sequence[str]) -> tuple[float, str]:
    source = next(source for source in sources if source in values)
    return values[source], source


def _places(path: Path) -> tuple[dict[str, Place], dict[str, tuple[float, float]]]:
    places: dict[str, Place] = {}
    site_positions: dict[str, tuple[float, float]] = {}
    for row in read_rows(path, ("id", "country", "lat", "lon", "metro", "site"), (), MeasurementError):
        lat, lon = row.number("lat", low=-90, high=90), row.number("lon", low=-180, high=180)
        place = Place(row.text("id"), row.text("country"), lat, lon)
        if place.vantage in places:
            raise row.fault("id", f"{place.vantage!r} stands twice")
        places[place.vantage] = place
        site_positions[row.text("site")] = (lat, lon)
    return places, site_positions


def _habits(
    levels: Mapping[tuple[str, str], Levels], sources: Sequence[str]
) -> tuple[tuple[float, float], float]:
    """How far two sources of one figure usually part, and how much higher a p90 usually is than its p50."""
    spread, tail = [], []
    for pair in levels.values():
        for values in pair.values():
            best, name = _best(values, sources)
            spread += [value / best for source, value in values.items() if source != name]
        if 0.5 in pair and 0.9 in pair:
            tail.append(_best(pair[0.9], sources)[0] / _best(pair[0.5], sources)[0])
    low, high = np.quantile(spread, (0.05, 0.95)) if spread else (1.0, 1.0)
    return (min(float(low), 1.0), max(float(high), 1.0)), max(float(np.median(tail)), 1.0) if tail else 1.0
