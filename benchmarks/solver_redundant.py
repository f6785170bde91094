"""Capacity, residency and N-1 together: what ``capacitated`` proves, how soon, and what scipy's milp does.

    python benchmarks/solver_redundant.py [--only NAME] [--time-limit 120] [--folder FOLDER] [--peer]
                                          [--json FILE]

Instances are those of ``redundant_instance``; each answer is checked here, apart from the solver. ``--peer``:
the whole model with every flow of every failure written out goes to scipy's milp at the same limit, where it
has less than MOST columns. FOLDER holds OR-Library's ``cap/cap41.bz2`` and ``cap124.bz2`` (Beasley 1990).
"""

from __future__ import annotations

import argparse
import bz2
import json
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np
import scipy
from numpy.typing import NDArray
from redundant_instance import CITIES, Instance, worldwide
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from planner.solver import RedundantSolution, capacitated
from planner.solver.redundant import aggregate, bound_of_all

GAP = 1.0e-3
MOST = 3_000_000
CASES = {
    "300 x 60": {"n": 300, "m": 60, "tight": 0.5},
    "300 x 150": {"n": 300, "m": 150},
    "300 x 425": {"n": 300, "m": 425},
    "300 x 1000": {"n": 300, "m": 1_000},
    "300 x 3000": {"n": 300, "m": 3_000},
    "300 x 1000 dear": {"n": 300, "m": 1_000, "fixed": 2.0},
}
OPTIMA = {"cap41": 1_040_444.375, "cap124": 946_051.325}
"""Capacitated optima as OR-Library publishes them."""


def read_cap(path: Path) -> tuple[NDArray[np.float64], ...]:
    """Opening (n,), cost (m, n), demand (m,) and capacity (n,) of OR-Library's form."""
    numbers = np.array(bz2.decompress(path.read_bytes()).split(), dtype=np.float64)
    n, m = int(numbers[0]), int(numbers[1])
    sites, clients = numbers[2 : 2 + 2 * n].reshape(n, 2), numbers[2 + 2 * n :].reshape(m, n + 1)
    return sites[:, 1], np.ascontiguousarray(clients[:, 1:]), clients[:, 0], sites[:, 0]


def breaches(instance: Instance, found: RedundantSolution) -> list[str]:
    """What the answer breaks, by more than 2e-6 of the demand: empty if nothing."""
    m, n = instance.cost.shape
    slack, wrong = 2e-6 * instance.demand.sum(), []
    x = np.zeros((m, n))
    np.add.at(x, (found.flows.client, found.flows.site), found.flows.share)
    is_open = np.isin(np.arange(n), found.open)
    load = instance.demand @ x
    if abs(x.sum(axis=1) - 1).max() > 1e-9 or x[:, ~is_open].any() or x[np.isinf(instance.cost)].any():
        wrong.append("service")
    if (load > instance.capacity + slack).any():
        wrong.append("capacity")
    for label in np.unique(instance.domain):
        down = instance.domain == label
        k = next(q for q, sites in enumerate(found.domains) if down[sites].all())
        moves = found.backup_flows
        at = moves.domain == k
        r = np.zeros((m, n))
        np.add.at(r, (moves.client[at], moves.site[at]), moves.share[at])
        if abs(r.sum(axis=1) - x[:, down].sum(axis=1)).max() > 1e-8:
            wrong.append(f"moved {label}")
        if r[:, down | ~is_open].any() or r[~instance.backup].any():
            wrong.append(f"backup {label}")
        if ((load + instance.demand @ r)[~down] > instance.capacity[~down] + slack).any():
            wrong.append(f"room {label}")
    paid = instance.opening[is_open].sum() + instance.cost[x > 0] @ x[x > 0]
    if abs(paid - found.objective) > 1e-6 * paid:
        wrong.append("objective")
    return wrong


def written_out(instance: Instance, time_limit_s: float) -> str:
    """What scipy's milp makes of the model with every flow a column, in words."""
    m, n = instance.cost.shape
    client, site = np.nonzero(np.isfinite(instance.cost))
    domains = [instance.domain == label for label in np.unique(instance.domain)]
    moves = []
    for down in domains:
        may = np.isfinite(instance.cost[:, down]).any(axis=1)
        moves.append(np.nonzero(instance.backup & may[:, None] & ~down))
    columns = n + len(client) + sum(len(i) for i, _ in moves)
    if columns > MOST:
        return f"not built: {columns / 1e6:.1f} million columns"
    started = time.perf_counter()
    x = n + np.arange(len(client))
    entries = [(client, x, np.ones(len(x)))]
    low, high = [np.ones(m)], [np.ones(m)]
    row = m
    entries += [
        (row + np.arange(len(x)), x, np.ones(len(x))),
        (row + np.arange(len(x)), site, -np.ones(len(x))),
    ]
    low, high, row = [*low, np.full(len(x), -np.inf)], [*high, np.zeros(len(x))], row + len(x)
    load = (site, x, instance.demand[client])
    start = n + len(x)
    for down, (i, j) in [
        (np.zeros(n, dtype=bool), (client[:0], site[:0])),
        *zip(domains, moves, strict=True),
    ]:
        r = start + np.arange(len(i))
        start += len(i)
        gone = down[site]
        entries += [(row + i, r, np.ones(len(r))), (row + client[gone], x[gone], -np.ones(int(gone.sum())))]
        low, high, row = [*low, np.zeros(m)], [*high, np.zeros(m)], row + m
        kept = ~gone
        entries += [(row + load[0][kept], load[1][kept], load[2][kept]), (row + j, r, instance.demand[i])]
        entries += [(row + np.flatnonzero(~down), np.flatnonzero(~down), -instance.capacity[~down])]
        low, high, row = [*low, np.full(n, -np.inf)], [*high, np.zeros(n)], row + n
    r, c, v = (np.concatenate([entry[k] for entry in entries]) for k in range(3))
    matrix = coo_array((v, (r, c)), shape=(row, columns)).tocsc()
    cost = np.concatenate((instance.opening, instance.cost[client, site], np.zeros(columns - n - len(x))))
    done = milp(
        cost,
        integrality=np.arange(columns) < n,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, np.concatenate(low), np.concatenate(high)),
        options={"mip_rel_gap": GAP, "time_limit": time_limit_s},
    )
    seconds = time.perf_counter() - started
    if done.x is None:
        return f"{columns / 1e6:.1f} million columns, no solution in {seconds:.0f} s"
    gap = (done.fun - done.mip_dual_bound) / abs(done.fun)
    return f"{columns / 1e6:.1f} million columns, {done.fun:.0f} with gap {gap:.1e} in {seconds:.1f} s"


def main() -> None:
    """Print a line an instance; write them as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="")
    parser.add_argument("--time-limit", type=float, default=120.0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    versions = {"python": platform.python_version(), "scipy": scipy.__version__}
    versions["highspy"] = metadata.version("highspy")
    print(versions)
    print(f"{'instance':16} {'open':>4} {'objective':>14} {'bound':>14} {'gap':>8} {'seconds':>8}  ended")
    lines = []
    for name, size in CASES.items():
        if options.only and name != options.only:
            continue
        instance = worldwide(**size)
        found = capacitated(
            instance.opening,
            instance.cost,
            instance.demand,
            instance.capacity,
            backup_allowed=instance.backup,
            failure_domain=instance.domain,
            gap=GAP,
            time_limit_s=options.time_limit,
        )
        wrong = breaches(instance, found) if len(found.open) else ["no point"]
        lines.append(line(name, found, "sound" if not wrong else f"BREAKS {wrong}"))
        if options.peer:
            print(f"{'':16} scipy milp: {written_out(instance, options.time_limit)}", flush=True)
    for name, optimum in OPTIMA.items():
        path = options.folder / "cap" / f"{name}.bz2" if options.folder else None
        if path and path.exists() and not options.only:
            found = capacitated(*read_cap(path), gap=1e-6, time_limit_s=options.time_limit)
            right = abs(found.objective - optimum) <= 1e-6 * optimum and found.termination == "optimal"
            lines.append(line(name, found, "published optimum" if right else f"PUBLISHED {optimum}"))
    if not options.only or options.only == "aggregated":
        lines += aggregated(options.time_limit)
    if options.json:
        options.json.write_text(json.dumps({"versions": versions, "lines": lines}, indent=1))


def aggregated(time_limit_s: float) -> list[dict[str, object]]:
    """All 20,000 cities as 1,000 groups: a solution of the whole, and a bound with its proven error."""
    whole = worldwide(300, CITIES)
    started = time.perf_counter()
    merged = aggregate(whole.cost, whole.demand, 1_000, backup_allowed=whole.backup, apart=whole.jurisdiction)
    print(f"{CITIES} cities in {len(merged.inner.demand)} groups: {time.perf_counter() - started:.2f} s")
    found = []
    for side, clients in (("inner", merged.inner), ("outer", merged.outer)):
        found.append(
            capacitated(
                whole.opening,
                clients.assignment_cost,
                clients.demand,
                whole.capacity,
                backup_allowed=clients.backup_allowed,
                failure_domain=whole.domain,
                gap=GAP,
                time_limit_s=time_limit_s,
            )
        )
        print(f"{side}: {found[-1].objective:.0f} >= {found[-1].lower_bound:.0f}, {found[-1].seconds:.1f} s")
    best, bound = found[0].objective, found[1].lower_bound - merged.error
    print(
        f"optimum of the whole in [{bound:.0f}, {best:.0f}], by the error alone: {(best - bound) / best:.2%}"
    )
    started = time.perf_counter()
    if found[1].relaxation is not None:
        bound = bound_of_all(merged, whole.cost, whole.demand, found[1].relaxation, time_limit_s=20.0)
    print(f"in [{bound:.0f}, {best:.0f}], priced client by client: {(best - bound) / best:.2%}", end="")
    print(f", {time.perf_counter() - started:.2f} s", flush=True)
    return [{"instance": "aggregated", "objective": best, "lower_bound": bound, "error": merged.error}]


def line(name: str, found: RedundantSolution, verdict: str) -> dict[str, object]:
    """Print it and return it."""
    print(
        f"{name:16} {len(found.open):4d} {found.objective:14.2f} {found.lower_bound:14.2f} {found.gap:8.1e}"
        f" {found.seconds:8.2f}  {found.termination}, {verdict}",
        flush=True,
    )
    fields = ("objective", "lower_bound", "gap", "termination", "seconds")
    return {"instance": name, "verdict": verdict} | {field: getattr(found, field) for field in fields}


if __name__ == "__main__":
    main()
