"""One peer, one instance, one process: python peer_process.py PEER FILE.npz SECONDS.

Runs in an interpreter of its own and imports nothing of the project. Prints JSON lines: first ``{"build_s"}``
when the model stands, then the result. All peers get the strong formulation, x_ij ≤ y_j pair by pair, over
the allowed pairs only, and a relative gap of 1e-4; the solve alone is timed. ``proven`` only where the peer
says optimal and not merely "stopped at the limit".
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

GAP = 1e-4

SHORT_S, AGAIN = 0.1, 5
"""What is solved sooner than that is built and solved again, so many times, and the fastest counts."""


class Strong(NamedTuple):
    """min ``cost`` · v, ``low`` ≤ ``matrix`` (coordinates ``rows columns values``) · v ≤ ``high``; v = (y, x)
    and, for a p-center, the radius last."""

    cost: NDArray
    integer: NDArray
    most: NDArray
    rows: NDArray
    columns: NDArray
    values: NDArray
    low: NDArray
    high: NDArray


def strong(file: Any) -> Strong:
    """The strong formulation of an instance; a p-center with Σ_j c_ij x_ij ≤ r."""
    kind, opening, cost = str(file["kind"]), file["opening"], file["cost"]
    p, budget = int(file["p"]), float(file["budget"])
    m, n = cost.shape
    client, site = np.nonzero(np.isfinite(cost))
    k = len(client)
    x = n + np.arange(k)
    parts = [
        (client, x, np.ones(k)),
        (m + np.arange(k), x, np.ones(k)),
        (m + np.arange(k), site, -np.ones(k)),
    ]
    low, high = [np.ones(m), np.full(k, -np.inf)], [np.ones(m), np.zeros(k)]
    rows = m + k
    center = kind == "p_center"
    if kind != "uflp":
        parts.append((np.full(n, rows), np.arange(n), np.ones(n)))
        low.append(np.array([float(p)]))
        high.append(np.array([float(p)]))
        rows += 1
    if np.isfinite(budget):
        parts.append((np.full(n, rows), np.arange(n), opening))
        low.append(np.array([-np.inf]))
        high.append(np.array([budget]))
        rows += 1
    price = np.concatenate([opening, cost[client, site], np.zeros(int(center))])
    if center:
        parts.append((rows + client, x, cost[client, site]))
        parts.append((rows + np.arange(m), np.full(m, n + k), -np.ones(m)))
        low.append(np.full(m, -np.inf))
        high.append(np.zeros(m))
        price[:-1], price[-1] = 0.0, 1.0
    elif np.isfinite(budget):
        price[:n] = 0.0
    integer = np.zeros(len(price), dtype=np.int64)
    integer[:n] = 1
    most = np.ones(len(price))
    if center:
        most[-1] = cost[client, site].max()
    joined = [np.concatenate([part[c] for part in parts]) for c in range(3)]
    return Strong(price, integer, most, *joined, np.concatenate(low), np.concatenate(high))


Result = dict[str, Any]
Stop = Callable[[], None]


def by_scipy(file: Any, seconds: float, built: Stop) -> Result:
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array

    s = strong(file)
    matrix = coo_array((s.values, (s.rows, s.columns)), shape=(len(s.low), len(s.cost))).tocsc()
    arguments = {
        "integrality": s.integer,
        "bounds": Bounds(0.0, s.most),
        "constraints": LinearConstraint(matrix, s.low, s.high),
        "options": {"mip_rel_gap": GAP, "time_limit": seconds},
    }
    built()
    found = milp(s.cost, **arguments)
    return {"objective": found.fun, "bound": found.get("mip_dual_bound"), "proven": found.status == 0}


def by_bisection(file: Any, seconds: float, built: Stop) -> Result:
    """A p-center as somebody would write it who knows how: milp on covering problems, by bisection over the
    distances. An algorithm, not a model: shown, never the best peer."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csc_array

    cost, p = file["cost"], int(file["p"])
    radii = np.unique(cost[np.isfinite(cost)])
    low, high = 0, len(radii) - 1
    built()
    until = time.perf_counter() + seconds
    while low < high:
        middle = (low + high) // 2
        covers = csc_array((cost <= radii[middle]).astype(float))
        left = until - time.perf_counter()
        if left <= 0:
            return {"objective": radii[high], "bound": radii[low], "proven": False}
        found = milp(
            np.ones(cost.shape[1]),
            integrality=np.ones(cost.shape[1]),
            bounds=Bounds(0.0, 1.0),
            constraints=LinearConstraint(covers, 1.0, np.inf),
            options={"time_limit": left, "mip_rel_gap": 0.0},
        )
        if found.status == 0 and round(found.fun) <= p:
            high = middle
        elif found.status in (0, 2):
            low = middle + 1
        else:
            return {"objective": radii[high], "bound": radii[low], "proven": False}
    return {"objective": radii[low], "bound": radii[low], "proven": True}


def by_highspy(file: Any, seconds: float, built: Stop) -> Result:
    import highspy
    from scipy.sparse import coo_array

    s = strong(file)
    matrix = coo_array((s.values, (s.rows, s.columns)), shape=(len(s.low), len(s.cost))).tocsc()
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(s.cost), len(s.low)
    model.col_cost_, model.col_lower_, model.col_upper_ = s.cost, np.zeros(len(s.cost)), s.most
    model.row_lower_, model.row_upper_ = s.low, s.high
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = matrix.indptr, matrix.indices
    model.a_matrix_.value_ = matrix.data
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    model.integrality_ = [kinds[i] for i in s.integer]
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("mip_rel_gap", GAP)
    highs.setOptionValue("time_limit", seconds)
    highs.passModel(model)
    built()
    highs.run()
    info = highs.getInfo()
    proven = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return {"objective": info.objective_function_value, "bound": info.mip_dual_bound, "proven": proven}


def by_ortools(file: Any, seconds: float, built: Stop) -> Result:
    from ortools.linear_solver import pywraplp

    s = strong(file)
    solver = pywraplp.Solver.CreateSolver("SCIP")
    infinity = solver.infinity()
    variables = [
        solver.BoolVar("") if whole else solver.NumVar(0.0, float(most), "")
        for whole, most in zip(s.integer, s.most, strict=True)
    ]
    bounds = [(-infinity if np.isinf(a) else float(a), float(b)) for a, b in zip(s.low, s.high, strict=True)]
    rows = [solver.Constraint(a, b) for a, b in bounds]
    for r, c, v in zip(s.rows.tolist(), s.columns.tolist(), s.values.tolist(), strict=True):
        rows[r].SetCoefficient(variables[c], v)
    objective = solver.Objective()
    for variable, price in zip(variables, s.cost.tolist(), strict=True):
        objective.SetCoefficient(variable, price)
    objective.SetMinimization()
    solver.SetTimeLimit(int(seconds * 1000))
    parameters = pywraplp.MPSolverParameters()
    parameters.SetDoubleParam(parameters.RELATIVE_MIP_GAP, GAP)
    built()
    status = solver.Solve(parameters)
    found = status in (solver.OPTIMAL, solver.FEASIBLE)
    return {
        "objective": objective.Value() if found else None,
        "bound": objective.BestBound(),
        "proven": status == solver.OPTIMAL,
    }


def by_pulp(file: Any, seconds: float, built: Stop) -> Result:
    """CBC as PuLP ships it; its solve writes a file and starts a program, both part of using it."""
    import pulp

    s = strong(file)
    model = pulp.LpProblem("strong", pulp.LpMinimize)
    variables = [
        pulp.LpVariable(f"v{k}", 0.0, float(s.most[k]), "Integer" if s.integer[k] else "Continuous")
        for k in range(len(s.cost))
    ]
    model.setObjective(pulp.LpAffineExpression(zip(variables, s.cost.tolist(), strict=True)))
    terms: list[list[tuple[Any, float]]] = [[] for _ in s.low]
    for r, c, v in zip(s.rows.tolist(), s.columns.tolist(), s.values.tolist(), strict=True):
        terms[r].append((variables[c], v))
    for number, row in enumerate(terms):
        equal = s.low[number] == s.high[number]
        sense = pulp.LpConstraintEQ if equal else pulp.LpConstraintLE
        expression = pulp.LpAffineExpression(row)
        model.addConstraint(pulp.LpConstraint(expression, sense, f"r{number}", float(s.high[number])))
    built()
    model.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=GAP, timeLimit=seconds))
    # At a time limit the status still says Optimal; the solution's status does not.
    proven = model.sol_status == pulp.LpSolutionOptimal
    chosen = np.array([variables[k].value() or 0.0 for k in np.flatnonzero(s.integer)])
    # Stopped without a solution it gives the relaxation's, as a feasible one.
    whole = bool((np.abs(chosen - np.rint(chosen)) < 1e-5).all())
    objective = pulp.value(model.objective) if whole else None
    return {"objective": objective, "bound": None, "proven": proven and whole}


def by_pyscipopt(file: Any, seconds: float, built: Stop) -> Result:
    from pyscipopt import Model, quicksum

    s = strong(file)
    model = Model()
    model.hideOutput()
    variables = [
        model.addVar(vtype="B" if whole else "C", lb=0.0, ub=float(most), obj=price)
        for whole, most, price in zip(s.integer, s.most, s.cost.tolist(), strict=True)
    ]
    terms: list[list[Any]] = [[] for _ in s.low]
    for r, c, v in zip(s.rows.tolist(), s.columns.tolist(), s.values.tolist(), strict=True):
        terms[r].append(v * variables[c])
    for row, low, high in zip(terms, s.low.tolist(), s.high.tolist(), strict=True):
        total = quicksum(row)
        model.addCons(total == high if low == high else total <= high)
    model.setParam("limits/time", seconds)
    model.setParam("limits/gap", GAP)
    built()
    model.optimize()
    objective = model.getObjVal() if model.getNSols() else None
    proven = model.getStatus() in ("optimal", "gaplimit")
    return {"objective": objective, "bound": model.getDualbound(), "proven": proven}


def by_spopt(file: Any, seconds: float, built: Stop) -> Result:
    """spopt's PMedian or PCenter over PuLP and CBC; it has no class with opening costs."""
    import pulp
    from spopt.locate import PCenter, PMedian

    kind, cost, p = str(file["kind"]), file["cost"], int(file["p"])
    if kind == "p_median":
        model = PMedian.from_cost_matrix(cost, np.ones(len(cost)), p_facilities=p)
    else:
        model = PCenter.from_cost_matrix(cost, p_facilities=p)
    built()
    model.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=GAP, timeLimit=seconds))
    proven = model.problem.sol_status == pulp.LpSolutionOptimal
    objective = pulp.value(model.problem.objective) if proven else None
    return {"objective": objective, "bound": None, "proven": proven}


PEERS: dict[str, tuple[str, Callable[[Any, float, Stop], Result]]] = {
    "scipy milp": ("scipy", by_scipy),
    "highspy": ("highspy", by_highspy),
    "OR-tools SCIP": ("ortools", by_ortools),
    "PySCIPOpt": ("pyscipopt", by_pyscipopt),
    "PuLP CBC": ("pulp", by_pulp),
    "spopt": ("spopt", by_spopt),
    "milp by bisection": ("scipy", by_bisection),
}
"""Name to its distribution and its function, those that are usually fastest first."""


def installed() -> dict[str, str]:
    """Versions of the peers this interpreter has."""
    found = {}
    for name, (distribution, _) in PEERS.items():
        try:
            found[name] = f"{distribution} {version(distribution)}"
        except ImportError:
            continue
    return found


def say(document: Result) -> None:
    print(json.dumps(document), flush=True)


def main() -> None:
    if len(sys.argv) == 1:
        say(installed())
        return
    name, path, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    began = [time.perf_counter()]

    def built() -> None:
        now = time.perf_counter()
        say({"build_s": now - began[0]})
        began[0] = time.perf_counter()

    def restart() -> None:
        began[0] = time.perf_counter()

    with np.load(path) as file:
        arrays = dict(file)
    spent = math.inf
    for again in range(AGAIN):
        began[0] = time.perf_counter()
        try:
            found = PEERS[name][1](arrays, seconds, built if not again else restart)
        except Exception as error:  # noqa: BLE001 - spopt raises when a limit leaves it without a solution
            found = {"error": f"{type(error).__name__}: {error}"[:200]}
        spent = min(spent, time.perf_counter() - began[0])
        if spent > SHORT_S:
            break
    numbers = {key: None if found.get(key) is None else float(found[key]) for key in ("objective", "bound")}
    say({**found, **numbers, "solve_s": spent, "proven": bool(found.get("proven", False))})


if __name__ == "__main__":
    main()
