"""The Delta table ``measurements/`` of a store: its schema, its versions, and its files [I/O].

Rows are those of ``planner.store.rows`` and three columns more: ``step_ms`` (``planner.store.steps``),
``batch``, the number of the ingest that took the row in (from 1; the table's own application transaction
``ingest`` says how far it has come), and ``day``, the UTC day of ``started_at``, by which the table is
partitioned. A table is only ever added to, batch by batch, so the store as it was at batch N is what has
``batch <= N`` now, whatever was compacted or vacuumed since.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from planner.store.rows import ROWS
from planner.store.shelf import Address, MeasurementError, StoreError, first_line
from planner.store.steps import STEP
from planner.store.window import ALWAYS, Window

if TYPE_CHECKING:
    from deltalake import DeltaTable

MEASUREMENTS: Final = "measurements"
ROLLUPS: Final = "rollups"
INGEST: Final = "ingest"
"""The application transaction that counts batches."""

_ANY_BATCH: Final = 1 << 62

TABLE_SCHEMA: Final = 1
"""Version of the table's schema, in its property ``edgeplan.schema``. One that lacks columns of this is
older, is read as if they were empty, and gets them with the next ingest; a newer one is refused."""

_SCHEMA_PROPERTY: Final = "edgeplan.schema"

SCHEMA: Final = pa.schema(
    [
        *ROWS,
        pa.field(STEP, pa.float64()),
        pa.field("batch", pa.int64()),
        pa.field("day", pa.date32()),
    ]
)

_PROPERTIES: Final = {
    "delta.checkpointInterval": "20",
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    # The columns that files are told apart by; statistics of the others would only make the log longer.
    "delta.dataSkippingStatsColumns": "run_id,vantage,site,started_at,batch",
    _SCHEMA_PROPERTY: str(TABLE_SCHEMA),
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version of a table: ``files`` are what a reader opens, by their names below the table, those of a
    window only where one was asked for.

    ``version`` is Delta's own number, ``batches`` how many ingests it holds, ``id`` what tells it from every
    other table, ``first_day`` the oldest day with rows, or None. ``columns`` are those it has.
    """

    files: tuple[str, ...]
    version: int
    batches: int
    id: str
    first_day: date | None
    columns: tuple[str, ...]


def table_uri(address: Address, name: str = MEASUREMENTS) -> str:
    return f"{address.root.rstrip('/')}/{name}" if address.path is None else str(address.path / name)


@contextlib.contextmanager
def table_faults(address: Address, done: str = "read") -> Iterator[None]:
    """What the Delta library and Arrow raise, as a :class:`StoreError`."""
    from deltalake.exceptions import DeltaError

    try:
        yield
    except (DeltaError, pa.ArrowException, OSError) as fault:
        if isinstance(fault, StoreError):
            raise
        raise StoreError(f"{address.url}: its table cannot be {done}: {first_line(fault)}") from None


def open_table(address: Address, name: str = MEASUREMENTS) -> DeltaTable | None:
    """The table as it is now, or None where there is none. Raises :class:`MeasurementError` for one that a
    newer version wrote, and :class:`StoreError`."""
    if address.path is not None and not (address.path / name / "_delta_log").is_dir():
        return None
    from deltalake import DeltaTable
    from deltalake.exceptions import TableNotFoundError

    with table_faults(address):
        try:
            table = DeltaTable(table_uri(address, name))
        except TableNotFoundError:
            return None
        written = table.metadata().configuration.get(_SCHEMA_PROPERTY) or "0"
    if not written.isdecimal() or int(written) > TABLE_SCHEMA:
        raise MeasurementError(
            address.url,
            f"its table has schema {written}, and this version of edgeplan knows {TABLE_SCHEMA} at most:"
            " upgrade edgeplan here as well",
        )
    return table


def create_table(address: Address, name: str = MEASUREMENTS, schema: pa.Schema = SCHEMA) -> DeltaTable:
    """The table, made where there is none, and given the columns it lacks. Raises what :func:`open_table`
    does."""
    from deltalake import DeltaTable, Field, Schema

    table = open_table(address, name)
    with table_faults(address, "written"):
        if table is None:
            if address.path is not None:
                (address.path / name).mkdir(parents=True, exist_ok=True)
            return DeltaTable.create(
                table_uri(address, name),
                Schema.from_arrow(schema),
                mode="ignore",
                partition_by=["day"],
                configuration=_PROPERTIES,
                raise_if_key_not_exists=False,
            )
        has = {field.name for field in table.schema().fields}
        lacking = [field for field in Schema.from_arrow(schema).fields if field.name not in has]
        if lacking:
            table.alter.add_columns([Field(each.name, each.type, nullable=True) for each in lacking])
        if table.metadata().configuration.get(_SCHEMA_PROPERTY) != str(TABLE_SCHEMA):
            table.alter.set_table_properties({_SCHEMA_PROPERTY: str(TABLE_SCHEMA)}, raise_if_not_exists=False)
    return table


def snapshot_of(address: Address, window: Window = ALWAYS) -> Snapshot | None:
    """The table's present version, or None where the store has none.

    Raises :class:`MeasurementError` where the address asks for a batch that is still to come, or of a store
    without a table, and :class:`StoreError`.
    """
    table = open_table(address)
    if table is None:
        if address.version is not None:
            raise MeasurementError(address.url, "has no table yet, and so no versions")
        return None
    with table_faults(address):
        batches = table.transaction_version(INGEST) or 0
        if address.version is not None and address.version > batches:
            raise MeasurementError(address.url, f"is not there yet: the table is at {batches}")
        days, paths = _files(table)
        files = [path for day, path in zip(days, paths, strict=True) if window.has_day(day)]
        first = min(days, default=None)
        columns = tuple(field.name for field in table.schema().fields)
        return Snapshot(tuple(files), table.version(), batches, str(table.metadata().id), first, columns)


def _actions(table: DeltaTable) -> pa.Table:
    """What the log says of each file. (``pa.table`` would import pandas, to see whether it is one of its.)"""
    return pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all()


def _files(table: DeltaTable) -> tuple[list[date], list[str]]:
    """The day and the name of each of the table's files."""
    actions = _actions(table)
    return actions.column("partition.day").to_pylist(), actions.column("path").to_pylist()


Bounds = Sequence[tuple[str, str | None, str | None]]
"""Of each file its name, and of its runs the least and the greatest, None where that is not known."""


def run_bounds(table: DeltaTable) -> Bounds:
    """What the table says of its files' runs."""
    actions = _actions(table)
    if actions.num_rows == 0:
        return []
    nothing = [None] * actions.num_rows
    lows, highs = (
        actions.column(name).to_pylist() if name in actions.column_names else nothing
        for name in ("min.run_id", "max.run_id")
    )
    return list(zip(actions.column("path").to_pylist(), lows, highs, strict=True))


def overlapping(bounds: Bounds, runs: Sequence[str]) -> list[str]:
    """The names of the files that may hold rows of these runs; runs are named by their time, so those are
    few."""
    if not bounds or not runs:
        return []
    low, high = min(runs), max(runs)
    return [
        name
        for name, least, most in bounds
        # Statistics may be cut short: a greatest value only says that it begins like this.
        if (least is None or least <= high) and (most is None or most >= low[: len(most)])
    ]


def files_overlapping(table: DeltaTable, runs: Sequence[str]) -> list[str]:
    """The names of the table's files that may hold rows of these runs."""
    return overlapping(run_bounds(table), runs)


def files_between(
    table: DeltaTable, first: int, last: int, since: date | None = None, until: date | None = None
) -> list[str]:
    """The names of the files that may hold rows of batches ``first`` to ``last``, of days [``since``,
    ``until``)."""
    actions = _actions(table)
    if actions.num_rows == 0:
        return []
    nothing = [None] * actions.num_rows
    least, most = (
        actions.column(name).to_pylist() if name in actions.column_names else nothing
        for name in ("min.batch", "max.batch")
    )
    names, days = actions.column("path").to_pylist(), actions.column("partition.day").to_pylist()
    return [
        name
        for name, day, low, high in zip(names, days, least, most, strict=True)
        if (low is None or low <= last)
        and (high is None or high >= first)
        and (since is None or day >= since)
        and (until is None or day < until)
    ]


def day_of(name: str) -> date:
    """The day of a table's file."""
    return date.fromisoformat(name.partition("/")[0].removeprefix("day="))


def last_batches(table: DeltaTable) -> dict[str, int]:
    """The last batch that each file has rows of."""
    actions = _actions(table)
    names = actions.column("path").to_pylist()
    # A file that does not say may be of any.
    most = actions.column("max.batch").to_pylist() if "max.batch" in actions.column_names else []
    return {
        name: _ANY_BATCH if last is None else last
        for name, last in zip(names, most or [None] * len(names), strict=True)
    }


def files_of_days(table: DeltaTable) -> dict[date, int]:
    """How many files each day has, in order."""
    days, _ = _files(table)
    return {day: days.count(day) for day in sorted(set(days))}
