"""What a table needs from time to time: rollups, fewer and larger files, an end to old ones [I/O].

Done by the first ingest of a day, under the same lock. Each part is one commit or deletes only what no
version of the last week names, and may be killed at any instant.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from planner.store.shelf import Address, Shelf
from planner.store.table import INGEST, ROLLUPS, create_table, files_of_days, open_table, table_faults

if TYPE_CHECKING:
    from deltalake import DeltaTable

KEPT_FOR_READERS_H: Final = 168
"""Hours that a file stays after the table's last version that names it: a reader holds one for minutes, and a
week is what other engines expect."""

SMALL_FILES: Final = 32
"""So many files of a day that is not over are made one; of a day that is over, any two."""

_MARK: Final = "ingest/upkeep"


@dataclass(frozen=True, slots=True)
class Upkept:
    """``rolled_up``: batches in the rollups now; ``compacted`` files made into fewer; ``dropped`` days beyond
    retention; ``vacuumed`` files deleted."""

    rolled_up: int = 0
    compacted: int = 0
    dropped: int = 0
    vacuumed: int = 0


def upkeep(
    address: Address,
    shelf: Shelf,
    *,
    keep_days: int | None = None,
    now: datetime | None = None,
    due: bool = False,
) -> Upkept | None:
    """Look after the store's tables, once a day; None where that was done today. ``due``: do it in any case.

    Rows of days more than ``keep_days`` ago are dropped once the rollups have them; None keeps all.
    Raises :class:`planner.store.shelf.StoreError`.
    """
    now = now or datetime.now(UTC)
    today = now.astimezone(UTC).date()
    if not due and shelf.get(_MARK) == today.isoformat().encode():
        return None
    table = open_table(address)
    if table is None:
        return None
    # Its kernels take half a second to load: an ingest that has nothing to look after does without.
    from planner.store.rolling import roll_up, sum_up
    from planner.store.rollup import SCHEMA

    rolled = roll_up(address, table)
    sum_up(address, today)
    dropped = 0 if keep_days is None else _drop(address, table, rolled, today - timedelta(days=keep_days))
    compacted = vacuumed = 0
    for name in (None, ROLLUPS):
        of = table if name is None else create_table(address, ROLLUPS, SCHEMA)
        with table_faults(address, "written"):
            compacted += _compact(of, today)
            vacuumed += len(
                of.vacuum(
                    retention_hours=KEPT_FOR_READERS_H,
                    dry_run=False,
                    enforce_retention_duration=False,
                    full=True,
                )
            )
            of.create_checkpoint()
            of.cleanup_metadata()
    if address.path is not None:
        _tidy(address, today)
    shelf.put(_MARK, today.isoformat().encode())
    return Upkept(rolled, compacted, dropped, vacuumed)


def _compact(table: DeltaTable, today: date) -> int:
    """Many files of a day into one; returns how many there were."""
    count = 0
    for day, number in files_of_days(table).items():
        if number >= (2 if day < today else SMALL_FILES):
            done = table.optimize.compact(partition_filters=[("day", "=", day.isoformat())])
            count += int(done["numFilesRemoved"])
            table.update_incremental()
    return count


def _drop(address: Address, table: DeltaTable, rolled: int, before: date) -> int:
    """Drop the days before that date from the table, and their round trips from the rollups, if those have
    all of them; returns how many."""
    days = [day for day in files_of_days(table) if day < before]
    if not days or rolled < (table.transaction_version(INGEST) or 0):
        return 0
    from planner.store.rollup import NEVER_SO_MANY, SCHEMA

    with table_faults(address, "written"):
        # First, for the days in the table are what is still to be done; a reader in between reads their rows.
        create_table(address, ROLLUPS, SCHEMA).update(
            {"series": "NULL", "steps": "NULL", "table_rows": str(NEVER_SO_MANY)},
            predicate=f"day < '{before.isoformat()}' AND series IS NOT NULL",
        )
        table.delete(f"day < '{before.isoformat()}'")
        table.update_incremental()
    return len(days)


def _tidy(address: Address, today: date) -> None:
    """Remove folders of the inbox that are empty since days ago; an agent that wants one makes it again."""
    assert address.path is not None
    for folder in sorted((address.path / "inbox").glob("day=*")):
        if folder.name.removeprefix("day=") < (today - timedelta(days=2)).isoformat():
            for each in (*folder.iterdir(), folder):
                with contextlib.suppress(OSError):  # not empty
                    each.rmdir()
