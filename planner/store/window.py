"""A span of time that measurements are read from. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class Window:
    """Samples that started at ``since`` or later and before ``until``; None is no bound on that side.

    Both carry their time zone; raises ``ValueError`` for one that does not, for 10:00 in whose zone?
    """

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for bound in (self.since, self.until):
            if bound is not None and bound.tzinfo is None:
                raise ValueError(f"{bound.isoformat()} says no time zone")

    @property
    def whole(self) -> bool:
        """Whether every sample is within."""
        return self.since is None and self.until is None

    def utc(self) -> tuple[datetime | None, datetime | None]:
        """Both bounds in UTC, without the zone: as timestamps stand in a store."""
        since, until = (
            None if bound is None else bound.astimezone(UTC).replace(tzinfo=None)
            for bound in (self.since, self.until)
        )
        return since, until


ALWAYS: Final = Window()
