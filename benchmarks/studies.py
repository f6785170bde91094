"""The placement solver on whole studies: cold, as a slider, and along the front; scipy's milp as the peer.

    python benchmarks/studies.py [--only a,b,c,d] [--peer-limit 60] [--json FILE]

(a) the cheapest plan with 95 % of demand within 60 or 100 ms (p95), from the Regions, Local Zones and
Wavelength Zones of the catalog, planned ones included, for the 2,000 and 5,000 largest cities; (b) the same
after a slider moved, from the last decision: the first certified answer, the first within 2 % of its bound,
the proven one; (c) the 25-point front of the worldwide study; (d) the worldwide study with 5,000 cities, cold
and as a slider.

The peer is the strong formulation over merged clients, divisible, given to ``scipy.optimize.milp`` at the
same gap of 1e-4: less than the solver proves, whose clients are whole. Of the front it solves every sixth
point.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from planner.catalog import load_catalog
from planner.inputs import load_inputs
from planner.problem import Problem, build_problem
from planner.solver.decision import Decision
from planner.solver.formulation import strong
from planner.solver.frontier import promise, trace_frontier
from planner.solver.merging import merge_by
from planner.solver.placement import solve_placement
from planner.solver.versions import versions_of
from planner.study import Study, load_study, parse_study
from planner.whatif import vary

ROOT = Path(__file__).resolve().parents[1]
WORLDWIDE = ROOT / "data" / "studies" / "worldwide-saas.toml"
KINDS = ("region", "local_zone", "wavelength_zone")

STUDY = """
name = "checkout"
[demand]
cities = {{ countries = ["*"], top = {top} }}
peak_rps = 12000
requests_per_month = 8.0e9
[candidates]
provider = "aws"
kinds = ["region", "local_zone", "wavelength_zone"]
include = [{include}]
local_zone_premium = 0.20
[workload]
services = ["ec2", "ebs"]
instance = "m5.xlarge"
rps_per_instance = 400
min_instances = 2
response_kb = 40
[latency]
statistic = "p95"
slo_ms = {slo}
coverage = 0.95
max_ms = 250
[objective]
minimize = "cost"
"""


def coverage_study(top: int, slo: int) -> Study:
    """The default study over every site of the catalog, whatever its status."""
    named = [site.id for site in load_catalog("aws").sites if site.kind in KINDS and site.status != "ga"]
    include = ", ".join(json.dumps(name) for name in ("*", *named))
    return parse_study(STUDY.format(top=top, slo=slo, include=include), name="checkout", directory=ROOT)


def problem_of(study: Study) -> Problem:
    """The built problem."""
    return build_problem(study, load_inputs(study))


def peer(problem: Problem, limit_s: float) -> dict[str, Any]:
    """The strong model over merged clients, divisible, by scipy's milp; a site at each line of its price."""
    started = time.perf_counter()
    versions = versions_of(problem)
    problem = problem if versions is None else versions.problem
    groups = merge_by(problem, problem.allowed, np.zeros(len(problem.client_ids), dtype=np.intp))
    cost, integer, lower, upper, matrix, low, high = strong(problem, groups, whole=False)[0].model.arrays()
    result = milp(
        cost,
        integrality=integer,
        bounds=Bounds(lower, upper),
        constraints=LinearConstraint(matrix, low, high),
        options={"mip_rel_gap": 1e-4, "time_limit": limit_s},
    )
    gap = None if result.x is None else float(result.mip_gap)
    return {"seconds": time.perf_counter() - started, "proven": result.status == 0, "gap": gap}


def ratio(theirs: dict[str, Any], seconds: float) -> str:
    """How many times longer the peer took, at least."""
    return f"{'' if theirs['proven'] else '≥ '}{theirs['seconds'] / seconds:.0f}×"


def cold(limit_s: float) -> Iterator[dict[str, Any]]:
    """(a)"""
    print("(a) 95 % within the SLO, cold\n")
    print(f"{'clients':>7} {'sites':>5} {'SLO ms':>6} {'s':>7} {'gap':>8} {'open':>4}   milp s      ratio")
    for top in (2000, 5000):
        for slo in (60, 100):
            problem = problem_of(coverage_study(top, slo))
            theirs = peer(problem, limit_s)
            found = solve_placement(problem)
            assert found.open is not None
            sites = int(problem.may_open.sum())
            print(
                f"{top:7,} {sites:5} {slo:6} {found.seconds:7.2f} {found.gap:8.1e} {found.open.sum():4}"
                f" {theirs['seconds']:8.1f}{' +'[not theirs['proven']]} {ratio(theirs, found.seconds):>9}"
                f"  {found.termination}",
                flush=True,
            )
            yield {"part": "a", "clients": top, "slo": slo, "seconds": found.seconds, "peer": theirs}


def steps_of(study: Study, base: Decision, site_ids: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """The slider's steps: one thing changed at a time."""
    assert base.open is not None
    opened = [site_ids[j] for j in np.nonzero(base.open)[0]]
    slo, coverage = float(study.latency.slo_ms or 0.0), study.latency.coverage
    sets: dict[str, tuple[str, str]] = {
        "slo_ms - 5 %": ("latency.slo_ms", f"{slo * 0.95:g}"),
        "slo_ms + 5 %": ("latency.slo_ms", f"{slo * 1.05:g}"),
        "coverage - 1 %": ("latency.coverage", f"{coverage - 0.01:g}"),
        "coverage + 1 %": ("latency.coverage", f"{coverage + 0.01:g}"),
        "max_sites - 1": ("limits.max_sites", f"{len(opened) - 1}"),
        "budget + 1 %": ("budget.usd_per_month", f"{base.objective * 1.01:.0f}"),
        "price + 10 %": ("candidates.local_zone_premium", "0.32"),
    }
    steps: list[tuple[str, dict[str, Any]]] = [(name, {"sets": [change]}) for name, change in sets.items()]
    steps += [(f"without {site}", {"without": [site]}) for site in opened[-2:]]
    steps += [(f"demand × {factor:g}", {"demand_factor": factor}) for factor in (0.8, 1.2)]
    return steps


def sliders(study: Study, part: str) -> Iterator[dict[str, Any]]:
    """(b) and the second half of (d)"""
    problem = problem_of(study)
    base = solve_placement(problem)
    print(f"\n({part}) {study.name}, {len(problem.client_ids):,} clients, after a slider moved (seconds)\n")
    print(f"{'step':28} {'first':>6} {'its gap':>8} {'≤ 2 %':>6} {'proven':>7} {'gap':>8}")
    rows = []
    for name, change in steps_of(study, base, problem.site_ids):
        told: list[tuple[float, float]] = []
        changed = problem_of(vary(study, **change))
        started = time.perf_counter()

        def tell(answer: Decision, told: list[tuple[float, float]] = told, at: float = started) -> None:
            told.append((time.perf_counter() - at, answer.gap))

        found = solve_placement(changed, start=base, on_answer=tell, time_limit_s=60.0)
        near = next((when for when, gap in told if gap <= 0.02), found.seconds)
        first, first_gap = told[0] if told else (found.seconds, found.gap)
        rows.append({"part": part, "step": name, "first": first, "near": near, "proven": found.seconds})
        print(
            f"{name:28} {first:6.2f} {first_gap:8.1e} {near:6.2f} {found.seconds:7.2f} {found.gap:8.1e}"
            f"  {found.termination}",
            flush=True,
        )
    middle = {key: statistics.median(float(row[key]) for row in rows) for key in ("first", "near", "proven")}
    print(f"{'median':28} {middle['first']:6.2f} {'':8} {middle['near']:6.2f} {middle['proven']:7.2f}")
    yield from rows


def front(limit_s: float) -> Iterator[dict[str, Any]]:
    """(c)"""
    study = load_study(WORLDWIDE)
    free = replace(study, latency=replace(study.latency, slo_ms=None))
    problem, coverage = problem_of(free), study.latency.coverage
    started = time.perf_counter()
    traced = trace_frontier(problem, coverage, points=25)
    seconds = time.perf_counter() - started
    worst = max(point.decision.gap for point in traced.points)
    print(f"\n(c) front of {study.name}: {len(traced.points)} points, {seconds:.1f} s, worst gap {worst:.1e}")
    theirs = [peer(promise(problem, point.slo_ms, coverage), limit_s) for point in traced.points[3::6]]
    total = sum(each["seconds"] for each in theirs) / len(theirs) * len(traced.points)
    proven = sum(each["proven"] for each in theirs)
    print(f"    milp on {len(theirs)} of them, {proven} proven: {total:.0f} s for all at that pace,", end=" ")
    print(f"{total / seconds:.0f}×")
    yield {"part": "c", "points": len(traced.points), "seconds": seconds, "peer_seconds": total}


def worldwide(limit_s: float) -> Iterator[dict[str, Any]]:
    """(d)"""
    study = vary(load_study(WORLDWIDE), sets=[("demand.cities.top", "5000")])
    problem = problem_of(study)
    theirs, found = peer(problem, limit_s), solve_placement(problem)
    print(
        f"\n(d) {study.name}, 5,000 cities, cold: {found.seconds:.2f} s, gap {found.gap:.1e};"
        f" milp {theirs['seconds']:.1f} s, {ratio(theirs, found.seconds)}"
    )
    yield {"part": "d", "seconds": found.seconds, "peer": theirs}
    yield from sliders(study, "d")


def main() -> None:
    """Print the parts asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="a,b,c,d", help="parts, comma-separated")
    parser.add_argument("--peer-limit", type=float, default=60.0, help="seconds a peer's solve may take")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(
        f"scipy {version('scipy')}, highspy {version('highspy')}, numba {version('numba')},"
        f" Python {sys.version.split()[0]}, {os.cpu_count()} CPUs\n"
    )
    solve_placement(problem_of(coverage_study(300, 100)))  # kernels are compiled and loaded
    parts = {
        "a": lambda: cold(options.peer_limit),
        "b": lambda: sliders(coverage_study(2000, 100), "b"),
        "c": lambda: front(options.peer_limit),
        "d": lambda: worldwide(options.peer_limit),
    }
    results = [row for name in options.only.split(",") for row in parts[name]()]
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
