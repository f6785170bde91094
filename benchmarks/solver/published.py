"""Published instances, read from a folder the user names, and their published optima [I/O].

``FOLDER/pmed/pmedK.txt`` are OR-Library's p-medians and ``FOLDER/cap/capK.bz2`` its warehouse location
problems, capacities ignored (Beasley 1990), the latter also as ``.txt``. They are read, not shipped.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import floyd_warshall

from benchmarks.solver.instances import Instance, Kind

# fmt: off
MEDIANS = (
    5819, 4093, 4250, 3034, 1355, 7824, 5631, 4445, 2734, 1255,
    7696, 6634, 4374, 2968, 1729, 8162, 6999, 4809, 2845, 1789,
    9138, 8579, 4619, 2961, 1828, 9917, 8307, 4498, 3033, 1989,
    10086, 9297, 4700, 3013, 10400, 9934, 5057, 11060, 9423, 5128,
)
"""Optima of pmed1 to pmed40 as p-medians (OR-Library)."""

CENTERS = (
    127, 98, 93, 74, 48, 84, 64, 55, 37, 20,
    59, 51, 36, 26, 18, 47, 39, 28, 18, 13,
    40, 38, 22, 15, 11, 38, 32, 18, 13, 9,
    30, 29, 15, 11, 30, 27, 15, 29, 23, 13,
)
"""Optima of pmed1 to pmed40 as vertex p-centers (Daskin 1995; Elloumi, Labbé & Pochet 2004)."""
# fmt: on

CAPS = {
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
    "capa1": 17156454.4783,
    "capc1": 11505594.32878,
}
"""Uncapacitated optima, to the digits published."""


def read_pmed(path: Path) -> tuple[NDArray[np.float64], int]:
    """Distances between all nodes, and p. A repeated edge's last line wins."""
    numbers = np.array(path.read_text().split(), dtype=np.float64)
    nodes, edges, p = (int(number) for number in numbers[:3])
    weights = np.full((nodes, nodes), np.inf)
    for a, b, length in numbers[3 : 3 + 3 * edges].reshape(-1, 3):
        weights[int(a) - 1, int(b) - 1] = weights[int(b) - 1, int(a) - 1] = length
    np.fill_diagonal(weights, 0.0)
    return floyd_warshall(weights), p


def read_cap(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Opening costs (n,) and assignment costs (m, n), capacities ignored.

    Two forms: ``n m``, then n times ``capacity cost``, then m times ``demand`` and n costs; or, of single
    source, ``n m``, n capacities, n opening costs, m demands, and the m × n costs.
    """
    raw = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
    numbers = np.array(raw.split(), dtype=np.float64)
    n, m = int(numbers[0]), int(numbers[1])
    rest = numbers[2:]
    first_line = raw.split(b"\n")[1].split()
    if len(first_line) == 2:
        opening = rest[: 2 * n].reshape(n, 2)[:, 1]
        clients = rest[2 * n :].reshape(m, n + 1)
        return opening.copy(), np.ascontiguousarray(clients[:, 1:])
    return rest[n : 2 * n].copy(), rest[2 * n + m :].reshape(m, n).copy()


def caps(folder: Path) -> Iterator[Instance]:
    """Those of :data:`CAPS` that the folder has."""
    for name, optimum in CAPS.items():
        for path in (folder / "cap" / f"{name}.bz2", folder / "cap" / f"{name}.txt"):
            if path.exists():
                yield Instance(name, "uflp", *read_cap(path), optimum=optimum)
                break


def pmeds(folder: Path, kind: Kind) -> Iterator[Instance]:
    """The files pmed1 to pmed40 that the folder has, as ``p_median`` or ``p_center``."""
    optima = MEDIANS if kind == "p_median" else CENTERS
    for number, optimum in enumerate(optima, start=1):
        path = folder / "pmed" / f"pmed{number}.txt"
        if path.exists():
            distance, p = read_pmed(path)
            name = f"pmed{number}" if kind == "p_median" else f"pmed{number} (p-center)"
            yield Instance(name, kind, np.zeros(len(distance)), distance, p, optimum=float(optimum))


def agrees(found: float, optimum: float) -> bool:
    """Whether an objective is the published optimum, to the digits it was published with."""
    return abs(found - optimum) <= max(0.006, 1e-9 * abs(optimum))
