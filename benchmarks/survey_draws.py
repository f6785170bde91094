"""What a survey of the shipped studies takes, and how far its quick answers are from the solver's.

    python -m benchmarks.survey_draws [STUDY ...] [--draws 16] [--solved 4] [--limit 30]

Processor seconds of all draws of a survey, and what it found. For the first few draws, by how much the quick
answer is above the solver's where that was proven within the limit, promises at the survey's price: below
where the solver, which must keep every rule, pays more for that than a part of one is charged.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

import numpy as np

from planner.decide import decide
from planner.inputs import load_inputs
from planner.solver.placement import solve_placement
from planner.study_lookup import find_study
from planner.survey import SEED, survey
from planner.survey_draws import GAP, Draws
from planner.tabulate import table

SHIPPED: Final = ("eu-regulated", "factory-outposts", "multiplayer-gaming", "worldwide-saas")


def row_of(name: str, draws: int, solved: int, limit_s: float) -> tuple[str, ...]:
    """A study's line."""
    study = find_study(name)
    inputs = load_inputs(study)
    plan = decide(study, inputs)
    began = time.process_time()
    found = survey(study, inputs, plan, draws=draws)
    took = time.process_time() - began
    drawn, apart = Draws(study, inputs, plan, SEED), list[str]()
    for number in range(solved):
        known, quick = drawn.known(number), drawn.learnt(number, None)
        exact = solve_placement(known.problem, gap=GAP, time_limit_s=limit_s)
        if exact.termination != "optimal" or exact.open is None or exact.assignment is None:
            apart.append("none" if exact.termination == "infeasible" else "late")
            continue
        ours = known.judged(quick.open, quick.assignment).value
        theirs = known.judged(exact.open, exact.assignment, exact.backup).value
        apart.append(f"{100.0 * (ours / theirs - 1.0):+.1f} %")
    return (
        *(name, f"{took:.1f}", str(found.exact), str(found.short), f"{found.changed:.0%}"),
        *(f"{found.regret:,.4g} {found.unit}", f"{found.regret / (plan.objective or np.nan):.0%}"),
        ", ".join(apart),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", nargs="*", default=SHIPPED)
    parser.add_argument("--draws", type=int, default=16)
    parser.add_argument("--solved", type=int, default=4)
    parser.add_argument("--limit", type=float, default=30.0)
    options = parser.parse_args()
    rows = [row_of(name, options.draws, options.solved, options.limit) for name in options.study]
    heads = ("study", "CPU s", "exact", "short", "other sites", "worth", "of it all", "quick over solved")
    print(table(heads, rows, flush_right=(1, 2, 3, 4, 5, 6)))


if __name__ == "__main__":
    main()
