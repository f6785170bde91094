"""What each pair's samples of a day were, in the Delta table ``rollups/`` beside the measurements [I/O].

A row adds what some batches say of one day, vantage, site and protocol: how many ``samples``, how many of
them ``lost``, two histograms (``planner.store.histogram``), and the round trips one by one
(``planner.store.series``). Several rows of a day are added by whoever reads. The table's application
transaction (``rollup``, N) says that batches up to N are in it, in one commit with their rows: so each batch
is in it once, whatever is killed when. What counts is what counts everywhere (``planner.store.counting``),
where a round's parts came in batches that were rolled up together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from planner.store.arrays import bytes_of, numbers, whole
from planner.store.histogram import HIGHEST, LOWEST, Histograms
from planner.store.opened import source_of
from planner.store.packing import add_counts, pack_counts
from planner.store.placing import Placing, judged
from planner.store.shelf import Address, MeasurementError, StoreError, address_of, open_shelf
from planner.store.spans import Span, covering, spans_of
from planner.store.stream import ahead
from planner.store.table import ROLLUPS, day_of, last_batches, open_table, table_faults

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
older edgeplan have their histograms as lists, and no series; nor have those whose rows were dropped."""

NEVER_SO_MANY: Final = 1 << 60
"""Rows, of a day that only its own rows tell exactly."""

TEXTS: Final = ("vantage", "site", "protocol")

_COUNTS: Final = ("lost", "rtt_counts", "step_counts")
_LISTS: Final = ("bucket", "count", "jitter_bucket", "jitter_count")
"""Histograms as an older edgeplan wrote them."""

_AHEAD: Final = 4
_ANY_BATCH: Final = -1
_WIDTH: Final = HIGHEST - LOWEST + 1


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


def packed_counts(bucket: NDArray[np.int64], count: NDArray[np.int64], start: NDArray[np.int64]) -> pa.Array:
    """Histograms, of row r ``count`` in ``bucket`` from ``start``[r] to start[r + 1], as they are written."""
    data, end = np.empty(20 * len(bucket), np.uint8), np.zeros(len(start) - 1, np.int64)
    size = pack_counts(bucket, count, start, data, end)
    offsets = np.concatenate(([0], end)).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data[:size].copy())]
    return pa.Array.from_buffers(pa.binary(), len(end), buffers)


@dataclass(frozen=True, slots=True)
class RolledFiles:
    """Files of the rollups as they were at one moment, which go up to ``batch``, with the ``last`` batch of
    each, and the ``spans`` that stand for what they have of some days (``planner.store.spans``)."""

    address: Address
    table_id: str
    batch: int
    last: Mapping[str, int]
    spans: tuple[Span, ...] = ()

    def within(self, since: date | None, until: date | None) -> RolledFiles:
        """Those of the days [``since``, ``until``)."""
        last = {
            name: batch
            for name, batch in self.last.items()
            if (since is None or day_of(name) >= since) and (until is None or day_of(name) < until)
        }
        spans = tuple(
            span
            for span in self.spans
            if (since is None or span.first >= since) and (until is None or span.end <= until)
        )
        return replace(self, last=last, spans=spans)

    def read(
        self, columns: Sequence[str], names: Sequence[str] | None = None
    ) -> Iterator[tuple[date, pa.Table]]:
        """Of each file, or of these, the day and its rows, with :data:`TEXTS` as dictionaries and these
        columns, as far as it has them. Raises :class:`StoreError`."""

        def read(name: str) -> tuple[date, pa.Table]:
            with table_faults(self.address):
                return day_of(name), _columns(source_of(self.address, name, ROLLUPS), columns)

        return ahead(read, list(self.last) if names is None else names, _AHEAD)

    def counts(self) -> Iterator[pa.Table]:
        """Rows of histograms, of spans where they are there, and of files for the rest."""
        chosen = covering(self.spans, self.batch)
        shelf = open_shelf(self.address)

        def read(span: Span) -> pa.Table | None:
            content = shelf.get(span.key(self.table_id))
            with table_faults(self.address):
                return None if content is None else _columns(pa.BufferReader(content), _COUNTS)

        told: dict[date, int] = {}
        for span, rows in zip(chosen, ahead(read, chosen, _AHEAD), strict=True):
            if rows is not None:
                told |= {span.first + timedelta(days=n): span.batch for n in range(span.days)}
                yield rows
        names = [name for name, last in self.last.items() if last > told.get(day_of(name), -1)]
        for day, rows in self.read((*_COUNTS, "batch", *_LISTS), names):
            if day in told:
                rows = rows.filter(pa.array(numbers(rows.column("batch")) > told[day]))
            yield _with_counts(rows)


def _columns(source: Any, columns: Sequence[str]) -> pa.Table:
    file = pq.ParquetFile(source, read_dictionary=[*TEXTS])
    has = set(file.schema_arrow.names)
    rows = file.read([*TEXTS, *(each for each in columns if each in has)], use_threads=False)
    # Files that Delta's own update has written may have views in place of bytes.
    for at, field in enumerate(rows.schema):
        if field.type == pa.binary_view():
            rows = rows.set_column(at, field.name, rows.column(at).cast(pa.binary()))
    return rows


def rolled_files(address: Address, since: date | None = None, until: date | None = None) -> RolledFiles:
    """The rollups of the days [``since``, ``until``). Raises :class:`MeasurementError` where the store has
    none, and :class:`StoreError`."""
    table = open_table(address, ROLLUPS)
    if table is None:
        raise MeasurementError(address.url, "has no rollups: edgeplan ingest makes them")
    with table_faults(address):
        batch, table_id = table.transaction_version(ROLLUP) or 0, str(table.metadata().id)
        last = last_batches(table)
    spans = spans_of(open_shelf(address), table_id)
    return RolledFiles(address, table_id, batch, last, spans).within(since, until)


class Total:
    """The sum of rows, of each pair and protocol."""

    def __init__(self) -> None:
        self._placing = Placing()
        self._lost = np.zeros(0, np.int64)
        self._counts = [np.zeros((0, _WIDTH), np.int32) for _ in range(2)]

    def add(self, rows: pa.Table) -> None:
        pair = self._placing.place_rows(rows)
        if len(self._placing) > len(self._lost):
            room = 2 * len(self._placing)
            self._lost = _grown(self._lost, room)
            self._counts = [_grown(each, room) for each in self._counts]
        np.add.at(self._lost, pair, numbers(rows.column("lost")))
        for total, name in zip(self._counts, _COUNTS[1:], strict=True):
            offset, data = bytes_of(rows.column(name))
            if add_counts(data, offset, pair, total) >= 0:
                raise StoreError(f"the rollups are damaged: {name} holds what no histogram is")

    def rows(self) -> pa.Table:
        """A row for each pair and protocol, as it was added."""
        keys = self._placing.keys()
        columns: dict[str, Any] = {name: [key[at] for key in keys] for at, name in enumerate(TEXTS)}
        columns["lost"] = self._lost[: len(keys)]
        for total, name in zip(self._counts, _COUNTS[1:], strict=True):
            row, bucket = (np.ascontiguousarray(each) for each in np.nonzero(total[: len(keys)]))
            start = np.searchsorted(row, np.arange(len(keys) + 1))
            columns[name] = packed_counts(bucket, total[row, bucket].astype(np.int64), start)
        return pa.table(columns)

    def rollup(self, batch: int) -> Rollup:
        """Each pair by the protocol that counts."""
        keys = self._placing.keys()
        at = judged(keys)
        none = np.zeros(len(at), np.int64)
        trips, steps = (
            _histograms(total[: len(keys)], at, missing)
            for total, missing in zip(self._counts, (self._lost[at], none), strict=True)
        )
        vantages, sites, protocols = zip(*(keys[n] for n in at), strict=True) if at else ((), (), ())
        return Rollup(vantages, sites, protocols, trips, steps, batch)


def read_rollup(url: str, *, since: date | None = None, until: date | None = None) -> Rollup:
    """The histograms of each pair over the days [``since``, ``until``), by the protocol that counts in them.

    Raises what :func:`rolled_files` does.
    """
    return rollup_of(rolled_files(address_of(url), since, until))


def rollup_of(files: RolledFiles) -> Rollup:
    total = Total()
    for rows in files.counts():
        total.add(rows)
    return total.rollup(files.batch)


def table_rows_of(files: RolledFiles) -> dict[date, int]:
    """Of how many rows of the table each day was made; more than there can be where any of it does not
    say."""
    made_of: dict[date, dict[int, int]] = {}
    for day, rows in files.read(("table_rows", "batch")):
        known = made_of.setdefault(day, {})
        if "table_rows" not in rows.column_names or rows.column("table_rows").null_count:
            known[_ANY_BATCH] = NEVER_SO_MANY  # an older edgeplan's, alone or compacted with later ones
            continue
        values = (numbers(rows.column(each)).tolist() for each in ("batch", "table_rows"))
        known.update(set(zip(*values, strict=True)))
    return {day: sum(of_batch.values()) for day, of_batch in made_of.items()}


def _grown(old: NDArray[Any], room: int) -> NDArray[Any]:
    """With more rows of zeros, which take no memory before they are written."""
    new = np.zeros((room, *old.shape[1:]), old.dtype)
    new[: len(old)] = old
    return new


def _histograms(count: NDArray[np.int32], at: list[int], lost: NDArray[np.int64]) -> Histograms:
    """Those of the pairs ``at``, without the buckets that are empty on both sides."""
    filled = np.flatnonzero(count.any(axis=0))
    first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, 0)
    return Histograms(count[:, first : last + 1].astype(np.int64)[at], lost, first + LOWEST)


def _with_counts(rows: pa.Table) -> pa.Table:
    """Rows of an older edgeplan with their histograms as they are written now."""
    if "bucket" not in rows.column_names:
        return rows
    for name, bucket, count in (("rtt_counts", *_LISTS[:2]), ("step_counts", *_LISTS[2:])):
        filled, counts = (whole(rows.column(each)) for each in (bucket, count))
        ends = numbers(pc.fill_null(pc.list_value_length(filled), 0))
        old = packed_counts(
            numbers(filled.flatten()).astype(np.int64) - LOWEST,
            numbers(counts.flatten()),
            np.concatenate(([0], np.cumsum(ends))),
        )
        if name in rows.column_names:
            old = pc.coalesce(rows.column(name), old)
            rows = rows.drop_columns(name)
        rows = rows.append_column(name, old)
    return rows
