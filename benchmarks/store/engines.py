"""The statement for ClickHouse, run by chDB over a table that ingest made, beside our own figures.

pip install chdb          # 530 MB on the disk, and in no extra of edgeplan
python -m benchmarks.store.engines [--rounds 200]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.store.synthetic import fill_inbox
from benchmarks.table import Line, print_table
from planner.store.dialects import statement
from planner.store.figures import read_figures
from planner.store.ingest import ingest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    try:
        import chdb
    except ImportError:
        print("chdb is not installed: pip install chdb", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="edgeplan-engines-") as folder:
        store = Path(folder)
        for _ in fill_inbox(store, given.rounds, 100):
            pass
        ingest(str(store))
        url = str(store / "measurements")
        # It reads files below the folder it is in, and no others.
        os.chdir(store)
        sql = statement("clickhouse", url, days=3_650, table=f"deltaLakeLocal('{url}')")
        began = time.monotonic()
        rows = [json.loads(line) for line in str(chdb.query(sql, "JSONEachRow")).splitlines()]
        seconds = time.monotonic() - began
        ours = read_figures([str(store)], (0.5, 0.95), jitter=False)
    theirs = {(row["vantage"], row["site"]): row for row in rows}
    same = 0
    for k, pair in enumerate(zip(ours.vantages, ours.sites, strict=True)):
        row = theirs.get(pair, {})
        p50, p95 = (float("inf") if row.get(name) is None else row[name] for name in ("p50_ms", "p95_ms"))
        same += (
            (p50, p95) == tuple(ours.rtt_ms[k])
            and int(row["samples"]) == ours.samples[k]
            and round(row["loss_ratio"] * ours.samples[k]) == ours.lost[k]
        )
    line = Line(
        f"chDB {chdb.__version__}, {given.rounds * 100:,} rows: pairs of the same samples, loss, p50, p95",
        "all",
        f"{same} of {len(ours.sites)}",
        f"{seconds:.2f} s",
        same == len(ours.sites) == len(rows),
        {},
    )
    return 0 if print_table("edgeplan", [line]) else 1


if __name__ == "__main__":
    sys.exit(main())
