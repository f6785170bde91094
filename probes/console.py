"""What a person or a program sees of a run: rows or a table on stdout, everything else on stderr [I/O]."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from probes.outcome import Outcome
from probes.record import Measurement
from probes.report import table
from probes.spool import Shipped


class Console:
    """What a person or a program sees: rows or a table on stdout, everything else on stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._live = not as_json and sys.stderr.isatty()
        self._expected = self._count = self._failed = 0

    def expect(self, rows: int) -> None:
        """A round begins that will give this many rows."""
        self._expected = rows

    def rows(self, rows: list[Measurement]) -> None:
        """More rows of this round, as they come and not yet judged."""
        self._count += len(rows)
        self._failed += sum(row.failure is not None for row in rows)
        if self._live:
            print(
                f"\r{self._count}/{self._expected} samples, {self._failed} failed ",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def ended(self) -> None:
        """Nothing more is measured in this round."""
        if self._live and self._count:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        self._count = self._failed = 0

    def judged(self, rows: Sequence[Measurement]) -> None:
        """The whole round, its rows judged together."""
        if self._as_json:
            self._write("".join(f"{row.to_json()}\n" for row in rows))
        elif rows:
            self._write(table(rows) + "\n")

    def shipped(self, one: Shipped) -> Shipped:
        """A round left the spool; only what is wrong with it is worth a line."""
        if one.damaged:
            self.say(f"round {one.run_id}: {one.damaged} damaged lines left out, {one.rows} rows shipped")
        if one.conflict is not None:
            self.say(
                f"round {one.run_id}: the store has other rows under this id"
                f" (do two agents share a vantage?); {one.rows} rows set aside in {one.conflict}"
            )
        return one

    def finished(self, outcome: Outcome, *, of_many: bool) -> None:
        """A round is over, shipping included; ``of_many`` rounds of this process, which has a log then."""
        if of_many:
            self.say(outcome.in_words())

    def say(self, message: str) -> None:
        """One line for a person, or for cron to mail."""
        print(f"edgeprobe: {message}", file=sys.stderr)

    def _write(self, text: str) -> None:
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            # Nobody reads any more; measuring goes on. Python would complain again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
