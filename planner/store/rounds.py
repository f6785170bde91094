"""The samples behind the quantiles: what each round found of each pair, in the order it was found [I/O].

For whoever asks how a pair moves in time (drift), how its samples hang together (effective sample size), or
draws rounds anew (bootstrap). What counts is what counts everywhere (:mod:`planner.store.counting`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from planner.store.counting import COUNTED, CUT_OFF, PAIRS
from planner.store.query import PLACES, Place
from planner.store.reading import reading
from planner.store.window import Window

_SAMPLES: Final = f"""
WITH counted AS ({COUNTED})
SELECT pair.pair, run, started_at, rtt_ms FROM counted JOIN pair USING (pair) JOIN run USING (run_id)
WHERE $sites::VARCHAR[] IS NULL OR list_contains($sites, site)
ORDER BY pair.pair, started_at, run_id, sample, host, port
"""


# A name for each of a million samples would take more memory than all the rest.
_RUNS: Final = """
CREATE TABLE run AS
SELECT run_id, row_number() OVER () AS run FROM (SELECT DISTINCT run_id FROM sample)
"""


@dataclass(frozen=True, slots=True)
class Rounds:
    """n counted samples, sorted by vantage, site and start; arrays are read-only.

    ``vantage`` (n,) int32 indexes ``places``, each vantage once and where it stood last; ``site`` (n,)
    int32 indexes ``sites``; ``started_at`` (n,) datetime64[us] is UTC; ``rtt_ms`` (n,) float64 is +inf for a
    lost probe. ``round`` (n,) int64 numbers the rounds, each of one vantage, from 0 in order of their first
    sample: samples of one round share it across sites.
    """

    places: tuple[Place, ...]
    sites: tuple[str, ...]
    vantage: NDArray[np.int32]
    site: NDArray[np.int32]
    started_at: NDArray[np.datetime64]
    round: NDArray[np.int64]
    rtt_ms: NDArray[np.float64]

    def pairs(self) -> tuple[slice, ...]:
        """The samples of each pair of vantage and site: slices of the arrays, in order."""
        n = len(self.rtt_ms)
        edge = np.flatnonzero((np.diff(self.vantage) != 0) | (np.diff(self.site) != 0)) + 1
        bounds = [0, *edge.tolist(), n] if n else [0]
        return tuple(slice(a, b) for a, b in pairwise(bounds))


def read_rounds(
    urls: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    sites: Collection[str] | None = None,
    gap: tuple[datetime, datetime] | None = None,
) -> Rounds:
    """Every counted sample of these stores together that started in [``since``, ``until``) and not in the
    ``gap``, of the ``sites`` if given.

    ``urls`` are those of :func:`planner.measurements.read_stores`; a sample that stands in two counts once.
    Which protocol a pair is judged by is decided within the window. Raises ``ValueError`` for a bound without
    a time zone, :class:`MeasurementError` when a URL is no store or holds nothing, and :class:`StoreError`
    when a store cannot be read.
    """
    with reading(urls, Window(since, until, gap)) as found:
        database = found.database
        database.execute(CUT_OFF)
        database.execute(PAIRS)
        pairs = database.execute("SELECT vantage, site FROM pair ORDER BY pair").fetchall()
        places = {row[0]: Place(*row) for row in database.execute(PLACES).fetchall()}
        wanted = None if sites is None else sorted(sites)
        database.execute(_RUNS)
        samples = database.execute(_SAMPLES, {"sites": wanted}).fetchnumpy()
    return _rounds(samples, pairs, places)


def _rounds(found: dict[str, Any], pairs: Sequence[tuple[str, str]], places: dict[str, Place]) -> Rounds:
    pair = np.asarray(found["pair"], dtype=np.int64)
    heard = [pairs[number] for number in np.unique(pair).tolist()]
    vantages = sorted({vantage for vantage, _ in heard})
    sites = sorted({site for _, site in heard})
    # Only pairs with samples of the wanted sites have a place in the answer; the others point nowhere.
    vantage_of = np.array([_index(vantages, vantage) for vantage, _ in pairs], dtype=np.int32)
    site_of = np.array([_index(sites, site) for _, site in pairs], dtype=np.int32)
    started = found["started_at"].astype("datetime64[us]")
    rtt = np.ma.filled(np.ma.asarray(found["rtt_ms"], dtype=np.float64), np.inf)
    vantage = vantage_of[pair] if len(pairs) else np.zeros(0, np.int32)
    site = site_of[pair] if len(pairs) else np.zeros(0, np.int32)
    arrays = (vantage, site, started, _numbered(vantage, found["run"], started), rtt)
    for array in arrays:
        array.flags.writeable = False
    return Rounds(tuple(places[vantage] for vantage in vantages), tuple(sites), *arrays)


def _index(names: list[str], name: str) -> int:
    return names.index(name) if name in names else -1


def _numbered(
    vantage: NDArray[np.int32], run: NDArray[np.int64], started: NDArray[np.datetime64]
) -> NDArray[np.int64]:
    """A number for each vantage's run, by when its first sample started."""
    if len(run) == 0:
        return np.zeros(0, np.int64)
    _, round_ = np.unique(vantage.astype(np.int64) * (int(run.max()) + 1) + run, return_inverse=True)
    first = np.full(int(round_.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, round_, started.astype(np.int64))
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first, kind="stable")] = np.arange(len(first))
    return order[round_]
