"""The best over every home of the stateful tier: each is a placement problem of its own.

They are solved in the order of a bound that needs no solver, each from the best plan so far. A home is left
as soon as no plan of it can be better: the joint optimum is proven by the least of the homes' bounds. So are
the standbys of a service without a home (:mod:`planner.solver.apart`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from planner.problem import Problem
from planner.recovery import merit
from planner.solver.answers import OnAnswer
from planner.solver.apart import at_the_cheapest, joint
from planner.solver.decision import Deadline, Decision, at_their_best, tally

Solve = Callable[..., Decision]
"""As :func:`planner.solver.placement.solve_placement`."""

LEAVE = 0.01
"""A home is left when its bound is within this part of the gap asked for below the best plan so far."""


def best_of(
    problem: Problem,
    solve: Solve,
    *,
    gap: float,
    time_limit_s: float | None,
    progress: Callable[[int, int, str], None],
    start: Decision | None,
    on_answer: OnAnswer | None,
    lower_bound: float = -np.inf,
    cutoff: float = np.inf,
) -> Decision:
    """The best decision of any option of ``problem``, which it names; infeasible when every one is."""
    started, deadline = time.perf_counter(), Deadline.after(time_limit_s)
    options = _worth_solving(problem)
    bounds = np.array([max(at_their_best(option), lower_bound) for option in options])
    floors = np.full(len(options), -np.inf)
    best: Decision | None = None
    unproven = False
    together = joint(options)
    if together is not None:
        whole = solve(
            together.problem, gap=gap, time_limit_s=deadline.remaining_s, progress=progress, start=start,
            on_answer=None, lower_bound=lower_bound, cutoff=cutoff,
        )  # fmt: skip
        bounds = np.maximum(bounds, together.bounds(whole))
        floors = together.costs(whole, gap)
        best = at_the_cheapest(options, whole)
        if best is not None and on_answer is not None:
            lower = min(float(bounds.min()), best.objective)
            on_answer(replace(best, lower_bound=lower, termination="feasible"))
    for position, k in enumerate(np.lexsort((floors, bounds))):
        option = options[k]
        enough = cutoff if best is None else min(cutoff, _enough(option, best, gap))
        if bounds[k] > enough or np.isposinf(bounds[k]):
            continue
        if best is not None and bounds[k] >= best.objective and floors[k] >= _cost(problem, best):
            continue
        if deadline.passed():
            unproven = True
            continue
        progress(
            position,
            len(options),
            f"with the home in {option.arrangement.home}" if option.arrangement else "",
        )
        found = solve(
            option,
            gap=gap,
            time_limit_s=deadline.remaining_s,
            progress=progress,
            start=best or start,
            on_answer=None if on_answer is None else _told(on_answer, option, bounds, int(k), best),
            lower_bound=float(bounds[k]),
            cutoff=enough,
        )
        bounds[k] = np.inf if found.termination == "infeasible" else max(bounds[k], found.lower_bound)
        unproven |= found.termination == "time_limit" and bounds[k] < enough
        found = replace(found, arrangement=option.arrangement)
        found = at_the_cheapest(_of_one_home(option, options, problem), found) or found
        if found.open is not None and (best is None or _better(problem, found, best)):
            best = found
    seconds, lower = time.perf_counter() - started, float(bounds.min())
    if best is None:
        ended = "infeasible" if np.isposinf(lower) else "time_limit"
        return Decision(None, None, np.inf, lower, ended, seconds)  # type: ignore[arg-type]
    best = replace(best, lower_bound=min(lower, best.objective), seconds=seconds)
    proven = not unproven and best.gap <= gap
    return replace(best, termination="optimal" if proven else "time_limit")


def _worth_solving(problem: Problem) -> tuple[Problem, ...]:
    """Of the recoveries of one home, which differ in their cost alone, the cheapest that is allowed, of
    several the soonest; and those that cost less, but ask a standby to be open. Without a home, of those
    with one standby.

    All options where none is, so that there is one to prove infeasible.
    """
    kept: dict[str | None, Problem] = {}
    asking = list[tuple[str | None, Problem]]()
    for option in filter(lambda option: option.servable, problem.options):
        at = None
        if (arranged := option.arrangement) is not None:
            recovery = arranged.recovery
            at = arranged.home or (None if recovery is None else recovery.where)
            if _asks(option):
                asking.append((at, option))
                continue
        if at not in kept or merit(arranged) < merit(kept[at].arrangement):
            kept[at] = option
    cheaper = (
        option
        for at, option in asking
        if at not in kept or merit(option.arrangement)[0] < merit(kept[at].arrangement)[0]
    )
    return (*kept.values(), *cheaper) or problem.options


def _of_one_home(option: Problem, options: Sequence[Problem], problem: Problem) -> list[Problem]:
    """The options that have the same home, or none, so that latencies are the same; with those that are not
    worth solving, for they cost the same but ask a standby to be open."""
    if option.arrangement is None:
        return [option]
    home = option.arrangement.home
    asking = [each for each in problem.options if each.servable and _asks(each)]
    found = {id(each): each for each in (*options, *asking)}
    return [each for each in found.values() if each.arrangement is not None and each.arrangement.home == home]


def _asks(option: Problem) -> bool:
    """Whether the recovery asks a standby to be open."""
    recovery = None if option.arrangement is None else option.arrangement.recovery
    return recovery is not None and bool(recovery.among)


def _enough(option: Problem, best: Decision, gap: float) -> float:
    """Nothing with a bound above it is better; of equal highest latency, something may be cheaper."""
    return best.objective if option.minimize == "max_latency" else best.objective * (1 - LEAVE * gap)


def _better(problem: Problem, found: Decision, best: Decision) -> bool:
    """By the objective, and by cost where the highest latency is the same."""
    if problem.minimize != "max_latency" or found.objective != best.objective:
        return found.objective < best.objective
    return _cost(problem, found) < _cost(problem, best)


def _cost(problem: Problem, decision: Decision) -> float:
    assert decision.open is not None
    assert decision.assignment is not None
    problem = problem.at(decision.arrangement)
    return tally(problem, decision.open, decision.assignment, decision.backup).cost_usd


def _told(
    tell: OnAnswer, option: Problem, bounds: np.ndarray[tuple[int], np.dtype[np.float64]], k: int,
    best: Decision | None,
) -> OnAnswer:  # fmt: skip
    """Tells what is better than the best of the homes before, with a bound on all of them."""
    others = float(np.delete(bounds, k).min(initial=np.inf))

    def told(answer: Decision) -> None:
        if best is None or answer.objective < best.objective:
            lower = min(answer.lower_bound, others, answer.objective)
            tell(replace(answer, lower_bound=lower, termination="feasible", arrangement=option.arrangement))

    return told
