"""The problems that a study stands for: one for each way clients may find their site.

Where the policy is "auto", the best of them wins. Where the study names one, rule ``routing`` forbids the
others, so that what dropping the rule saves is what "auto" would.
"""

from __future__ import annotations

from dataclasses import replace

from planner.inputs import Inputs
from planner.problem import Problem, build_problem
from planner.routing import settled
from planner.routing_facts import EXPLICIT
from planner.study import Study


def options(study: Study, inputs: Inputs) -> tuple[Problem, ...]:
    """The study's problem under each policy, its own first; without ``[routing]`` the one there is."""
    if study.routing is None or inputs.routing is None:
        return (build_problem(study, inputs),)
    policies = sorted(EXPLICIT, key=lambda policy: policy != study.routing.policy)  # type: ignore[union-attr]
    return tuple(build_problem(study, replace(inputs, policy=policy)) for policy in policies)


def decided(study: Study, problem: Problem) -> Study:
    """The study with the problem's policy in place of "auto"."""
    return study if problem.policy is None else settled(study, problem.policy)
