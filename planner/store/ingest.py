"""From the inbox into the table, each row exactly once [I/O].

One ingest after another takes what is in the inbox into the table, in batches numbered from 1. Of batch N:

1. ``ingest/N.json``, its manifest, is created: which objects it takes. There is one of each number, whoever
   creates it, and it never changes.
2. Damaged objects are set aside, each with its reasons beside it.
3. The rows are written as Parquet files that nobody knows of yet.
4. One commit makes them the table's, together with the application transaction (``ingest``, N). The table
   refuses a second commit of that number.
5. The objects are deleted from the inbox, and then the manifest.

A start looks at the table and at the manifests first. One that was committed has its objects deleted, each
that the table or the set-aside objects hold; one that was not is done again, with the same objects. So a
kill between any two steps loses nothing and doubles nothing, and neither do two ingesters at once. In a
directory a lock keeps the second from trying.

A round that is sent again after its object was deleted brings its run's name with it. Rows of runs that the
table may hold are compared sample by sample, and only what is new is added.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from planner.store.damage import Fault
from planner.store.inbox import is_object, listed
from planner.store.novelty import Held, of_own_runs, unknown
from planner.store.opened import connected, literal, within_reach
from planner.store.read_ahead import read_ahead
from planner.store.set_aside import aside_key, set_aside
from planner.store.shelf import Address, MeasurementError, Shelf, StoreError, address_of, open_shelf
from planner.store.steps import with_steps
from planner.store.table import (
    INGEST,
    MEASUREMENTS,
    SCHEMA,
    create_table,
    overlapping,
    run_bounds,
    table_faults,
)
from planner.store.upkeep import Upkept, upkeep
from planner.store.writing import DayFiles

if TYPE_CHECKING:
    from deltalake import DeltaTable

OBJECTS_PER_BATCH: Final = 10_000
Step = Callable[[str], None]
"""Called after each step that a kill may fall behind, with its name: for tests."""

Progress = Callable[[int, int], None]
"""Called with the objects done and those there are in all."""


class BusyError(Exception):
    """Another ingest of this store still runs."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What one run of ingest did: ``objects`` taken in, ``rows`` added to the table, ``known`` rows that
    were there already, ``damaged`` lines set aside, and ``complaints`` about them; ``upkept`` what was
    done for the table, if it was due. ``batch`` is how far the table is now; ``elsewhere`` how many batches
    another ingest took in, which was at work on the same ones."""

    objects: int = 0
    rows: int = 0
    known: int = 0
    damaged: int = 0
    batch: int = 0
    elsewhere: int = 0
    complaints: tuple[str, ...] = field(default=())
    upkept: Upkept | None = None


def ingest(
    url: str,
    *,
    keep_days: int | None = None,
    progress: Progress | None = None,
    step: Step = lambda name: None,
    now: datetime | None = None,
) -> Ingested:
    """Take the inbox of the store ``url`` into its table, and once a day look after the table
    (:mod:`planner.store.upkeep`): rows of days more than ``keep_days`` ago are then dropped.

    Raises :class:`MeasurementError` when that is no store, :class:`BusyError` when another ingest is at
    work, and :class:`StoreError` when the store cannot be read or written; what was done until then stays
    done.
    """
    address = address_of(url)
    _check(address)
    shelf = open_shelf(address)
    with _alone(address):
        table = create_table(address)
        done = _recover(address, shelf, table, step)
        names = listed(shelf)
        total = len(names)
        while names:
            if progress is not None:
                progress(total - len(names), total)
            number = _batches(table) + 1
            manifest = _manifest(shelf, number, names[:OBJECTS_PER_BATCH])
            step("manifest")
            took = _take(address, shelf, table, number, manifest, step)
            if took is None:
                done = _added(done, _recover(address, shelf, table, step))
                done = replace(done, elsewhere=done.elsewhere + 1)
                names = listed(shelf)
                total = max(total, len(names))
                continue
            did, taken = took
            done = _added(done, did)
            if not taken:  # every object left for another time, which would come again and again
                break
            gone = set(manifest)
            names = [name for name in names if name not in gone]
        if progress is not None:
            progress(total, total)
        # Where another is at work as well, it looks after the table, or who comes next does.
        kept = None if done.elsewhere else upkeep(address, shelf, keep_days=keep_days, now=now)
        return replace(done, batch=_batches(table), upkept=kept)


def _check(address: Address) -> None:
    if address.version is not None:
        raise MeasurementError(
            address.url, "is a store at a past version; only the store itself takes rows in"
        )
    if address.path is not None and not address.path.is_dir():
        what = "is not there" if not address.path.exists() else "is no directory"
        raise MeasurementError(address.url, what)
    if address.path is not None and not _is_store(address.path):
        within = [each.name for each in sorted(address.path.iterdir()) if each.is_dir() and _is_store(each)]
        meant = f"; did you mean {within[0]} in it?" if within else ""
        raise MeasurementError(
            address.url, f"is not a store of measurements: it has neither inbox nor table{meant}"
        )


def _is_store(folder: Path) -> bool:
    # A folder of the table's name is no table yet: the store itself may be called that.
    return (folder / "inbox").is_dir() or (folder / MEASUREMENTS / "_delta_log").is_dir()


@contextlib.contextmanager
def _alone(address: Address) -> Iterator[None]:
    if address.path is None:
        yield
        return
    lock = address.path / "ingest" / "lock"
    try:
        lock.parent.mkdir(exist_ok=True)
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    except OSError as fault:
        raise StoreError(f"{address.url}: cannot be written: {fault.strerror or fault} ({lock})") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"{address.url}: another ingest of this store still runs") from None
        yield
    finally:
        os.close(descriptor)


def _batches(table: DeltaTable) -> int:
    return table.transaction_version(INGEST) or 0


def _manifest_key(number: int) -> str:
    return f"ingest/{number:09}.json"


def _manifest(shelf: Shelf, number: int, names: Sequence[str]) -> list[str]:
    """The objects of batch ``number``: these, or those of the manifest that somebody made first."""
    key = _manifest_key(number)
    if shelf.create(key, json.dumps({"objects": list(names)}).encode()):
        return list(names)
    return _objects_of(shelf.get(key))


def _objects_of(manifest: bytes | None) -> list[str]:
    try:
        document = json.loads(manifest or b"{}")
    except ValueError:  # never written whole, so nothing was done by it
        return []
    names = document.get("objects") if isinstance(document, dict) else None
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str) and is_object(name)]


def _recover(address: Address, shelf: Shelf, table: DeltaTable, step: Step) -> Ingested:
    """Finish what manifests of ended ingests left."""
    done = Ingested()
    for key in sorted(key for key in shelf.keys("ingest") if key.endswith(".json")):
        number = int(Path(key).stem) if Path(key).stem.isdecimal() else 0
        names = _objects_of(shelf.get(key))
        if number == _batches(table) + 1:
            took = _take(address, shelf, table, number, names, step)
            if took is not None:
                done = _added(done, took[0])
                continue
            done = replace(done, elsewhere=done.elsewhere + 1)
        if number <= _batches(table):
            _finish(shelf, key, _held(address, shelf, table, names), step)
    return done


def _held(address: Address, shelf: Shelf, table: DeltaTable, names: Sequence[str]) -> list[str]:
    """Those of the objects that the table, or what was set aside, holds: those that may go."""
    runs = [Path(name).name.removesuffix(".jsonl.gz") for name in names]
    files = overlapping(run_bounds(table), runs)
    held = {name for name in names if shelf.get(aside_key(name)) is not None}
    if files:
        with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch, connected(Path(scratch)) as database:
            paths = within_reach(database, address, files, Path(scratch))
            found = database.execute(
                f"SELECT DISTINCT object FROM read_parquet({literal(paths)}, hive_partitioning = false)"
                " WHERE list_contains($1, object)",
                [list(names)],
            ).fetchall()
        held |= {name for (name,) in found}
    return [name for name in names if name in held]


def _take(
    address: Address, shelf: Shelf, table: DeltaTable, number: int, names: Sequence[str], step: Step
) -> tuple[Ingested, int] | None:
    """Bring one batch into the table; also how many of its objects are out of the inbox now. None where
    another ingest was quicker: the batch is the table's, and nothing was added to it."""
    from deltalake import CommitProperties, Schema, Transaction

    taken: list[str] = []
    faults: list[Fault] = []
    runs_before: set[str] = set()
    rows_added = known = 0
    held = Held(address, table)
    files = DayFiles(shelf, MEASUREMENTS, number)
    for batch in read_ahead(shelf, names):
        rows, foreign = of_own_runs(batch.rows.table, runs_before)
        damage = [fault for fault in batch.rows.faults if fault.name not in foreign]
        faults += damage
        set_aside(shelf, batch.objects, damage)
        taken += [name for name, _, _ in batch.objects if name not in foreign]
        new = unknown(held, rows)
        known += len(rows) - len(new)
        rows_added += len(new)
        # What was not as it came has other neighbours.
        files.add(batch.stepped if new is batch.rows.table else with_steps(new))
    actions = files.finish()
    step("files")
    # Delta's own check: a commit of this number since the table was opened makes this one fail.
    properties = CommitProperties(app_transactions=[Transaction(INGEST, number)], max_commit_retries=0)
    try:
        with table_faults(address, "written"):
            table.create_write_transaction(
                actions, "append", Schema.from_arrow(SCHEMA), ["day"], commit_properties=properties
            )
            table.update_incremental()
    except StoreError:
        with table_faults(address):
            table.update_incremental()
        if _batches(table) < number:
            raise
        return None
    # The library leaves that to the system, and the objects are deleted next.
    shelf.settle(f"{MEASUREMENTS}/_delta_log/{table.version():020}.json")
    step("commit")
    _finish(shelf, _manifest_key(number), taken, step)
    damaged = sum(not fault.kept for fault in faults)
    complaints = tuple(f"{address.url.rstrip('/')}/{fault}" for fault in faults)
    return Ingested(len(taken), rows_added, known, damaged, number, 0, complaints), len(taken)


def _finish(shelf: Shelf, manifest: str, names: Sequence[str], step: Step) -> None:
    shelf.delete(names)
    step("deleted")
    shelf.delete([manifest])
    step("done")


def _added(one: Ingested, other: Ingested) -> Ingested:
    return Ingested(
        one.objects + other.objects,
        one.rows + other.rows,
        one.known + other.known,
        one.damaged + other.damaged,
        max(one.batch, other.batch),
        one.elsewhere + other.elsewhere,
        (*one.complaints, *other.complaints),
    )
