"""The solver against its peers: every gate, one table.

    python -m benchmarks.solver [--folder INSTANCES] [--only speed,scale] [--match 'pmed1*'] [--quick]
                                [--peers-python PYTHON] [--out FILE.json]

The peers (scipy's milp, highspy, OR-tools with SCIP, PySCIPOpt, PuLP with CBC, spopt) run in the interpreter
--peers-python, which wants benchmarks/solver/peers.txt installed; those it has not are left out. A peer's
time is its solve alone, model built; ours is a call of planner.solver, kernels warm. Published instances
(OR-Library's pmed/*.txt and cap/*.bz2) are read from --folder; all others are drawn here, by --seed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from benchmarks.solver.gates import GATES
from benchmarks.solver.runs import Setting, peer_versions
from benchmarks.table import Line, print_table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="published instances; without, their gates are left out")
    parser.add_argument("--only", default=",".join(GATES), help=f"of {', '.join(GATES)}")
    parser.add_argument("--match", default="*", help="of speed and centers only instances of these names")
    parser.add_argument("--out", type=Path, metavar="FILE", help="every figure, as JSON")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds of one peer's run")
    parser.add_argument("--hard-limit", type=float, default=300.0, help="seconds of one hard instance")
    parser.add_argument("--peers", default="", help="names or the beginnings of them; default: all installed")
    parser.add_argument(
        "--allowance", type=float, default=3.0, help="stop a peer at this many times the best"
    )
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter that has the peers")
    parser.add_argument("--peer-gb", type=float, default=16.0, help="memory a peer may have")
    parser.add_argument("--front-peers", type=int, default=2, help="points of the front that milp solves")
    parser.add_argument("--runs", type=int, default=5, help="of ours, of which the median counts")
    parser.add_argument("--seed", type=int, default=1, help="another draws unseen instances")
    parser.add_argument("--quick", action="store_true", help="few and small: does everything run?")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = [name for name in options.only if name not in GATES]
    if unknown:
        parser.error(f"{unknown[0]!r} is not one of {', '.join(GATES)}")
    if options.folder is not None and not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    return options


def main() -> int:
    """Print versions and the table; 0 when every gate that was measured is met."""
    options = _options()
    # Solvers run in sessions of their own: what ends this command must go through its clean-up to end them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    installed = peer_versions(options.peers_python)
    wanted = [name.strip().lower() for name in options.peers.split(",") if name.strip()]
    peers = tuple(n for n in installed if not wanted or any(n.lower().startswith(w) for w in wanted))
    versions = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "numba")},
        **{name: installed[name] for name in peers},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(
            folder=options.folder,
            scratch=Path(scratch),
            peers=peers,
            peers_python=options.peers_python,
            limit_s=options.limit,
            hard_s=options.hard_limit,
            runs=options.runs,
            seed=options.seed,
            quick=options.quick,
            front_peers=options.front_peers,
            peer_gb=options.peer_gb,
            match=tuple(options.match.split(",")),
            allowance=options.allowance,
        )
        for name in options.only:
            print(f"{name}:", file=sys.stderr)
            lines += GATES[name](setting)
            _write(options.out, versions, setting, lines)
    print("\n".join(f"{name}: {said}" for name, said in versions.items()))
    print(f"\nours: median of {options.runs} runs, proven to 1e-9")
    print(
        f"peers: one run of at most {options.limit:.0f} s, proven to 1e-4, solve only; one that takes longer"
    )
    print(f"than 10 s and {options.allowance:g} times the best before it is stopped there\n")
    met = print_table("edgeplan", lines)
    return 0 if met else 1


def _write(out: Path | None, versions: dict[str, str], setting: Setting, lines: list[Line]) -> None:
    """The JSON file, anew after every gate, so that a run that is cut short leaves what it has."""
    if out is None:
        return
    document = {
        "versions": versions,
        "seed": setting.seed,
        "runs": setting.runs,
        "limit_s": setting.limit_s,
        "lines": [asdict(line) for line in lines],
    }
    out.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
