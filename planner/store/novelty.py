"""Which of the rows that arrive are new to a table [I/O]."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from planner.store.counting import SAMPLE_KEY
from planner.store.opened import as_table, connected, literal, within_reach
from planner.store.rows import ROWS
from planner.store.shelf import Address
from planner.store.table import files_overlapping

if TYPE_CHECKING:
    from deltalake import DeltaTable


def of_own_runs(rows: pa.Table, before: set[str]) -> tuple[pa.Table, set[str]]:
    """The rows without those of objects whose run another object of this batch has, and the names of these.

    An agent puts a run into one object. Where somebody did otherwise, the second has to wait for the next
    batch, which finds the first in the table.
    """
    pairs = rows.select(["run_id", "object"]).group_by(["run_id", "object"]).aggregate([])
    runs = pairs.column("run_id").to_pylist()
    objects = pairs.column("object").to_pylist()
    foreign: set[str] = set()
    seen: dict[str, str] = {}
    for run, name in sorted(zip(runs, objects, strict=True), key=lambda pair: pair[1]):
        if run in before or seen.setdefault(run, name) != name:
            foreign.add(name)
    before |= {run for run, name in seen.items() if name not in foreign}
    if foreign:
        rows = rows.filter(pc.invert(pc.is_in(rows.column("object"), pa.array(sorted(foreign)))))
    return rows, foreign


def unknown(address: Address, table: DeltaTable, rows: pa.Table) -> pa.Table:
    """Each sample once, without those that the table has."""
    if len(rows) == 0:
        return rows
    runs = pc.unique(rows.column("run_id")).to_pylist()
    files = files_overlapping(table, runs)
    if not files and _all_different(rows):
        return rows
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
        known: list[str] = []
        if files:
            paths = within_reach(database, address, files, Path(scratch))
            source = f"read_parquet({literal(paths)}, hive_partitioning = false)"
            known = [
                run
                for (run,) in database.execute(
                    f"SELECT DISTINCT run_id FROM {source} WHERE list_contains($1, run_id)", [runs]
                ).fetchall()
            ]
        if not known and _all_different(rows):
            return rows
        keys = ", ".join(SAMPLE_KEY)
        database.register("arrived", rows)
        once = f"SELECT DISTINCT ON ({keys}) * FROM arrived"
        if known:
            database.execute(
                f"CREATE TABLE present AS SELECT {keys} FROM {source} WHERE list_contains($1, run_id)",
                [known],
            )
            same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM p.{name}" for name in SAMPLE_KEY)
            once = f"SELECT * FROM ({once}) a WHERE NOT EXISTS (SELECT 1 FROM present p WHERE {same})"
        return as_table(database, once).cast(ROWS)


def _all_different(rows: pa.Table) -> bool:
    """Whether no sample stands there twice, as far as that can be told quickly: False is no certainty."""
    digest = np.zeros(len(rows), dtype=np.uint64)
    for name in SAMPLE_KEY:
        column = rows.column(name).combine_chunks()
        codes = column.indices if pa.types.is_dictionary(column.type) else column
        values = codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64).view(np.uint64)
        digest = (digest ^ values) * np.uint64(0x9E3779B97F4A7C15)
        digest ^= digest >> np.uint64(29)
    return len(np.unique(digest)) == len(digest)
