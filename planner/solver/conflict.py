"""Why nothing is feasible: the smallest set of rules that cannot hold together.

Data alone come first: a client that reaches no site breaks no rule. Otherwise a first set comes from looking
at clients that no site may serve, or from a deletion filter (Chinneck & Dravnieks 1991). Then a smaller one
is looked for, or ruled out, by hitting sets (Ignatiev, Previti, Liffiton & Marques-Silva 2015): a conflict
has a rule in common with whatever must be dropped for the rest to hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from planner.problem import Problem
from planner.solver.decision import Deadline
from planner.solver.placement import Progress, silent, solve_placement
from planner.solver.stranded import out_of_reach, stranded

MOST_CONFLICTS = 3
"""How many conflicts are named when several stand side by side."""

LOOSE = 0.9
"""Any feasible point settles the question, so the gap is as wide as it gets."""

DATA = ("latency",)
"""What is named where no rule at all is to blame."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Rules that cannot hold together; sparing any one of them would resolve this conflict.

    ``reason`` says so in words, and names further conflicts beside it. ``smallest`` is False when time ran
    out before it was known that no fewer rules conflict.
    """

    rules: tuple[str, ...]
    reason: str
    smallest: bool


def find_clash(problem: Problem, *, time_limit_s: float | None = None, progress: Progress = silent) -> Clash:
    """Rules that cannot hold together, for a problem known to be infeasible: no set of fewer rules does it.

    Further conflicts, which show once those found are out of the way, are named in the words.
    """
    deadline, words = Deadline.after(time_limit_s), {effect.rule: effect.words for effect in problem.effects}
    first: tuple[str, ...] | None = None
    sentences, gone, sure = list[str](), set[str](), True
    while len(sentences) < MOST_CONFLICTS:
        rest = problem.without(gone)
        if first is not None and rest.servable and not _infeasible(rest, deadline):
            break
        rules, sentence, settled = _conflict(rest, words, first is None, deadline, progress)
        sure = sure and settled
        first = rules or DATA if first is None else first
        sentences.append(sentence)
        if not rules:
            break
        gone |= set(rules)
    return Clash(first or (), "; apart from that, ".join(sentences), sure)


def _conflict(
    problem: Problem, words: Mapping[str, str], smallest: bool, deadline: Deadline, progress: Progress
) -> tuple[tuple[str, ...], str, bool]:
    """Rules, sentence, and whether it is known to be irreducible and, with ``smallest``, of the fewest."""
    bare = problem.without(problem.rules)
    if not bare.servable:
        return (), out_of_reach(bare), True
    settled, said = True, stranded(problem)
    if said is not None:
        rules = said[0]
    else:
        rules, settled = _irreducible(problem, deadline, progress)
    if smallest and len(rules) > 1:
        fewer, known = _fewer(problem, len(rules), deadline, progress)
        settled = settled and known
        if fewer is not None:
            rules, said = fewer, stranded(problem.without(set(problem.rules) - set(fewer)))
    return rules, _sentence(rules, words) if said is None else said[1], settled


def _fewer(
    problem: Problem, than: int, deadline: Deadline, progress: Progress
) -> tuple[tuple[str, ...] | None, bool]:
    """The smallest conflict, if it has fewer rules ``than`` that; and whether there is surely none else."""
    names, corrections = problem.rules, list[frozenset[str]]()
    while True:
        hitting = _smallest_hitting(names, corrections, than)
        if hitting is None:
            return None, True
        progress(len(corrections), len(corrections) + 1, f"do {len(hitting)} of the rules conflict alone?")
        kept = set(hitting)
        verdict = _verdict(problem, kept, deadline)
        if verdict is None:
            return None, False
        if not verdict:
            return tuple(name for name in names if name in kept), True
        for name in names:  # as many rules as can hold with these: the others are what must be dropped
            if name not in kept and _verdict(problem, kept | {name}, deadline):
                kept.add(name)
        if deadline.passed():
            return None, False
        corrections.append(frozenset(names) - kept)


def _smallest_hitting(
    names: Sequence[str], sets: Sequence[frozenset[str]], than: int
) -> tuple[str, ...] | None:
    """The first of the smallest sets of names that meet all of ``sets``, of fewer than so many; else None."""
    for size in range(than):
        for chosen in combinations(names, size):
            if all(not group.isdisjoint(chosen) for group in sets):
                return chosen
    return None


def _verdict(problem: Problem, kept: set[str], deadline: Deadline) -> bool | None:
    """Whether a plan keeps just these rules; None where time left that open."""
    return holds(problem.without(set(problem.rules) - kept), deadline)


def holds(problem: Problem, deadline: Deadline) -> bool | None:
    """Whether there is a plan; None where time left that open."""
    if not problem.servable:
        return False
    if deadline.passed():
        return None
    found = solve_placement(problem.aiming_at("cost"), gap=LOOSE, time_limit_s=deadline.remaining_s)
    return None if found.open is None and found.termination != "infeasible" else found.open is not None


def _infeasible(problem: Problem, deadline: Deadline) -> bool:
    return holds(problem, deadline) is False


def _irreducible(problem: Problem, deadline: Deadline, progress: Progress) -> tuple[tuple[str, ...], bool]:
    """Rules of which none can be spared if the conflict is to stay; False where time left that open."""
    kept, sure = set(problem.rules), True
    for position, rule in enumerate(problem.rules):
        progress(position, len(problem.rules), f"does the conflict need {rule}?")
        verdict = _verdict(problem, kept - {rule}, deadline)
        if verdict is False:
            kept.remove(rule)
        elif verdict is None:
            sure = False
    return tuple(rule for rule in problem.rules if rule in kept), sure


def _sentence(rules: Sequence[str], words: Mapping[str, str]) -> str:
    if len(rules) == 1:
        return f"no plan keeps this: {words[rules[0]]}"
    return "these cannot hold together: " + "; ".join(words[rule] for rule in rules)
