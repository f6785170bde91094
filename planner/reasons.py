"""What decided each open site: the rule that needs it, or the price or latency it gives.

A cheap certificate, without solving: close the site, move its clients to the nearest open one that may serve
them, then to the cheapest. What breaks either way is the reason; where nothing breaks, the objective is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from planner.problem import Problem
from planner.solver.decision import Decision, broken_rules, tally
from planner.solver.standby import find_backups


def reasons(problem: Problem, decision: Decision) -> dict[str, str]:
    """Each open site's id, and what decided for it: names of rules, or "price of egress", "latency"."""
    assert decision.open is not None
    return {problem.site_ids[j]: _reason(problem, decision, int(j)) for j in np.nonzero(decision.open)[0]}


def _reason(problem: Problem, decision: Decision, j: int) -> str:
    assert decision.open is not None
    assert decision.assignment is not None
    others = decision.open.copy()
    others[j] = False
    if not others.any():
        return "somebody must serve"
    mine = decision.assignment == j
    possible = problem.allowed & others
    if problem.failover is not None:
        possible &= problem.failover.backed(others)
    stranded = mine & ~possible.any(axis=1)
    if stranded.any():
        heaviest = int(np.where(stranded, problem.sizing.share, -1.0).argmax())
        return ", ".join(_keeping_from(problem, heaviest, others)) or "the only site within reach"
    if not possible.any(axis=1).all():  # a client served elsewhere whose backup it is
        return "survive"
    moves = list(_moved(problem, decision.assignment, mine, possible))
    backups = [_backups(problem, others, moved) for moved in moves]
    broken = [broken_rules(problem, others, *placed) for placed in zip(moves, backups, strict=True)]
    if all(broken):
        needed = [rule for rule in broken[0] if all(rule in names for names in broken)]
        return ", ".join(needed or broken[0])
    sound = [
        placed for placed, names in zip(zip(moves, backups, strict=True), broken, strict=True) if not names
    ]
    return _objective(problem, decision, others, sound)


def _keeping_from(problem: Problem, client: int, others: NDArray[np.bool_]) -> Iterator[str]:
    """The rules that keep a client from the other open sites."""
    for effect in problem.effects:
        kept_off = effect.pairs is not None and (others & ~effect.pairs[client]).any()
        if kept_off or (effect.failover is not None and (problem.allowed[client] & others).any()):
            yield effect.rule


def _backups(
    problem: Problem, is_open: NDArray[np.bool_], assignment: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    return None if problem.failover is None else find_backups(problem, is_open, assignment)


def _moved(
    problem: Problem,
    assignment: NDArray[np.intp],
    mine: NDArray[np.bool_],
    possible: NDArray[np.bool_],
) -> Iterator[NDArray[np.intp]]:
    """The clients moved to the nearest, and to the cheapest, of the other sites."""
    left = possible[mine]
    for merit in (problem.latency_ms[mine], np.broadcast_to(problem.cost.per_share, left.shape)):
        moved = assignment.copy()
        moved[mine] = np.where(left, merit, np.inf).argmin(axis=1)
        yield moved


def _objective(
    problem: Problem,
    decision: Decision,
    others: NDArray[np.bool_],
    sound: list[tuple[NDArray[np.intp], NDArray[np.intp] | None]],
) -> str:
    if problem.minimize != "cost":
        return "latency"
    assert decision.open is not None
    assert decision.assignment is not None
    now = _by_item(problem, decision.open, decision.assignment, decision.backup)
    least = min(
        (_by_item(problem, others, *placed) for placed in sound), key=lambda items: sum(items.values())
    )
    dearer = {item: least[item] - now[item] for item in now}
    item = max(dearer, key=lambda item: dearer[item])
    return f"price of {item}" if dearer[item] > 0 else "a tie"


def _by_item(
    problem: Problem,
    is_open: NDArray[np.bool_],
    assignment: NDArray[np.intp],
    backup: NDArray[np.intp] | None,
) -> dict[str, float]:
    counted = tally(problem, is_open, assignment, backup)
    return {
        item.name: sum(
            item.of(int(j), int(counted.instances[j]), float(counted.share[j]))
            for j in np.nonzero(is_open)[0]
        )
        for item in problem.items
    }
