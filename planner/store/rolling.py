"""From the table's batches to its rollups: what each day of each pair came to, in one commit, and what spans
of days came to, in a file each [I/O].
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from planner.store.arrays import plain, strings
from planner.store.histogram import HIGHEST, LOWEST, buckets
from planner.store.opened import connected, literal, within_reach
from planner.store.placing import Placing
from planner.store.reading import TablePart
from planner.store.rollup import NEVER_SO_MANY, ROLLUP, SCHEMA, TEXTS, Total, packed_counts, rolled_files
from planner.store.series import pack
from planner.store.shelf import Address, open_shelf
from planner.store.spans import missing
from planner.store.stream import Stream
from planner.store.table import (
    INGEST,
    ROLLUPS,
    create_table,
    day_of,
    files_between,
    files_overlapping,
    table_faults,
)
from planner.store.writing import written

if TYPE_CHECKING:
    from deltalake import DeltaTable


def roll_up(address: Address, table: DeltaTable) -> int:
    """Add what the batches since the last time say; returns up to which batch the rollups go now."""
    from deltalake import CommitProperties, Schema, Transaction

    rollups = create_table(address, ROLLUPS, SCHEMA)
    upto = table.transaction_version(INGEST) or 0
    before = rollups.transaction_version(ROLLUP) or 0
    if before >= upto:
        return before
    files = files_between(table, before + 1, upto)
    shelf = open_shelf(address)
    actions: list[Any] = []
    if files:
        with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
            paths = within_reach(database, address, files, Path(scratch))
            database.execute(
                "CREATE VIEW sample AS SELECT vantage, site, protocol, run_id, failure, started_at"
                f" FROM read_parquet({literal(paths)}, hive_partitioning = false, union_by_name = true)"
                f" WHERE batch > {before} AND batch <= {upto}"
            )
            going_on, begun = _going_on(address, table, database, before, Path(scratch))
            if begun - going_on:
                with table_faults(address, "written"):  # first: killed after it, this is done again
                    listed = ", ".join(f"'{day.isoformat()}'" for day in sorted(begun - going_on))
                    rollups.update({"table_rows": str(NEVER_SO_MANY)}, predicate=f"day IN ({listed})")
            for day in sorted({day_of(name) for name in files}):
                part = TablePart(address, tuple(name for name in files if day_of(name) == day), upto)
                rows = _rows(Stream([part], steps=True, after=before), database, day not in going_on)
                days = np.full(len(rows), (day - date(1970, 1, 1)).days)
                actions += written(shelf, ROLLUPS, rows, days, upto)
    properties = CommitProperties(app_transactions=[Transaction(ROLLUP, upto)], max_commit_retries=0)
    with table_faults(address, "written"):
        rollups.create_write_transaction(
            actions, "append", Schema.from_arrow(SCHEMA), ["day"], commit_properties=properties
        )
    return upto


def sum_up(address: Address, today: date) -> int:
    """Sum spans of days that are over and have not been summed; returns how many."""
    shelf, files = open_shelf(address), rolled_files(address)
    wanted = missing([day_of(name) for name in files.last], files.spans, today, files.batch)
    for span in wanted:
        total = Total()
        for rows in files.within(span.first, span.end).counts():
            total.add(rows)
        buffer = io.BytesIO()
        pq.write_table(total.rows(), buffer, compression="zstd", use_dictionary=[*TEXTS])
        shelf.put(span.key(files.table_id), buffer.getvalue())
        files = replace(files, spans=(*files.spans, span))
    return len(wanted)


def _going_on(
    address: Address, table: DeltaTable, database: duckdb.DuckDBPyConnection, before: int, scratch: Path
) -> tuple[set[date], set[date]]:
    """The days of rounds that came in part with earlier batches, of what came now and of what came earlier:
    two, where a round goes past midnight. Whether it was cut off is not to be told from either part."""
    ends = database.execute("SELECT min(run_id), max(run_id) FROM sample").fetchall()
    overlapping = set(files_overlapping(table, ends[0])) if before else set()
    names = [name for name in files_between(table, 0, before) if name in overlapping]
    if not names:
        return set(), set()
    earlier = literal(within_reach(database, address, names, scratch))
    database.execute(
        "CREATE VIEW earlier AS SELECT vantage, run_id, started_at FROM"
        f" read_parquet({earlier}, hive_partitioning = false, union_by_name = true) WHERE batch <= {before}"
    )
    now, then = (
        database.execute(
            f"SELECT DISTINCT started_at::TIMESTAMP::DATE FROM {one}"
            f" SEMI JOIN {other} USING (vantage, run_id)"
        ).fetchall()
        for one, other in (("sample", "earlier"), ("earlier", "sample"))
    )
    return {day for (day,) in now}, {day for (day,) in then}


def _rows(stream: Stream, database: duckdb.DuckDBPyConnection, told: bool) -> pa.Table:
    """What the rows of a day come to, by vantage, site and protocol; ``told``: and of how many it was."""
    placing, table_rows = Placing(), 0
    pieces = []
    for batch in stream.batches():
        pair = placing.place(batch, count=True)
        rtt = batch.rtt.view(np.float64)
        step = batch.step.view(np.float64) if len(batch.step) else np.full(len(rtt), np.nan)
        here = (pair >= 0) & ~np.isnan(rtt)
        pieces.append((pair[here], rtt[here], step[here]))
        table_rows += int(batch.keep.sum())
    placing.close(database, whole=False)
    keys = placing.keys()
    samples = placing.samples[: len(keys)]
    wanted = sorted(np.flatnonzero(samples).tolist(), key=lambda n: keys[n])
    number = np.empty(len(keys), np.int32)
    number[wanted] = np.arange(len(wanted))
    pair, rtt, step = (np.concatenate(each) for each in zip(*pieces, strict=True))
    pair = number[pair]
    # Stable: neighbours in a round stay so.
    order = np.argsort(pair, kind="stable")
    pair, rtt, step = pair[order], rtt[order], step[order]
    start = np.concatenate(([0], np.cumsum(np.bincount(pair, minlength=len(wanted)))))
    stepped = ~np.isnan(step)
    packed = pack(start, rtt, step)
    columns = {
        **{name: strings([keys[n][at] for n in wanted]) for at, name in enumerate(TEXTS)},
        "samples": plain(samples[wanted], pa.int64()),
        "lost": plain(samples[wanted] - np.diff(start), pa.int64()),
        "rtt_counts": _counts(pair, rtt, len(wanted)),
        "step_counts": _counts(pair[stepped], step[stepped], len(wanted)),
        "per_ms": plain(packed.per_ms, pa.int32()),
        "series": packed.series,
        "steps": packed.steps,
        "table_rows": plain(np.full(len(wanted), table_rows if told else NEVER_SO_MANY), pa.int64()),
    }
    fields = [field for field in SCHEMA if field.name in columns]
    return pa.Table.from_arrays([columns[field.name] for field in fields], schema=pa.schema(fields))


def _counts(pair: NDArray[np.int32], values: NDArray[np.float64], pairs: int) -> pa.Array:
    """The histogram of each pair's values."""
    width = HIGHEST - LOWEST + 1
    flat, count = np.unique(pair * np.int64(width) + (buckets(values) - LOWEST), return_counts=True)
    return packed_counts(flat % width, count, np.searchsorted(flat, np.arange(pairs + 1) * width))
