"""AWS Lambda's way in: one event, one round [I/O].

The event is what the schedule sends, ``{"scheduled_at": "2026-11-24T05:00:00Z"}``, and names the round: an
event that is delivered twice, or again after a failure, is the same round. Environment:

- ``EDGEPROBE_CONFIG``: the configuration, from where the code is unpacked (probes.toml);
- ``EDGEPROBE_STORE_REGION``: the Region of the store's bucket, where that is not the function's own.

Whatever the configuration says, the spool is in the one place that can be written, /tmp, which lasts only
as long as Lambda keeps the process; no metrics file is written there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from probes import schedule
from probes.agent import EXIT_DONE, Agent
from probes.console import Console
from probes.inbox import is_object_store
from probes.outcome import Outcome
from probes.settings import Settings, load_settings
from probes.strict_toml import InputError

_CONFIG: Final = "probes.toml"
_SPOOL: Final = ".edgeprobe"


class RoundError(Exception):
    """The store has no round of this name yet; Lambda repeats an event whose function raised."""


def handler(event: object, context: Any) -> dict[str, object]:
    """Measure the round that ``event`` names and ship it; what became of it.

    Raises RoundError when the store did not take what it should, and InputError when the configuration or
    the event is wrong, or the function has less time left than a round may take.
    """
    # Whoever tries the function by hand sends what they like.
    moment = event.get("scheduled_at") if isinstance(event, Mapping) else event
    try:
        scheduled_s = schedule.moment(str(moment))
    except ValueError as fault:
        raise InputError("event", str(fault), column="scheduled_at") from None
    settings = _settings()
    _check_time(settings, context.get_remaining_time_in_millis() / 1000)
    console = _Log(settings)
    code = Agent(settings, console).run(1, None, scheduled_s)
    outcome = console.outcome
    if outcome is None:
        raise RoundError(f"no round was measured (exit code {code})")
    # An event delivered to two machines is measured on both: the store has the other's, and a repeat of it
    # would change nothing.
    if not outcome.displaced and (code != EXIT_DONE or not outcome.stored):
        raise RoundError(outcome.in_words())
    return {
        "run_id": outcome.run_id,
        "rows": len(outcome.rows),
        "failed": sum(row.failure is not None for row in outcome.rows),
        "shipped_rounds": outcome.shipped_rounds,
        "shipped_rows": outcome.shipped_rows,
        "waiting_rounds": outcome.waiting_rounds,
        "lost_rows": outcome.lost_rows,
        "conflict_rows": outcome.conflict_rows,
    }


class _Log(Console):
    """Lines for the function's log, without the table for people."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(as_json=False, log=settings.log, vantage=settings.vantage)
        self.outcome: Outcome | None = None

    def judged(self, _: Any) -> None:
        """The rows are in the store, and need not be in the log as well."""

    def finished(self, outcome: Outcome, *, of_many: bool) -> None:
        """Every round has its line: a function's rounds have one log."""
        self.outcome = outcome
        super().finished(outcome, of_many=True)


def _settings() -> Settings:
    path = Path(os.environ.get("LAMBDA_TASK_ROOT", ""), os.environ.get("EDGEPROBE_CONFIG") or _CONFIG)
    settings = load_settings(path)
    if not is_object_store(settings.store):
        raise InputError(
            path, f"{settings.store!r} is lost with the function: write s3://...", column="agent.store"
        )
    if region := os.environ.get("EDGEPROBE_STORE_REGION"):
        # The function may not be given this variable by another name: Lambda sets it to its own Region.
        os.environ["AWS_REGION"] = region
    return replace(settings, spool=Path(os.environ.get("TMPDIR") or "/tmp", _SPOOL), metrics=None)


def _check_time(settings: Settings, left_s: float) -> None:
    longest_s = schedule.longest_round(settings.splay_s, settings.deadline_s)
    if left_s < longest_s:
        raise InputError(
            settings.file,
            f"a round may take {longest_s:g} s (splay_s + deadline_s and the longest shipping),"
            f" and the function's timeout leaves {left_s:.0f} s",
            column="agent.deadline_s",
        )
