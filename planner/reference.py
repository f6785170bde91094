"""Every rule and cost item in one page, written from the code: ``python -m planner.reference``.

A rule's file opens with its inequality and a cost item's with its formula; the shipped studies are asked
which of them they use. The page is docs/rules-and-costs.md, and a test holds it to this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from planner.costs import COST_ITEMS, cost_terms, total
from planner.inputs import Inputs, at_home, load_inputs
from planner.loosening import dials
from planner.resilience import choices
from planner.rules import RULES, Facts
from planner.sizing import size
from planner.study import Study, load_study, shipped_studies

HEAD: Final = """# Rules and costs

Written from the code by `make reference`: every rule with its inequality, every cost item with its formula,
and the shipped studies that use it. The symbols are those of
[the decision model](design/0001-decision-model.md), the keys those of [a study](study.md).
`edgeplan explain` prices each rule: what dropping it saves, and what one step of it does where it has steps.
"""


def rules_and_costs() -> str:
    """The page as Markdown."""
    studies = [load_study(path) for path in shipped_studies()]
    cases = [(study, _arranged(study, load_inputs(study))) for study in studies]
    lines = [HEAD, "## Rules", "", "| rule | inequality | which is to say | one step looser | used in |"]
    lines.append("| --- | --- | --- | --- | --- |")
    lines += [_line(cells) for cells in _rules(cases)]
    lines += ["", "## Costs", "", "US dollars a month of an open site; they add up to the plan's cost.", ""]
    lines += ["| item | formula | which is to say | used in |", "| --- | --- | --- | --- |"]
    lines += [_line(cells) for cells in _costs(cases)]
    return "\n".join(lines) + "\n"


def _arranged(study: Study, inputs: Inputs) -> Inputs:
    """With the first home there is and its first recovery, so that what they cost is seen to be used."""
    if not inputs.homes:
        return inputs
    there = at_home(study, inputs, inputs.homes[0].site.id)
    ways = (choice.recovery for choice in choices(study, there) if choice.recovery is not None)
    asked = study.resilience.rto_s is not None or study.resilience.rpo_s is not None
    return replace(there, recovery=next(ways, None) if asked else None)


Case = tuple[Study, Inputs]


def _rules(cases: list[Case]) -> Iterator[tuple[str, ...]]:
    facts = [
        Facts(
            study,
            inputs,
            size(study, inputs),
            inputs.matrix.planning_ms(study.latency.bound),
            total(cost_terms(study, inputs)),
        )
        for study, inputs in cases
    ]
    for name, effects in RULES.items():
        used = [each.study.name for each in facts if effects(each)]
        steps: dict[tuple[str, str], str] = {}
        for each in (*facts, *map(_every_policy_key, facts)):
            for effect in effects(each):
                for dial in dials(each.study, effect.rule, len(each.inputs.sites)):
                    words = dial.first.words
                    # One for each key of the rule: "at most ..." is another than "at least ...".
                    side = words[:8] if words.startswith(("at most ", "at least")) else ""
                    steps.setdefault((effect.rule.split("[")[0], side), words)
        yield name, _opening(effects), _says(effects), "; ".join(steps.values()), ", ".join(used)


def _every_policy_key(facts: Facts) -> Facts:
    """With the keys of ``[routing]`` that no shipped study sets: they exclude each other's use."""
    if facts.study.routing is None:
        return facts
    routing = replace(facts.study.routing, policy="global-accelerator", static_addresses=True)
    return replace(facts, study=replace(facts.study, routing=routing))


def _costs(cases: list[Case]) -> Iterator[tuple[str, ...]]:
    for name, terms in COST_ITEMS.items():
        used = [
            study.name
            for study, inputs in cases
            if any(
                (item.fixed.any() or item.per_instance.any() or item.per_share.any())
                for item in cost_terms(study, inputs)
                if item.name == name
            )
        ]
        yield name, _opening(terms), _says(terms), ", ".join(used)


def _opening(function: Callable[..., Any]) -> str:
    """The first sentence of the file that the function stands in."""
    text = sys.modules[function.__module__].__doc__ or ""
    return " ".join(text.split("\n\n")[0].split()).rstrip(".")


def _says(function: Callable[..., Any]) -> str:
    return " ".join((function.__doc__ or "").split("\n\n")[0].split())


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("``", "`") for cell in cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(rules_and_costs())
