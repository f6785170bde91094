"""``edgeplan ingest``: the inbox of a store into its table, on the command line [I/O]."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Final

from planner.progress_line import ProgressLine
from planner.store import ingest as store_ingest
from planner.store.ingest import BusyError, Ingested

BUSY: Final = 75
"""Another ingest of the store still runs: sysexits.h's "try again later", as ``edgeprobe`` has it."""

_NAMED: Final = 10


def ingest(url: str, *, keep_days: int | None, as_json: bool) -> int:
    """Run one ingest of the store; returns the exit code. Store errors are raised."""
    line = ProgressLine()
    shown = sys.stderr.isatty()

    def progress(done: int, total: int) -> None:
        if shown:
            line(done, total, "rounds taken in")

    try:
        done = store_ingest.ingest(url, keep_days=keep_days, progress=progress)
    except BusyError as busy:
        print(f"edgeplan: {busy}", file=sys.stderr)
        return BUSY
    finally:
        line.clear()
    for complaint in done.complaints[:_NAMED]:
        print(f"edgeplan: set aside: {complaint}", file=sys.stderr)
    if len(done.complaints) > _NAMED:
        print(f"edgeplan: set aside: {len(done.complaints) - _NAMED} more lines", file=sys.stderr)
    print(_json(url, done) if as_json else _words(done))
    return 0


def _words(done: Ingested) -> str:
    parts = [f"{done.objects:,} rounds taken in, {done.rows:,} rows added"]
    if done.known:
        parts.append(f"{done.known:,} rows were there already")
    if done.elsewhere:
        parts.append(f"{done.elsewhere:,} batches were taken in by another ingest meanwhile")
    if done.damaged:
        parts.append(f"{done.damaged:,} damaged lines set aside")
    if done.upkept is not None and done.upkept.dropped:
        parts.append(f"{done.upkept.dropped:,} days of rows dropped, their rollups kept")
    return f"{'; '.join(parts)}; the table is at version {done.batch}"


def _json(url: str, done: Ingested) -> str:
    values = {
        "store": url,
        "version": done.batch,
        "objects": done.objects,
        "rows": done.rows,
        "known_rows": done.known,
        "batches_elsewhere": done.elsewhere,
        "damaged_lines": done.damaged,
        "complaints": list(done.complaints),
        "upkeep": None if done.upkept is None else dataclasses.asdict(done.upkept),
    }
    return json.dumps(values, indent=2)
