"""The agent at work: rounds on schedule, spooled as they are measured and then shipped [I/O]."""

from __future__ import annotations

import hashlib
import math
import signal
import time
from datetime import UTC, datetime
from types import FrameType
from typing import Final

from probes.console import Console
from probes.inbox import StoreError, open_inbox
from probes.record import Measurement
from probes.runner import run_round
from probes.settings import Settings
from probes.spool import Spool, SpoolBusyError, SpoolError, run_id

EXIT_DONE: Final = 0
EXIT_BAD_INPUT: Final = 2
EXIT_STORE: Final = 5
EXIT_BUSY: Final = 75
_EXIT_SIGNAL: Final = 128

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

# A sleep goes on after a signal (PEP 475), so it is taken in naps.
_NAP_S: Final = 0.2


class Agent:
    """One vantage's rounds.

    SIGTERM and Ctrl-C end a round early: what was measured is spooled and shipped.
    """

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings, self._console = settings, console
        self._spool = Spool(settings.spool, settings.vantage)
        self._signal = 0

    def run(self, rounds: int | None, every_s: float | None) -> int:
        """Measure ``rounds`` rounds (None: for ever), on a grid of ``every_s`` where given; the exit code.

        A point of the grid that was measured already is left out. One that meets another round of this
        vantage is left out too, and exits 75 when it was the only one.
        """
        before = {number: signal.signal(number, self._interrupted) for number in _SIGNALS}
        try:
            return self._rounds(rounds, every_s)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _rounds(self, rounds: int | None, every_s: float | None) -> int:
        measured = 0
        while True:
            scheduled_s = _scheduled(every_s)
            try:
                code = self._round(scheduled_s)
            except (SpoolBusyError, SpoolError) as fault:
                self._console.say(str(fault))
                code = EXIT_BUSY if isinstance(fault, SpoolBusyError) else EXIT_STORE
            measured += 1
            if self._stopped() or measured == rounds:
                return code
            while every_s is not None and _scheduled(every_s) == scheduled_s:
                self._wait(scheduled_s + every_s - time.time())
                if self._stopped():
                    return code

    def _round(self, scheduled_s: float) -> int:
        run = run_id(self._settings.vantage, datetime.fromtimestamp(scheduled_s, UTC))
        with self._spool.locked():
            if self._spool.knows(run):
                self._console.say(f"round {run} was measured already")
                return self._ship()
            self._wait(self._splay_s(run))
            if self._stopped():
                return _EXIT_SIGNAL + self._signal
            file = self._spool.open_round(run)

            def emit(rows: list[Measurement]) -> None:
                file.append(rows)
                self._console.rows(rows)

            try:
                run_round(
                    self._settings,
                    run,
                    emit=emit,
                    expect=self._console.expect,
                    stop=self._stopped,
                )
            finally:
                file.close()
                self._console.ended()
            # A signal that comes while shipping finds the round complete.
            cut = self._signal
            code = self._ship()
            if file.fault is not None:
                self._console.say(f"spool {self._settings.spool}: {file.fault.strerror or file.fault}")
                code = EXIT_STORE
        return _EXIT_SIGNAL + cut if cut else code

    def _ship(self) -> int:
        try:
            for one in self._spool.ship(open_inbox(self._settings.store)):
                self._console.shipped(one)
        except StoreError as fault:
            waiting = len(self._spool.pending())
            stay = "round stays" if waiting == 1 else "rounds stay"
            self._console.say(f"{fault}; {waiting} {stay} in the spool")
            if lost := self._spool.unwritten():
                self._console.say(f"{lost} rows are lost: neither the spool nor the store took them")
            return EXIT_STORE
        return EXIT_DONE

    def _splay_s(self, run: str) -> float:
        """A delay that differs by vantage and round, so that agents do not start as one."""
        digest = hashlib.sha256(run.encode()).digest()
        return self._settings.splay_s * int.from_bytes(digest[:8], "big") / 2**64

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


def _scheduled(every_s: float | None) -> float:
    """The start this moment belongs to, in seconds of the epoch: the last point of the grid, or now."""
    now_s = time.time()
    return now_s if every_s is None else math.floor(now_s / every_s) * every_s
