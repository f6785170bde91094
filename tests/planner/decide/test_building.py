"""Many homes and recoveries make one problem: no more options than could be the cheapest, masks made once."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from planner import decide as deciding
from planner.decide import decide
from planner.inputs import at_home
from planner.problem import build_problem
from planner.remedies import NOT_EXAMINED
from planner.resilience import choices, forbidding, recover
from planner.solver import decision
from planner.strategies import load_strategies
from planner.study import ProgramRule, ResidencyRule, Resilience, Selector
from planner.terminal import nothing_text
from tests.planner.audit import estate
from tests.planner.decide.test_home import study
from tests.planner.decide.test_recovery import ASKED, inputs


def asked(**changes):
    rules = estate.study().rules
    return study(
        minimize="cost", resilience=replace(ASKED, rto_s=90_000.0, rpo_s=90_000.0, **changes), rules=rules
    )


def test_no_standby_that_is_left_out_is_ever_the_cheapest():
    """Against every standby with every strategy, whichever rules are dropped."""
    only_there = ResidencyRule(Selector(countries=("DE",)), Selector(countries=("DE",)))
    wanted = replace(asked(), rules=(only_there, ProgramRule(Selector(classes=("card",)), ("pci",))))
    compared, fewer = 0, 0
    for home in inputs().homes:
        there = at_home(wanted, inputs(), home.site.id)
        kept = [choice for choice in choices(wanted, there) if choice.recovery is not None]
        regions = [
            (j, site)
            for j, site in enumerate(there.sites)
            if site.kind == "region" and site.id != home.site.id and site.partition == home.site.partition
        ]
        every = [
            (forbidden, recover(wanted, there, strategy, j))
            for strategy in load_strategies()
            for (j, _), forbidden in zip(
                regions, forbidding(wanted, there, [site for _, site in regions]), strict=True
            )
        ]
        named = sorted({rule for forbidden, _ in every for rule in forbidden})
        for count in range(len(named) + 1):
            for dropped in map(frozenset, combinations(named, count)):
                for strategy in load_strategies():
                    costs = [r.usd for rules, r in every if rules <= dropped and r.strategy == strategy.name]
                    ours = [
                        choice.recovery.usd
                        for choice in kept
                        if choice.forbidden_by <= dropped
                        and not choice.needs
                        and choice.recovery.strategy == strategy.name
                    ]
                    assert min(costs, default=None) == min(ours, default=None)
                    compared += bool(costs)
        fewer += len(every) - len(kept)
    assert compared
    assert fewer == 2 * len(load_strategies())  # at each home the dearer of two standbys


def test_a_home_s_recoveries_share_their_masks_which_are_those_made_afresh():
    survived = asked(survive="site", zones_fail_with_parent=False)
    problem = build_problem(survived, inputs())
    for looser in (problem, problem.without({"residency[1]"})):
        made = {id(option.allowed) for option in looser.options}
        assert len(made) <= 2 * len(inputs().homes) < len(looser.options)
        for option in looser.options:
            alone = option.without(())
            assert (alone.allowed == option.allowed).all()
            assert (alone.may_open == option.may_open).all()
            assert (alone.failover.backups == option.failover.backups).all()
            by_hand = np.isfinite(option.latency_ms)
            for effect in option.effects:
                by_hand &= True if effect.pairs is None else effect.pairs
                by_hand &= True if effect.sites is None else effect.sites
            if option.needs <= set(option.rules):
                assert (option.allowed == by_hand & option.failover.backed()).all()
            else:
                assert not option.may_open.any()


def test_to_build_the_problem_counts_towards_the_limit(monkeypatch):
    later, real = [0.0], decision.time.perf_counter

    def slow_options(*given):
        later[0] += 1000.0
        return options(*given)

    options = deciding.options
    monkeypatch.setattr(deciding, "options", slow_options)
    monkeypatch.setattr(decision.time, "perf_counter", lambda: real() + later[0])
    asked_for = study(minimize="cost", resilience=Resilience())
    assert decide(asked_for, inputs(), time_limit_s=500.0).termination == "time_limit"
    late = decide(asked_for, inputs(), time_limit_s=5000.0)
    assert late.termination == "optimal"
    assert late.seconds >= 1000.0


def test_an_infeasible_study_is_not_examined_beyond_the_limit(monkeypatch):
    """The solve takes 1,000 of 1,500 seconds, the first question about the conflict as many."""
    later, real, slow = [0.0], decision.time.perf_counter, ["with the home in", "does the conflict need"]

    def say(done, total, what):
        for each in [each for each in slow if each in what]:
            slow.remove(each)
            later[0] += 1000.0

    monkeypatch.setattr(decision.time, "perf_counter", lambda: real() + later[0])
    wanted = replace(asked(), budget_usd_per_month=1.0, rules=())
    plan = decide(wanted, inputs(), time_limit_s=1500.0, progress=say)
    assert not slow
    assert plan.termination == "infeasible"
    assert "time ran out" in plan.conflict.reason
    assert set(plan.conflict.remedies.values()) == {NOT_EXAMINED}
    assert tuple(plan.conflict.remedies) == plan.conflict.rules
    assert "not examined" in nothing_text(plan)
    assert "would have to go" not in nothing_text(plan)
