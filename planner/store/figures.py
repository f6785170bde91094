"""Quantiles, loss and jitter of every pair, exactly, in bounded memory, however long the table is [I/O].

What counts is what counts everywhere (``planner.store.counting``); lost probes are +inf in a quantile. A
longer window than memory and patience allow is read from the rollups (``planner.store.rollup``), within 1 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.store.counting import COUNTS, CUT_OFF, PROTOCOLS, quoted
from planner.store.reading import reading
from planner.store.window import Window

MEMORY: Final = "700MB"
"""What DuckDB may hold; beyond that it works from its temporary folder."""

_PASS: Final = 20_000_000
"""Samples whose quantiles are sought together: a list of them has to fit into memory."""

_QUANTILES: Final = f"""
SELECT vantage, site, protocol, count(*), count(*) FILTER (failure IS NULL),
       quantile_disc(CASE WHEN failure IS NULL THEN rtt_ms ELSE 'infinity'::DOUBLE END, {{quantiles}})
FROM sample {{without}} WHERE {COUNTS}{{part}}
GROUP BY vantage, site, protocol
"""

_JITTER: Final = f"""
SELECT vantage, site, protocol, quantile_disc(step_ms, {{quantiles}})
FROM sample {{without}}
WHERE {COUNTS} AND step_ms IS NOT NULL{{part}}
GROUP BY vantage, site, protocol
"""

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of k pairs: ``rtt_ms`` and ``jitter_ms`` (k, quantiles), ``samples`` and of them ``lost`` (k,).

    ``jitter_ms`` is a quantile of |rtt(i) - rtt(i - 1)| over neighbours in a round that both came back (RFC
    3393), nan where there are none, or none were asked for.
    """

    vantages: tuple[str, ...]
    sites: tuple[str, ...]
    samples: NDArray[np.int64]
    lost: NDArray[np.int64]
    rtt_ms: NDArray[np.float64]
    jitter_ms: NDArray[np.float64]


def read_figures(
    urls: Sequence[str],
    quantiles: Sequence[float],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    jitter: bool = True,
) -> Figures:
    """The figures of every pair of these stores together. Raises what
    :func:`planner.store.rounds.read_rounds` does."""
    asked = "[" + ", ".join(repr(float(each)) for each in quantiles) + "]"
    with reading(urls, Window(since, until)) as found:
        database = found.database
        database.execute(f"SET memory_limit = {quoted([MEMORY])}")
        database.execute("SET preserve_insertion_order = false")
        database.execute(CUT_OFF)
        ((cut_off,),) = database.execute("SELECT count(*) FROM cut_off").fetchall()
        ((rows,),) = database.execute("SELECT count(*) FROM sample").fetchall()
        without = "ANTI JOIN cut_off USING (vantage, run_id)" if cut_off else ""

        def each(query: str, longest: int) -> Iterator[tuple[Any, ...]]:
            # Pairs by their hash, so many at a time that their samples fit into memory.
            passes = max(1, -(-rows // longest))
            for number in range(passes):
                part = f" AND hash(vantage, site) % {passes} = {number}" if passes > 1 else ""
                text = query.format(quantiles=asked, without=without, part=part)
                yield from database.execute(text).fetchall()

        times = {row[:3]: row[3:] for row in each(_QUANTILES, _PASS)}
        steps = {row[:3]: row[3] for row in each(_JITTER, _PASS)} if jitter else {}
    nothing = [np.nan] * len(quantiles)
    keys = _judged(times)
    shape = (len(keys), len(quantiles))
    samples = np.array([times[key][0] for key in keys], dtype=np.int64)
    return Figures(
        tuple(key[0] for key in keys),
        tuple(key[1] for key in keys),
        samples,
        samples - np.array([times[key][1] for key in keys], dtype=np.int64),
        np.array([times[key][2] for key in keys], dtype=np.float64).reshape(shape),
        np.array([steps.get(key, nothing) for key in keys], dtype=np.float64).reshape(
            len(keys), len(quantiles)
        ),
    )


def _judged(found: Iterable[_Key]) -> list[_Key]:
    """Of each pair the protocol that counts, by vantage and site."""
    best: dict[tuple[str, str], _Key] = {}
    for key in sorted(found, key=lambda key: PROTOCOLS.index(key[2])):
        best.setdefault(key[:2], key)
    return [best[pair] for pair in sorted(best)]
