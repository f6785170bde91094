"""Compile the kernels before anybody waits for them: ``python -m planner.solver.warm``.

numba compiles a kernel at its first call with new types and keeps it on disk (:mod:`compiled`). Every public
function is called here on a small instance with the types of real use. What is compiled is noted beside
the kernels; where the note is missing or older than they are, a planning command says what it waits for.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from threading import Lock

import llvmlite.binding
import numpy as np

from planner.costs import CostTerms
from planner.problem import Problem
from planner.rules import Effect, Failover, Row
from planner.sizing import Sizing
from planner.solver import (
    Resolver,
    budgeted_location,
    capacitated,
    facility_location,
    latency_cost_front,
    max_cover,
    p_center,
    p_median,
    set_cover,
)
from planner.solver.compiled import CACHE, PACKAGE
from planner.solver.placement import Progress, solve_placement
from planner.solver.pure import numbers_of_sites
from planner.store.rows import read_rows

_ONE_AT_A_TIME = Lock()
_prepared: set[str] = set()


def prepare(problem: Problem, progress: Progress) -> None:
    """Have the kernels that this problem's solve needs; where they must be compiled, ``progress`` says so."""
    _prepare("studies", studies, "about ten seconds", progress)
    if numbers_of_sites(problem) is not None:
        _prepare("pure", pure, "about half a minute", progress)


def _prepare(what: str, work: Callable[[], None], how_long: str, progress: Progress) -> None:
    if what in _prepared:
        return
    if not _noted(what):
        progress(0, 1, f"preparing the solver, once: {how_long}")
    with _ONE_AT_A_TIME:
        if what not in _prepared and not _noted(what):
            work()
            _note(what)
        _prepared.add(what)


def studies() -> None:
    """Call what the study solver compiles, with failures to survive and without."""
    problem = _problem()
    solve_placement(problem, time_limit_s=10.0)
    clients, sites = problem.allowed.shape
    any_one = Failover(np.eye(sites, dtype=bool), np.ones((clients, sites), dtype=bool))
    solve_placement(
        problem.with_effects([*problem.effects, Effect("survive", "", failover=any_one)]), time_limit_s=10.0
    )


def pure() -> None:
    """Call what it hands purely uncapacitated problems to."""
    problem = _problem().aiming_at("mean_latency").without(["coverage"])
    solve_placement(problem, time_limit_s=10.0)
    few = Effect("site_limits", "", rows=(Row(2.0, 4.0, site=np.ones(len(problem.site_ids))),))
    solve_placement(problem.with_effects([few]), time_limit_s=10.0)


def library() -> None:
    """Call every public function of :mod:`planner.solver`, each way it compiles something."""
    draw = np.random.default_rng(7)
    for scale, clients, sites in ((1.0, 40, 12), (100.0, 150, 30)):
        place, where = draw.random((clients, 2)), draw.random((sites, 2))
        far = scale * np.hypot(*(place[:, None] - where).transpose(2, 0, 1))
        whole, opening, weight = np.rint(far * 50), scale * (0.2 + draw.random(sites)), draw.random(clients)
        for cost in (far, whole):
            facility_location(opening, cost, time_limit_s=5.0)
            p_median(cost, sites // 4, time_limit_s=5.0)
            p_center(cost, sites // 4, time_limit_s=5.0)
        facility_location(np.rint(opening), whole, min_open=2, max_open=sites // 3, time_limit_s=5.0)
        budgeted_location(opening, far, float(opening.sum()) / 4, time_limit_s=5.0)
        latency_cost_front(opening, far, points=3, time_limit_s=5.0)
        again = Resolver(opening, far)
        again.solve()
        again.solve(weight=1.1, without=[0], gap=0.0)
        again.solve(budget=float(opening.sum()) / 4)
        labels = np.arange(sites) // 2
        capacitated(
            opening, far, weight, np.full(sites, weight.sum()), failure_domain=labels, time_limit_s=5.0
        )
    place = draw.random((200, 2))
    far = np.hypot(*(place[:, None] - place).transpose(2, 0, 1))
    p_center(far, 20, time_limit_s=10.0)
    p_median(np.where(far < 0.25, far, np.inf), 15, time_limit_s=5.0)
    # Scattered, so that bounds alone prove nothing.
    for clients, sites, part in ((60, 40, 0.12), (120, 60, 0.08)):
        near = draw.random((clients, sites)) < part
        near[np.arange(clients), draw.integers(0, sites, clients)] = True
        set_cover(near, np.ones(sites), time_limit_s=5.0)
        set_cover(near, 1 + draw.random(sites), time_limit_s=5.0)
        max_cover(draw.random(clients), near, sites // 6, time_limit_s=5.0)


def rows() -> None:
    """Have the kernels of the store, which numba keeps by the files they stand in: that which reads the
    agents' rows, and those that are compiled when they are imported."""
    read_rows([("", b"\n" * 2000, False)])
    import_module("planner.store.figures")


def _problem() -> Problem:
    """A study's problem, no larger than what sends it the way of the large ones."""
    draw = np.random.default_rng(7)
    clients, sites = 320, 8
    place, where = draw.random((clients, 2)), draw.random((sites, 2))
    latency = 200.0 * np.hypot(*(place[:, None] - where).transpose(2, 0, 1))
    share = draw.random(clients)
    share /= share.sum()
    share.flags.writeable = False
    within = (latency <= 80.0).astype(np.float64)
    cost = CostTerms("total", np.full(sites, 20.0), np.full(sites, 100.0), 400.0 + 100.0 * draw.random(sites))
    bare = Problem(
        minimize="cost",
        client_ids=tuple(str(i) for i in range(clients)),
        site_ids=tuple(str(j) for j in range(sites)),
        sizing=Sizing(share, 20000.0, 1000.0, 1000.0, 2),
        latency_ms=latency,
        allowed=np.ones((clients, sites), dtype=bool),
        may_open=np.ones(sites, dtype=bool),
        cloud=np.ones(sites, dtype=bool),
        cost=cost,
        items=(cost,),
        effects=(),
    )
    return bare.with_effects([Effect("coverage", "", rows=(Row(0.5, np.inf, pair=within),))])


def _noted(what: str) -> bool:
    place = _place(what)
    try:
        return place is not None and place.read_text("utf-8") == _state()
    except OSError:
        return False


def _note(what: str) -> None:
    place = _place(what)
    if place is None:
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_state(), "utf-8")
    except OSError:  # nothing is lost but the note
        return


def _place(what: str) -> Path | None:
    return Path(CACHE) / f"compiled-{what}" if CACHE else None


def _state() -> str:
    """All that numba looks at before it takes a kernel from the disk: the files' times, Python, processor."""
    marks = [sys.implementation.cache_tag or "", llvmlite.binding.get_host_cpu_name()]
    for module in sorted(PACKAGE.rglob("*.py")):
        facts = module.stat()
        if b"@compiled" in module.read_bytes():
            marks.append(f"{module.name} {facts.st_mtime_ns} {facts.st_size}")
    return hashlib.sha256("\n".join(marks).encode()).hexdigest()


def main() -> int:
    """Compile what is not compiled yet, saying so."""
    rows()
    steps = {"studies": studies, "pure": pure, "library": library}
    if all(map(_noted, steps)):
        return 0
    print("compiling the solver's kernels: about a minute, once", flush=True)
    started = time.perf_counter()
    for what, work in steps.items():
        work()
        _note(what)
    print(f"compiled in {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
