"""Every strategy of recovery beside the one taken: where it would stand by, for how much, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from planner.inputs import Inputs
from planner.problem import Problem
from planner.recovery import Recovery, Way
from planner.resilience import choices
from planner.solver.decision import Decision, tally
from planner.standby_regions import copying_usd, spared
from planner.strategies import STRATEGIES
from planner.study import Study


def recovery_ways(
    study: Study, inputs: Inputs, problem: Problem, decision: Decision, taken: Recovery | None
) -> tuple[Way, ...]:
    """A way for each strategy, with the standby that costs least where these sites are open; none where
    nothing is to be recovered. ``inputs`` with the plan's home."""
    if taken is None:
        return ()
    assert decision.open is not None
    assert decision.assignment is not None
    share = tally(problem, decision.open, decision.assignment, decision.backup).share

    def bill(recovery: Recovery) -> float:
        """With what each site pays, where there is no home, for copying what its own clients change."""
        copying = 0.0 if inputs.home is not None else share @ copying_usd(study, inputs, recovery.standby)
        return recovery.usd + float(copying)

    best: dict[str, tuple[float, Recovery]] = {}
    for recovery in _fitting(study, inputs, decision):
        usd = bill(recovery)
        if recovery.strategy not in best or usd < best[recovery.strategy][0]:
            best[recovery.strategy] = usd, recovery
    best[taken.strategy] = bill(taken), taken
    return tuple(_way(study, name, best.get(name), taken.strategy, bill(taken)) for name in STRATEGIES)


def _fitting(study: Study, inputs: Inputs, decision: Decision) -> Iterator[Recovery]:
    """Every recovery that is lawful, whose standby is lost with none of the open sites."""
    assert decision.open is not None
    by_id = {site.id: site for site in inputs.sites}
    for choice in choices(study, inputs):
        recovery = choice.recovery
        if recovery is None or choice.forbidden_by:
            continue
        if inputs.home is None and recovery.standby is not None:
            apart = spared(study.resilience, inputs, by_id[recovery.standby])
            if bool((decision.open & ~apart).any()):
                continue
        if recovery.among:
            serving = {site.id for site, is_open in zip(inputs.sites, decision.open, strict=True) if is_open}
            standby = next((each for each in recovery.among if each in serving), None)
            if standby is None:
                continue
            recovery = replace(recovery, standby=standby, country=by_id[standby].country, among=())
        yield recovery


def _way(study: Study, name: str, found: tuple[float, Recovery] | None, taken: str, taken_usd: float) -> Way:
    if found is None:
        return Way(name, None, None, None, None, "no Region may stand by")
    usd, recovery = found
    asked, why = study.resilience, list[str]()
    if asked.rto_s is not None and recovery.rto_s > asked.rto_s:
        why.append(f"takes {recovery.rto_s:,.0f} s, rto is {asked.rto_s:,.0f} s")
    if asked.rpo_s is not None and recovery.rpo_s > asked.rpo_s:
        why.append(f"loses up to {recovery.rpo_s:,.0f} s, rpo is {asked.rpo_s:,.0f} s")
    more = usd - taken_usd
    if name == taken:
        why = ["taken: the cheapest that meets what is asked, of several the soonest"]
    elif not why and abs(more) < 0.5:
        why.append("meets it at the same cost, but later")
    elif not why:
        why.append(f"meets it, for ${abs(more):,.0f} a month {'more' if more > 0 else 'less'}")
    return Way(name, recovery.where, usd, recovery.rto_s, recovery.rpo_s, "; ".join(why))
