"""What a person or a program sees of a run: rows or a table on stdout, everything else on stderr [I/O]."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, TextIO

from probes.log import Level, json_line
from probes.outcome import Outcome
from probes.record import Measurement
from probes.report import table
from probes.round_file import SealedRound
from probes.spool import Shipped
from probes.standard_streams import discard

if TYPE_CHECKING:
    from probes.live import Live
    from probes.settings import Log


class Console:
    """What a person or a program sees: rows or a table on stdout, everything else on stderr.

    ``log`` is how stderr reads: words for a person, or an object a line that names ``vantage`` and the run.
    At a terminal that a person reads, a round is shown as it happens. A stream that takes nothing (a full
    disk, a terminal that has gone) stops nothing: what could not be said is in the exit code and the metrics.
    """

    def __init__(self, *, as_json: bool, log: Log = "text", vantage: str | None = None) -> None:
        self._as_json, self._log, self._vantage = as_json, log, vantage
        self._run: str | None = None
        self._view: Live | None = None
        self._unsent = b""
        self._unheard = False

    def begin(self, run: str) -> None:
        """What is said from here on is said of this round."""
        self._run = run

    def measuring(self) -> None:
        """Measuring begins."""
        if self._as_json or self._log == "json" or not _is_terminal(sys.stderr):
            return
        from probes.live import Live

        try:
            self._view = Live(sys.stderr.fileno(), colour=_is_coloured(sys.stderr))
        except OSError:
            # A terminal without a name, as in some containers: the table at the end will do.
            self._view = None

    def expect(self, rows: int) -> None:
        """The round will give this many rows."""
        if self._view is not None:
            self._view.expect(rows)

    def rows(self, rows: list[Measurement]) -> None:
        """More rows of this round, as they come and not yet judged."""
        if self._view is not None:
            self._view.rows(rows)

    def idle(self, span_s: float) -> None:
        """Nothing is due for ``span_s``."""
        if self._view is not None:
            self._view.idle(span_s)

    def ended(self) -> None:
        """Nothing more is measured in this round."""
        if self._view is not None:
            self._unsent = self._view.close()
            self._view = None

    def judged(self, whole: SealedRound) -> None:
        """The whole round, its rows judged together."""
        if self._as_json:
            self._write(whole.text.decode())
        elif whole.judged:
            if self._unsent and _is_terminal(sys.stdout):
                # It was stopped, and has to be waited for now.
                self._write(self._unsent.decode(errors="replace"))
            self._write(table(whole.judged, width=_width(sys.stdout), colour=_is_coloured(sys.stdout)) + "\n")

    def remark(self, text: str) -> None:
        """A line on what the round's rows say, below the table."""
        if not self._as_json:
            self._write(f"{text}\n")

    def shipped(self, one: Shipped) -> Shipped:
        """What became of a round in the spool; only what is wrong with it is worth a line."""
        if one.damaged:
            lines = "1 line" if one.damaged == 1 else f"{one.damaged} lines"
            self.say(
                f"round {one.run_id}: {lines} could not be read and went into damaged/;"
                f" {one.rows} rows shipped",
                event="damaged",
                level="error",
                run_id=one.run_id,
                rows=one.rows,
                damaged=one.damaged,
            )
        if one.conflict is not None:
            self.say(
                f"round {one.run_id}: the store has other rows under this id"
                f" (do two agents share a vantage?); {one.conflict_rows} rows set aside in {one.conflict}",
                event="conflict",
                level="error",
                run_id=one.run_id,
                rows=one.conflict_rows,
                aside=str(one.conflict),
            )
        if one.fault is not None:
            self.say(
                f"round {one.run_id} stays: {one.fault}",
                event="spool_failed",
                level="error",
                run_id=one.run_id,
            )
        return one

    def finished(self, outcome: Outcome, *, of_many: bool) -> None:
        """A round is over, shipping included; ``of_many`` rounds of this process, which has a log then."""
        if self._log == "json":
            self.say(outcome.in_words(), event="round", level="info", **outcome.as_fields())
        elif of_many:
            self.say(outcome.in_words())

    def say(self, message: str, *, event: str = "note", level: Level = "warning", **fields: object) -> None:
        """One line for a person or for cron to mail; in a log of JSON, under the name ``event``."""
        if self._log == "json":
            known = {"vantage": self._vantage, "run_id": self._run}
            line = json_line(time.time(), level, event, message, {**known, **fields})
        else:
            line = f"edgeprobe: {message}"
        # A log on a full disk takes the next line once there is room.
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr)

    def _write(self, text: str) -> None:
        if self._unheard:
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError) as fault:
            # Measuring goes on. Python would complain again at exit.
            discard(sys.stdout)
            self._unheard = True
            # Who reads no more, as head does, need not be told.
            if not isinstance(fault, BrokenPipeError):
                reason = fault.strerror if isinstance(fault, OSError) else None
                self.say(f"stdout: {reason or fault}: no more is printed there", event="output_lost")


def _is_terminal(stream: TextIO) -> bool:
    """Whether a person reads it who can be shown something in place."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _width(stream: TextIO) -> int | None:
    """The columns of a terminal; None of what is none, or does not say."""
    if not _is_terminal(stream):
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except OSError:
        return None


def _is_coloured(stream: TextIO) -> bool:
    """Whether colour is wanted there (https://no-color.org)."""
    return _is_terminal(stream) and not os.environ.get("NO_COLOR")
