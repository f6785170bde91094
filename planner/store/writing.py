"""Rows as Parquet files of a table, one for each day, and what a commit says of them [I/O]."""

from __future__ import annotations

import io
import json
import time
import uuid
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from planner.store.shelf import Shelf

_ROWS_PER_GROUP: Final = 122_880
_EPOCH: Final = date(1970, 1, 1).toordinal()


def written(shelf: Shelf, table: str, rows: pa.Table, days: NDArray[np.int64], batch: int) -> list[Any]:
    """Write the rows, whose ``days`` (n,) count from 1970, as one file for each day, with the number of their
    ``batch``; what the commit says of them."""
    from deltalake.transaction import AddAction

    rows = rows.append_column("batch", pa.array(np.full(len(rows), batch)))
    actions = []
    for number in np.unique(days).tolist():
        here = days == number
        part = rows if here.all() else rows.filter(pa.array(here))
        day = date.fromordinal(_EPOCH + number).isoformat()
        buffer = io.BytesIO()
        pq.write_table(part, buffer, compression="zstd", row_group_size=_ROWS_PER_GROUP, store_schema=False)
        # No two writers ever mean the same file, not even when one does again what the other left.
        name = f"day={day}/batch-{batch:09}-{uuid.uuid4().hex[:12]}.parquet"
        shelf.put(f"{table}/{name}", buffer.getvalue())
        known, now_ms = json.dumps(_statistics(part)), time.time_ns() // 1_000_000
        actions.append(AddAction(name, buffer.tell(), {"day": day}, now_ms, True, known))
    return actions


def _statistics(rows: pa.Table) -> dict[str, Any]:
    """What the table says of a file, so that a reader need not open it."""
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    for name in {"run_id", "vantage", "site", "batch"} & set(rows.column_names):
        column = rows.column(name)
        words = pc.unique(column)
        ends = pc.min_max(words.cast(pa.string()) if pa.types.is_dictionary(words.type) else words)
        least[name], most[name] = ends["min"].as_py(), ends["max"].as_py()
    if "started_at" in rows.column_names:
        moments = pc.min_max(rows.column("started_at"))
        for end, of in (("min", least), ("max", most)):
            of["started_at"] = moments[end].as_py().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"numRecords": len(rows), "minValues": least, "maxValues": most, "nullCount": {}}
