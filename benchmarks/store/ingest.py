"""What it takes to bring an inbox into the table, beside DuckDB reading the same objects once as JSON.

    python -m benchmarks.store.ingest [--objects 10000] [--rows 100] [--repeat 3]

With the daily upkeep (rollups, compaction). Both in processes of their own, in turn; DuckDB with as many
threads as it likes, and with one. Seconds are the least of the repeats, by the clock and of the processor.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.store.synthetic import fill_inbox
from benchmarks.table import COMPARISON, Line, print_table, say

DUCKDB = """
import duckdb, glob, sys
database = duckdb.connect()
database.execute("SET TimeZone = 'UTC'")
if int(sys.argv[2]):
    database.execute(f"SET threads = {sys.argv[2]}")
paths = sorted(glob.glob(sys.argv[1] + "/inbox/*/*/*.gz"))
database.execute("CREATE TABLE t AS SELECT * FROM read_json(?, format = 'newline_delimited')", [paths])
print(database.execute("SELECT count(*) FROM t").fetchone()[0])
"""

INGEST = """
import sys
from planner.store.ingest import ingest
print(ingest(sys.argv[1]).rows)
"""


def measured(code: str, *arguments: str) -> tuple[float, float, int]:
    """Seconds by the clock, of the processor, and the rows the process says it handled."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu, int(done.stdout.split()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeplan-bench-") as folder:
        store = Path(folder) / "store"
        for _ in fill_inbox(store, given.objects, given.rows):
            pass
        # The kernel is compiled once on a machine, and that is not what is asked here.
        small = Path(folder) / "small"
        for _ in fill_inbox(small, 1, 10):
            pass
        measured(INGEST, str(small))
        best: dict[str, tuple[float, float]] = {}
        for n in range(given.repeat):
            copy = Path(folder) / f"copy-{n}"
            shutil.copytree(store, copy)
            for name, code, arguments in (
                ("DuckDB read_json", DUCKDB, (str(store), "0")),
                ("DuckDB read_json, one thread", DUCKDB, (str(store), "1")),
                ("edgeplan ingest", INGEST, (str(copy),)),
            ):
                clock, cpu, rows = measured(code, *arguments)
                assert rows == given.objects * given.rows, (name, rows)
                old = best.get(name, (float("inf"),) * 2)
                say(f"{name}: {clock:.2f} s, {cpu:.2f} s of the processor")
                best[name] = (min(old[0], clock), min(old[1], cpu))
            shutil.rmtree(copy)
        ours, peer = best["edgeplan ingest"], best["DuckDB read_json"]
        alone = best["DuckDB read_json, one thread"]
        shown = [
            Line(
                f"take {given.objects:,} objects of {given.rows} rows into the table, {what}",
                "≤ 1/3 of DuckDB's time to read them" if gate else COMPARISON,
                f"{ours[k]:.2f} s",
                f"{against[k]:.2f} s ({ours[k] / against[k]:.2f})",
                ours[k] <= against[k] / 3 if gate else None,
                {"ours_s": ours[k], "peer_s": against[k]},
            )
            for what, k, against, gate in (
                ("by the clock", 0, peer, True),
                ("of the processor", 1, peer, False),
                ("by the clock, DuckDB with one thread", 0, alone, False),
                ("of the processor, DuckDB with one thread", 1, alone, False),
            )
        ]
        return 0 if print_table("edgeplan", shown) else 1


if __name__ == "__main__":
    sys.exit(main())
