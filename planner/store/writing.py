"""Rows as Parquet files of a table, one for each day, and what a commit says of them [I/O]."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from planner.store.arrays import numbers, plain
from planner.store.shelf import Shelf

_ROWS_PER_GROUP: Final = 122_880
_LARGEST: Final = 64 << 20
"""A file of more bytes than this is closed, and another one begun."""

_CONSTANT: Final = ("vantage_lat", "vantage_lon")
"""Of the numbers only these are worth a dictionary: times of the network are all different."""

_TOLD_APART: Final = ["run_id", "vantage", "site", "protocol", "started_at", "failure", "batch"]
"""What readers ask for by value, and so may pass over a part of a file without it."""

_DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(slots=True)
class _Open:
    """A file that is being written, in memory, and what is known of its rows."""

    sink: pa.BufferOutputStream
    file: pq.ParquetWriter
    rows: int = 0
    least: dict[str, Any] = field(default_factory=dict)
    most: dict[str, Any] = field(default_factory=dict)


class DayFiles:
    """Files of the table that nobody knows of until they are committed, each of one day. Rows may come in any
    order; a file is done when rows come and none is of its day, so few are open at a time."""

    def __init__(self, shelf: Shelf, table: str, batch: int) -> None:
        self._shelf, self._table, self._batch = shelf, table, batch
        self._open: dict[int, _Open] = {}
        self._actions: list[Any] = []

    def add(self, rows: pa.Table, days: NDArray[np.int64] | None = None) -> None:
        """Write the rows, each of the UTC day it started on, or of that in ``days`` (n,), counted from
        1970."""
        if len(rows) == 0:
            return
        if days is None:
            days = numbers(rows.column("started_at").cast(pa.int64())) // _DAY_US
        rows = rows.append_column("batch", plain(np.full(len(rows), self._batch), pa.int64()))
        there = [days[0]] if (days == days[0]).all() else np.unique(days).tolist()
        for number in set(self._open).difference(there):
            self._close(number)
        for number in there:
            mine = rows if len(there) == 1 else rows.filter(plain(days == number, pa.bool_()))
            self._write(int(number), mine)

    def finish(self) -> list[Any]:
        """What the commit says of all files; they are on the disk."""
        for number in list(self._open):
            self._close(number)
        return self._actions

    def _write(self, number: int, rows: pa.Table) -> None:
        if number not in self._open:
            sink = pa.BufferOutputStream()
            coded = [each.name for each in rows.schema if not pa.types.is_floating(each.type)]
            file = pq.ParquetWriter(
                sink,
                rows.schema,
                compression="zstd",
                store_schema=False,
                use_dictionary=len(coded) == len(rows.schema) or [*coded, *_CONSTANT],
                write_statistics=_TOLD_APART,
            )
            self._open[number] = _Open(sink, file)
        known = self._open[number]
        known.file.write_table(rows, _ROWS_PER_GROUP)
        known.rows += len(rows)
        for name, low, high in _ends(rows):
            known.least[name] = min(known.least.get(name, low), low)
            known.most[name] = max(known.most.get(name, high), high)
        if known.sink.tell() > _LARGEST:
            self._close(number)

    def _close(self, number: int) -> None:
        from deltalake.transaction import AddAction

        done = self._open.pop(number)
        done.file.close()
        content = done.sink.getvalue().to_pybytes()
        day = date.fromordinal(_EPOCH + number).isoformat()
        # No two writers ever mean the same file, not even when one does again what the other left.
        name = f"day={day}/batch-{self._batch:09}-{uuid.uuid4().hex[:12]}.parquet"
        self._shelf.put(f"{self._table}/{name}", content)
        # What the table says of a file, so that a reader need not open it.
        known = {"numRecords": done.rows, "minValues": done.least, "maxValues": done.most, "nullCount": {}}
        now_ms = time.time_ns() // 1_000_000
        self._actions.append(AddAction(name, len(content), {"day": day}, now_ms, True, json.dumps(known)))


def written(shelf: Shelf, table: str, rows: pa.Table, days: NDArray[np.int64], batch: int) -> list[Any]:
    """Write the rows, whose ``days`` (n,) count from 1970, as one file for each day, with the number of their
    ``batch``; what the commit says of them."""
    files = DayFiles(shelf, table, batch)
    files.add(rows, days)
    return files.finish()


def _ends(rows: pa.Table) -> list[tuple[str, Any, Any]]:
    """The least and the greatest value of the columns that files are told apart by; none of a column of
    nulls."""
    found = []
    for name in {"run_id", "vantage", "site", "batch"} & set(rows.column_names):
        words = pc.unique(rows.column(name))
        ends = pc.min_max(words.cast(pa.string()) if pa.types.is_dictionary(words.type) else words)
        found.append((name, ends["min"].as_py(), ends["max"].as_py()))
    if "started_at" in rows.column_names:
        moments = numbers(rows.column("started_at").cast(pa.int64()))
        found.append(("started_at", _spelt(moments.min()), _spelt(moments.max())))
    return [(name, low, high) for name, low, high in found if low is not None]


def _spelt(moment: int) -> str:
    """A moment, in µs since 1970, as the log has it."""
    return f"{datetime(1970, 1, 1) + timedelta(microseconds=int(moment)):%Y-%m-%dT%H:%M:%S.%fZ}"  # noqa: DTZ001
