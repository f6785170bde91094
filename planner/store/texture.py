"""How the samples of each pair hang together in time, and at which levels they lie: SQL in DuckDB [I/O].

What is asked of the database is small, however much it holds: of each pair at most
:data:`~planner.latency.effective.BATCHES` batches of rounds, and a histogram of round trips in steps of
half a per cent. What follows from them is reckoned in :mod:`planner.latency`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np
from numpy.typing import NDArray

from planner.latency.effective import BATCHES, effective_samples
from planner.latency.modes import Mode, find_modes
from planner.latency.resampled import resampled_values
from planner.store.counting import COUNTED

_STEPS: Final = 200
"""Bins of the histogram in a unit of the natural logarithm."""

# Where the quantile falls on a lost sample, whether one came back is what is asked of each.
_BATCHES: Final = f"""
WITH round AS (
    SELECT pair, run_id, min(started_at) AS start, count(*) AS samples, count(rtt_ms) AS answered,
           count(rtt_ms) FILTER (estimate_ms IS NULL OR rtt_ms <= estimate_ms) AS hits
    FROM ({COUNTED}) JOIN ordered USING (pair) GROUP BY pair, run_id
), numbered AS (
    SELECT *, row_number() OVER (PARTITION BY pair ORDER BY start, run_id) - 1 AS number,
           count(*) OVER (PARTITION BY pair) AS rounds
    FROM round
)
SELECT pair, number * least({BATCHES}, rounds) // rounds AS batch, any_value(rounds) AS rounds,
       sum(samples)::BIGINT AS samples, sum(hits)::BIGINT AS hits, sum(samples - answered)::BIGINT AS lost
FROM numbered GROUP BY ALL ORDER BY pair, batch
"""

_LEVELS: Final = f"""
SELECT pair, round(ln(rtt_ms) * {_STEPS})::INTEGER AS bin, count(*) AS samples
FROM ({COUNTED}) SEMI JOIN ordered USING (pair) WHERE rtt_ms > 0 GROUP BY ALL ORDER BY pair, bin
"""


@dataclass(frozen=True, slots=True)
class Texture:
    """Of one pair: how many ``rounds`` it has, what its samples are worth where the quantile is asked about
    (``effective``) and where losses are (``loss_effective``); its levels, and the order statistics that draws
    of the quantile go by (``planner/latency/resampled.py``), both to half a per cent."""

    rounds: int
    effective: float
    loss_effective: float
    modes: tuple[Mode, ...]
    drawn_ms: tuple[float, ...]


def textures(database: duckdb.DuckDBPyConnection, quantile: float, confidence: float) -> dict[int, Texture]:
    """Of each pair in the table ``ordered``, by its number, at the ``quantile``. That table has
    ``estimate_ms`` of each ``pair``, NULL where the quantile is lost; what
    :data:`~planner.store.counting.COUNTED` reads is there as well."""
    batches, levels = _columns(database, _BATCHES), _columns(database, _LEVELS)
    histogram = {pair: (levels["bin"][at], levels["samples"][at]) for pair, at in _by_pair(levels["pair"])}
    nothing = np.zeros(0, dtype=np.int64)
    found = {}
    for pair, at in _by_pair(batches["pair"]):
        rounds, size = int(batches["rounds"][at][0]), batches["samples"][at]
        bins, count = histogram.get(pair, (nothing, nothing))
        value, worth = np.exp(bins / _STEPS), effective_samples(batches["hits"][at], size, rounds, confidence)
        found[pair] = Texture(
            rounds=rounds,
            effective=worth,
            loss_effective=effective_samples(batches["lost"][at], size, rounds, confidence),
            modes=find_modes(value, rounds, count),
            drawn_ms=resampled_values(value, count, int(batches["lost"][at].sum()), quantile, worth),
        )
    return found


def _columns(database: duckdb.DuckDBPyConnection, query: str) -> dict[str, NDArray[np.int64]]:
    """The answer's columns, all of whole numbers."""
    found = database.execute(query).fetchnumpy()
    return {name: np.asarray(column, dtype=np.int64) for name, column in found.items()}


def _by_pair(pair: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """The rows of each pair, which stand together."""
    number, first = np.unique(pair, return_index=True)
    ends = np.append(first, len(pair))[1:]
    for each, start, end in zip(number.tolist(), first.tolist(), ends.tolist(), strict=True):
        yield each, slice(start, end)
