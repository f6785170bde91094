"""What merging and pooling buy: the same problem in four formulations, each solved to the same gap.

    python benchmarks/formulations.py [STUDY ...] [--gap 1e-4] [--time-limit 120]

*binary*: clients one by one, assignments binary; *divisible*: the same, assignments continuous; *merged*:
clients the model cannot tell apart are one; *pooled*: merged, and demand outside the SLO followed by pool.
The last three are relaxations of the first; their bounds are comparable, since all are solved to the gap.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from planner.inputs import load_inputs
from planner.problem import Problem, build_problem
from planner.solver.formulation import pooled, slo_row, strong
from planner.solver.merging import Groups, merge_identical
from planner.solver.model import Model
from planner.study import load_study

STUDIES = Path(__file__).resolve().parents[1] / "data" / "studies"


def single(problem: Problem) -> Groups:
    """Every client a group of its own."""
    each = np.arange(len(problem.client_ids))
    return Groups(each, each, problem.sizing.share)


def formulations(problem: Problem) -> dict[str, Callable[[], tuple[int, Model]]]:
    """Name → a function that builds the model and says how many groups it has."""
    groups, row, clients = merge_identical(problem), slo_row(problem), len(problem.client_ids)
    built: dict[str, Callable[[], tuple[int, Model]]] = {
        "binary": lambda: (clients, strong(problem, single(problem), whole=True)[0].model),
        "divisible": lambda: (clients, strong(problem, single(problem), whole=False)[0].model),
        "merged": lambda: (len(groups.first), strong(problem, groups, whole=False)[0].model),
    }
    if row is not None:
        built["pooled"] = lambda: (len(groups.first), pooled(problem, groups, row)[0].model)
    return built


def main() -> None:
    """Print one line a study and formulation."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("studies", nargs="*", default=["worldwide-saas", "multiplayer-gaming"])
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--time-limit", type=float, default=120.0)
    options = parser.parse_args()
    print(
        f"{'study':20} {'formulation':11} {'groups':>6} {'seconds':>8} {'objective':>12} {'bound':>12}  ended"
    )
    for name in options.studies:
        study = load_study(STUDIES / f"{name}.toml")
        problem = build_problem(study, load_inputs(study))
        for formulation, build in formulations(problem).items():
            groups, model = build()
            found = model.solve(gap=options.gap, time_limit_s=options.time_limit)
            print(
                f"{name:20} {formulation:11} {groups:6d} {found.seconds:8.2f} {found.objective:12.2f}"
                f" {found.lower_bound:12.2f}  {found.termination}",
                flush=True,
            )


if __name__ == "__main__":
    main()
