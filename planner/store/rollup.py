"""Daily histograms of each pair, in the Delta table ``rollups/`` beside the measurements [I/O].

A row adds what some batches say of one day, vantage, site and protocol; several rows of a day are added by
whoever reads. The table's application transaction (``rollup``, N) says that batches up to N are in it, in one
commit with their rows: so each batch is in it once, whatever is killed when. What counts is what counts
everywhere (``planner.store.counting``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from planner.store.counting import COUNTS, CUT_OFF, PROTOCOLS, quoted
from planner.store.histogram import BUCKET_SQL, Histograms, summed
from planner.store.opened import as_table, connected, literal, within_reach
from planner.store.shelf import Address, MeasurementError, address_of, open_shelf
from planner.store.steps import STEP
from planner.store.table import (
    INGEST,
    create_table,
    files_between,
    open_table,
    table_faults,
)
from planner.store.writing import written

if TYPE_CHECKING:
    from deltalake import DeltaTable

ROLLUPS: Final = "rollups"
ROLLUP: Final = "rollup"

SCHEMA: Final = pa.schema(
    [
        pa.field("vantage", pa.string()),
        pa.field("site", pa.string()),
        pa.field("protocol", pa.string()),
        pa.field("samples", pa.int64()),
        pa.field("lost", pa.int64()),
        pa.field("bucket", pa.list_(pa.int16())),
        pa.field("count", pa.list_(pa.int64())),
        pa.field("jitter_bucket", pa.list_(pa.int16())),
        pa.field("jitter_count", pa.list_(pa.int64())),
        pa.field("batch", pa.int64()),
        pa.field("day", pa.date32()),
    ]
)
"""``samples`` counts those lost; ``count[i]`` answers are in ``bucket[i]`` (``planner.store.histogram``).
Jitter is of the steps from one sample to the next (``planner.store.steps``)."""

_COUNTED: Final = f"""
CREATE TABLE counted AS
SELECT day, vantage, site, protocol,
       {BUCKET_SQL.format(x="CASE WHEN failure IS NULL THEN rtt_ms END")} AS rtt,
       {BUCKET_SQL.format(x="step_ms")} AS jitter
FROM sample ANTI JOIN cut_off USING (vantage, run_id) WHERE {COUNTS}
"""

_BUCKETS: Final = """
SELECT day, vantage, site, protocol,
       list({bucket} ORDER BY {bucket}) AS {bucket}, list(n ORDER BY {bucket}) AS n
FROM (
    SELECT day, vantage, site, protocol, {bucket}, count(*) AS n FROM counted
    WHERE {bucket} IS NOT NULL GROUP BY ALL
)
GROUP BY ALL
"""

_ROWS: Final = f"""
SELECT vantage, site, protocol, samples, lost, coalesce(t.rtt, []) AS bucket, coalesce(t.n, []) AS count,
       coalesce(j.jitter, []) AS jitter_bucket, coalesce(j.n, []) AS jitter_count, day
FROM (
    SELECT day, vantage, site, protocol, count(*) AS samples, count(*) FILTER (rtt IS NULL) AS lost
    FROM counted GROUP BY ALL
)
LEFT JOIN ({_BUCKETS.format(bucket="rtt")}) t USING (day, vantage, site, protocol)
LEFT JOIN ({_BUCKETS.format(bucket="jitter")}) j USING (day, vantage, site, protocol)
ORDER BY day, vantage, site, protocol
"""


@dataclass(frozen=True, slots=True)
class Rollup:
    """Of k pairs over some days: the ``histograms`` of round trips, and of ``jitter``. ``batch``: up to
    which it has all there is."""

    vantages: tuple[str, ...]
    sites: tuple[str, ...]
    protocols: tuple[str, ...]
    histograms: Histograms
    jitter: Histograms
    batch: int

    def loss_ratio(self) -> NDArray[np.float64]:
        return np.asarray(self.histograms.lost / self.histograms.total())


def roll_up(address: Address, table: DeltaTable) -> int:
    """Add what the batches since the last time say; returns up to which batch the rollups go now."""
    from deltalake import CommitProperties, Schema, Transaction

    rollups = create_table(address, ROLLUPS, SCHEMA)
    upto = table.transaction_version(INGEST) or 0
    before = rollups.transaction_version(ROLLUP) or 0
    if before >= upto:
        return before
    files = files_between(table, before + 1, upto)
    actions: list[Any] = []
    if files:
        with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
            paths = within_reach(database, address, files, Path(scratch))
            step = (
                STEP if STEP in {field.name for field in table.schema().fields} else f"NULL::DOUBLE AS {STEP}"
            )
            database.execute(
                f"CREATE VIEW sample AS SELECT vantage, site, protocol, run_id, peer, failure, rtt_ms,"
                f" {step}, started_at::TIMESTAMP::DATE AS day"
                f" FROM read_parquet({literal(paths)}, hive_partitioning = false, union_by_name = true)"
                f" WHERE batch > {before} AND batch <= {upto} AND protocol IN ({quoted(PROTOCOLS)})"
            )
            database.execute(CUT_OFF)
            database.execute(_COUNTED)
            rows = as_table(database, _ROWS)
        days = rows.column("day").cast(pa.int32()).to_numpy().astype(np.int64)
        actions = written(open_shelf(address), ROLLUPS, rows.drop_columns("day"), days, upto)
    properties = CommitProperties(app_transactions=[Transaction(ROLLUP, upto)], max_commit_retries=0)
    with table_faults(address, "written"):
        rollups.create_write_transaction(
            actions, "append", Schema.from_arrow(SCHEMA), ["day"], commit_properties=properties
        )
    return upto


def read_rollup(url: str, *, since: date | None = None, until: date | None = None) -> Rollup:
    """The histograms of each pair over the days [``since``, ``until``), by the protocol that counts in them.

    Raises :class:`MeasurementError` where the store has none, and :class:`StoreError`.
    """
    address = address_of(url)
    table = open_table(address, ROLLUPS)
    if table is None:
        raise MeasurementError(url, "has no rollups: edgeplan ingest makes them")
    with table_faults(address):
        batch = table.transaction_version(ROLLUP) or 0
        files = files_between(table, 0, batch, since, until)
    if not files:
        return Rollup(
            (), (), (), *(Histograms(np.zeros((0, 1), np.int64), np.zeros(0, np.int64)),) * 2, batch
        )
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
        paths = within_reach(database, address, files, Path(scratch), ROLLUPS)
        database.execute(
            f"CREATE VIEW rollup AS SELECT * FROM read_parquet({literal(paths)}, hive_partitioning = false)"
        )
        pairs = database.execute(
            f"SELECT vantage, site, first(protocol ORDER BY list_position([{quoted(PROTOCOLS)}], protocol))"
            " FROM (SELECT DISTINCT vantage, site, protocol FROM rollup) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        rows = as_table(
            database,
            "SELECT vantage, site, protocol, lost, bucket, count, jitter_bucket, jitter_count FROM rollup",
        )
    return _rollup(rows, pairs, batch)


def _rollup(rows: pa.Table, pairs: Sequence[tuple[str, str, str]], batch: int) -> Rollup:
    number = {pair: position for position, pair in enumerate(pairs)}
    names = zip(*(rows.column(name).to_pylist() for name in ("vantage", "site", "protocol")), strict=True)
    pair = np.array([number.get(name, -1) for name in names], dtype=np.int64)
    rows, pair = rows.filter(pa.array(pair >= 0)).combine_chunks(), pair[pair >= 0]
    lost = np.bincount(pair, weights=rows.column("lost").to_numpy(), minlength=len(pairs)).astype(np.int64)
    trips = _counts(rows, "bucket", "count", pair, lost)
    steps = _counts(rows, "jitter_bucket", "jitter_count", pair, np.zeros(len(pairs), dtype=np.int64))
    vantages, sites, protocols = zip(*pairs, strict=True) if pairs else ((), (), ())
    return Rollup(vantages, sites, protocols, trips, steps, batch)


def _counts(
    rows: pa.Table, bucket: str, count: str, pair: NDArray[np.int64], lost: NDArray[np.int64]
) -> Histograms:
    buckets, counts = (rows.column(name).combine_chunks() for name in (bucket, count))
    lengths = np.diff(buckets.offsets.to_numpy())
    return summed(
        np.repeat(pair, lengths),
        buckets.flatten().to_numpy().astype(np.int64),
        counts.flatten().to_numpy(),
        lost,
    )
