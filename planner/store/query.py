"""From inbox objects to one quantile per vantage and site: SQL in DuckDB [I/O].

What counts:

- A sample is known by (run_id, site, host, port, protocol, sample, resolver); the same one twice counts once.
- ``dns`` rows time a resolver, not a site, and are left out. Of the other protocols a pair uses the
  first it was probed by in :data:`PROTOCOLS`, all hosts and ports of the site together.
- A failure is a lost probe, +inf in the quantile, except ``deadline`` (the round ran out of time and
  never asked), ``dns_*`` (the name was never resolved, so the path was never tried), ``clock_step`` and
  ``implausible`` (the figure is the clock's or a middlebox's, not the network's): these are left out.
- A round that asked several sites and reached nothing at all speaks of a vantage that was cut off, not of
  the sites: it is left out, and said.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from planner.jurisdictions import load_countries
from planner.latency.statistics import CONFIDENCE, quantile_ranks
from planner.store.damage import KNOWN_PROTOCOLS, RFC_3339, salvage
from planner.store.inbox import InboxObject, MeasurementError
from probes.record import CLOCKS, FAILURES, SCHEMA_VERSION

PROTOCOLS: Final = ("tcp", "icmp", "tls", "http")
"""Whose round trip a pair is judged by, best first: TCP_INFO's is the kernel's own and what a request
meets."""

NOT_LOSS: Final = (
    "deadline",
    "dns_timeout",
    "dns_nxdomain",
    "dns_servfail",
    "dns_refused",
    "clock_step",
    "implausible",
)
"""Failures that say nothing of the network between the vantage and the site."""

SEVERAL_SITES: Final = 3
"""With this many sites asked and none reached, the fault is taken to be the vantage's own."""

_TYPES: Final[Mapping[str, str]] = {
    "schema": "INTEGER",
    "run_id": "VARCHAR",
    "vantage": "VARCHAR",
    "vantage_country": "VARCHAR",
    "vantage_lat": "DOUBLE",
    "vantage_lon": "DOUBLE",
    "site": "VARCHAR",
    "host": "VARCHAR",
    "port": "INTEGER",
    "protocol": "VARCHAR",
    "sample": "INTEGER",
    "started_at": "VARCHAR",
    "rtt_ms": "DOUBLE",
    "clock": "VARCHAR",
    "failure": "VARCHAR",
    "resolver": "VARCHAR",
}


_PATTERN: Final = frozenset("*?[]{}")
"""Characters that DuckDB takes for a pattern in a path: such an object is copied first."""

_SWEEP: Final = 128
"""Objects read at once: enough for every core, few enough to read again when one of them is damaged."""


def _quoted(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)


# IS TRUE, so that a missing value counts as unsound and not as unknown.
_SOUND: Final = f"""(
    schema = {SCHEMA_VERSION} AND run_id <> '' AND vantage <> '' AND list_contains($countries, vantage_country)
    AND isfinite(vantage_lat) AND vantage_lat BETWEEN -90 AND 90
    AND isfinite(vantage_lon) AND vantage_lon BETWEEN -180 AND 180
    AND site <> '' AND host <> '' AND protocol IN ({_quoted(KNOWN_PROTOCOLS)}) AND sample >= 0
    AND regexp_full_match(started_at, '{RFC_3339}') AND TRY_CAST(started_at AS TIMESTAMP) IS NOT NULL
    AND (port IS NULL OR port BETWEEN 0 AND 65535)
    AND (resolver IS NULL OR resolver <> '')
    AND (rtt_ms IS NULL OR (isfinite(rtt_ms) AND rtt_ms BETWEEN 0 AND 1e9))
    AND clock IN ({_quoted(CLOCKS)})
    AND (failure IS NULL OR failure IN ({_quoted(FAILURES)}))
    AND (failure IS NOT NULL OR rtt_ms IS NOT NULL OR protocol = 'dns')
) IS TRUE"""

# Without hive_partitioning = false the folder's name would stand in for the row's own vantage.
_READ: Final = f"""
INSERT INTO sample BY NAME
SELECT {", ".join(_TYPES)}, filename AS object
FROM read_json(?, format = 'newline_delimited', compression = 'auto_detect',
               filename = true, hive_partitioning = false,
               columns = {{{", ".join(f"'{name}': '{kind}'" for name, kind in _TYPES.items())}}})
"""

_CUT_OFF: Final = f"""
CREATE TABLE cut_off AS
SELECT vantage, run_id FROM sample WHERE protocol IN ({_quoted(PROTOCOLS)})
GROUP BY vantage, run_id
HAVING count(*) FILTER (failure IS NULL) = 0 AND count(DISTINCT site) >= {SEVERAL_SITES}
"""

_COUNTED: Final = f"""
CREATE TABLE counted AS
WITH once AS (
    SELECT DISTINCT ON (run_id, site, host, port, protocol, sample, resolver) * FROM sample
)
SELECT vantage, site, protocol, CASE WHEN failure IS NULL THEN rtt_ms END AS rtt_ms
FROM once ANTI JOIN cut_off USING (vantage, run_id)
WHERE protocol IN ({_quoted(PROTOCOLS)}) AND (failure IS NULL OR failure NOT IN ({_quoted(NOT_LOSS)}))
"""

_PAIRS: Final = f"""
CREATE TABLE pair AS
SELECT vantage, site, protocol, count(*) AS samples, count(rtt_ms) AS answered
FROM counted GROUP BY vantage, site, protocol
QUALIFY row_number() OVER (
    PARTITION BY vantage, site ORDER BY list_position([{_quoted(PROTOCOLS)}], protocol)
) = 1
"""

_QUANTILES: Final = """
SELECT vantage, site, protocol, samples, samples - answered AS lost,
       ordered[ranks.estimate] AS estimate,
       CASE WHEN ranks.lower = 0 THEN 0.0 ELSE ordered[ranks.lower] END AS lower,
       ordered[ranks.upper] AS upper
FROM (
    SELECT vantage, site, protocol, samples, answered,
           list(rtt_ms ORDER BY rtt_ms) FILTER (rtt_ms IS NOT NULL) AS ordered
    FROM pair JOIN counted USING (vantage, site, protocol)
    GROUP BY ALL
)
JOIN ranks USING (samples)
ORDER BY vantage, site
"""

_PLACES: Final = """
SELECT vantage, vantage_country, vantage_lat, vantage_lon
FROM sample GROUP BY ALL ORDER BY vantage, max(TRY_CAST(started_at AS TIMESTAMP)), vantage_lat, vantage_lon
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
    """A quantile of one pair in ms, with its confidence bounds; ``lost`` of ``samples`` never came back."""

    vantage: str
    site: str
    protocol: str
    samples: int
    lost: int
    rtt_ms: float
    lower_ms: float
    upper_ms: float


@dataclass(frozen=True, slots=True)
class PairQuery:
    """``pairs`` by vantage and site; ``places`` of each vantage, oldest first; distinct ``rows`` read; lines
    ``damaged``, and what is wrong with them."""

    pairs: tuple[PairSample, ...]
    places: tuple[Place, ...]
    rows: int
    damaged: int
    complaints: tuple[str, ...]


def query_pairs(objects: Sequence[InboxObject], quantile: float, confidence: float = CONFIDENCE) -> PairQuery:
    """The ``quantile`` per vantage and site over all samples in these objects together.

    Raises :class:`MeasurementError` when a store holds no sound measurement at all.
    """
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, duckdb.connect() as database:
        # Spilling goes where it is cleaned up, not into the current directory.
        database.execute("SET temp_directory = ?", [scratch])
        loader = _Loader(database, Path(scratch))
        loader.load(objects)
        database.execute(_CUT_OFF)
        database.execute(_COUNTED)
        database.execute(_PAIRS)
        _create_ranks(database, quantile, confidence)
        pairs = tuple(
            PairSample(vantage, site, protocol, samples, lost, _or_inf(value), _or_inf(lower), _or_inf(upper))
            for vantage, site, protocol, samples, lost, value, lower, upper in database.execute(
                _QUANTILES
            ).fetchall()
        )
        places = tuple(Place(*row) for row in database.execute(_PLACES).fetchall())
        distinct = (
            "SELECT count(*) FROM"
            " (SELECT DISTINCT run_id, site, host, port, protocol, sample, resolver FROM sample)"
        )
        ((rows,),) = database.execute(distinct).fetchall()
        silent = database.execute(
            "SELECT vantage, count(*) FROM cut_off GROUP BY vantage ORDER BY vantage"
        ).fetchall()
    cut_off = (
        f"vantage {vantage}: {rounds} round{'s' if rounds > 1 else ''} reached no site at all and"
        f" {'are' if rounds > 1 else 'is'} left out: the vantage seems to have been cut off"
        for vantage, rounds in silent
    )
    return PairQuery(pairs, places, int(rows), loader.damaged, (*loader.complaints, *cut_off))


def _or_inf(value: float | None) -> float:
    """A rank beyond the answered samples falls on a lost one, or on nothing: +inf."""
    return math.inf if value is None else value


def _create_ranks(database: duckdb.DuckDBPyConnection, quantile: float, confidence: float) -> None:
    """Table ``ranks``: for each number of samples a pair has, the ranks of the quantile and its bounds."""
    counts = database.execute("SELECT DISTINCT samples FROM pair ORDER BY samples").fetchnumpy()["samples"]
    ranks = quantile_ranks(np.asarray(counts, dtype=np.int64), quantile, confidence)
    columns = np.stack((counts, ranks.estimate, ranks.lower, ranks.upper)).astype(np.int64)
    database.execute(
        "CREATE TABLE ranks AS SELECT unnest($1::BIGINT[]) AS samples, unnest($2::BIGINT[]) AS estimate,"
        ' unnest($3::BIGINT[]) AS lower, unnest($4::BIGINT[]) AS "upper"',
        [column.tolist() for column in columns],
    )


class _Loader:
    """Fills table ``sample``: sound objects in one sweep, damaged ones by what can be saved of them."""

    def __init__(self, database: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._database, self._scratch = database, scratch
        self._targets: dict[InboxObject, Path] = {}
        self.damaged = 0
        self.complaints: list[str] = []
        columns = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
        database.execute(f"CREATE TABLE sample ({columns}, object VARCHAR)")

    def load(self, objects: Sequence[InboxObject]) -> None:
        odd = [each for each in objects if _PATTERN & set(str(each.path))]
        plain = [each for each in objects if not _PATTERN & set(str(each.path))]
        for start in range(0, len(plain), _SWEEP):
            self._sweep(plain[start : start + _SWEEP])
        unsound = self._database.execute(
            f"SELECT DISTINCT object FROM sample WHERE NOT {_SOUND}", {"countries": sorted(load_countries())}
        ).fetchall()
        names = {name for (name,) in unsound}
        for each in objects:
            if str(each.path) in names:
                self._database.execute("DELETE FROM sample WHERE object = ?", [str(each.path)])
                odd.append(each)
        for each in odd:
            self._salvage(each)
        self._refuse_empty(objects)

    def _refuse_empty(self, objects: Sequence[InboxObject]) -> None:
        """A store of which nothing could be used is a wrong file more likely than a damaged one."""
        used = {name for (name,) in self._database.execute("SELECT DISTINCT object FROM sample").fetchall()}
        useful = {each.url for each in objects if used & {str(each.path), str(self._targets.get(each))}}
        for each in objects:
            if each.url not in useful:
                first = next((line for line in self.complaints if line.startswith(each.url)), None)
                reason = f" ({first.removeprefix(each.url).lstrip(',:/ ')})" if first is not None else ""
                raise MeasurementError(each.url, f"holds no sound measurement{reason}")

    def _sweep(self, objects: Sequence[InboxObject]) -> None:
        """Read all at once; where that fails, halve until the damaged objects stand alone."""
        if not objects:
            return
        try:
            self._database.execute(_READ, [[str(each.path) for each in objects]])
        except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException):
            if len(objects) == 1:
                self._salvage(objects[0])
                return
            middle = len(objects) // 2
            self._sweep(objects[:middle])
            self._sweep(objects[middle:])

    def _salvage(self, item: InboxObject) -> None:
        target = self._scratch / f"salvaged-{len(self._targets):06}.jsonl"
        self._targets[item] = target
        result = salvage(item, target)
        self.damaged += result.damaged
        self.complaints += result.complaints
        if result.sound:
            self._database.execute(_READ, [[str(target)]])
