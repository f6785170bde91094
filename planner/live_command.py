"""``edgeplan whatif`` of the plan as it stands: something fails, or many scenarios at random [I/O]."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from planner.commands import (
    DONE,
    Options,
    inputs_of,
    plan_of,
    show,
    timer,
    verdict,
    with_progress,
)
from planner.decide import DEFAULT_TIME_LIMIT_S
from planner.estate import Estate, Hazards, Outcome, Scenario, drawn, estate_of, failing, outcome_of
from planner.estate.redecide import Best, best_for, bests_of
from planner.estate.report import (
    best_text,
    outcome_document,
    outcome_text,
    scenarios_csv,
    summary_of,
    sweep_text,
)
from planner.estate.sweep import executor_at, outcomes_of, sweep
from planner.export import check_file, write_texts
from planner.plan_document import plan_document
from planner.solver.placement import Progress, silent
from planner.study import StudyError
from planner.study_lookup import find_study
from planner.terminal import nothing_text
from planner.whatif import Changes


@dataclass(frozen=True, slots=True)
class Live:
    """What is to happen to the plan as it stands: ``fail`` together, at ``demand_factor``; with ``scenarios``
    so many drawn from ``hazards``, ``fail`` in each of them. ``redecide``: decide anew for each as well."""

    fail: tuple[str, ...] = ()
    demand_factor: float = 1.0
    scenarios: int = 0
    seed: int = 1
    hazards: Hazards = field(default_factory=Hazards)
    redecide: bool = False
    jobs: int | None = None
    cluster: str | None = None
    out: Path | None = None


def live(options: Options, asked: Live, changes: Changes) -> int:
    """Decide a study, and see what becomes of its plan."""
    study = changes.of(find_study(options.study))
    if asked.out is not None:
        check_file(asked.out)
    try:
        inputs = inputs_of(study, options)
    except StudyError as fault:
        raise changes.blame_rows(fault) from None
    remaining_s = timer(options.time_limit_s)
    plan = plan_of(options, study, inputs, remaining_s)
    if plan.kpi is None or plan.audit:
        show(options, {"plan": plan_document(plan)}, lambda: nothing_text(plan))
        return verdict(plan)
    estate, limit_s = estate_of(study, inputs, plan), options.time_limit_s or DEFAULT_TIME_LIMIT_S
    if not asked.scenarios:
        scenario = failing(estate, asked.fail, asked.demand_factor)
        outcome = outcome_of(estate, scenario)
        bests: tuple[Best, ...] = ()
        if asked.redecide:
            anew = with_progress(
                options,
                lambda progress: best_for(study, inputs, scenario, limit_s),
                worth=lambda found: True,
            )
            bests = (anew,)
        if asked.out is not None:
            write_texts({asked.out: scenarios_csv([outcome], bests)})
        told = {
            "plan": plan_document(plan),
            "outcome": outcome_document(outcome),
            "bests": [dataclasses.asdict(best) for best in bests],
        }
        show(options, told, lambda: "\n\n".join([outcome_text(outcome), *map(best_text, bests)]))
        return DONE
    scenarios = _scenarios(estate, asked)

    def work(progress: Progress | None) -> tuple[tuple[Outcome, ...], tuple[Best, ...]]:
        say = progress or silent
        with executor_at(asked.cluster, asked.jobs) as (executor, workers):
            outcomes = sweep(partial(outcomes_of, estate), scenarios, executor, workers, say)
            if not asked.redecide:
                return outcomes, ()
            anew = partial(bests_of, study, inputs, limit_s)
            return outcomes, sweep(anew, scenarios, executor, workers, say)

    outcomes, bests = with_progress(options, work, worth=lambda found: True)
    summary = summary_of(outcomes, bests)
    if asked.out is not None:
        write_texts({asked.out: scenarios_csv(outcomes, bests)})
    document = {
        "plan": plan_document(plan),
        "seed": asked.seed,
        "hazards": dataclasses.asdict(asked.hazards),
        "summary": summary,
        "outcomes": [outcome_document(outcome) for outcome in outcomes],
        "bests": [dataclasses.asdict(best) for best in bests],
    }
    show(options, document, lambda: sweep_text(summary))
    return DONE


def _scenarios(estate: Estate, asked: Live) -> tuple[Scenario, ...]:
    """Drawn, with what is to fail down in every one of them."""
    sure = failing(estate, asked.fail).down
    return tuple(
        replace(each, down=tuple(dict.fromkeys((*sure, *each.down))))
        for each in drawn(estate, asked.hazards, asked.scenarios, asked.seed)
    )
