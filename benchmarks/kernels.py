"""Are compiled kernels worth their weight? One iteration of the dual, compiled and in numpy, in one run.

    python -m benchmarks.kernels [--clients 5000] [--runs 7]

An iteration is what the solver spends its time on: reduced costs of all sites, the choice, and each
client's slope. numpy gets two forms: the whole matrix at once, and the sorted lists cut where no multiplier
reaches. All three must agree. Compile time is that of a process with an empty cache, load time that of the
next one.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from benchmarks.solver.cities import cities
from planner.solver.compiled import compiled as kernel
from planner.solver.facility import looked_at
from planner.solver.uncapacitated.branch_and_bound import solve
from planner.solver.uncapacitated.dual_ascent import ascend
from planner.solver.uncapacitated.instance import EMPTY, prepare
from planner.solver.uncapacitated.lagrangian import choose, reduced_costs
from planner.solver.uncapacitated.limits import Limits

ROOT = Path(__file__).resolve().parents[1]

FIRST_CALL = """
import time, numpy as np
from planner.solver import facility_location
cost = np.random.default_rng(0).random((40, 12))
began = time.perf_counter()
facility_location(np.ones(12), cost)
print(time.perf_counter() - began)
"""


@kernel
def slopes_of(keys: np.ndarray, bits: int, chosen: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """1 less the chosen sites within each client's reach, as the subgradient method counts them."""
    slope = np.ones(len(reach), dtype=np.int64)
    mask = (1 << bits) - 1
    for i in range(len(reach)):
        for t in range(reach[i]):
            slope[i] -= chosen[keys[i, t] & mask]
    return slope


def first_calls() -> tuple[float, float]:
    """Seconds of a first call with an empty cache of kernels, and with a full one."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        spent = [
            float(subprocess.check_output([sys.executable, "-c", FIRST_CALL], cwd=ROOT, env=environment))
            for _ in range(2)
        ]
    return spent[0], spent[1]


def megabytes(*packages: str) -> float:
    """What packages take on disk."""
    total = 0
    for name in packages:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        total += sum(f.stat().st_size for f in Path(found.origin).parent.rglob("*") if f.is_file())
    return total / 1e6


def main() -> None:
    """Print the three times, their ratio, and what numba costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=5_000)
    parser.add_argument("--runs", type=int, default=101)
    options = parser.parse_args()
    given = cities(options.clients)
    m, n = given.cost.shape
    _, base, _, _ = looked_at(given.opening, given.cost)
    instance = prepare(given.opening, given.cost, base, np.inf, whole=False)
    u = solve(instance, Limits.of(n, 0, n), margin=lambda value: value // 1000).u
    keys, bits, opening = instance.keys, instance.bits, instance.opening
    status, chosen = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8)
    rho, reach = np.empty(n, dtype=np.int64), np.empty(m, dtype=np.int64)
    mask = (1 << bits) - 1

    dense = np.full((m, n), EMPTY >> 1)
    rows, places = np.nonzero(keys != EMPTY)
    dense[rows, keys[rows, places] & mask] = keys[rows, places] >> bits
    width = int((keys < (u << bits)[:, None]).sum(axis=1).max())
    costs = keys[:, :width] >> bits
    sites = np.where(keys[:, :width] == EMPTY, 0, keys[:, :width] & mask)

    def compiled() -> tuple[int, np.ndarray]:
        total = reduced_costs(keys, bits, opening, u, rho, reach)
        value, _, _ = choose(rho, status, 0, n, chosen)
        return total + value, slopes_of(keys, bits, chosen, reach)

    def whole_matrix() -> tuple[int, np.ndarray]:
        reduced = opening - np.maximum(u[:, None] - dense, 0).sum(axis=0)
        taken = reduced < 0
        return int(u.sum() + reduced[taken].sum()), 1 - (dense[:, taken] < u[:, None]).sum(axis=1)

    def lists() -> tuple[int, np.ndarray]:
        saved = np.maximum(u[:, None] - costs, 0)
        reduced = opening - np.bincount(sites.ravel(), weights=saved.ravel(), minlength=n).astype(np.int64)
        taken = reduced < 0
        return int(u.sum() + reduced[taken].sum()), 1 - (taken[sites] & (saved > 0)).sum(axis=1)

    bound, slope = compiled()
    for other in (whole_matrix, lists):
        value, slopes = other()
        assert abs(value - bound) <= 1e-9 * abs(bound)
        assert np.array_equal(slopes, slope)
    forms: dict[str, Callable[[], object]] = {
        "compiled": compiled,
        "numpy, lists": lists,
        "numpy, whole matrix": whole_matrix,
    }
    taken: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(options.runs):
        for name, form in forms.items():
            began = time.perf_counter()
            form()
            taken[name].append(time.perf_counter() - began)
    print(f"{n} sites x {m:,} clients, lists up to {width}; numba {version('numba')}, numpy {np.__version__}")
    least = statistics.median(taken["compiled"])
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        print(f"{name:20} {1e3 * middle:8.2f} ms {middle / least:6.1f}x")
    interpreted = ascend.py_func  # type: ignore[attr-defined]
    ascents: dict[str, list[float]] = {"compiled": [], "interpreted": []}
    for _ in range(3):
        for name, form in (("compiled", ascend), ("interpreted", interpreted)):
            slack, raised = opening.copy(), np.zeros(m, dtype=np.int64)
            began = time.perf_counter()
            form(keys, bits, slack, raised, np.zeros(m, dtype=np.int64), -1)
            ascents[name].append(time.perf_counter() - began)
    fast, slow = (statistics.median(seconds) for seconds in ascents.values())
    ratio = slow / fast
    print(f"dual ascent, which is sequential: {1e3 * fast:.1f} ms, interpreted {slow:.1f} s ({ratio:.0f}x)")
    compiling, loading = first_calls()
    print(f"first call: {compiling:.1f} s to compile, {loading:.2f} s from the cache")
    print(f"numba and llvmlite: {megabytes('numba', 'llvmlite'):.0f} MB installed")


if __name__ == "__main__":
    main()
