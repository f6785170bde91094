"""What the rollups save a reader of exact figures: where quantiles lie, and which days to read [I/O].

A bracket (``planner.store.selection``) that is wrong costs another pass and no accuracy. The series of a day
(``planner.store.series``) stand for its rows where they were made of just so many as the table has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from planner.latency.statistics import estimate_ranks
from planner.store.histogram import GAMMA, HIGHEST, LOWEST, Histograms
from planner.store.placing import Key
from planner.store.reading import Reading
from planner.store.rollup import NEVER_SO_MANY, RolledFiles, rolled_files, rollup_of, table_rows_of
from planner.store.selection import KEPT, Selection, anywhere, bits
from planner.store.shelf import MeasurementError
from planner.store.sifting import INFINITE, NEVER
from planner.store.stream import Group, Stream
from planner.store.table import day_of

_BEHIND: Final = 0.05
"""Rollups that lack a larger share of the rows tell too little of where quantiles are."""


@dataclass(frozen=True, slots=True)
class Brackets:
    """For each pair and protocol that is known, its ``row`` in ``low`` and ``high`` (k, quantiles), bits; and
    how many values lie in them."""

    row: dict[Key, int]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    values: int

    def selection(self) -> Selection:
        width = self.low.shape[1]
        return Selection(
            width, brackets=width if self.row else 1, keep=bool(self.row) and self.values <= KEPT
        )

    def add(self, selection: Selection, keys: list[Key]) -> None:
        """Have these pairs sought where they are expected, or anywhere if no pair is expected anywhere."""
        if not self.row:
            selection.add(*anywhere(len(keys)))
            return
        # A pair that only new rows speak of is left for the next pass.
        row = np.array([self.row.get(key, -1) for key in keys], dtype=np.int64)
        low, high = (np.where(row[:, None] < 0, NEVER, each[row]) for each in (self.low, self.high))
        selection.add(low, high)


@dataclass(frozen=True, slots=True)
class Rolled:
    """What the rollups know of a reading's rows: ``files`` with the series of ``days``, which are read
    instead of the table's rows; ``rtt`` and ``step`` brackets."""

    files: RolledFiles | None
    days: frozenset[date]
    rtt: Brackets
    step: Brackets


def rolled(found: Reading, stream: Stream, quantiles: NDArray[np.float64]) -> Rolled:
    """What the rollups know of ``found``; the ``stream`` leaves out what they stand for."""
    nowhere = np.zeros((0, len(quantiles)), np.int64)
    nothing = Brackets({}, nowhere, nowhere, 0)
    # Of several stores, or of one at a past batch, rollups do not say which rows are theirs.
    if len(found.sources) != 1 or len(found.parts) != 1 or found.parts[0].upto is not None:
        return Rolled(None, frozenset(), nothing, nothing)
    since, until = found.window.utc()
    first = None if since is None else (since + timedelta(days=1) - timedelta(microseconds=1)).date()
    last = None if until is None else until.date()
    try:
        files = rolled_files(found.parts[0].address, first, last)
    except MeasurementError:
        return Rolled(None, frozenset(), nothing, nothing)
    rollup, table_rows = rollup_of(files), table_rows_of(files)
    of_day: dict[date, list[Group]] = defaultdict(list)
    newer = []
    for group in stream.groups:
        if group.batch <= rollup.batch:
            of_day[day_of(group.name)].append(group)
        else:
            newer.append(group.runs)
    days = frozenset(
        day
        for day, groups in of_day.items()
        if sum(group.rows for group in groups) == table_rows.get(day)
        # At the window's ends rounds may go on beyond, and are told by what is within.
        and day != first
        and (last is None or day < last - timedelta(days=1))
        and not any(group.partly or _may_go_on(group.runs, newer) for group in groups)
    )
    rows = stream.rows()
    there = sum(number for number in table_rows.values() if number < NEVER_SO_MANY)
    stream.leave_out([group for day in days for group in of_day[day]])
    behind = abs(rows + found.arrived - there) / max(rows, 1)
    if behind > _BEHIND or not rollup.vantages:
        return Rolled(files, days, nothing, nothing)
    row = {key: n for n, key in enumerate(zip(rollup.vantages, rollup.sites, rollup.protocols, strict=True))}
    return Rolled(
        files, days, *(_brackets(row, each, quantiles, behind) for each in (rollup.histograms, rollup.jitter))
    )


def _may_go_on(runs: tuple[str, str] | None, newer: Sequence[tuple[str, str] | None]) -> bool:
    """Whether rows that came since may be of the same rounds: those may tell that one was not cut off."""
    return any(
        runs is None or other is None or (runs[0] <= other[1] and other[0] <= runs[1]) for other in newer
    )


def _brackets(
    row: dict[Key, int], histograms: Histograms, quantiles: NDArray[np.float64], behind: float
) -> Brackets:
    """Rows that the rollups lack move a rank by their number at most; of one pair they may be twice the
    share."""
    n = histograms.total()
    rank = estimate_ranks(n[:, None], quantiles)
    slack = np.ceil(2.0 * behind * n).astype(np.int64)[:, None]
    upto = np.concatenate((np.zeros((len(n), 1), np.int64), np.cumsum(histograms.count, axis=1)), axis=1)
    width = histograms.count.shape[1]
    least, most = (
        np.stack([(upto[:, 1:] < each[:, None]).sum(axis=1) for each in wanted.T], axis=1)
        for wanted in (rank - slack, rank + slack)
    )
    values = np.take_along_axis(upto, np.minimum(most + 1, width), axis=1) - np.take_along_axis(
        upto, np.minimum(least, width), axis=1
    )
    # The logarithm may have put a value at a bucket's very end into the next one.
    below, above = least + histograms.first - 1.0, most + histograms.first + 0.0
    low = np.where(below < LOWEST, 0.0, GAMMA**below * (1.0 - 1e-9))
    high = np.where((most >= width) | (above >= HIGHEST), np.inf, GAMMA**above * (1.0 + 1e-9))
    nowhere = (least >= width) | (n == 0)[:, None]
    return Brackets(
        row,
        np.where(nowhere, NEVER, bits(low)),
        np.where(nowhere, NEVER, np.minimum(bits(high), INFINITE - 1)),
        int(values.sum()),
    )
