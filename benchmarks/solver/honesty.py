"""False claims of optimality: instances on which a claim is easily wrong, against whoever finds better.

Small ones by enumeration (tests/properties), thousands; middle ones against scipy's milp on the strong
formulation. Counted as false: "optimal" with a worse value than someone's, a lower bound above anyone's
value, "infeasible" where there is a solution, an objective that is not what its open sites cost.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from benchmarks.solver.hostile import Hostile, middle
from benchmarks.solver.runs import Setting
from benchmarks.table import Line, say
from planner.solver import Solution, facility_location
from tests.properties.location_instances import FAMILIES, check, draw, enumerate_open_sets

SMALL_EACH = 400
MIDDLE_ROUNDS = 3
OURS_S, THEIRS_S = 5.0, 10.0
TOLERANCE = 1e-9
"""Relative; both values are priced from their open sites."""


def honesty(setting: Setting) -> list[Line]:
    """Two lines: small and middle instances; another seed draws others."""
    return [_small(setting), _middle(setting)]


def _small(setting: Setting) -> Line:
    each = SMALL_EACH // 10 if setting.quick else SMALL_EACH
    false, unproven, count = list[str](), 0, 0
    for family in FAMILIES:
        for k in range(each):
            seed = 1_000_000 * setting.seed + k
            drawn = draw(family, seed, most=12 if k % 8 == 0 else 9)
            optimum = enumerate_open_sets(drawn)
            found = facility_location(
                drawn.opening, drawn.cost, min_open=drawn.low, max_open=drawn.high, time_limit_s=OURS_S
            )
            count += 1
            try:
                check(found, drawn, optimum)
            except AssertionError:
                false.append(f"{family} {seed}")
                say(
                    f"FALSE: {family} {seed}: {found.objective}, {found.lower_bound}, optimum {optimum.value}"
                )
            unproven += found.termination not in ("optimal", "infeasible")
    say(f"small: {count} instances, {len(false)} false, {unproven} without a claim")
    told = f"{len(false)} of {count:,} ({unproven} without a claim)"
    return Line("false claims, small, against enumeration", "none", told, "", not false, {"false": false})


def _middle(setting: Setting) -> Line:
    false, unproven, count = list[str](), 0, 0
    gaps: dict[str, float] = {}
    for problem in middle(setting.seed, 1 if setting.quick else MIDDLE_ROUNDS):
        if setting.quick and count >= 20:
            break
        found = facility_location(
            problem.opening, problem.cost, min_open=problem.low, max_open=problem.high, time_limit_s=OURS_S
        )
        count += 1
        wrong = _false(problem, found, _strong(problem))
        if wrong:
            false.append(f"{problem.name}: {wrong}")
            say(f"FALSE: {problem.name}: {wrong}")
        if found.termination not in ("optimal", "infeasible"):
            unproven += 1
            gaps[problem.name] = found.gap
            say(f"{problem.name}: {found.termination}, gap {found.gap:.2e}")
    told = f"{len(false)} of {count} ({unproven} without a claim in {OURS_S:g} s)"
    figures: dict[str, Any] = {"false": false, "gaps": gaps}
    return Line("false claims, middle, against scipy milp", "none", told, "", not false, figures)


def _false(problem: Hostile, found: Solution, value: float) -> str:
    """What is false about a solution, "" when nothing is known to be. ``value``: what somebody reached."""
    low, high = problem.low or 0, len(problem.opening) if problem.high is None else problem.high
    slack = TOLERANCE * (abs(value) + 1e-300) if math.isfinite(value) else 0.0
    if found.termination == "infeasible":
        return f"infeasible, yet {value} exists" if math.isfinite(value) else ""
    if found.lower_bound > value + slack:
        return f"bound {found.lower_bound} above {value}"
    if not math.isfinite(found.objective):
        return ""
    if not low <= len(found.open) <= high:
        return f"{len(found.open)} sites open"
    paid = problem.cost[:, found.open].min(axis=1)
    total = float(problem.opening[found.open].sum() + paid.sum())
    if abs(total - found.objective) > 1e-9 * abs(total) + 1e-300:
        return f"objective {found.objective}, its sites cost {total}"
    if found.termination == "optimal" and found.objective > value + slack:
        return f"optimal at {found.objective}, yet {value} exists"
    return ""


def _strong(problem: Hostile) -> float:
    """The value that milp reaches, priced anew from its open sites (HiGHS rounds); inf when it has none."""
    m, n = problem.cost.shape
    client, site = np.nonzero(np.isfinite(problem.cost))
    k = len(client)
    scale = 1e6 / max(1e-300, float(np.median(np.abs(problem.cost[client, site]))) * m) if k else 1.0
    pairs = np.arange(k)
    rows = np.concatenate([client, m + pairs, m + pairs, np.full(n, m + k)])
    columns = np.concatenate([n + pairs, n + pairs, site, np.arange(n)])
    values = np.concatenate([np.ones(2 * k), -np.ones(k), np.ones(n)])
    low = np.concatenate([np.ones(m), np.full(k, -np.inf), [problem.low or 0]])
    high = np.concatenate([np.ones(m), np.zeros(k), [n if problem.high is None else problem.high]])
    found = milp(
        np.concatenate([problem.opening, problem.cost[client, site]]) * scale,
        integrality=np.concatenate([np.ones(n), np.zeros(k)]),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(coo_array((values, (rows, columns))).tocsc(), low, high),
        options={"mip_rel_gap": 1e-9, "time_limit": THEIRS_S},
    )
    if found.x is None:
        return math.inf
    is_open = np.nonzero(found.x[:n] > 0.5)[0]
    if not (problem.low or 0) <= len(is_open) <= (n if problem.high is None else problem.high):
        return math.inf
    paid = problem.cost[:, is_open].min(axis=1, initial=np.inf)
    return float(problem.opening[is_open].sum() + paid.sum())
