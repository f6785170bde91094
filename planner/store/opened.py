"""A table's files within DuckDB's reach [I/O]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from planner.store.shelf import Address, MeasurementError
from planner.store.table import MEASUREMENTS, table_uri

if TYPE_CHECKING:
    import pyarrow as pa


def connected(scratch: Path) -> duckdb.DuckDBPyConnection:
    """A database in memory that spills into ``scratch``, where it is cleaned up, and tells time in UTC."""
    database = duckdb.connect()
    database.execute("SET temp_directory = ?", [str(scratch)])
    database.execute("SET TimeZone = 'UTC'")
    # Stdout is for answers, however long a query takes.
    database.execute("SET enable_progress_bar = false")
    # Nothing is ever downloaded: what is read is JSON-free Parquet, which DuckDB knows by itself.
    database.execute("SET autoinstall_known_extensions = false")
    database.execute("SET autoload_known_extensions = false")
    return database


def within_reach(
    database: duckdb.DuckDBPyConnection,
    address: Address,
    names: Sequence[str],
    scratch: Path,
    table: str = MEASUREMENTS,
) -> list[str]:
    """Paths by which ``database`` reads these files of a store's table."""
    if address.path is not None:
        # A path with * or ? would be taken for a pattern: a link has a name of our own.
        link = scratch / f"table-{len(list(scratch.glob('table-*')))}"
        link.symlink_to((address.path / table).absolute())
        return [f"{link}/{name}" for name in names]
    scheme = address.root.partition("://")[0]
    if scheme not in database.list_filesystems():
        database.register_filesystem(_filesystem(address))
    return [f"{table_uri(address, table)}/{name}" for name in names]


def source_of(address: Address, name: str, table: str = MEASUREMENTS) -> Any:
    """What pyarrow reads a file of a store's table from: a path, or a file in an object store. Raises
    :class:`MeasurementError`."""
    if address.path is not None:
        return str((address.path / table / name).absolute())
    return _filesystem(address).open(f"{table_uri(address, table)}/{name}")


def _filesystem(address: Address) -> Any:
    try:
        from obstore.fsspec import FsspecStore
    except ImportError:
        raise MeasurementError(
            address.url, "is an object store; reading its table needs the s3 extra (edgeplan[s3])"
        ) from None
    reader: Any = FsspecStore
    return reader(address.root.partition("://")[0])


def literal(paths: Sequence[str]) -> str:
    """The paths as a list in SQL, where a view takes no parameters."""
    return "[" + ", ".join("'" + path.replace("'", "''") + "'" for path in paths) + "]"


def as_table(database: duckdb.DuckDBPyConnection, query: str, parameters: Any = None) -> pa.Table:
    """The answer as an Arrow table."""
    return database.sql(query, params=parameters).to_arrow_table()
