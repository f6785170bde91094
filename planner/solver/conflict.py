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
from planner.solver.alternatives import Alternatives, without, worth_solving
from planner.solver.decision import Deadline, Decision
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


def find_clash(
    alternatives: Alternatives, *, time_limit_s: float | None = None, progress: Progress = silent
) -> Clash:
    """Rules that cannot hold together, none of the problems being feasible: no set of fewer rules does it.

    Further conflicts, which show once those found are out of the way, are named in the words.
    """
    deadline, words = (
        Deadline.after(time_limit_s),
        {effect.rule: effect.words for effect in alternatives[0].effects},
    )
    first: tuple[str, ...] | None = None
    sentences, gone, sure = list[str](), set[str](), True
    while len(sentences) < MOST_CONFLICTS:
        rest = without(alternatives, gone)
        if first is not None and holds(rest, deadline) is not False:
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
    alternatives: Alternatives,
    words: Mapping[str, str],
    smallest: bool,
    deadline: Deadline,
    progress: Progress,
) -> tuple[tuple[str, ...], str, bool]:
    """Rules, sentence, and whether it is known to be irreducible and, with ``smallest``, of the fewest."""
    names = alternatives[0].rules
    bare = without(alternatives, names)
    if not any(problem.servable for problem in bare):
        return (), out_of_reach(bare), True
    settled, said = True, stranded(alternatives)
    if said is not None:
        rules = said[0]
    else:
        rules, settled = _irreducible(alternatives, deadline, progress)
    if smallest and len(rules) > 1:
        fewer, known = _fewer(alternatives, len(rules), deadline, progress)
        settled = settled and known
        if fewer is not None:
            rules, said = fewer, stranded(without(alternatives, set(names) - set(fewer)))
    return rules, _sentence(rules, words) if said is None else said[1], settled


def _fewer(
    alternatives: Alternatives, than: int, deadline: Deadline, progress: Progress
) -> tuple[tuple[str, ...] | None, bool]:
    """The smallest conflict, if it has fewer rules ``than`` that; and whether there is surely none else."""
    names, corrections = alternatives[0].rules, list[frozenset[str]]()
    while True:
        hitting = _smallest_hitting(names, corrections, than)
        if hitting is None:
            return None, True
        progress(len(corrections), len(corrections) + 1, f"do {len(hitting)} of the rules conflict alone?")
        kept = set(hitting)
        verdict = _verdict(alternatives, kept, deadline)
        if verdict is None:
            return None, False
        if not verdict:
            return tuple(name for name in names if name in kept), True
        for name in names:  # as many rules as can hold with these: the others are what must be dropped
            if name not in kept and _verdict(alternatives, kept | {name}, deadline):
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


def _verdict(alternatives: Alternatives, kept: set[str], deadline: Deadline) -> bool | None:
    """Whether a plan keeps just these rules; None where time left that open."""
    return holds(without(alternatives, set(alternatives[0].rules) - kept), deadline)


def holds(alternatives: Alternatives, deadline: Deadline) -> bool | None:
    """Whether there is a plan; None where time left that open."""
    plan, proven = any_plan(alternatives, deadline)
    return True if plan is not None else (False if proven else None)


def any_plan(alternatives: Alternatives, deadline: Deadline) -> tuple[tuple[Problem, Decision] | None, bool]:
    """A plan and the problem it is one of; without any, whether it is proven that there is none."""
    proven = True
    for problem in worth_solving(alternatives):
        if not problem.servable:
            continue
        if deadline.passed():
            return None, False
        found = solve_placement(problem.aiming_at("cost"), gap=LOOSE, time_limit_s=deadline.remaining_s)
        if found.open is not None:
            return (problem.at(found.arrangement), found), True
        proven = proven and found.termination == "infeasible"
    return None, proven


def _irreducible(
    alternatives: Alternatives, deadline: Deadline, progress: Progress
) -> tuple[tuple[str, ...], bool]:
    """Rules of which none can be spared if the conflict is to stay; False where time left that open."""
    names = alternatives[0].rules
    kept, sure = set(names), True
    for position, rule in enumerate(names):
        if deadline.passed():
            return tuple(rule for rule in names if rule in kept), False
        progress(position, len(names), f"does the conflict need {rule}?")
        verdict = _verdict(alternatives, kept - {rule}, deadline)
        if verdict is False:
            kept.remove(rule)
        elif verdict is None:
            sure = False
    return tuple(rule for rule in names if rule in kept), sure


def _sentence(rules: Sequence[str], words: Mapping[str, str]) -> str:
    if len(rules) == 1:
        return f"no plan keeps this: {words[rules[0]]}"
    return "these cannot hold together: " + "; ".join(words[rule] for rule in rules)
