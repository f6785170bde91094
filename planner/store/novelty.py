"""Which of the rows that arrive are new to a table [I/O]."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from planner.store.arrays import coded, numbers, plain, present, strings, whole
from planner.store.counting import SAMPLE_KEY
from planner.store.opened import as_table, connected, literal, within_reach
from planner.store.rows import ROWS
from planner.store.shelf import Address
from planner.store.table import overlapping, run_bounds

if TYPE_CHECKING:
    from deltalake import DeltaTable


def of_own_runs(rows: pa.Table, before: set[str]) -> tuple[pa.Table, set[str]]:
    """The rows without those of objects whose run another object of this batch has, and the names of these.

    An agent puts a run into one object. Where somebody did otherwise, the second has to wait for the next
    batch, which finds the first in the table.
    """
    foreign: set[str] = set()
    seen: dict[str, str] = {}
    for run, name in sorted(_runs_of_objects(rows), key=lambda pair: pair[1]):
        if run in before or seen.setdefault(run, name) != name:
            foreign.add(name)
    before |= {run for run, name in seen.items() if name not in foreign}
    if foreign:
        rows = rows.filter(pc.invert(pc.is_in(rows.column("object"), strings(sorted(foreign)))))
    return rows, foreign


def _runs_of_objects(rows: pa.Table) -> list[tuple[str, str]]:
    """Each run with each object that it stands in."""
    run, name = (whole(rows.column(each)) for each in ("run_id", "object"))
    pairs = numbers(run.indices).astype(np.int64) * len(name.dictionary) + numbers(name.indices)
    # A run stands together: few pairs are left where neighbours differ.
    changes = np.flatnonzero(np.diff(pairs, prepend=-1))
    at = changes[np.unique(pairs[changes], return_index=True)[1]]
    return list(
        zip(
            run.take(plain(at, pa.int64())).to_pylist(),
            name.take(plain(at, pa.int64())).to_pylist(),
            strict=True,
        )
    )


class Held:
    """What a table holds, as it is now."""

    def __init__(self, address: Address, table: DeltaTable) -> None:
        self.address = address
        self._files = run_bounds(table)

    def files(self, runs: Sequence[str]) -> list[str]:
        """The names of the files that may hold rows of these runs."""
        return overlapping(self._files, runs)


def unknown(held: Held, rows: pa.Table) -> pa.Table:
    """Each sample once, without those that the table has; the ``rows`` themselves where these are all new."""
    if len(rows) == 0:
        return rows
    runs = pc.unique(rows.column("run_id")).to_pylist()
    files = held.files(runs)
    if not files and _all_different(rows):
        return rows
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
        known: list[str] = []
        if files:
            paths = within_reach(database, held.address, files, Path(scratch))
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
        column = rows.column(name)
        if pa.types.is_integer(column.type):
            values = np.where(present(column), numbers(column), -1)
        else:
            values = coded(column)[0].astype(np.int64)
        if values.min() == values.max():  # tells nothing apart
            continue
        digest = (digest ^ values.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        digest ^= digest >> np.uint64(29)
    digest.sort()
    return not np.any(digest[1:] == digest[:-1])
