"""What reading a large store for a check takes, and comparing what was read: a whole history and a window.

    python -m benchmarks.drift.reading [--days 120] [--vantages 4] [--sites 10]

A store of rounds every five minutes, five samples each; the plan was made a day before its end, or two thirds
of its days before. Processor seconds and the most memory, each of a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from benchmarks.store.synthetic import START, fill_table
from planner.drift.basis import REFERENCE, compared_window, stamp
from planner.drift.evidence import weigh
from planner.drift.pairs import pair_rounds
from planner.measurements import read_rounds

SAMPLES = 5


def read(store: str, days: int, ago: int, told: bool) -> None:
    """Read and compare as a check does, and print rows, pairs, seconds and MB."""
    begin = time.process_time()
    until = START + timedelta(days=days)
    made, since = until - timedelta(days=ago), until - timedelta(days=1)
    window = compared_window(made, since, REFERENCE, told=told)
    rounds = read_rounds([store], since=window.since, gap=window.gap)
    pairs = tuple(pair_rounds(rounds, 0.95))
    reading = time.process_time() - begin
    found = weigh(pairs, made=stamp(made), since=stamp(since), knew={pair.key: np.inf for pair in pairs})
    all_ = time.process_time() - begin
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(rounds.rtt_ms):,} | {found.judged} | {reading:.1f} | {all_ - reading:.1f} | {most:,.0f}")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--days", type=int, default=120)
    parser.add_argument("--vantages", type=int, default=4)
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--read", nargs=3, metavar=("STORE", "AGO", "TOLD"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.read:
        read(given.read[0], given.days, int(given.read[1]), given.read[2] == "window")
        return 0
    print("| plan made | read | samples | pairs | reading, s | comparing, s | MB |\n" + "| --- " * 7 + "|")
    with tempfile.TemporaryDirectory(prefix="edgeplan-") as scratch:
        rows = given.days * 288 * SAMPLES * given.vantages * given.sites
        fill_table(Path(scratch) / "store", rows, given.vantages, given.sites, SAMPLES)
        for ago in (1, 2 * given.days // 3):
            for what in ("whole", "window"):
                told = [sys.executable, "-m", "benchmarks.drift.reading", "--days", str(given.days)]
                told += ["--read", str(Path(scratch) / "store"), str(ago), what]
                row = subprocess.run(told, check=True, capture_output=True, text=True).stdout.strip()
                print(f"| {ago} days ago | {what} | {row} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
