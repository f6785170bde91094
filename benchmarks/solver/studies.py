"""Whole studies: coverage-constrained, and redundant with capacities; each a benchmark of its own, run here.

Its exit status is the verdict, the last line it prints the result.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.solver.runs import ROOT, Setting
from benchmarks.table import Line, say

MOST_S = 900.0


def coverage(setting: Setting) -> list[Line]:
    """The default study, 95 % of demand within the SLO."""
    return _run("coverage", "benchmarks.studies", "proven 1e-4 in ≤ 2 / 6 s at 140 × 2,000 / 5,000", setting)


def redundant(setting: Setting) -> list[Line]:
    """Capacity, N-1 and residency at once."""
    return _run("redundant", "benchmarks.solver_redundant", "0.1 % in ≤ 40 s at 300 × 1,000", setting)


def _run(gate: str, module: str, goal: str, setting: Setting) -> list[Line]:
    command = [sys.executable, "-m", module]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=MOST_S, check=False)
    except subprocess.TimeoutExpired:
        return [Line(gate, goal, f"nothing in {MOST_S:.0f} s", "", False, {})]
    output = [line for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    for line in output:
        say(line)
    told = output[-1] if output else "said nothing"
    return [Line(gate, goal, told, "", done.returncode == 0, {"output": output})]
