"""What became of one round: for a log line, a metrics file, whoever wants to know how the agent is doing."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probes.record import Measurement

if TYPE_CHECKING:
    from probes.service_link import ServiceLink


@dataclass(frozen=True, slots=True)
class Outcome:
    """One round from its scheduled start to the end of shipping.

    ``due_s`` is its scheduled start in seconds of the epoch; ``lag_s`` is how long after that measuring
    began, the splay included, and ``measuring_s`` how long it took: both None when nothing was measured.
    ``rows`` are as they were judged. ``shipped_rounds`` and ``shipped_rows`` count what reached the store
    meanwhile, earlier rounds included; ``waiting_rounds`` are in the spool afterwards, None where nobody
    looked; ``lost_rows`` neither spool nor store will ever hold: damaged, pushed out by the spool's bound, or
    in the memory of a process that ends; ``conflict_rows`` were set aside, because the store has other rows
    under their run id. ``stored`` is whether the store has this very round, and ``displaced`` whether it has
    another one under this name. ``code`` is the exit code, and ``ended_s`` when all that was over, in seconds
    of the epoch. ``parent`` is the Region at the other end of the service link of the Outpost where the agent
    stands.
    """

    run_id: str
    due_s: float
    lag_s: float | None = None
    measuring_s: float | None = None
    rows: Sequence[Measurement] = ()
    shipped_rounds: int = 0
    shipped_rows: int = 0
    waiting_rounds: int | None = None
    lost_rows: int = 0
    conflict_rows: int = 0
    stored: bool = False
    displaced: bool = False
    code: int = 0
    ended_s: float = 0.0
    parent: str | None = None

    @property
    def failures(self) -> dict[str, int]:
        """How many rows failed by each class that occurred, the commonest first."""
        counts = collections.Counter(row.failure for row in self.rows if row.failure is not None)
        return {str(failure): count for failure, count in counts.most_common()}

    @property
    def service_link(self) -> ServiceLink | None:
        """What the round says of the Outpost's service link; None where there is none, or no row."""
        if self.parent is None or not self.rows:
            return None
        from probes.service_link import service_link

        return service_link(self.rows, self.parent)

    def in_words(self) -> str:
        """One line for a log."""
        failed = sum(self.failures.values())
        measured = "measured before"
        if self.measuring_s is not None:
            measured = f"{len(self.rows)} rows, {failed} failed, in {self.measuring_s:.1f} s"
        waiting = "" if self.waiting_rounds is None else f", {self.waiting_rounds} waiting"
        lost = f", {self.lost_rows} rows lost" if self.lost_rows else ""
        aside = f", {self.conflict_rows} rows set aside" if self.conflict_rows else ""
        return f"round {self.run_id}: {measured}; {self.shipped_rounds} shipped{waiting}{lost}{aside}"

    def nothing_back(self) -> str | None:
        """One line where nothing at all came back, which a long table does not say; else None."""
        if not self.rows or sum(self.failures.values()) < len(self.rows):
            return None
        why = ", ".join(f"{failure} {count}" for failure, count in self.failures.items())
        return f"none of {len(self.rows)} samples came back: {why}"

    def as_fields(self) -> dict[str, object]:
        """The same for a log of JSON lines."""
        return {
            "run_id": self.run_id,
            "scheduled_at": datetime.fromtimestamp(self.due_s, UTC).isoformat().replace("+00:00", "Z"),
            "lag_s": _rounded(self.lag_s),
            "duration_s": _rounded(self.measuring_s),
            "rows": len(self.rows),
            "failed": sum(self.failures.values()),
            "failures": self.failures,
            "shipped_rounds": self.shipped_rounds,
            "shipped_rows": self.shipped_rows,
            "waiting": self.waiting_rounds,
            "lost_rows": self.lost_rows,
            "conflict_rows": self.conflict_rows,
            "stored": self.stored,
            "service_link": None if (link := self.service_link) is None else link.in_words(),
            "code": self.code,
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
