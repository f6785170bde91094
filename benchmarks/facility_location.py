"""facility_location and p_median on published instances: is the optimum the published one, and proven?

    python benchmarks/facility_location.py FOLDER [--time-limit 120]

FOLDER holds OR-Library's files (Beasley 1990): ``pmed/pmed*.txt`` with ``pmed/pmedopt.txt``, and
``cap/cap*.bz2`` in UflLib's simple form. They are read from there, not shipped.
"""

from __future__ import annotations

import argparse
import bz2
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import floyd_warshall

from planner.solver import Solution, facility_location, p_median

CAP_OPTIMA = {
    "cap71": 932615.75,
    "cap72": 977799.40,
    "cap73": 1010641.45,
    "cap74": 1034976.97,
    "cap101": 796648.44,
    "cap102": 854704.20,
    "cap103": 893782.11,
    "cap104": 928941.75,
    "cap131": 793439.56,
    "cap132": 851495.32,
    "cap133": 893076.71,
    "cap134": 928941.75,
}
"""Uncapacitated optima as OR-Library publishes them, to the cent."""


def read_pmed(path: Path) -> tuple[NDArray[np.float64], int]:
    """Distances between all nodes, and p. A repeated edge's last line wins."""
    numbers = np.array(path.read_text().split(), dtype=np.float64)
    nodes, edges, p = (int(number) for number in numbers[:3])
    weights = np.full((nodes, nodes), np.inf)
    for a, b, cost in numbers[3 : 3 + 3 * edges].reshape(-1, 3):
        weights[int(a) - 1, int(b) - 1] = weights[int(b) - 1, int(a) - 1] = cost
    np.fill_diagonal(weights, 0.0)
    return floyd_warshall(weights), p


def read_cap(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Opening costs (n,) and assignment costs (m, n) of OR-Library's form, capacities ignored."""
    numbers = np.array(bz2.decompress(path.read_bytes()).split(), dtype=np.float64)
    n, m = int(numbers[0]), int(numbers[1])
    opening = numbers[2 : 2 + 2 * n].reshape(n, 2)[:, 1]
    clients = numbers[2 + 2 * n :].reshape(m, n + 1)
    return opening, np.ascontiguousarray(clients[:, 1:])


def report(name: str, found: Solution, published: float, tolerance: float) -> bool:
    """One line; True when the published optimum was proven."""
    right = found.termination == "optimal" and abs(found.objective - published) <= tolerance
    print(
        f"{name:8} {found.objective:16.2f} {published:16.2f} {found.gap:9.1e} {found.seconds:8.2f}"
        f"  {found.termination:10} {'proven' if right else 'NOT PROVEN'}",
        flush=True,
    )
    return right


def main() -> None:
    """Print one line an instance, and how many were proven."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--time-limit", type=float, default=120.0)
    parser.add_argument("--only", default="", help="instances whose name starts so")
    options = parser.parse_args()
    print(f"{'instance':8} {'objective':>16} {'published':>16} {'gap':>9} {'seconds':>8}")
    proven = []
    for name, optimum in CAP_OPTIMA.items():
        path = options.folder / "cap" / f"{name}.bz2"
        if path.exists() and name.startswith(options.only):
            found = facility_location(*read_cap(path), time_limit_s=options.time_limit)
            proven.append(report(name, found, optimum, 0.01))
    optima = options.folder / "pmed" / "pmedopt.txt"
    for line in optima.read_text().splitlines() if optima.exists() else ():
        fields = line.split()
        path = options.folder / "pmed" / f"{fields[0]}.txt" if fields else options.folder
        if len(fields) == 2 and path.is_file() and fields[0].startswith(options.only):
            distances, p = read_pmed(path)
            found = p_median(distances, p, time_limit_s=options.time_limit)
            proven.append(report(fields[0], found, float(fields[1]), 0.5))
    print(f"{sum(proven)} of {len(proven)} proven")


if __name__ == "__main__":
    main()
