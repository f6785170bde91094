"""What naming the home Region costs: the plan decided again with every candidate Region to choose from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from planner.homes import AUTO
from planner.inputs import Inputs
from planner.options import options
from planner.problem import Problem
from planner.solver.alternatives import Alternatives
from planner.solver.decision import Deadline, Decision
from planner.solver.explain import RulePrice, worth_of
from planner.study import Study

Again = Callable[[Alternatives, float | None, bool], tuple[Problem, Decision]]
"""Decides problems much like those of a decision, in some seconds, shown to a reader or not."""


def home_price(
    study: Study, inputs: Inputs, decision: Decision, again: Again, deadline: Deadline
) -> tuple[RulePrice, ...]:
    """What leaving the home to the plan would save, and which Region it would be; nothing where the study
    names none, or no other could be one. Takes half of the time that is left."""
    tier = study.workload.home
    if tier is None or tier.region == AUTO or not inputs.other_homes:
        return ()
    free = replace(study, workload=replace(study.workload, home=replace(tier, region=AUTO)))
    homes = (*inputs.homes, *inputs.other_homes)
    limit_s = None if deadline.remaining_s is None else deadline.remaining_s / 2
    _, freed = again(options(free, replace(inputs, homes=homes)), limit_s, False)
    saves = worth_of(decision, freed)
    words = f"the stateful tier in {tier.region}"
    if saves and freed.arrangement is not None:
        words += f"; left to the plan, in {freed.arrangement.home}"
    proven = freed.termination == "optimal" and decision.termination == "optimal"
    return (RulePrice("home", words, saves, proven),)
