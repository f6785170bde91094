"""One round of the agent without its pace, to be held against a C loop that has none.

    python unpaced.py TARGETS SAMPLES IN_FLIGHT

The command itself starts 5,000 a second at most, by design. Everything else is what it does.
"""

from __future__ import annotations

import resource
import sys
from dataclasses import replace
from pathlib import Path

from probes.runner import run_round
from probes.settings import parse_settings

_DESCRIPTORS_BESIDE = 64


def main() -> None:
    lines = ['[agent]\nvantage = "near"\ncountry = "DE"\nlat = 50.1\nlon = 8.7\nprotocols = ["tcp"]\n']
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        address, port = line.split()
        lines.append(f'[[target]]\nsite = "{address}"\nhost = "{address}"\nport = {port}\n')
    settings = parse_settings("".join(lines), "unpaced.toml")
    limit = int(sys.argv[3]) + _DESCRIPTORS_BESIDE
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    run_round(
        replace(settings, samples=int(sys.argv[2]), rate_per_s=1e9),
        "unpaced",
        emit=lambda rows: sys.stdout.write("".join(f"{row.to_json()}\n" for row in rows)),
    )


if __name__ == "__main__":
    main()
