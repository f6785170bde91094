"""What has been measured, as one statistic per vantage and site [I/O].

Two sources: the agents' stores (sampled; read with DuckDB) and the shipped published tables (already
percentiles, over a period somebody else chose).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from planner.latency.jitter import Jitter, jitter
from planner.latency.loss import loss_ratio
from planner.latency.modes import Mode
from planner.store.published import hash_table, read_table
from planner.store.query import PairSample, StoreContent, query_pairs
from planner.store.reading import Source, hash_sources
from planner.store.rounds import Rounds, read_rounds
from planner.store.shelf import MeasurementError, StoreError
from planner.store.window import ALWAYS, Window
from probes.strict_toml import nearest_name

__all__ = [
    "MeasurementError",
    "MeasurementReport",
    "PairDetail",
    "PairStatistic",
    "Rounds",
    "Source",
    "StoreContent",
    "StoreError",
    "Vantage",
    "Window",
    "hash_published",
    "hash_sources",
    "read_jitter",
    "read_published",
    "read_rounds",
    "read_stores",
]


@dataclass(frozen=True, slots=True)
class Vantage:
    """Where a probe ran."""

    id: str
    country: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class PairDetail:
    """What a pair's own samples tell beside their quantile.

    They were taken in so many ``rounds`` and are worth ``effective`` independent ones where the quantile is
    asked about. ``loss_lower`` and ``loss_upper`` bound the loss ratio (Wilson, of what they are worth where
    losses are asked about). ``modes``: the levels of the round trip, lowest first; two where a route
    changes.
    """

    rounds: int
    effective: float
    loss_lower: float
    loss_upper: float
    modes: tuple[Mode, ...]
    drawn_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class PairStatistic:
    """The ``quantile`` of round-trip time from one vantage to one site, with its bounds, in milliseconds.

    ``samples`` counts probes including lost ones; -1 when the publisher does not say. Lost probes count as
    +inf in the quantile. ``direct`` is False when the asked quantile was not itself measured or published
    but derived from others (such a pair counts as modelled). ``kind`` is "sampled" (own agents) or
    "published". ``site_position`` is the site's latitude and longitude where the source knows it, so that a
    distance can be learnt from a site that is no candidate, and ``provider`` whose network it is in.
    ``detail`` is None where others measured.
    """

    vantage: Vantage
    site_id: str
    quantile: float
    rtt_ms: float
    lower_ms: float
    upper_ms: float
    samples: int
    loss_ratio: float
    kind: Literal["sampled", "published"]
    direct: bool
    source: str
    site_position: tuple[float, float] | None = None
    detail: PairDetail | None = None
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class MeasurementReport:
    """What was read: statistics, and what was set aside with its reason.

    ``stores`` says what each store holds, ``hashes`` maps its URL to the sha256 of exactly that content, and
    ``sources`` tells which version of each it was.
    """

    statistics: tuple[PairStatistic, ...]
    rows: int
    damaged: int
    complaints: tuple[str, ...]
    stores: tuple[StoreContent, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()


def read_stores(
    urls: Sequence[str], quantile: float, site_ids: Collection[str], *, window: Window = ALWAYS
) -> MeasurementReport:
    """The ``quantile`` of every vantage × site pair in these stores together, for the known ``site_ids``,
    over the samples of the ``window``.

    A URL is a directory, ``file://``, an object-store URL, or one ``.jsonl`` / ``.jsonl.gz`` file. A
    round that stands in two stores counts once. ``rows`` counts distinct samples read, ``damaged`` the
    lines left out; the complaints say which, and which site ids nobody knows. Raises
    :class:`MeasurementError` when a URL is no store or holds nothing, and :class:`StoreError` when a store
    cannot be read.
    """
    result = query_pairs(urls, quantile, window=window)
    complaints = [*result.complaints, *_unknown_sites(result.pairs, site_ids)]
    positions: dict[str, Vantage] = {}
    for place in result.places:
        vantage = Vantage(place.vantage, place.country, place.lat, place.lon)
        before = positions.get(vantage.id)
        if before is not None:
            complaints.append(
                f"vantage {vantage.id!r} stands at {_place(before)} and, later, at {_place(vantage)};"
                " the last is used"
            )
        positions[vantage.id] = vantage
    source = ", ".join(urls)
    statistics = tuple(
        PairStatistic(
            vantage=positions[pair.vantage],
            site_id=pair.site,
            quantile=quantile,
            rtt_ms=pair.rtt_ms,
            lower_ms=pair.lower_ms,
            upper_ms=pair.upper_ms,
            samples=pair.samples,
            loss_ratio=pair.lost / pair.samples,
            kind="sampled",
            direct=True,
            source=f"{source} ({pair.protocol})",
            detail=_detail(pair),
        )
        for pair in result.pairs
        if pair.site in site_ids
    )
    return MeasurementReport(
        statistics,
        result.rows,
        result.damaged,
        tuple(complaints),
        result.stores,
        {source.url: source.sha256 for source in result.sources},
        result.sources,
    )


def read_jitter(
    urls: Sequence[str], quantile: float, site_ids: Collection[str], *, window: Window = ALWAYS
) -> Mapping[tuple[str, str], Jitter]:
    """The jitter of every vantage × site pair in these stores together, for these ``site_ids``.

    Reads every sample into memory, and raises what :func:`read_stores` does.
    """
    rounds = read_rounds(urls, since=window.since, until=window.until, sites=site_ids)
    found = {}
    for at in rounds.pairs():
        # Rounds may overlap in time: a round's samples stand together, in the order of their start.
        order = np.argsort(rounds.round[at], kind="stable")
        place, site = rounds.places[rounds.vantage[at.start]], rounds.sites[rounds.site[at.start]]
        found[place.vantage, site] = jitter(rounds.rtt_ms[at][order], rounds.round[at][order], quantile)
    return found


def _detail(pair: PairSample) -> PairDetail:
    texture = pair.texture
    loss = loss_ratio(pair.lost, pair.samples, texture.loss_effective)
    lower, upper = float(loss.lower), float(loss.upper)
    return PairDetail(texture.rounds, texture.effective, lower, upper, texture.modes, texture.drawn_ms)


def read_published(quantile: float, provider: str) -> MeasurementReport:
    """The shipped statistics of ``provider``'s pairs at ``quantile``; none when nothing is shipped for it.

    ``direct`` where that quantile was published; otherwise derived from the published ones, as
    :meth:`planner.store.published.PublishedTable.at` describes, bounds included.
    """
    table = read_table(provider)
    if table is None:
        return MeasurementReport((), 0, 0, ())
    vantages = {
        place.vantage: Vantage(place.vantage, place.country, place.lat, place.lon) for place in table.places
    }
    statistics = tuple(
        PairStatistic(
            vantage=vantages[pair.vantage],
            site_id=pair.site,
            quantile=quantile,
            rtt_ms=pair.rtt_ms,
            lower_ms=pair.lower_ms,
            upper_ms=pair.upper_ms,
            samples=-1,
            loss_ratio=math.nan,
            kind="published",
            direct=pair.direct,
            source=pair.source,
            site_position=table.site_positions.get(pair.site),
            provider=provider,
        )
        for pair in table.at(quantile)
    )
    return MeasurementReport(statistics, table.rows, 0, ())


def hash_published(provider: str) -> Mapping[str, str]:
    """The sha256 of each shipped file that :func:`read_published` reads for ``provider``."""
    return hash_table(provider)


def _place(vantage: Vantage) -> str:
    return f"{vantage.lat:g}, {vantage.lon:g} ({vantage.country})"


def _unknown_sites(pairs: Iterable[PairSample], site_ids: Collection[str]) -> list[str]:
    """A store may hold more sites than one study asks for; a misspelt one should still be seen."""
    unknown: Counter[str] = Counter()
    for pair in pairs:
        if pair.site not in site_ids:
            unknown[pair.site] += pair.samples
    lines = []
    for site, samples in sorted(unknown.items()):
        near = nearest_name(site, site_ids)
        hint = f"; did you mean {near!r}?" if near is not None else ""
        lines.append(f"site {site!r} is not among this study's ({samples} samples unused){hint}")
    return lines
