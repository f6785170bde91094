"""What each pair's samples of a day were, in the Delta table ``rollups/`` beside the measurements [I/O].

A row adds what some batches say of one day, vantage, site and protocol: how many ``samples``, how many of
them ``lost``, two histograms (``planner.store.histogram``), and the round trips one by one
(``planner.store.series``). Several rows of a day are added by whoever reads. The table's application
transaction (``rollup``, N) says that batches up to N are in it, in one commit with their rows: so each batch
is in it once, whatever is killed when. What counts is what counts everywhere (``planner.store.counting``),
where a round's parts came in batches that were rolled up together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from planner.store.arrays import bytes_of, numbers, whole
from planner.store.histogram import HIGHEST, LOWEST, Histograms, buckets
from planner.store.opened import connected, literal, source_of, within_reach
from planner.store.packing import add_counts, pack_counts
from planner.store.placing import Placing, judged
from planner.store.reading import TablePart
from planner.store.series import pack
from planner.store.shelf import Address, MeasurementError, address_of, open_shelf
from planner.store.stream import Stream, ahead
from planner.store.table import (
    INGEST,
    ROLLUPS,
    create_table,
    files_between,
    files_overlapping,
    open_table,
    table_faults,
)
from planner.store.writing import written

if TYPE_CHECKING:
    from deltalake import DeltaTable

ROLLUP: Final = "rollup"

SCHEMA: Final = pa.schema(
    [
        pa.field("vantage", pa.string()),
        pa.field("site", pa.string()),
        pa.field("protocol", pa.string()),
        pa.field("samples", pa.int64()),
        pa.field("lost", pa.int64()),
        pa.field("rtt_counts", pa.binary()),
        pa.field("step_counts", pa.binary()),
        pa.field("per_ms", pa.int32()),
        pa.field("series", pa.binary()),
        pa.field("steps", pa.binary()),
        pa.field("table_rows", pa.int64()),
        pa.field("batch", pa.int64()),
        pa.field("day", pa.date32()),
    ]
)
"""``samples`` counts those lost. ``*_counts`` are histograms (``planner.store.packing``), ``per_ms``,
``series`` and ``steps`` the round trips themselves (``planner.store.series``). ``table_rows``: of how many of
the table's rows all of this day's and batch's rows here were made, or more than there can be. Rows of an
older edgeplan have their histograms as lists, and no series."""

NEVER_SO_MANY: Final = 1 << 60
"""Rows, of a day that only its own rows tell exactly."""

TEXTS: Final = ("vantage", "site", "protocol")

_THREADS: Final = 2
_AHEAD: Final = 4


@dataclass(frozen=True, slots=True)
class Rollup:
    """Of k pairs over some days: the ``histograms`` of round trips, and of ``jitter``. ``batch``: up to
    which it has all there is. ``table_rows``: of how many rows of the table each day was made, if that is
    known."""

    vantages: tuple[str, ...]
    sites: tuple[str, ...]
    protocols: tuple[str, ...]
    histograms: Histograms
    jitter: Histograms
    batch: int
    table_rows: Mapping[date, int]

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
            going_on = _going_on(address, table, database, before, Path(scratch))
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


def day_of(name: str) -> date:
    """The day of a table's file."""
    return date.fromisoformat(name.partition("/")[0].removeprefix("day="))


def _going_on(
    address: Address, table: DeltaTable, database: duckdb.DuckDBPyConnection, before: int, scratch: Path
) -> set[date]:
    """The days of which rounds came in part with earlier batches. Whether such a round was cut off is not to
    be told from either part."""
    ends = database.execute("SELECT min(run_id), max(run_id) FROM sample").fetchall()
    overlapping = set(files_overlapping(table, ends[0])) if before else set()
    names = [name for name in files_between(table, 0, before) if name in overlapping]
    if not names:
        return set()
    earlier = literal(within_reach(database, address, names, scratch))
    database.execute(
        "CREATE VIEW earlier AS SELECT vantage, run_id FROM"
        f" read_parquet({earlier}, hive_partitioning = false, union_by_name = true) WHERE batch <= {before}"
    )
    found = database.execute(
        "SELECT DISTINCT started_at::TIMESTAMP::DATE FROM sample SEMI JOIN earlier USING (vantage, run_id)"
    )
    return {day for (day,) in found.fetchall()}


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
        **{name: [keys[n][at] for n in wanted] for at, name in enumerate(TEXTS)},
        "samples": samples[wanted],
        "lost": samples[wanted] - np.diff(start),
        "rtt_counts": _counts(pair, rtt, len(wanted)),
        "step_counts": _counts(pair[stepped], step[stepped], len(wanted)),
        "per_ms": packed.per_ms,
        "series": packed.series,
        "steps": packed.steps,
        "table_rows": np.full(len(wanted), table_rows if told else NEVER_SO_MANY),
    }
    fields = [field for field in SCHEMA if field.name in columns]
    return pa.table(columns, pa.schema(fields))


def _counts(pair: NDArray[np.int32], values: NDArray[np.float64], pairs: int) -> pa.Array:
    """The histogram of each pair's values."""
    width = HIGHEST - LOWEST + 1
    flat, count = np.unique(pair * np.int64(width) + (buckets(values) - LOWEST), return_counts=True)
    return _packed(flat % width, count, np.searchsorted(flat, np.arange(pairs + 1) * width))


def _packed(bucket: NDArray[np.int64], count: NDArray[np.int64], start: NDArray[np.int64]) -> pa.Array:
    data, end = np.empty(20 * len(bucket), np.uint8), np.zeros(len(start) - 1, np.int64)
    size = pack_counts(bucket, count, start, data, end)
    offsets = np.concatenate(([0], end)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data[:size].copy())]
    return pa.Array.from_buffers(pa.binary(), len(end), buffers)


@dataclass(frozen=True, slots=True)
class RolledFiles:
    """Files of the rollups as they were at one moment, which go up to ``batch``."""

    address: Address
    batch: int
    names: tuple[str, ...]

    def read(self, columns: Sequence[str]) -> Iterator[tuple[date, pa.Table]]:
        """Of each file the day and its rows, with :data:`TEXTS` as dictionaries and these columns, as far as
        it has them. Raises :class:`StoreError`."""

        def read(name: str) -> tuple[date, pa.Table]:
            with table_faults(self.address):
                file = pq.ParquetFile(source_of(self.address, name, ROLLUPS), read_dictionary=[*TEXTS])
                has = set(file.schema_arrow.names)
                wanted = [*TEXTS, *(each for each in columns if each in has)]
                return day_of(name), file.read(wanted, use_threads=False)

        return ahead(read, self.names, _AHEAD)


def rolled_files(address: Address, since: date | None = None, until: date | None = None) -> RolledFiles:
    """The rollups of the days [``since``, ``until``). Raises :class:`MeasurementError` where the store has
    none, and :class:`StoreError`."""
    table = open_table(address, ROLLUPS)
    if table is None:
        raise MeasurementError(address.url, "has no rollups: edgeplan ingest makes them")
    with table_faults(address):
        batch = table.transaction_version(ROLLUP) or 0
        return RolledFiles(address, batch, tuple(files_between(table, 0, batch, since, until)))


def read_rollup(url: str, *, since: date | None = None, until: date | None = None) -> Rollup:
    """The histograms of each pair over the days [``since``, ``until``), by the protocol that counts in them.

    Raises what :func:`rolled_files` does.
    """
    return rollup_of(rolled_files(address_of(url), since, until))


def rollup_of(files: RolledFiles) -> Rollup:
    placing = Placing()
    width = HIGHEST - LOWEST + 1
    lost = np.zeros(0, np.int64)
    totals = [np.zeros((0, width), np.int32) for _ in range(2)]
    made_of: dict[date, dict[int, int]] = {}
    for day, rows in files.read(("lost", "rtt_counts", "step_counts", "table_rows", "batch", *_LISTS)):
        rows = _with_counts(rows)
        pair = placing.place_rows(rows)
        room = len(lost) if len(placing) <= len(lost) else 2 * len(placing)
        lost = np.concatenate((lost, np.zeros(room - len(lost), np.int64)))
        np.add.at(lost, pair, numbers(rows.column("lost")))
        for n, name in enumerate(("rtt_counts", "step_counts")):
            if room > len(totals[n]):
                totals[n] = np.concatenate((totals[n], np.zeros((room - len(totals[n]), width), np.int32)))
            offset, data = bytes_of(rows.column(name))
            add_counts(data, offset, pair, totals[n])
        if "table_rows" in rows.column_names:
            of_batch = zip(
                *(numbers(rows.column(each)).tolist() for each in ("batch", "table_rows")), strict=True
            )
            made_of.setdefault(day, {}).update(set(of_batch))
    keys = placing.keys()
    at = judged(keys)
    trips, steps = (
        _histograms(total[at], missing[at])
        for total, missing in zip(totals, (lost, np.zeros_like(lost)), strict=True)
    )
    vantages, sites, protocols = zip(*(keys[n] for n in at), strict=True) if at else ((), (), ())
    table_rows = {day: int(sum(of_batch.values())) for day, of_batch in made_of.items()}
    return Rollup(vantages, sites, protocols, trips, steps, files.batch, table_rows)


def _histograms(count: NDArray[np.int32], lost: NDArray[np.int64]) -> Histograms:
    """Without the buckets that are empty on both sides."""
    filled = np.flatnonzero(count.any(axis=0))
    first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, 0)
    return Histograms(count[:, first : last + 1].astype(np.int64), lost, first + LOWEST)


_LISTS: Final = ("bucket", "count", "jitter_bucket", "jitter_count")
"""Histograms as an older edgeplan wrote them."""


def _with_counts(rows: pa.Table) -> pa.Table:
    """Rows of an older edgeplan with their histograms as they are written now."""
    if "bucket" not in rows.column_names:
        return rows
    for name, bucket, count in (("rtt_counts", *_LISTS[:2]), ("step_counts", *_LISTS[2:])):
        filled, counts = (whole(rows.column(each)) for each in (bucket, count))
        ends = numbers(pc.fill_null(pc.list_value_length(filled), 0))
        old = _packed(
            numbers(filled.flatten()).astype(np.int64) - LOWEST,
            numbers(counts.flatten()),
            np.concatenate(([0], np.cumsum(ends))),
        )
        if name in rows.column_names:
            old = pc.coalesce(rows.column(name), old)
            rows = rows.drop_columns(name)
        rows = rows.append_column(name, old)
    return rows
