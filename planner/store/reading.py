"""What a reader sees of stores: table and inbox together, each sample once, at one moment [I/O].

The inbox is read first and the table opened afterwards. An object that an ingest took away meanwhile was in
the table before it was deleted, so it is in the version that is opened; one that is still in the inbox and
in the table as well counts once. So no reader ever waits for an ingest, nor an ingest for a reader.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from planner.store.counting import SAMPLE_KEY
from planner.store.damage import COMPLAINTS_PER_OBJECT, Fault
from planner.store.inbox import check_directory, is_file, objects_of
from planner.store.opened import connected, literal, within_reach
from planner.store.rows import in_batches, read_rows
from planner.store.shelf import Address, MeasurementError, address_of
from planner.store.steps import STEP, with_steps
from planner.store.table import MEASUREMENTS, Snapshot, snapshot_of
from planner.store.window import ALWAYS, Window

_COLUMNS: Final = (
    "run_id", "vantage", "vantage_country", "vantage_lat", "vantage_lon", "site", "host", "peer", "port",
    "protocol", "sample", "rtt_ms", "failure", "resolver", "family", STEP,
)  # fmt: skip

_READ_AT_ONCE: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One store as it was read; ``root`` is its URL without a version. ``sha256`` is of a file its bytes;
    of a store it follows from what its table holds and from the inbox objects read, by name and content.
    ``batches`` is how many ingests its table holds, None where it has none; ``objects`` how many were read
    from the inbox."""

    url: str
    root: str
    sha256: str
    batches: int | None
    objects: int


@dataclass(frozen=True, slots=True)
class TablePart:
    """Files of a store's table, and up to which batch their rows are wanted, None for all; ``number`` is the
    store's among those read."""

    address: Address
    files: tuple[str, ...]
    upto: int | None = None
    number: int = 0


@dataclass(slots=True)
class Reading:
    """A database with the views ``heard``, every row of the ``window`` with the number of its ``store``, and
    ``sample``, in which each sample stands once; table ``doubtful`` has the runs that may stand there
    twice, and ``once``, if there are such runs, or nothing else, the samples of those. All others are in the
    tables of the ``parts``. So many rows ``arrived`` in inboxes."""

    database: duckdb.DuckDBPyConnection
    window: Window = ALWAYS
    parts: tuple[TablePart, ...] = ()
    once: bool = False
    arrived: int = 0
    sources: tuple[Source, ...] = ()
    damaged: int = 0
    complaints: list[str] = field(default_factory=list)


@contextmanager
def reading(urls: Sequence[str], window: Window = ALWAYS) -> Iterator[Reading]:
    """The stores' samples of the ``window``, in a database that lives as long as the context.

    Raises :class:`MeasurementError` when a URL is no store or holds no sound measurement at all, and
    :class:`StoreError` when it cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
        found = Reading(database, window)
        database.execute(
            "CREATE TABLE arrived (run_id VARCHAR, vantage VARCHAR, vantage_country VARCHAR,"
            " vantage_lat DOUBLE, vantage_lon DOUBLE, site VARCHAR, host VARCHAR, peer VARCHAR, port BIGINT,"
            " protocol VARCHAR, sample BIGINT, rtt_ms DOUBLE, failure VARCHAR, resolver VARCHAR,"
            " family BIGINT, step_ms DOUBLE, started_at TIMESTAMP, store INTEGER)"
        )
        parts = []
        for number, address in enumerate(map(address_of, dict.fromkeys(urls))):
            source, snapshot = _hear(found, address, number, window)
            found.sources += (source,)
            if snapshot is not None and snapshot.files:
                parts.append(_part(database, address, snapshot, number, Path(scratch)))
                found.parts += (TablePart(address, snapshot.files, address.version, number),)
        found.once = _tell_apart(database, parts, window)
        yield found


def hash_sources(urls: Sequence[str]) -> Mapping[str, str]:
    """What :attr:`Source.sha256` would be now, by URL. Raises what :func:`reading` does, but for unsound
    content."""
    hashes = {}
    for address in map(address_of, dict.fromkeys(urls)):
        digests = [(name, _sha256(content)) for name, content, _ in _objects(address)]
        hashes[address.url] = _hash(address, digests, _snapshot(address, ALWAYS, len(digests)))
    return hashes


def _objects(address: Address) -> Iterator[tuple[str, bytes, bool]]:
    check_directory_or_file(address)
    # A store at a past version is what its table holds.
    return iter(()) if address.version is not None else objects_of(address)


def check_directory_or_file(address: Address) -> None:
    if not is_file(address):
        check_directory(address)


def _snapshot(address: Address, window: Window, objects: int) -> Snapshot | None:
    if is_file(address):
        return None
    snapshot = snapshot_of(address, window)
    if objects == 0 and (snapshot is None or snapshot.batches == 0 or address.version == 0):
        if address.path is None:
            raise MeasurementError(address.url, "holds no measurements: there is no object under inbox/")
        if not (address.path / "inbox").is_dir():
            raise MeasurementError(address.url, "is not a store of measurements: it has no inbox")
        raise MeasurementError(address.url, "holds no measurements yet: its inbox is empty")
    return snapshot


def _hear(found: Reading, address: Address, number: int, window: Window) -> tuple[Source, Snapshot | None]:
    digests: list[tuple[str, str]] = []
    faults: list[Fault] = []
    sound = 0
    within = window.sql("started_at::TIMESTAMP")
    for objects in in_batches(_objects(address), _READ_AT_ONCE):
        digests += [(name, _sha256(content)) for name, content, _ in objects]
        rows = read_rows(objects)
        faults += rows.faults
        sound += len(rows.table)
        found.arrived += len(rows.table)
        found.database.register("batch", with_steps(rows.table))
        found.database.execute(
            f"INSERT INTO arrived SELECT {', '.join(_COLUMNS)}, started_at::TIMESTAMP, $store FROM batch"
            f"{f' WHERE {within}' if within else ''}",
            {"store": number},
        )
        found.database.unregister("batch")
    snapshot = _snapshot(address, window, len(digests))
    complaints = _complaints(address, faults)
    if sound == 0 and (snapshot is None or snapshot.batches == 0):
        reason = complaints[0].removeprefix(address.url).lstrip(",:/ ") if complaints else ""
        raise MeasurementError(address.url, f"holds no sound measurement{f' ({reason})' if reason else ''}")
    found.damaged += sum(not fault.kept for fault in faults)
    found.complaints += complaints
    batches = None if snapshot is None else address.version or snapshot.batches
    return Source(
        address.url, address.root, _hash(address, digests, snapshot), batches, len(digests)
    ), snapshot


def _complaints(address: Address, faults: Sequence[Fault]) -> list[str]:
    """A line each for the first faults of an object, and one for the number of its others."""
    lines = []
    count: Counter[str] = Counter()
    total = Counter(fault.name for fault in faults)
    for fault in faults:
        count[fault.name] += 1
        where = fault.name if fault.name == address.url else f"{address.url.rstrip('/')}/{fault.name}"
        if count[fault.name] <= COMPLAINTS_PER_OBJECT:
            lines.append(f"{where}, line {fault.line}: {fault.reason}")
        if count[fault.name] == total[fault.name] > COMPLAINTS_PER_OBJECT:
            lines.append(f"{where}: {total[fault.name] - COMPLAINTS_PER_OBJECT} more damaged lines")
    return lines


def _part(
    database: duckdb.DuckDBPyConnection, address: Address, snapshot: Snapshot, number: int, scratch: Path
) -> str:
    """The table's rows of the version asked for, in SQL, with the columns of ``arrived``."""
    paths = within_reach(database, address, snapshot.files, scratch)
    # A file of an older schema, or of an older table, lacks a column here and there: it reads as empty.
    columns = [name if name in snapshot.columns else f"NULL AS {name}" for name in _COLUMNS]
    past = "" if address.version is None else f" WHERE batch <= {address.version}"
    return (
        f"SELECT {', '.join(columns)}, started_at::TIMESTAMP AS started_at, {number} AS store"
        f" FROM read_parquet({literal(paths)}, hive_partitioning = false, union_by_name = true){past}"
    )


def _tell_apart(database: duckdb.DuckDBPyConnection, parts: Sequence[str], window: Window) -> bool:
    """``heard`` and ``sample``; whether there is a table ``once``. A table has each sample once, so only runs
    that stand in two places, or in an inbox, are looked at sample by sample."""
    bounds = window.sql("started_at")
    within = f" WHERE {bounds}" if bounds else ""
    tables = [f"SELECT * FROM ({part}){within}" for part in parts]
    database.execute(f"CREATE VIEW heard AS {' UNION ALL '.join(['SELECT * FROM arrived', *tables])}")
    several = " UNION ALL ".join(f"SELECT DISTINCT run_id FROM ({each})" for each in tables)
    database.execute(
        "CREATE TABLE doubtful AS SELECT DISTINCT run_id FROM arrived"
        + (
            f" UNION SELECT run_id FROM ({several}) GROUP BY run_id HAVING count(*) > 1"
            if len(tables) > 1
            else ""
        )
    )
    ((doubtful,),) = database.execute("SELECT count(*) FROM doubtful").fetchall()
    if doubtful == 0 and tables:  # nothing arrived, and nothing to tell apart
        database.execute(f"CREATE VIEW sample AS {' UNION ALL '.join(tables)}")
        return False
    database.execute(
        f"CREATE TABLE once AS SELECT DISTINCT ON ({', '.join(SAMPLE_KEY)}) *"
        " FROM heard SEMI JOIN doubtful USING (run_id)"
    )
    sure = [f"SELECT * FROM ({each}) ANTI JOIN doubtful USING (run_id)" for each in tables]
    database.execute(f"CREATE VIEW sample AS {' UNION ALL '.join(['SELECT * FROM once', *sure])}")
    return True


def _hash(address: Address, digests: Sequence[tuple[str, str]], snapshot: Snapshot | None) -> str:
    if len(digests) == 1 and digests[0][0] == address.url:
        return digests[0][1]
    lines = [f"{digest}  {name}" for name, digest in digests]
    if snapshot is not None:
        # Batches are never changed, so a table and their number say what it holds; the oldest may be dropped.
        batches = snapshot.batches if address.version is None else address.version
        lines.insert(0, f"{MEASUREMENTS} {snapshot.id} {batches} {snapshot.first_day}")
    return _sha256("".join(f"{line}\n" for line in lines).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
