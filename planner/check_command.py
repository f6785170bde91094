"""``edgeplan check``: is a plan still right? [I/O]"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from planner.commands import DONE, Options, with_progress
from planner.drift.basis import REFERENCE
from planner.drift.checking import WINDOW, Asked, check_plan
from planner.drift.prometheus import metrics_text
from planner.drift.report import check_document, check_text
from planner.drift.saved_plan import SavedPlanError, read_plan
from planner.drift.verdict import DEFAULT_REGRET
from planner.export import check_file, write_texts
from planner.study_lookup import find_study
from probes.duration import seconds
from probes.strict_toml import InputError

NO_LONGER_RIGHT: Final = 4


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """``plan``: a plan.json or its directory; ``since``: a span of time, or a moment in ISO 8601, None for
    the last day; ``reference``: a span, None for four weeks; ``study``: in the place of the one that stands
    in the plan; ``threshold``: of regret, as a share; ``out_prometheus``: where the metrics go."""

    plan: Path
    stores: tuple[str, ...]
    since: str | None = None
    reference: str | None = None
    threshold: float = DEFAULT_REGRET
    study: str | None = None
    out_prometheus: Path | None = None
    time_limit_s: float | None = None
    json: bool = False
    verbose: bool = False


def check(options: CheckOptions) -> int:
    """Check the plan, say what was found, and exit 4 where it is no longer right."""
    if options.out_prometheus is not None:
        _check_metrics_file(options.out_prometheus)
    started = datetime.now(UTC)
    since = started - WINDOW if options.since is None else begin_of(options.since, started)
    reference = REFERENCE if options.reference is None else span_of(options.reference)
    saved = read_plan(options.plan)
    study = saved.study if options.study is None else find_study(options.study)
    if study is None:
        raise SavedPlanError(options.plan, "does not say which study it is of; give --study")
    asked = Asked(
        options.stores,
        since,
        threshold=options.threshold,
        reference=reference,
        time_limit_s=options.time_limit_s,
    )
    found = with_progress(
        Options(saved.name, verbose=options.verbose),
        lambda progress: check_plan(saved, study, asked, progress=progress),
        worth=lambda found: False,
    )
    if options.out_prometheus is not None:
        write_texts({options.out_prometheus: metrics_text(found, time.time())})
        options.out_prometheus.chmod(0o644)  # node_exporter runs as a user of its own
    if options.json:
        print(json.dumps(check_document(found), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(check_text(found))
    return DONE if found.right else NO_LONGER_RIGHT


def _check_metrics_file(path: Path) -> None:
    if not path.name.endswith(".prom"):
        raise InputError(
            "--out-prometheus", f"{path}: node_exporter reads no file whose name does not end in .prom"
        )
    check_file(path, "--out-prometheus")


def span_of(text: str) -> timedelta:
    """The span that ``--reference`` means. Raises :class:`~probes.strict_toml.InputError` where it is
    none, or less than a day."""
    try:
        span = timedelta(seconds=seconds(text))
    except (ValueError, OverflowError):
        raise InputError("--reference", f"{text!r} is no span of time such as 28d") from None
    if span < timedelta(days=1):
        raise InputError("--reference", f"{text} is less than a day, against which nothing can be compared")
    return span


def begin_of(text: str, now: datetime) -> datetime:
    """The moment that ``--since`` means: so long before ``now``, or a date and time, of UTC where it says no
    zone. Raises :class:`~probes.strict_toml.InputError`."""
    try:
        return now - timedelta(seconds=seconds(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            "--since",
            f"{text!r} is neither a span of time such as 24h nor a moment such as 2026-11-26T08:00Z",
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    if moment > now:
        raise InputError("--since", f"{text} is yet to come")
    return moment
