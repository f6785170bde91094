"""The root of the search: the lean programme tightened by cuts, over the sites that still matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.rules import Effect
from planner.solver.answers import Answers
from planner.solver.cutting import Cutter
from planner.solver.decision import Deadline
from planner.solver.fixing import site_bounds
from planner.solver.formulation import slo_row
from planner.solver.gathering import Gathered, gathered
from planner.solver.highs import LinearProgram

MOST_ROUNDS = 60
ROUGH_GAIN = 2e-3
LEAST_GAIN = 1e-6

LARGEST = 60

WORTH_REBUILDING = 0.85
"""The model is built anew over the sites left when they are no more than this part of it."""


@dataclass(slots=True)
class Root:
    """``problem`` is the given one with sites closed that no plan worth ``cut`` opens. Bounds found below
    hold up to ``cut`` (inf where no site was closed). ``sharpness``: 0, one
    pool for each law; 1, exact pools; 2, the largest clients whole besides. ``x``: the last point, None when
    stopped before it.
    """

    problem: Problem
    lean: Gathered
    program: LinearProgram
    cutter: Cutter
    cut: float
    sharpness: int
    x: NDArray[np.float64] | None = None

    def prove(self, answers: Answers, lower: float) -> None:
        """What is a bound here is one of the given problem up to ``cut``."""
        answers.prove(min(lower, self.cut))


def root_of(problem: Problem, seeds: NDArray[np.intp], cut: float = np.inf, *, sharpness: int = 0) -> Root:
    """The programme, with rows x ≤ y for ``seeds`` (k, 2), clients and sites."""
    largest = np.argsort(-problem.sizing.share, kind="stable")[: LARGEST if sharpness > 1 else 0]
    lean = gathered(problem, slo_row(problem), whole=largest, exact=sharpness > 0)
    program = lean.model.program()
    cutter = Cutter(problem, lean, program)
    at = np.full((len(lean.share), len(problem.site_ids)), -1, dtype=np.intp)
    at[lean.pair_group, lean.pair_site] = np.arange(len(lean.pair))
    pairs = np.unique(at[lean.groups.group[seeds[:, 0]], seeds[:, 1]])
    cutter.link(pairs[pairs >= 0])
    return Root(problem, lean, program, cutter, cut, sharpness)


def tighten(root: Root, answers: Answers, deadline: Deadline, *, least: float = LEAST_GAIN) -> bool:
    """Rounds of cuts, until three of them together gain less than ``least`` of the bound; False when no plan
    worth ``cut`` is left."""
    bounds = [-np.inf]
    for _ in range(MOST_ROUNDS):
        vertex = root.program.solve(time_limit_s=deadline.remaining_s)
        if vertex.ended == "infeasible":
            return False
        if vertex.ended != "optimal":
            break
        root.x = vertex.x
        bounds.append(vertex.objective)
        root.prove(answers, vertex.objective)
        if answers.done() or deadline.passed() or root.cutter.cut(root.x) == 0:
            break
        if len(bounds) > 4 and bounds[-1] - bounds[-4] < least * abs(bounds[-1]):
            break
    answers.linked = root.cutter.tight(root.x)
    return True


def cut_down(root: Root, deadline: Deadline, *, least: float = LEAST_GAIN) -> bool:
    """As :func:`tighten`, where the bound is nobody's but the root's own."""
    bounds = [-np.inf]
    for _ in range(MOST_ROUNDS):
        vertex = root.program.solve(time_limit_s=deadline.remaining_s)
        if vertex.ended != "optimal":
            return vertex.ended != "infeasible" and root.x is not None
        root.x = vertex.x
        bounds.append(vertex.objective)
        if deadline.passed() or root.cutter.cut(root.x) == 0:
            break
        if len(bounds) > 4 and bounds[-1] - bounds[-4] < least * abs(bounds[-1]):
            break
    return True


def narrowed(root: Root, answers: Answers) -> Root | None:
    """A root over the sites that a better plan can open; None when those are nearly all."""
    if answers.best is None or root.x is None:
        return None
    cut = answers.best.objective - 0.5 * answers.gap * abs(answers.best.objective)
    bounds = site_bounds(root.problem, root.lean, root.program)
    live = root.problem.may_open & (bounds.when_open <= cut)
    if live.sum() > WORTH_REBUILDING * root.problem.may_open.sum():
        return None
    smaller = root.problem.with_effects([Effect("live", "", sites=live)])
    return root_of(smaller, root.cutter.written(), min(cut, root.cut), sharpness=root.sharpness)


def sharper(root: Root) -> Root | None:
    """The next model in line; None after the last, where only the smaller clients' being whole is missing."""
    sharpness = root.sharpness + 1
    if sharpness == 1 and slo_row(root.problem) is None:
        sharpness = 2
    if sharpness > 2:
        return None
    return root_of(root.problem, root.cutter.written(), root.cut, sharpness=sharpness)
