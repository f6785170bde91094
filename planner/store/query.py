"""From stores to one quantile per vantage and site: SQL in DuckDB [I/O].

What counts says :mod:`planner.store.counting`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from planner.latency.statistics import CONFIDENCE, quantile_ranks
from planner.store.counting import COUNTED, COUNTS, CUT_OFF, PAIRS, SAMPLE_KEY
from planner.store.reading import Source, reading
from planner.store.texture import Texture, textures
from planner.store.window import ALWAYS, Window

_AT_ONCE: Final = 25_000_000
"""Samples whose order is kept at once, as lists of doubles."""

# Kept, for how far out the bounds are is known only when each batch has been held against the estimate.
_ORDERED: Final = f"""
CREATE OR REPLACE TABLE ordered AS
SELECT pair, ordered, ordered[ranks.estimate] AS estimate_ms
FROM pair JOIN (
    SELECT pair, list(rtt_ms ORDER BY rtt_ms) FILTER (rtt_ms IS NOT NULL) AS ordered
    FROM ({COUNTED}) WHERE pair BETWEEN $first AND $last GROUP BY pair
) USING (pair)
JOIN ranks USING (samples)
"""

_QUANTILES: Final = """
SELECT pair, vantage, site, protocol, samples, samples - answered AS lost, estimate_ms,
       CASE WHEN bounds.lower = 0 THEN 0.0 ELSE ordered[bounds.lower] END AS lower,
       ordered[bounds.upper] AS upper
FROM pair JOIN ordered USING (pair) JOIN bounds USING (pair)
ORDER BY pair
"""

# Before copies of a sample are told apart: a sample, and a pair, that stands in two stores comes from both.
_STORES: Final = f"""
SELECT store, count(*) FROM (
    SELECT DISTINCT store, {", ".join(SAMPLE_KEY)} FROM heard SEMI JOIN doubtful USING (run_id)
    UNION ALL
    SELECT store, {", ".join(SAMPLE_KEY)} FROM heard ANTI JOIN doubtful USING (run_id)
)
GROUP BY store
"""

_PAIRS_OF_STORES: Final = f"""
SELECT DISTINCT store, vantage, site
FROM heard JOIN pair USING (vantage, site, protocol) ANTI JOIN cut_off USING (vantage, run_id)
WHERE {COUNTS}
"""

_IMPLAUSIBLE: Final = """
SELECT vantage, site, count(*) FROM sample WHERE failure = 'implausible' GROUP BY ALL ORDER BY ALL
"""

PLACES: Final = """
SELECT vantage, vantage_country, vantage_lat, vantage_lon
FROM sample GROUP BY ALL ORDER BY vantage, max(started_at), vantage_lat, vantage_lon
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vantage says that it stands."""

    vantage: str
    country: str
    lat: float
    lon: float


@dataclass(frozen=True, slots=True)
class PairSample:
    """A quantile of one pair in ms, with its confidence bounds; ``lost`` of ``samples`` never came back.

    The bounds are those of as many independent samples as ``texture`` says that these are worth.
    """

    vantage: str
    site: str
    protocol: str
    samples: int
    lost: int
    rtt_ms: float
    lower_ms: float
    upper_ms: float
    texture: Texture


@dataclass(frozen=True, slots=True)
class StoreContent:
    """What one store holds: distinct ``rows``, and the ``pairs`` of vantage and site that these speak of."""

    url: str
    rows: int
    pairs: frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class PairQuery:
    """``pairs`` by vantage and site; ``places`` of each vantage, oldest first; ``sources`` and ``stores``
    in the order of their URLs; distinct ``rows`` read; lines ``damaged``, and what is wrong with them."""

    pairs: tuple[PairSample, ...]
    places: tuple[Place, ...]
    sources: tuple[Source, ...]
    stores: tuple[StoreContent, ...]
    rows: int
    damaged: int
    complaints: tuple[str, ...]


def query_pairs(
    urls: Sequence[str],
    quantile: float,
    confidence: float = CONFIDENCE,
    *,
    window: Window = ALWAYS,
) -> PairQuery:
    """The ``quantile`` per vantage and site over all samples of the ``window`` in these stores together.

    Raises what :func:`planner.store.reading.reading` does.
    """
    with reading(urls, window) as found:
        database = found.database
        database.execute(CUT_OFF)
        database.execute(PAIRS)
        pairs = _pairs(database, quantile, confidence)
        places = tuple(Place(*row) for row in database.execute(PLACES).fetchall())
        ((rows,),) = database.execute("SELECT count(*) FROM sample").fetchall()
        stores = _stores(database, found.sources, pairs, rows)
        silent = database.execute(
            "SELECT vantage, count(*) FROM cut_off GROUP BY vantage ORDER BY vantage"
        ).fetchall()
        implausible = database.execute(_IMPLAUSIBLE).fetchall()
    set_aside = (
        f"vantage {vantage!r}, site {site!r}: {samples} sample{'s' if samples > 1 else ''} that the agent"
        f" itself found implausible {'are' if samples > 1 else 'is'} left out"
        for vantage, site, samples in implausible
    )
    cut_off = (
        f"vantage {vantage}: {rounds} round{'s' if rounds > 1 else ''} reached no site at all and"
        f" {'are' if rounds > 1 else 'is'} left out: the vantage seems to have been cut off"
        for vantage, rounds in silent
    )
    return PairQuery(
        pairs,
        places,
        found.sources,
        stores,
        int(rows),
        found.damaged,
        (*found.complaints, *cut_off, *set_aside),
    )


def _stores(
    database: duckdb.DuckDBPyConnection, sources: Sequence[Source], pairs: Sequence[PairSample], rows: int
) -> tuple[StoreContent, ...]:
    if len(sources) == 1:  # nothing to tell apart, however much there is
        heard = frozenset((pair.vantage, pair.site) for pair in pairs)
        return (StoreContent(sources[0].url, rows, heard),)
    rows_of = dict(database.execute(_STORES).fetchall())
    pairs_of: dict[int, set[tuple[str, str]]] = {}
    for store, vantage, site in database.execute(_PAIRS_OF_STORES).fetchall():
        pairs_of.setdefault(store, set()).add((vantage, site))
    return tuple(
        StoreContent(source.url, int(rows_of.get(number, 0)), frozenset(pairs_of.get(number, ())))
        for number, source in enumerate(sources)
    )


def _pairs(database: duckdb.DuckDBPyConnection, quantile: float, confidence: float) -> tuple[PairSample, ...]:
    found = database.execute("SELECT pair, samples FROM pair ORDER BY pair").fetchnumpy()
    number, samples = (np.asarray(found[name], dtype=np.int64) for name in ("pair", "samples"))
    counts = np.unique(samples)
    if counts.size:
        _tabulate(database, "ranks", samples=counts, estimate=quantile_ranks(counts, quantile).estimate)
    pairs: list[PairSample] = []
    share = np.cumsum(samples) // _AT_ONCE
    for each in np.unique(share):
        some = share == each
        database.execute(_ORDERED, {"first": int(number[some][0]), "last": int(number[some][-1])})
        pairs += _bounded(database, number[some], samples[some], quantile, confidence)
    return tuple(pairs)


def _bounded(
    database: duckdb.DuckDBPyConnection,
    number: NDArray[np.int64],
    samples: NDArray[np.int64],
    quantile: float,
    confidence: float,
) -> list[PairSample]:
    """The pairs whose order is kept, with the bounds of what their ``samples`` are worth."""
    texture = textures(database, quantile, confidence)
    worth = np.array([texture[pair].effective for pair in number.tolist()])
    ranks = quantile_ranks(samples, quantile, confidence, effective=worth)
    _tabulate(database, "bounds", pair=number, lower=ranks.lower, upper=ranks.upper)
    return [
        PairSample(
            *(vantage, site, protocol),
            samples=sent,
            lost=lost,
            rtt_ms=_or_inf(value),
            lower_ms=_or_inf(lower),
            upper_ms=_or_inf(upper),
            texture=texture[pair],
        )
        for pair, vantage, site, protocol, sent, lost, value, lower, upper in database.execute(
            _QUANTILES
        ).fetchall()
    ]


def _or_inf(value: float | None) -> float:
    """A rank beyond the answered samples falls on a lost one, or on nothing: +inf."""
    return math.inf if value is None else value


def _tabulate(database: duckdb.DuckDBPyConnection, name: str, **columns: NDArray[np.int64]) -> None:
    """A table of whole numbers."""
    each = ", ".join(f'unnest(${at}::BIGINT[]) AS "{column}"' for at, column in enumerate(columns, start=1))
    database.execute(
        f"CREATE OR REPLACE TABLE {name} AS SELECT {each}", [column.tolist() for column in columns.values()]
    )
