"""The agent at work: rounds on schedule, spooled as they are measured, sealed and then shipped [I/O].

How long one round can take: its splay, ``deadline_s`` of measuring, and the span of shipping (until a second
before the next point of the grid, but at least 9 s and at most 75; an OTLP export comes out of it). A process
of one round ends within that, whatever the network or the store does; a metrics file that hangs adds 2 s.
"""

from __future__ import annotations

import contextlib
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final

from probes import schedule
from probes.console import Console
from probes.duration import in_words
from probes.inbox import StoreError, open_inbox
from probes.outcome import Outcome
from probes.publishing import Publisher
from probes.record import Measurement
from probes.redaction import without_secrets
from probes.round_file import SealedRound
from probes.runner import run_round
from probes.sanity import Sanity
from probes.settings import Settings
from probes.spool import Shipped, Spool, SpoolBusyError, SpoolError, run_id
from probes.strict_toml import InputError
from probes.watchdog import Watchdog

EXIT_DONE: Final = 0
EXIT_BAD_INPUT: Final = 2
EXIT_STORE: Final = 5
EXIT_BUSY: Final = 75
_EXIT_SIGNAL: Final = 128

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# A sleep goes on after a signal (PEP 475), so it is taken in naps.
_NAP_S: Final = 0.2

# A backlog may take this share of the span for shipping; what is under way by then, and this round's own
# object, can still end within it unless the store is very slow.
_BACKLOG_SHARE: Final = 0.2


class Agent:
    """One vantage's rounds.

    SIGTERM, SIGHUP and Ctrl-C end a round early: what was measured is spooled and shipped.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings, self._console = settings, console
        judge = Sanity(settings.targets, settings.carrier)
        self._spool = Spool(settings.spool, settings.vantage, max_mb=settings.spool_max_mb, judge=judge)
        self._publisher = Publisher(settings, console)
        self._signal = 0
        self._only_round = self._last_round = False
        self._waiting = 0
        self._outcome = Outcome("", 0.0)
        self._sealed: SealedRound | None = None

    def run(self, rounds: int | None, every_s: float | None, scheduled_s: float | None = None) -> int:
        """Measure ``rounds`` rounds (None: for ever), on a grid of ``every_s`` where given; the exit code.

        A point of the grid that was measured already is left out. One that meets another round of this
        vantage is left out too, and exits 75 when it was the only one. ``scheduled_s`` (seconds of the epoch)
        is when a scheduler meant a single round to start; it names the round in place of the clock. Raises
        InputError when the splay does not fit into the grid.
        """
        if every_s is not None and self._settings.splay_s >= every_s:
            raise InputError(
                self._settings.file,
                f"{self._settings.splay_s:g} s is not less than the {in_words(every_s)} between two rounds",
                column="agent.splay_s",
            )
        self._only_round = rounds == 1
        # What is ignored stays so: nohup means that the end of a session is none of ours.
        heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, self._interrupted) for number in heeded}
        try:
            code = self._rounds(rounds, every_s, scheduled_s)
            return self._forgo() or code
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _rounds(self, rounds: int | None, every_s: float | None, scheduled_s: float | None) -> int:
        measured = 0
        while True:
            due_s = schedule.due(time.time() if scheduled_s is None else scheduled_s, every_s)
            began_s = time.monotonic()
            self._last_round = measured + 1 == rounds
            code = self._round(due_s, every_s)
            measured += 1
            if self._stopped() or measured == rounds:
                return code
            if every_s is not None:
                self._await_point_after(due_s, every_s, began_s)
                if self._stopped():
                    return code

    def _await_point_after(self, due_s: float, every_s: float, began_s: float) -> None:
        """Wait for another point of the grid, whichever way the clock is set; note those left out."""
        while not self._stopped() and (next_s := schedule.due(time.time(), every_s)) == due_s:
            time.sleep(min(max(due_s + every_s - time.time(), 0.0), _NAP_S))
        if self._stopped():
            return
        if count := schedule.left_out(due_s, next_s, every_s):
            took_s = time.monotonic() - began_s
            why = f"the last one took {took_s:.0f} s" if took_s > every_s else "the clock was set forward"
            self._console.say(
                f"{count} {'round' if count == 1 else 'rounds'} left out: {why}",
                event="left_out",
                rounds=count,
            )

    def _round(self, due_s: float, every_s: float | None) -> int:
        run = run_id(self._settings.vantage, datetime.fromtimestamp(due_s, UTC))
        self._outcome = Outcome(run, due_s, parent=self._settings.parent)
        self._console.begin(run)
        try:
            with self._spool.locked():
                try:
                    self._measure_and_ship(run, due_s, every_s)
                except SpoolError as fault:
                    self._fail(str(fault), "spool_failed")
        except (SpoolBusyError, SpoolError) as fault:
            busy = isinstance(fault, SpoolBusyError)
            self._fail(str(fault), "busy" if busy else "spool_failed", EXIT_BUSY if busy else EXIT_STORE)
            self._publish()
            return self._outcome.code
        # The lock is free by now: what watches the agent may be slow.
        self._publish()
        # Not before: a reader that reads no further must hold up neither shipping nor the next round.
        if self._sealed is not None:
            self._console.judged(self._sealed)
            self._sealed = None
            if (words := self._outcome.nothing_back()) is not None:
                self._console.remark(words)
        if (link := self._outcome.service_link) is not None:
            self._console.remark(link.in_words())
        self._console.finished(self._outcome, of_many=not self._only_round)
        return self._outcome.code

    def _measure_and_ship(self, run: str, due_s: float, every_s: float | None) -> None:
        if self._spool.knows(run):
            self._console.say(f"round {run} was measured already", event="measured_before", level="info")
            self._ship(due_s, every_s)
            if not self._outcome.stored:
                self._note(stored=self._spool.stored(run), displaced=self._spool.conflicts(run))
            return
        self._wait(schedule.splay(self._settings.vantage, self._settings.splay_s))
        if self._stopped():
            self._note(code=_EXIT_SIGNAL + self._signal)
            return
        self._measure(run)
        # A signal that comes while shipping finds the round complete.
        cut = self._signal
        self._ship(due_s, every_s)
        if (fault := self._spool.fault) is not None:
            self._fail(f"spool {self._settings.spool}: {fault.strerror or fault}", "spool_failed")
        if cut:
            self._note(code=_EXIT_SIGNAL + cut)

    def _measure(self, run: str) -> None:
        """Measure a round, spool it row by row, seal it."""
        file = self._spool.open_round(run)

        def emit(rows: list[Measurement]) -> None:
            file.append(rows)
            self._console.rows(rows)

        self._note(lag_s=time.time() - self._outcome.due_s)
        began_s = time.monotonic()
        self._console.measuring()
        try:
            run_round(
                self._settings,
                run,
                emit=emit,
                expect=self._console.expect,
                stop=self._stopped,
                idle=self._console.idle,
            )
        finally:
            file.close()
            self._sealed = self._spool.seal(run)
            self._note(rows=self._sealed.judged, measuring_s=time.monotonic() - began_s)
            self._console.ended()

    def _ship(self, due_s: float, every_s: float | None) -> None:
        """Ship what the spool holds in bounded time: the oldest first, but this round whatever else waits.

        What then remains is bounded too. An object store has time limits of its own; a network filesystem can
        hang, and then a process of one round ends: the next one ships.
        """
        span_s = schedule.shipping_span(due_s, time.time(), every_s) - self._publisher.export_s
        enough_s = time.monotonic() + _BACKLOG_SHARE * span_s
        self._waiting = len(self._spool.pending())
        guard = Watchdog(span_s, EXIT_STORE, lambda: self._give_up(span_s))
        try:
            with guard if self._only_round else contextlib.nullcontext():
                inbox = open_inbox(self._settings.store, span_s)
                run = self._outcome.run_id
                for one in self._spool.ship(inbox, lambda: time.monotonic() > enough_s, fresh=run):
                    self._took(self._console.shipped(one))
        except StoreError as fault:
            self._fail(f"{fault}; {self._staying()}", "store_failed", waiting=self._waiting)
        finally:
            self._tidy()

    def _took(self, one: Shipped) -> None:
        """Note what became of a round in the spool."""
        outcome = self._outcome
        this = one.run_id == outcome.run_id
        if one.fault is None:
            self._waiting -= 1
        if one.stored:
            self._note(
                # One without a row, as a kill may leave it, makes no object.
                shipped_rounds=outcome.shipped_rounds + (one.rows > 0),
                shipped_rows=outcome.shipped_rows + one.rows,
                stored=outcome.stored or this,
            )
        else:
            # Somebody has to look at it.
            self._note(
                conflict_rows=outcome.conflict_rows + one.conflict_rows,
                displaced=outcome.displaced or (this and one.conflict is not None),
                code=EXIT_STORE,
            )
        self._note(lost_rows=self._outcome.lost_rows + one.damaged)

    def _tidy(self) -> None:
        """Keep the spool within its bound, and note what waits and what is lost."""
        lost = self._outcome.lost_rows
        for trimmed in self._spool.trim():
            rows = "its rows" if trimmed.rows is None else f"{trimmed.rows} rows"
            self._fail(
                f"round {trimmed.run_id}: {rows} are lost:"
                f" the spool holds more than spool_max_mb = {self._settings.spool_max_mb:g}",
                "rows_lost",
                run_id=trimmed.run_id,
                rows=trimmed.rows,
            )
            lost += trimmed.rows or 0
        if self._last_round or self._stopped():
            lost += self._lose_unwritten()
        elif unwritten := self._spool.unwritten():
            self._console.say(
                f"{unwritten} rows are in memory only: neither the spool nor the store took them",
                event="rows_unwritten",
                level="error",
                rows=unwritten,
            )
        self._note(lost_rows=lost, waiting_rounds=len(self._spool.pending()))

    def _lose_unwritten(self) -> int:
        """Give up what is in memory only, because the process ends; how many rows that was."""
        if rows := self._spool.forget_unwritten():
            self._console.say(
                f"{rows} rows are lost: neither the spool nor the store took them",
                event="rows_lost",
                level="error",
                rows=rows,
            )
        return rows

    def _forgo(self) -> int:
        """The same for a process that was told to end between two rounds; its exit code."""
        rows = self._lose_unwritten()
        if rows:
            self._publisher.lost(rows)
        return EXIT_STORE if rows else EXIT_DONE

    def _give_up(self, span_s: float) -> None:
        """Say that shipping hangs; the spool may hang as well, so nothing is asked of it."""
        self._fail(
            f"store {without_secrets(self._settings.store)}: no answer within {span_s:.0f} s;"
            f" {self._staying()}",
            "store_failed",
            waiting=self._waiting,
        )
        self._note(waiting_rounds=self._waiting)
        self._publish()
        self._console.finished(self._outcome, of_many=False)

    def _publish(self) -> None:
        self._note(ended_s=time.time())
        self._publisher.publish(self._outcome)

    def _fail(self, message: str, event: str, code: int = EXIT_STORE, **fields: object) -> None:
        self._console.say(message, event=event, level="warning" if code == EXIT_BUSY else "error", **fields)
        self._note(code=code)

    def _note(self, **known: Any) -> None:
        self._outcome = replace(self._outcome, **known)

    def _staying(self) -> str:
        return f"{self._waiting} {'round stays' if self._waiting == 1 else 'rounds stay'} in the spool"

    def _wait(self, span_s: float) -> None:
        end = time.monotonic() + span_s
        while not self._stopped() and (left_s := end - time.monotonic()) > 0:
            time.sleep(min(left_s, _NAP_S))

    def _stopped(self) -> bool:
        return self._signal != 0

    def _interrupted(self, number: int, _: FrameType | None) -> None:
        """The first signal ends the round in good order, the second ends the process."""
        self._signal = number
        signal.signal(number, signal.SIG_DFL)
