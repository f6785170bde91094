"""Bringing inbox objects into DuckDB: sound ones as they are, of damaged ones what can be saved [I/O]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import duckdb

from planner.jurisdictions import load_countries
from planner.store.counting import SAMPLE_KEY, quoted
from planner.store.damage import KNOWN_PROTOCOLS, RFC_3339, salvage
from planner.store.inbox import InboxObject, MeasurementError
from planner.store.window import ALWAYS, Window
from probes.record import CLOCKS, FAILURES, SCHEMA_VERSION

_TYPES: Final[Mapping[str, str]] = {
    "schema": "INTEGER",
    "run_id": "VARCHAR",
    "vantage": "VARCHAR",
    "vantage_country": "VARCHAR",
    "vantage_lat": "DOUBLE",
    "vantage_lon": "DOUBLE",
    "site": "VARCHAR",
    "host": "VARCHAR",
    "peer": "VARCHAR",
    "port": "INTEGER",
    "protocol": "VARCHAR",
    "sample": "INTEGER",
    "started_at": "VARCHAR",
    "rtt_ms": "DOUBLE",
    "clock": "VARCHAR",
    "failure": "VARCHAR",
    "resolver": "VARCHAR",
    "family": "INTEGER",
}


_PATTERN: Final = frozenset("*?[]{}")
"""Characters that DuckDB takes for a pattern in a path: such an object is copied first."""

_SWEEP: Final = 128
"""Objects read at once: enough for every core, few enough to read again when one of them is damaged."""


# IS TRUE, so that a missing value counts as unsound and not as unknown.
_SOUND: Final = f"""(
    schema = {SCHEMA_VERSION} AND run_id <> '' AND vantage <> ''
    AND list_contains($countries, vantage_country)
    AND isfinite(vantage_lat) AND vantage_lat BETWEEN -90 AND 90
    AND isfinite(vantage_lon) AND vantage_lon BETWEEN -180 AND 180
    AND site <> '' AND host <> '' AND protocol IN ({quoted(KNOWN_PROTOCOLS)}) AND sample >= 0
    AND regexp_full_match(started_at, '{RFC_3339}') AND TRY_CAST(started_at AS TIMESTAMP) IS NOT NULL
    AND (port IS NULL OR port BETWEEN 0 AND 65535)
    AND (peer IS NULL OR peer <> '')
    AND (resolver IS NULL OR resolver <> '')
    AND (family IS NULL OR family IN (4, 6))
    AND (rtt_ms IS NULL OR (isfinite(rtt_ms) AND rtt_ms BETWEEN 0 AND 1e9))
    AND clock IN ({quoted(CLOCKS)})
    AND (failure IS NULL OR failure IN ({quoted(FAILURES)}))
    AND (failure IS NOT NULL OR rtt_ms IS NOT NULL OR protocol = 'dns')
) IS TRUE"""

# Without hive_partitioning = false the folder's name would stand in for the row's own vantage.
_READ: Final = f"""
INSERT INTO heard BY NAME
SELECT {", ".join(_TYPES)}, filename AS object
FROM read_json(?, format = 'newline_delimited', compression = 'auto_detect',
               filename = true, hive_partitioning = false,
               columns = {{{", ".join(f"'{name}': '{kind}'" for name, kind in _TYPES.items())}}})
"""


class Loader:
    """Fills table ``heard``, every row of every object: sound ones in one sweep, of damaged ones what can be
    saved. Table ``sample`` has each sample of the window once."""

    def __init__(self, database: duckdb.DuckDBPyConnection, scratch: Path) -> None:
        self._database, self._scratch = database, scratch
        self._targets: dict[InboxObject, Path] = {}
        self.damaged = 0
        self.complaints: list[str] = []
        columns = ", ".join(f"{name} {kind}" for name, kind in _TYPES.items())
        database.execute(f"CREATE TABLE heard ({columns}, object VARCHAR)")

    def load(self, objects: Sequence[InboxObject], window: Window = ALWAYS) -> None:
        odd = [each for each in objects if _PATTERN & set(str(each.path))]
        plain = [each for each in objects if not _PATTERN & set(str(each.path))]
        for start in range(0, len(plain), _SWEEP):
            self._sweep(plain[start : start + _SWEEP])
        unsound = self._database.execute(
            f"SELECT DISTINCT object FROM heard WHERE NOT {_SOUND}", {"countries": sorted(load_countries())}
        ).fetchall()
        names = {name for (name,) in unsound}
        for each in objects:
            if str(each.path) in names:
                self._database.execute("DELETE FROM heard WHERE object = ?", [str(each.path)])
                odd.append(each)
        for each in odd:
            self._salvage(each)
        self._refuse_empty(objects)
        self._remember_origins(objects)
        self._tell_apart(window)

    def _tell_apart(self, window: Window) -> None:
        started = "TRY_CAST(started_at AS TIMESTAMP)"
        since, until = window.utc()
        self._database.execute(
            f"CREATE TABLE sample AS SELECT DISTINCT ON ({', '.join(SAMPLE_KEY)})"
            f" * REPLACE ({started} AS started_at) FROM heard"
            f" WHERE ($since::TIMESTAMP IS NULL OR {started} >= $since)"
            f" AND ($until::TIMESTAMP IS NULL OR {started} < $until)",
            {"since": since, "until": until},
        )

    def _remember_origins(self, objects: Sequence[InboxObject]) -> None:
        """Table ``origin``: which store each of the sample's objects came from."""
        rows = [(str(path), each.url) for each in objects for path in (each.path, self._targets.get(each))]
        self._database.execute(
            "CREATE TABLE origin AS SELECT unnest($1::VARCHAR[]) AS object, unnest($2::VARCHAR[]) AS url",
            [[path for path, _ in rows], [url for _, url in rows]],
        )

    def _refuse_empty(self, objects: Sequence[InboxObject]) -> None:
        """A store of which nothing could be used is a wrong file more likely than a damaged one."""
        used = {name for (name,) in self._database.execute("SELECT DISTINCT object FROM heard").fetchall()}
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
