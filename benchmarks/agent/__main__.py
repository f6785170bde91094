"""The agent against the wire and against its peers: every gate, one table.

    sudo python -m benchmarks.agent [--runs 5] [--only tcp,icmp] [--json FILE]

Needs root, and of Debian's packages gcc, libc6-dev, iproute2, util-linux, openssl, nginx-light, nsd, fping
and prometheus-blackbox-exporter. Figures are medians of runs that take turns in one lab (tests/netlab): a
link of known delays, 5 to 300 ms where nothing else is said, whose packets the kernel stamps.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.agent.gates import GATES
from benchmarks.agent.probers import versions
from benchmarks.table import Line, print_table
from tests.netlab import missing


def main() -> int:
    parser = argparse.ArgumentParser(description="the agent's gates")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(GATES), help=f"of {', '.join(GATES)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run's figure")
    options = parser.parse_args()
    wanted = options.only.split(",")
    unknown = [name for name in wanted if name not in GATES]
    if unknown:
        parser.error(f"{unknown[0]!r} is not one of {', '.join(GATES)}")
    why = missing()
    if why is not None:
        print(why, file=sys.stderr)
        return 2
    said = versions()
    lines: list[Line] = []
    for name in wanted:
        print(f"{name}:", file=sys.stderr)
        lines += GATES[name](options.runs)
    print("\n".join(f"{name}: {version}" for name, version in said.items()))
    print(f"medians of {options.runs} runs\n")
    met = print_table("edgeprobe", lines)
    if options.json is not None:
        document = {"versions": said, "runs": options.runs, "lines": [asdict(line) for line in lines]}
        options.json.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
