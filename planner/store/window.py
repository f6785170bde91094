"""A span of time that measurements are read from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Window:
    """Samples that started at ``since`` or later and before ``until``; None is no bound on that side. None of
    those in the ``gap``, from its first moment to before its second.

    All carry their time zone; raises ``ValueError`` for one that does not, for 10:00 in whose zone?
    """

    since: datetime | None = None
    until: datetime | None = None
    gap: tuple[datetime, datetime] | None = None

    def __post_init__(self) -> None:
        for bound in (self.since, self.until, *(self.gap or ())):
            if bound is not None and bound.tzinfo is None:
                raise ValueError(f"{bound.isoformat()} says no time zone")

    @property
    def whole(self) -> bool:
        """Whether every sample is within."""
        return self.since is None and self.until is None and self.gap is None

    def utc(self) -> tuple[datetime | None, datetime | None]:
        """Both bounds in UTC, without the zone: as timestamps stand in a store."""
        since, until = (None if bound is None else _bare(bound) for bound in (self.since, self.until))
        return since, until

    def has_day(self, day: date) -> bool:
        """Whether a part of that UTC day is within."""
        since, until = self.utc()
        begin = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - as timestamps stand in a store
        # A table may have rows of any day, even of the last that there is.
        end = begin + timedelta(days=1) if day < date.max else datetime.max  # noqa: DTZ901
        if (since is not None and end <= since) or (until is not None and begin >= until):
            return False
        return self.gap is None or begin < _bare(self.gap[0]) or end > _bare(self.gap[1])

    def sql(self, started_at: str) -> str:
        """The condition on a column of timestamps in UTC; empty where there is none."""
        since, until = self.utc()
        parts = [] if since is None else [f"{started_at} >= {_literal(since)}"]
        parts += [] if until is None else [f"{started_at} < {_literal(until)}"]
        if self.gap is not None:
            first, last = map(_bare, self.gap)
            parts.append(f"NOT ({started_at} >= {_literal(first)} AND {started_at} < {_literal(last)})")
        return " AND ".join(parts)


def _bare(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat(sep=' ')}'"


ALWAYS: Final = Window()
