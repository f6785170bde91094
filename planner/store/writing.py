"""Rows as Parquet files of a table, one for each day, and what a commit says of them [I/O]."""

from __future__ import annotations

import io
import json
import uuid
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from planner.store.shelf import Shelf
from planner.store.table import MEASUREMENTS

_ROWS_PER_GROUP: Final = 122_880


def written(shelf: Shelf, rows: pa.Table, number: int) -> list[Any]:
    """Write the rows as one file for each day; what the commit says of them."""
    from deltalake.transaction import AddAction

    if len(rows) == 0:
        return []
    rows = rows.append_column("batch", pa.array(np.full(len(rows), number)))
    days = rows.column("started_at").cast(pa.int64()).to_numpy() // 86_400_000_000
    actions = []
    for day in np.unique(days).tolist():
        part = (
            rows if days[0] == days[-1] == day and (days == day).all() else rows.filter(pa.array(days == day))
        )
        label = (date(1970, 1, 1).toordinal(), day)
        folder = f"day={date.fromordinal(label[0] + day).isoformat()}"
        buffer = io.BytesIO()
        pq.write_table(
            part, buffer, compression="zstd", row_group_size=_ROWS_PER_GROUP, store_schema=False,
            coerce_timestamps="us",
        )  # fmt: skip
        name = f"{folder}/batch-{number:09}-{uuid.uuid4().hex[:12]}.parquet"
        shelf.put(f"{MEASUREMENTS}/{name}", buffer.getvalue())
        actions.append(
            AddAction(
                name,
                buffer.tell(),
                {"day": folder.removeprefix("day=")},
                0,
                True,
                json.dumps(_statistics(part)),
            )
        )
    return actions


def _statistics(rows: pa.Table) -> dict[str, Any]:
    """What the table says of a file, so that a reader need not open it."""
    least: dict[str, Any] = {}
    most: dict[str, Any] = {}
    for name in ("run_id", "vantage", "site", "batch"):
        column = rows.column(name)
        words = pc.unique(column)
        ends = pc.min_max(words.cast(pa.string()) if pa.types.is_dictionary(words.type) else words)
        least[name], most[name] = ends["min"].as_py(), ends["max"].as_py()
    moments = pc.min_max(rows.column("started_at"))
    for end, of in (("min", least), ("max", most)):
        of["started_at"] = moments[end].as_py().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"numRecords": len(rows), "minValues": least, "maxValues": most, "nullCount": {}}
