"""p50, p95, p99 and loss of 3,000 pairs, and their jitter, of a store after upkeep; pandas and polars beside.

    python -m benchmarks.store.query [--rows 100000000] [--store DIR] [--repeat 3] [--without pandas]
        [--as-planned]

The peers read the table's Parquet files. Ours, `read_figures` and `read_rollup` in Python, read what a day's
upkeep made of the same rows beforehand: the rollups, with a second copy of the round trips. What it takes to
make them is told in a row of its own, and so are the same figures *from the rows alone*, of a store without
`rollups/`: the files that the peers read. No command calls these two: `plan`, `check` and `survey` read rows
by `query_pairs` and `read_rounds`; `--as-planned` adds the former (one quantile of each pair, with bounds).

Each in a process of its own, in turn, two threads each; seconds are the least of the repeats, by the clock
and of the processor, and the peak is the process's. Imports, ours as the peers', are told apart. The
answers must agree, the rollups' within 1 %. For the jitter, the peers are let off the sorting: they take it
that a round's samples stand beside each other in the files. `--store` keeps the store for
another time (20 MB for a million rows). pandas needs about 200 bytes a row.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.store.synthetic import fill_table
from benchmarks.table import COMPARISON, Line, print_table, say

ROOT = Path(__file__).resolve().parents[2]

FRAME = """
import glob, json, sys, time
store = sys.argv[1]
files = sorted(glob.glob(store + "/measurements/day=*/*.parquet"))
{imports}
began, cpu = time.monotonic(), time.process_time()
imports = cpu
{work}
(line,) = [each for each in open("/proc/self/status") if each.startswith("VmHWM")]
peak = int(line.split()[1]) / 1024
print(json.dumps({{"s": time.monotonic() - began, "cpu_s": time.process_time() - cpu,
    "imports_s": imports, "peak_mb": peak, "figures": figures}}))
"""
PANDAS = """
frame = pd.read_parquet(files, columns=["vantage", "site", "run_id", "rtt_ms"])
frame["x"] = frame.rtt_ms.fillna(float("inf"))
by = frame.groupby(["vantage", "site"], sort=True, observed=True)
found = by["x"].quantile([.5, .95, .99], interpolation="higher").unstack()
lost = by["rtt_ms"].size() - by["rtt_ms"].count()
"""
POLARS = """
rtt = pl.col("rtt_ms").fill_null(float("inf"))
wanted = [rtt.quantile(q, "higher").alias(f"q{{q}}") for q in (.5, .95, .99)]
wanted += [pl.col("rtt_ms").null_count()]
"""
ALONE = ", from the rows alone"
PLANNED = "edgeplan, as plan reads it"
WORK = {
    "edgeplan": (
        "from planner.store.figures import read_figures\nimport deltalake",
        'f = read_figures([store], (.5, .95, .99), jitter=False)\nfigures = f.rtt_ms.tolist()',
    ),
    "edgeplan, jitter too": (
        "from planner.store.figures import read_figures\nimport deltalake",
        'f = read_figures([store], (.5, .95, .99))\nfigures = f.jitter_ms.tolist()',
    ),
    "edgeplan, from rollups": (
        "from planner.store.rollup import read_rollup\nimport deltalake\nimport numpy as np",
        "f = read_rollup(store)\nloss = f.loss_ratio()\n"
        "figures = np.stack([f.histograms.quantile(q) for q in (.5, .95, .99)], axis=1).tolist()\n"
        "steps = [f.jitter.quantile(q) for q in (.5, .95, .99)]",
    ),
    f"edgeplan{ALONE}": (
        "from planner.store.figures import read_figures\nimport deltalake",
        'f = read_figures([store], (.5, .95, .99), jitter=False)\nfigures = f.rtt_ms.tolist()',
    ),
    f"edgeplan, jitter too{ALONE}": (
        "from planner.store.figures import read_figures\nimport deltalake",
        'f = read_figures([store], (.5, .95, .99))\nfigures = f.jitter_ms.tolist()',
    ),
    PLANNED: (
        "from planner.store.query import query_pairs\nimport deltalake",
        'figures = [len(query_pairs([store], .95).pairs)]',
    ),
    "polars": (
        "import polars as pl",
        POLARS.replace("{{", "{").replace("}}", "}")
        + 'f = pl.scan_parquet(files).group_by("vantage", "site").agg(wanted).sort("vantage", "site")'
        '.collect(engine="streaming")\nfigures = f.select("q0.5", "q0.95", "q0.99").rows()',
    ),
    "polars, jitter too": (
        "import polars as pl",
        POLARS.replace("{{", "{").replace("}}", "}")
        + 'run, site = pl.col("run_id"), pl.col("site")\n'
        "same = (run == run.shift()) & (site == site.shift())\n"
        'step = pl.when(same).then((pl.col("rtt_ms") - pl.col("rtt_ms").shift()).abs())\n'
        'wanted += [pl.col("step").quantile(q, "higher").alias(f"j{q}") for q in (.5, .95, .99)]\n'
        'f = pl.scan_parquet(files).with_columns(step=step).group_by("vantage", "site").agg(wanted)'
        '.sort("vantage", "site").collect()\nfigures = f.select("j0.5", "j0.95", "j0.99").rows()',
    ),
    "pandas": ("import pandas as pd", PANDAS + "figures = found.to_numpy().tolist()"),
    "pandas, jitter too": (
        "import pandas as pd",
        PANDAS + "same = (frame.run_id == frame.run_id.shift()) & (frame.site == frame.site.shift())\n"
        'frame["step"] = (frame.rtt_ms - frame.rtt_ms.shift()).abs().where(same)\n'
        'by = frame.groupby(["vantage", "site"], sort=True, observed=True)\n'
        'figures = by["step"].quantile([.5, .95, .99], interpolation="higher").unstack().to_numpy().tolist()',
    ),
}  # fmt: skip


def run(name: str, store: Path) -> dict[str, float]:
    imports, work = WORK[name]
    limits = {"POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FRAME.format(imports=imports, work=work), str(store)],
        check=True, capture_output=True, text=True, env={**os.environ, **limits},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--without", default="")
    parser.add_argument("--as-planned", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgeplan-query-") as folder:
        store = given.store or Path(folder)
        rows = fill_table(store, given.rows) if not (store / "measurements").is_dir() else given.rows
        upkeep_s = None
        if not (store / "rollups").is_dir():
            from planner.store.rolling import roll_up, sum_up
            from planner.store.shelf import address_of
            from planner.store.table import open_table

            address = address_of(str(store))
            began = time.process_time()
            roll_up(address, open_table(address))
            sum_up(address, date.max)
            upkeep_s = time.process_time() - began
        bare = Path(folder) / "bare"
        bare.mkdir()
        (bare / "measurements").symlink_to((store / "measurements").resolve())
        best: dict[str, dict[str, float]] = {}
        for _ in range(given.repeat):
            for name in WORK:
                if given.without and name.startswith(given.without):
                    continue
                if name == PLANNED and not given.as_planned:
                    continue
                found = run(name, bare if name.endswith(ALONE) else store)
                say(
                    f"{name}: {found['s']:.2f} s, {found['cpu_s']:.2f} of the processor,"
                    f" {found['peak_mb']:.0f} MB; imports {found['imports_s']:.2f} of the processor"
                )
                old = best.setdefault(name, found)
                for key in ("s", "cpu_s", "imports_s", "peak_mb"):
                    old[key] = min(old[key], found[key])
    return 0 if print_table("edgeplan", list(lines(best, rows, upkeep_s))) else 1


def lines(best: dict[str, dict[str, float]], rows: int, upkeep_s: float | None) -> Iterator[Line]:
    """The gates; the peers' medians of 'higher' interpolation may be one sample off ours, of thousands."""
    ours, rolled, jitter = (best[f"edgeplan{rest}"] for rest in ("", ", from rollups", ", jitter too"))
    for peer in ("polars", "pandas"):
        if peer not in best:
            continue
        theirs = best[peer]
        exact = np.nanmax(np.abs(np.array(theirs["figures"]) / np.array(ours["figures"]) - 1.0))
        off = np.nanmax(np.abs(np.array(rolled["figures"]) / np.array(ours["figures"]) - 1.0))
        both = best[f"{peer}, jitter too"]
        for what, of, goal, against in (
            ("p50, p95, p99, loss, exact", ours, 5, theirs),
            ("and jitter, exact", jitter, 5, both),
            ("all of it from rollups", rolled, 100, both),
            (f"exact{ALONE}", best[f"edgeplan{ALONE}"], None, theirs),
            (f"and jitter{ALONE}", best[f"edgeplan, jitter too{ALONE}"], None, both),
        ):
            for unit, gate in (("s", True), ("cpu_s", False)):
                ratio = against[unit] / of[unit]
                yield Line(
                    f"{rows / 1e6:.0f}M rows, {what}, {'by the clock' if gate else 'of the processor'}",
                    f"≥ {goal}× faster than {peer}" if gate and goal else COMPARISON,
                    f"{of[unit]:.2f} s",
                    f"{against[unit]:.2f} s ({ratio:.1f}×)",
                    ratio >= goal if gate and goal else None,
                    {},
                )
        yield Line(f"agreement with {peer}", "one sample of a pair's", f"{exact:.2%}", "", exact < 0.01, {})
        steps = np.abs(np.array(best[f"{peer}, jitter too"]["figures"]) / np.array(jitter["figures"]) - 1.0)
        yield Line(f"jitter against {peer}'s", COMPARISON, f"{np.nanmax(steps):.2%}", "", None, {})
        yield Line("rollups against exact", "≤ 1 %", f"{off:.2%}", "", off <= 0.01 + 1e-9, {})
    if upkeep_s is not None:
        yield Line(
            "upkeep that makes the rollups", COMPARISON, f"{upkeep_s:.2f} s", "of the processor", None, {}
        )
    if PLANNED in best:
        told = f"{best[PLANNED]['cpu_s']:.2f} s"
        yield Line("p95 with bounds by query_pairs", COMPARISON, told, "of the processor", None, {})
    for name in ("edgeplan, jitter too", "edgeplan, from rollups", "polars", "pandas"):
        if name in best:
            spent = f"{best[name]['imports_s']:.2f} s"
            yield Line(f"imports of {name}, of the processor", COMPARISON, spent, "", None, {})
    for name, of in (("exact", ours), ("jitter too", jitter), ("from rollups", rolled)):
        peers = ", ".join(
            f"{peer} {best[peer]['peak_mb']:.0f} MB" for peer in ("polars", "pandas") if peer in best
        )
        yield Line(
            f"peak memory, {name}", "≤ 1 GB", f"{of['peak_mb']:.0f} MB", peers, of["peak_mb"] <= 1024, {}
        )


if __name__ == "__main__":
    sys.exit(main())
