"""What became of one round: for a log line, a metrics file, whoever wants to know how the agent is doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probes.record import Measurement


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round from its scheduled start to the end of shipping.

    ``due_s`` is its scheduled start in seconds of the epoch; ``lag_s`` is how long after that measuring
    began, the splay included, and ``measuring_s`` how long it took: both None when it was measured before.
    ``rows`` are as they were judged. ``shipped_rounds`` and ``shipped_rows`` count what reached the store
    meanwhile, earlier rounds included; ``waiting_rounds`` are in the spool afterwards; ``lost_rows`` neither
    spool nor store took, or the spool's bound pushed out. ``code`` is the exit code.
    """

    run_id: str
    due_s: float
    lag_s: float | None = None
    measuring_s: float | None = None
    rows: Sequence[Measurement] = ()
    shipped_rounds: int = 0
    shipped_rows: int = 0
    waiting_rounds: int = 0
    lost_rows: int = 0
    code: int = 0

    def in_words(self) -> str:
        """One line for a log."""
        failed = sum(row.failure is not None for row in self.rows)
        measured = "measured before"
        if self.measuring_s is not None:
            measured = f"{len(self.rows)} rows, {failed} failed, in {self.measuring_s:.1f} s"
        return (
            f"round {self.run_id}: {measured}; {self.shipped_rounds} shipped, {self.waiting_rounds} waiting"
            + (f", {self.lost_rows} rows lost" if self.lost_rows else "")
        )
