"""One round of the agent without its pace, to be held against a C loop that has none.

    python unpaced.py TARGETS SAMPLES IN_FLIGHT

The command itself starts 5,000 a second at most, by design, and keeps the samples of one series apart. Here
each sample is a series of its own, of a site of its own, so that nothing keeps it from its start but how many
are in flight. Everything else is what the command does.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import replace
from pathlib import Path

from probes.runner import run_round
from probes.settings import parse_settings
from probes.target import Target

_DESCRIPTORS_BESIDE = 64
_AGENT = """
[agent]
vantage = "near"
country = "DE"
lat = 50.1
lon = 8.7
[[target]]
site = "any"
host = "192.0.2.1"
"""


def main() -> None:
    endpoints = [line.split() for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    targets = [
        Target(f"{address}/{sample}", address, int(port), ("tcp",))
        for sample in range(int(sys.argv[2]))
        for address, port in endpoints
    ]
    limit = int(sys.argv[3]) + _DESCRIPTORS_BESIDE
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    run_round(
        replace(parse_settings(_AGENT, "unpaced.toml"), targets=tuple(targets), samples=1, rate_per_s=1e9),
        "unpaced",
        emit=lambda rows: print("\n".join(row.to_json() for row in rows)),
    )


if __name__ == "__main__":
    main()
