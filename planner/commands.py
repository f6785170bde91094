"""The commands that plan: each reads a study, decides, prints or writes, and returns its exit code [I/O]."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from planner.attended import Asked, attended
from planner.decide import DEFAULT_TIME_LIMIT_S, Draft, decide, decide_frontier
from planner.decide import explain as explain_plan
from planner.deployment import deployment_files
from planner.export import (
    MEASURED,
    check_directory,
    check_file,
    frontier_csv,
    matrix_csv,
    matrix_document,
    promise_ms,
    write_plan,
    write_texts,
)
from planner.inputs import Inputs, load_inputs
from planner.latency.jitter import Jitter
from planner.measured_pairs import measured_csv
from planner.measurements import read_jitter
from planner.origin import origin_document
from planner.plan import Plan
from planner.plan_document import plan_document
from planner.progress_line import ProgressLine
from planner.solver.interrupt import stopped_by
from planner.solver.placement import Progress
from planner.solver.site_prices import searched
from planner.study import Study, StudyError
from planner.study_lookup import find_study
from planner.terminal import (
    difference_text,
    explanation_text,
    frontier_text,
    nothing_text,
    plan_text,
)
from planner.whatif import Changes, difference

DONE: Final = 0
INFEASIBLE: Final = 3
TOOL_FAILED: Final = 5

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What every planning command takes. ``stores`` are URLs of measurements.

    ``time_limit_s`` is for all that the command solves; None for the command's own default.
    """

    study: str
    stores: tuple[str, ...] = ()
    time_limit_s: float | None = None
    json: bool = False
    verbose: bool = False


def plan(options: Options, *, out: Path | None) -> int:
    """Decide one study; with ``out``, write its files there."""
    study = find_study(options.study)
    if out is not None:
        check_directory(out)
    made = datetime.now(UTC)  # what is measured from here on, the plan knows nothing of
    inputs = inputs_of(study, options)
    decided = plan_of(options, study, inputs, lambda: options.time_limit_s)
    code = verdict(decided)
    written: tuple[Path, ...] = ()
    measured = {MEASURED: measured_csv(inputs.own)} if inputs.own else {}
    origin = origin_document(decided, study, options.stores, made, out, measured)
    if code == DONE and out is not None:
        beside = {**deployment_files(decided, study, inputs), **measured}
        written = write_plan(decided, out, beside, origin)
    show(options, plan_document(decided) | origin, lambda: plan_text(decided, slo_ms=study.latency.slo_ms))
    if written and not options.json:
        print("\nwritten: " + ", ".join(str(path) for path in written))
    return code


def frontier(options: Options, *, points: int, out: Path | None) -> int:
    """Trace the latency/cost front; with ``out``, write it as CSV."""
    study = find_study(options.study)
    if out is not None:
        check_file(out)
    inputs = inputs_of(study, options)
    remaining_s = timer(options.time_limit_s)
    front = with_progress(
        options,
        lambda progress: decide_frontier(
            study, inputs, points=points, time_limit_s=options.time_limit_s, progress=progress
        ),
        worth=lambda front: bool(front.plans),
    )
    plans = front.plans
    if not front.complete:
        print(f"edgeplan: {front.words}", file=sys.stderr)
    if not plans:
        # The front leaves promise and budget out; where it is empty, the study itself says why.
        alone = plan_of(options, study, inputs, remaining_s)
        show(
            options,
            {"study": study.name, "complete": front.complete, "points": [], "plan": plan_document(alone)},
            lambda: nothing_text(alone),
        )
        return verdict(alone) or TOOL_FAILED
    code = max(verdict(point) for point in plans)
    coverage = study.latency.coverage
    promises = [promise_ms(point, coverage) for point in plans]
    if code == DONE and out is not None:
        write_texts({out: frontier_csv(plans, coverage, complete=front.complete)})
    document = {
        "study": study.name,
        "coverage": coverage,
        "complete": front.complete,
        "points": [
            {"promise_ms": promise} | plan_document(point)
            for promise, point in zip(promises, plans, strict=True)
        ],
    }
    show(options, document, lambda: frontier_text(plans, promises))
    return code


def explain(options: Options) -> int:
    """Decide one study and price each of its rules."""
    study = find_study(options.study)
    inputs = inputs_of(study, options)
    explanation = with_progress(
        options,
        lambda progress: explain_plan(study, inputs, time_limit_s=options.time_limit_s, progress=progress),
        worth=lambda explanation: _decides(explanation.plan),
    )
    document = {
        "plan": plan_document(explanation.plan),
        "rule_prices": [dataclasses.asdict(price) for price in explanation.rule_prices],
        "sites": [
            dataclasses.asdict(value) | {"discount": value.discount} for value in explanation.site_values
        ],
        "alternatives": [plan_document(other) for other in explanation.alternatives],
        "alternatives_complete": searched(explanation.site_values),
    }
    show(options, document, lambda: explanation_text(explanation, slo_ms=study.latency.slo_ms))
    return verdict(explanation.plan)


def whatif(options: Options, changes: Changes, *, demand_factor: float) -> int:
    """Decide a study and a variation of it, and tell them apart."""
    study = find_study(options.study)
    varied = changes.of(study, demand_factor=demand_factor)
    inputs = inputs_of(study, options)
    try:
        varied_inputs = inputs_of(varied, options)
    except StudyError as fault:
        raise changes.blame(fault) from None
    limit = options.time_limit_s if options.time_limit_s is not None else 2 * DEFAULT_TIME_LIMIT_S
    remaining_s = timer(limit)
    base = plan_of(options, study, inputs, lambda: limit / 2, worth=lambda plan: False)
    other = plan_of(options, varied, varied_inputs, remaining_s)
    apart = difference(base, other)
    document = {
        "base": plan_document(base),
        "other": plan_document(other),
        "difference": dataclasses.asdict(apart),
    }
    show(
        options,
        document,
        lambda: f"{plan_text(other, slo_ms=varied.latency.slo_ms)}\n\n{difference_text(apart)}",
    )
    return max(verdict(base) if base.audit else DONE, verdict(other))


def matrix(options: Options, *, out: Path | None) -> int:
    """Write the latency matrix as CSV, to ``out`` or to the terminal."""
    study = find_study(options.study)
    if out is not None:
        check_file(out)
    inputs = inputs_of(study, options)
    jitter = _jitter(study, inputs, options.stores)
    if out is not None:
        write_texts({out: matrix_csv(inputs, jitter)})
    if options.json:
        show(options, matrix_document(inputs, jitter), str)
    elif out is None:
        sys.stdout.write(matrix_csv(inputs, jitter))
    else:
        rows, columns = inputs.matrix.estimate_ms.shape
        print(f"written: {out} ({rows} clients × {columns} sites)")
        print("\n".join(inputs.notes))
    return DONE


def _jitter(study: Study, inputs: Inputs, stores: Sequence[str]) -> dict[tuple[str, str], Jitter]:
    """By vantage and candidate; what was measured to a rack holds for every size it comes in."""
    if not stores:
        return {}
    sizes = {post.id: post.site_ids for post in study.candidates.outposts}
    found = read_jitter(stores, study.latency.quantile, {*inputs.matrix.site_ids, *sizes})
    return {
        (vantage, site): jitter
        for (vantage, probed), jitter in found.items()
        for site in sizes.get(probed, (probed,))
    }


def timer(limit_s: float | None) -> Callable[[], float | None]:
    """Tells what is left of ``limit_s`` from now on: never nothing, so that a solver can say it ran out."""
    start = time.monotonic()
    return lambda: None if limit_s is None else max(limit_s - (time.monotonic() - start), 0.01)


def inputs_of(study: Study, options: Options) -> Inputs:
    return attended(lambda asked: load_inputs(study, options.stores))


def _decides(plan: Plan) -> bool:
    """Whether it says where, or why nowhere."""
    return plan.kpi is not None or plan.conflict is not None


def plan_of(
    options: Options,
    study: Study,
    inputs: Inputs,
    limit_s: Callable[[], float | None],
    *,
    worth: Callable[[Plan], bool] = _decides,
) -> Plan:
    """Decide, showing how far it is. After Ctrl-C the best plan so far; KeyboardInterrupt where there is none
    that is ``worth`` showing."""
    draft = Draft(study, inputs)
    return with_progress(
        options,
        lambda progress: decide(study, inputs, time_limit_s=limit_s(), progress=progress, draft=draft),
        so_far=draft.plan,
        worth=worth,
    )


def with_progress(
    options: Options,
    work: Callable[[Progress | None], Result],
    *,
    so_far: Callable[[], Result | None] = lambda: None,
    worth: Callable[[Result], bool],
) -> Result:
    """Do ``work``, showing how far it is on stderr where somebody looks; Ctrl-C as :func:`attended` says."""
    line = ProgressLine() if options.verbose or sys.stderr.isatty() else None

    def stoppable_work(asked: Asked) -> Result:
        def say(done: int, total: int, words: str) -> None:
            if line is not None and not asked():
                line(done, total, words)

        with stopped_by(asked):
            return work(None if line is None else say)

    try:
        return attended(stoppable_work, so_far=so_far, worth=worth)
    finally:
        if line is not None:
            line.clear()


def verdict(decided: Plan) -> int:
    """The exit code a plan deserves, having said on stderr what is wrong with it."""
    if decided.audit:
        print("edgeplan: error: the plan failed its audit; this is a defect of edgeplan", file=sys.stderr)
        for violation in decided.audit:
            print(f"  {violation}", file=sys.stderr)
        return TOOL_FAILED
    if decided.kpi is not None:
        return DONE
    if decided.conflict is None:
        print("edgeplan: error: no plan was found before it was stopped", file=sys.stderr)
        return TOOL_FAILED
    return INFEASIBLE


def show(options: Options, document: dict[str, Any], text: Callable[[], str]) -> None:
    if options.json:
        print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(text())
