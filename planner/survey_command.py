"""``edgeplan survey``: which pairs to measure next; writes agents that measure them [I/O]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

from planner.commands import Options, inputs_of, plan_of, show, timer, verdict, with_progress
from planner.export import check_directory, write_texts
from planner.plan_document import finite, plan_document
from planner.solver.placement import Progress, silent
from planner.study import Study
from planner.study_lookup import find_study
from planner.survey import Survey, Wanted, survey
from planner.survey_agents import configurations, known_targets, racks_of, without_address
from planner.survey_draws import limits_of
from planner.survey_words import amount, worth_words
from planner.tabulate import table
from planner.terminal import nothing_text, share
from planner.wording import counted

DONE: Final = 0


def command(options: Options, *, top: int, draws: int, out: Path | None) -> int:
    """Decide a study, and say which measurements could change the plan; ``out``: write what takes them."""
    study = find_study(options.study)
    if out is not None:
        check_directory(out)
    inputs = inputs_of(study, options)
    remaining_s = timer(options.time_limit_s)
    plan = plan_of(options, study, inputs, remaining_s)
    if plan.kpi is None or plan.audit:
        show(options, {"plan": plan_document(plan)}, lambda: nothing_text(plan))
        return verdict(plan)

    def work(progress: Progress | None) -> Survey:
        return survey(
            study, inputs, plan, draws=draws, time_limit_s=remaining_s(), progress=progress or silent
        )

    found = with_progress(options, work, worth=lambda survey: True)
    pairs = found.pairs[:top]
    targets, racks = known_targets(study), racks_of(study)
    unknown = without_address(pairs, targets, racks)
    written: tuple[Path, ...] = ()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        texts = configurations(pairs, targets, racks)
        written = write_texts({out / name: text for name, text in texts.items()})
    document = {
        "plan": plan_document(plan),
        "draws": found.draws,
        "exact": found.exact,
        "short": found.short,
        "changed": found.changed,
        "opened": found.opened,
        "unit": found.unit,
        "regret": found.regret,
        "saved": found.saved,
        "spared": found.spared,
        "pairs": [
            {name: finite(value) if name.endswith("_ms") else value for name, value in asdict(each).items()}
            for each in pairs
        ],
        "without_address": unknown,
    }
    show(options, document, partial(text_of, study, found, pairs, unknown))
    if written and not options.json:
        print("\nwritten: " + ", ".join(str(path) for path in written))
    return DONE


def text_of(study: Study, found: Survey, pairs: Sequence[Wanted], unknown: Sequence[str]) -> str:
    """The survey for a person."""
    opened = ", ".join(f"{site} {part:.0%}" for site, part in list(found.opened.items())[:12])
    searched = found.draws - found.exact
    short = f"; in {found.short} none was found that keeps every rule" if found.short else ""
    lines = [
        f"{found.plan.study}: in {share(found.changed)} of {counted(found.draws, 'draw')} of the latencies"
        " from their bounds the best plan opens other sites than this one",
        f"({found.exact} decided exactly, {searched} by local search{short})",
        f"open in them: {opened}",
        worth_words(found),
    ]
    if not pairs and study.minimize == "cost" and not limits_of(study):
        lines += ["", "the study sets no limit to a latency and minimises cost: no measurement is worth it"]
        return "\n".join(lines)
    if not pairs:
        lines += ["", "every pair that a plausible plan rests on is known well enough: nothing to measure"]
        return "\n".join(lines)
    rows = [
        (
            *(str(rank), each.place, each.country, each.site_id, f"{each.estimate_ms:.1f}"),
            *(f"{each.lower_ms:.1f}", f"{each.upper_ms:.1f}", each.provenance),
            *("" if each.in_time is None else f"{each.in_time:.0%}", share(each.share)),
            *(f"{each.used:.0%}", "now" if each.used_now else "", amount(each.gain, found.unit)),
        )
        for rank, each in enumerate(pairs, start=1)
    ]
    heads = ("", "from", "", "to", "ms", "lower", "upper", "", "in time", "demand", "served so", "", "gain")
    lines += ["", table(heads, rows, flush_right=(0, 4, 5, 6, 8, 9, 10, 12))]
    if unknown:
        lines += [
            "",
            f"no address is known to probe: {', '.join(unknown)} (edgeplan targets says what to do)",
        ]
    return "\n".join(lines)
