"""A hundred agents and an ingester, killed again and again: is any row lost or doubled, is a reader ever
misled?

    python -m benchmarks.store.crash [--agents 100] [--rounds 30] [--rows 20] [--agent-kills 60]
                                     [--ingest-kills 20] [--seconds 120] [--seed 1]

Every agent puts its rounds into one store, each in a process of its own that is killed (SIGKILL) at random
and begun again where it had not been told that its round arrived: so rounds come twice, also after the
ingester took them in. The ingester is `edgeplan ingest`, run over and over and killed at random. A reader
looks all the while: whatever it sees must be whole rounds, no row twice, and every round that an agent was
told had arrived before it looked.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.store.synthetic import payload, round_rows
from benchmarks.table import Line, print_table, say
from probes.inbox import inbox_key, open_inbox

ROOT = Path(__file__).resolve().parents[2]

READER = """
import collections, sys
from planner.measurements import read_rounds
from pathlib import Path
store, told, rows = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
def arrived():
    return {tuple(line.split()) for each in told.iterdir() for line in each.read_text().splitlines()}
while True:
    before = arrived()
    found = read_rounds([store]) if before else None
    seen = collections.Counter()
    if found is not None:
        number = found.round.tolist()
        keys = zip(number, found.site.tolist(), found.started_at.tolist(), strict=True)
        doubled = len(number) - len(set(keys))
        part = [r for r, n in collections.Counter(number).items() if n != rows]
        short = len(before) - len(set(number))
        print(len(number), doubled, len(part), max(0, short), flush=True)
"""


def agent(store: Path, told: Path, number: int, rounds: int, rows: int, seed: int, pause_s: float) -> None:
    """Put every round that is not said to have arrived; say so of each that did."""
    inbox = open_inbox(str(store))
    said = told / f"{number:03}"
    done = set(said.read_text().split("\n")) if said.exists() else set()
    pause = random.Random(f"{seed}-{number}-{os.getpid()}")
    for n in range(rounds):
        name, run, found = round_rows(number, n, rows)
        if f"{name} {run}" in done:
            continue
        time.sleep(pause.random() * 2 * pause_s)
        inbox.create(inbox_key(name, run), payload(found))
        # A kill here makes it come again, when the ingester may long have it.
        with said.open("a") as file:
            file.write(f"{name} {run}\n")


def begin(*arguments: object) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            agent(*arguments)
        finally:
            os._exit(0)
    return pid


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (
        ("agents", 100), ("rounds", 30), ("rows", 20), ("agent-kills", 60), ("ingest-kills", 20),
        ("seconds", 120), ("seed", 1),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory(prefix="edgeplan-crash-") as folder:
        store, told = Path(folder) / "store", Path(folder) / "told"
        (store / "inbox").mkdir(parents=True)
        told.mkdir()
        start = time.monotonic()
        pause_s = given.seconds / given.rounds
        running = {
            begin(store, told, n, given.rounds, given.rows, given.seed, pause_s): n
            for n in range(given.agents)
        }
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, str(store), str(told), str(given.rows)],
            cwd=ROOT, stdout=(Path(folder) / "seen").open("w"),
        )  # fmt: skip
        ingests = kills = ingest_kills = 0
        lasted = 3.0
        ingester, until, began = None, 0.0, 0.0
        while running or ingester is not None or ingest_kills < given.ingest_kills:
            # Evenly over the first four fifths, however busy the machine is.
            due = given.agent_kills * (time.monotonic() - start) / (0.8 * given.seconds)
            while running and kills < min(due, given.agent_kills):
                pid = draw.choice(sorted(running))
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                number, kills = running.pop(pid), kills + 1
                seed = given.seed + kills
                again = begin(store, told, number, given.rounds, given.rows, seed, pause_s)
                running[again] = number
            for pid in list(running):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    del running[pid]
            if ingester is None:
                ingester = subprocess.Popen(
                    [sys.executable, "-m", "planner", "ingest", str(store)],
                    cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                )  # fmt: skip
                ingests, began = ingests + 1, time.monotonic()
                wanted = ingest_kills < given.ingest_kills and ingests % 2 == 0
                until = began + draw.uniform(0.2, 1.0) * lasted if wanted else float("inf")
            elif ingester.poll() is not None:
                if ingester.returncode:
                    say(f"ingest ended {ingester.returncode}: {ingester.stderr.read().decode()[:300]}")
                else:
                    lasted = time.monotonic() - began
                ingester = None
            elif time.monotonic() > until:
                ingester.kill()
                ingester.wait()
                ingester, ingest_kills = None, ingest_kills + 1
                say(f"{kills} agents killed, {ingest_kills} ingesters; {len(running)} agents at work")
            time.sleep(0.05)
        subprocess.run([sys.executable, "-m", "planner", "ingest", str(store)], cwd=ROOT, check=True)
        time.sleep(1.0)
        reader.kill()
        reader.wait()
        return judge(given, store, Path(folder) / "seen", kills, ingest_kills, ingests)


def judge(
    given: argparse.Namespace, store: Path, seen: Path, kills: int, ingest_kills: int, ingests: int
) -> int:
    from deltalake import DeltaTable

    table = DeltaTable(str(store / "measurements")).to_pyarrow_table(columns=["run_id", "site", "sample"])
    keys = list(zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True))
    wanted = {
        (row.run_id, row.site, row.sample)
        for number in range(given.agents)
        for n in range(given.rounds)
        for row in round_rows(number, n, given.rows)[2]
    }
    left = list((store / "inbox").rglob("*.gz"))
    looks = [tuple(map(int, line.split())) for line in seen.read_text().splitlines()]
    misled = sum(any(look[1:]) for look in looks)
    killed = f"{kills} agents and {ingest_kills} of {ingests} ingesters killed"
    what = f"{given.agents} agents × {given.rounds} rounds, {killed}"
    lost, doubled = len(wanted - set(keys)), len(keys) - len(set(keys))
    lines = [
        Line(f"{what}: rows lost", "0", f"{lost} of {len(wanted):,}", "", lost == 0, {}),
        Line("rows doubled", "0", f"{doubled}", "", doubled == 0, {}),
        Line("rows that nobody sent", "0", f"{len(set(keys) - wanted)}", "", set(keys) <= wanted, {}),
        Line("rounds left in the inbox", "0", f"{len(left)}", "", not left, {}),
        Line(
            "looks of a reader that were wrong",
            "0",
            f"{misled} of {len(looks)}",
            "",
            not misled and bool(looks),
            {},
        ),
    ]
    return 0 if print_table("edgeplan", lines) else 1


if __name__ == "__main__":
    sys.exit(main())
