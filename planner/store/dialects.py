"""One question in the SQL of every engine that reads the same table, and all that differs between them. Pure.

The question: of each vantage and site, by the protocol that was used, how many samples, which share was
lost, and the p50 and p95 with lost ones as infinite. What counts is what ``planner.store.counting`` says,
but for rounds of a vantage that was cut off altogether.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from planner.store.counting import PROTOCOLS, quoted
from probes.record import NOT_LOSS


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an engine says in its own way.

    ``before`` is run once and makes the table known, with ``{url}`` where that stands, of the measurements/
    folder; ``table`` is what it is called afterwards. ``infinity`` is a double; ``quantile`` gives the
    smallest ``{x}`` that a share ``{q}`` of a group does not exceed; ``today`` is the UTC date, ``{days}``
    days ago.
    """

    before: str
    table: str
    infinity: str
    quantile: str
    today: str


_WITHIN_GROUP: Final = "percentile_disc({q}) WITHIN GROUP (ORDER BY {x})"
_BY_ARRAY: Final = "element_at(array_sort(array_agg({x})), CAST(ceil({q} * count(*)) AS integer))"

DIALECTS: Final[Mapping[str, Dialect]] = {
    "athena": Dialect(
        before="CREATE EXTERNAL TABLE measurements\nLOCATION '{url}/' TBLPROPERTIES ('table_type' = 'DELTA')",
        table="measurements",
        infinity="infinity()",
        quantile=_BY_ARRAY,
        today="date_add('day', -{days}, current_date)",
    ),
    "trino": Dialect(
        before="CALL delta.system.register_table(\n  schema_name => 'default', table_name => 'measurements',"
        " table_location => '{url}')",
        table="delta.default.measurements",
        infinity="infinity()",
        quantile=_BY_ARRAY,
        today="date_add('day', -{days}, current_date)",
    ),
    "spark": Dialect(
        before="",
        table="delta.`{url}`",
        infinity="double('Infinity')",
        quantile=_WITHIN_GROUP,
        today="date_sub(current_date(), {days})",
    ),
    "snowflake": Dialect(
        before="CREATE CATALOG INTEGRATION delta_files CATALOG_SOURCE = OBJECT_STORE TABLE_FORMAT = DELTA"
        " ENABLED = TRUE;\n"
        "-- edgeplan_volume: an external volume whose STORAGE_BASE_URL is the folder of {url}\n"
        "CREATE ICEBERG TABLE measurements CATALOG = 'delta_files' EXTERNAL_VOLUME = 'edgeplan_volume'"
        " BASE_LOCATION = 'measurements'",
        table="measurements",
        infinity="'inf'::double",
        quantile=_WITHIN_GROUP,
        today="dateadd('day', -{days}, current_date())",
    ),
    "clickhouse": Dialect(
        before="",
        table="deltaLake('{url}/')",
        infinity="inf",
        quantile="arraySort(groupArray({x}))[toUInt32(ceil({q} * count(*)))]",
        today="toDate(now('UTC')) - {days}",
    ),
}


def statement(engine: str, url: str, days: int = 7, table: str | None = None) -> str:
    """The question to ``engine`` about the table at ``url``, over the last ``days``. ``table`` stands in
    for how the engine would name it. Raises ``KeyError`` for an engine that is none of :data:`DIALECTS`."""
    dialect = DIALECTS[engine]
    x = f"CASE WHEN failure IS NULL THEN rtt_ms ELSE {dialect.infinity} END"
    p50, p95 = (dialect.quantile.format(x=x, q=q) for q in ("0.5", "0.95"))
    return (
        "SELECT vantage, site, protocol, count(*) AS samples,\n"
        "  count(failure) * 1.0 / count(*) AS loss_ratio,\n"
        f"  {p50} AS p50_ms,\n"
        f"  {p95} AS p95_ms\n"
        f"FROM {table or dialect.table.format(url=url)}\n"
        f"WHERE day >= {dialect.today.format(days=days)} AND protocol IN ({quoted(PROTOCOLS)})\n"
        "  AND (failure IS NULL OR (peer IS NOT NULL AND failure NOT IN (\n"
        f"    {_folded(sorted(NOT_LOSS))})))\n"
        "GROUP BY vantage, site, protocol ORDER BY vantage, site, protocol"
    )


def introduction(engine: str, url: str) -> str:
    """What makes the table known to the engine, once; empty where nothing has to."""
    return DIALECTS[engine].before.format(url=url)


def _folded(names: list[str]) -> str:
    half = (len(names) + 1) // 2
    return f"{quoted(names[:half])},\n    {quoted(names[half:])}"
