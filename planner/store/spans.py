"""Spans of days whose histograms are summed in one file, so that reading months takes no longer than days.

A span is 4, 16 or 64 days long and begins at a multiple of that since 1970. Its file is no part of a table
and never changes: it holds what the rollups have of these days up to a batch, and its name says all of that,

    spans/TABLE_ID/DAYS-FIRST_DAY-BATCH.parquet

Rows of later batches, of whatever day, are added from the rollups themselves. Pure, but for the listing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from planner.store.shelf import Shelf

SPANS: Final = "spans"

LENGTHS: Final = (4, 16, 64)

_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """``days`` from ``first`` on, up to ``batch``."""

    first: date
    days: int
    batch: int

    @property
    def end(self) -> date:
        return self.first + timedelta(days=self.days)

    def key(self, table_id: str) -> str:
        return f"{SPANS}/{table_id}/{self.days:03}-{self.first.isoformat()}-{self.batch:09}.parquet"


def spans_of(shelf: Shelf, table_id: str) -> tuple[Span, ...]:
    """The spans that there are of this table of rollups."""
    found = []
    for key in sorted(shelf.keys(f"{SPANS}/{table_id}")):
        match = re.fullmatch(r".*/(\d{3})-(\d{4}-\d\d-\d\d)-(\d{9})\.parquet", key)
        if match is not None:
            found.append(Span(date.fromisoformat(match[2]), int(match[1]), int(match[3])))
    return tuple(found)


def covering(spans: Iterable[Span], batch: int) -> tuple[Span, ...]:
    """The longest of the spans, no two of them of a day, and none that is of a later batch."""
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda span: (-span.days, span.first, -span.batch)):
        apart = all(span.end <= other.first or other.end <= span.first for other in chosen)
        if apart and span.batch <= batch:
            chosen.append(span)
    return tuple(chosen)


def missing(days: Sequence[date], spans: Iterable[Span], today: date, batch: int) -> list[Span]:
    """Spans since 1970 that are over, of which two of the ``days`` or more are known, and that are not there;
    the short ones first, of which long ones are summed."""
    there = {(span.first, span.days) for span in spans}
    found = []
    for length in LENGTHS:
        firsts = [
            day - timedelta(days=(day - _EPOCH).days % length) for day in sorted(set(days)) if day >= _EPOCH
        ]
        found += [
            Span(first, length, batch)
            for first in sorted(set(firsts))
            if firsts.count(first) > 1 and (first, length) not in there and length <= (today - first).days
        ]
    return found
