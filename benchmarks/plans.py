"""The shipped studies, planned end to end: time, proof and audit; and the front of the worldwide study.

    python benchmarks/plans.py [--runs 3] [--frontier 25]

Each plan is one whole command in a process of its own (`python -m planner plan`), so start-up and reading are
in it. Peak memory is the process's own. The studies run in turn, and the median of the runs is shown.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def timed(*arguments: str) -> tuple[float, float, str]:
    """Wall seconds, peak MB and standard output of one command."""
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([sys.executable, "-m", "planner", *arguments], cwd=ROOT, stdout=out)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        out.seek(0)
        text = out.read()
    if child.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {child.returncode}")
    return seconds, usage.ru_maxrss / 1024, text


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--frontier", type=int, default=25, help="points of the front; 0 leaves it out")
    options = parser.parse_args()
    print(f"scipy {version('scipy')}, Python {sys.version.split()[0]}, {os.cpu_count()} CPUs\n")

    studies = sorted((ROOT / "data" / "studies").glob("*.toml"))
    runs: dict[str, list[tuple[float, float, str]]] = {study.stem: [] for study in studies}
    for _ in range(options.runs):
        for study in studies:
            runs[study.stem].append(timed("plan", str(study), "--json"))
    print(
        f"{'study':20} {'wall s':>7} {'solve s':>8} {'peak MB':>8} {'gap':>9} {'sites':>6}  audit   binding"
    )
    for name, results in runs.items():
        plan = json.loads(results[0][2])
        print(
            f"{name:20} {statistics.median(r[0] for r in results):7.1f}"
            f" {statistics.median(json.loads(r[2])['seconds'] for r in results):8.1f}"
            f" {max(r[1] for r in results):8.0f} {plan['gap']:9.1e} {len(plan['open']):6d}"
            f"  {'sound' if not plan['audit'] else 'BROKEN':7} {', '.join(plan['binding'])}"
        )
    if options.frontier:
        seconds, peak, text = timed(
            "frontier",
            str(ROOT / "data/studies/worldwide-saas.toml"),
            "--points",
            str(options.frontier),
            "--json",
        )
        found = json.loads(text)
        points = found if isinstance(found, list) else found["points"]
        print(f"\nfront of worldwide-saas: {len(points)} points, {seconds:.0f} s, {peak:.0f} MB")


if __name__ == "__main__":
    main()
