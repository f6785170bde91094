"""A reading's rows as they stand in their files, a row group at a time and as often as wanted [I/O].

Only the columns that figures are made of, texts as codes: nothing is done for each row but by kernels. What
Parquet says of a row group (a column of one value, of no nulls, the ends of time and run) saves reading it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from planner.store.arrays import Words, coded, listed, numbers
from planner.store.opened import source_of
from planner.store.reading import TablePart
from planner.store.selection import bits
from planner.store.steps import STEP
from planner.store.table import table_faults

TEXTS: Final = ("vantage", "site", "protocol", "run_id", "failure", "peer")

_THREADS: Final = 2
_AHEAD: Final = 3
"""Row groups read while one is worked on."""


@dataclass(frozen=True, slots=True)
class Batch:
    """n rows. ``codes`` (n,) int32 of each text, -1 where there is none, number its ``words``;
    those of ``peer`` say only whether there is one. ``keep`` (n,) uint8 is 0 for rows that are not wanted.
    ``rtt`` and ``step`` (n,) are the bits of milliseconds (``planner.store.selection``), of nan where there
    are none."""

    codes: Mapping[str, NDArray[np.int32]]
    words: Mapping[str, Words]
    keep: NDArray[np.uint8]
    rtt: NDArray[np.int64]
    step: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Row group ``number`` of a file, of ``rows`` rows, of batches up to ``batch``, of runs between two, if
    that is known. ``known``: the one value of all its rows, by column; ``partly``: the columns that say which
    of its rows are wanted."""

    part: TablePart
    name: str
    metadata: Any
    number: int
    rows: int
    batch: int
    runs: tuple[str, str] | None
    known: Mapping[str, str | None]
    partly: frozenset[str]


class Stream:
    """The rows of some files; with ``steps`` the differences of neighbours too."""

    def __init__(
        self,
        parts: Sequence[TablePart],
        *,
        steps: bool,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int = 0,
        doubtful: Sequence[str] = (),
        once: pa.Table | None = None,
    ) -> None:
        """Rows of [``since``, ``until``), in UTC and without a zone, of batches after ``after``, and not of
        the ``doubtful`` runs, which are sorted; instead of those the rows of ``once``."""
        self._numbers = ("rtt_ms", *((STEP,) if steps else ()))
        self._since, self._until = (
            None if bound is None else np.datetime64(bound, "us") for bound in (since, until)
        )
        self._bounded = since is not None or until is not None
        self._after = after
        self._doubtful, self._again = doubtful, frozenset(doubtful)
        self._once = once
        self.groups = [group for part in parts for group in self._groups_of(part)]
        self._opened = threading.local()

    def rows(self, after: int = -1) -> int:
        """How many rows are of a later batch than that, at most, apart from the doubtful ones."""
        return sum(group.rows for group in self.groups if group.batch > after)

    def leave_out(self, groups: Collection[Group]) -> None:
        """Have these row groups read no more."""
        left = {(group.part.number, group.name, group.number) for group in groups}
        self.groups = [each for each in self.groups if (each.part.number, each.name, each.number) not in left]

    def batches(self) -> Iterator[Batch]:
        """All rows, as often as asked. Raises :class:`planner.store.shelf.StoreError`."""
        if self._once is not None:
            yield self._batch(self._once, len(self._once), {}, frozenset(), None)
        yield from ahead(self._read, self.groups, _AHEAD)

    def _groups_of(self, part: TablePart) -> Iterator[Group]:
        for name in part.files:
            with table_faults(part.address):
                metadata = pq.read_metadata(source_of(part.address, name))
            place = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
            for number in range(metadata.num_row_groups):
                group = metadata.row_group(number)
                ends = {
                    column: _Ends.of(group.column(place[column]).statistics, group.num_rows)
                    for column in (*TEXTS, "batch", *(("started_at",) if self._bounded else ()))
                    if column in place
                }
                known = {
                    column: None if column not in ends else ends[column].least
                    for column in TEXTS
                    if column not in ends or ends[column].alone or (column == "peer" and ends[column].full)
                }
                partly = self._partly(part, ends)
                if partly is not None:
                    last = ends["batch"].most if ends["batch"].told else np.iinfo(np.int64).max
                    run = ends["run_id"]
                    runs = (run.least, run.most) if run.told else None
                    yield Group(part, name, metadata, number, group.num_rows, last, runs, known, partly)

    def _partly(self, part: TablePart, ends: Mapping[str, _Ends]) -> frozenset[str] | None:
        """The columns by which a row group's rows are told apart; None if none of its rows is wanted."""
        looked_at = set()
        bounds = [
            ("started_at", self._since, self._until),
            ("batch", self._after + 1 if self._after else None, None if part.upto is None else part.upto + 1),
        ]
        for column, since, until in bounds:
            if since is None and until is None:
                continue
            of = ends[column]
            if of.told and (
                (since is not None and of.most < since) or (until is not None and of.least >= until)
            ):
                return None
            inside = of.told and (since is None or of.least >= since) and (until is None or of.most < until)
            if not inside:
                looked_at.add(column)
        runs = self._doubtful
        if runs:
            of = ends["run_id"]
            if not of.told or (of.least <= runs[-1] and of.most >= runs[0]):
                looked_at.add("run_id")
        return frozenset(looked_at)

    def _read(self, group: Group) -> Batch:
        path = (group.part.number, group.name)
        with table_faults(group.part.address):
            if getattr(self._opened, "path", None) != path:
                source = source_of(group.part.address, group.name)
                self._opened.file = pq.ParquetFile(source, metadata=group.metadata, read_dictionary=[*TEXTS])
                self._opened.path = path
            has = self._opened.file.schema_arrow.names
            wanted = {*TEXTS, *self._numbers, *group.partly} - set(group.known)
            columns = [name for name in has if name in wanted]
            rows = self._opened.file.read_row_group(group.number, columns=columns, use_threads=False)
        return self._batch(rows, group.rows, group.known, group.partly, group.part)

    def _batch(
        self,
        rows: pa.Table,
        n: int,
        known: Mapping[str, str | None],
        partly: frozenset[str],
        part: TablePart | None,
    ) -> Batch:
        codes: dict[str, NDArray[np.int32]] = {}
        words: dict[str, Words] = {}
        for name in TEXTS:
            if name not in known:
                codes[name], words[name] = coded(rows.column(name))
                continue
            value = known[name]
            codes[name] = np.zeros(n, np.int32) if value is not None else np.full(n, -1, np.int32)
            words[name] = [] if value is None else [value]
        keep = np.ones(n, dtype=bool)
        if "started_at" in partly:
            started = numbers(rows.column("started_at").cast(pa.timestamp("us", "UTC")).cast(pa.int64()))
            started = started.view("datetime64[us]")
            keep &= True if self._since is None else started >= self._since
            keep &= True if self._until is None else started < self._until
        if "batch" in partly and part is not None:
            batch = numbers(rows.column("batch"))
            keep &= batch > self._after
            keep &= True if part.upto is None else batch <= part.upto
        if "run_id" in partly:
            again = [run in self._again for run in listed(words["run_id"])]
            keep &= ~np.array([*again, False])[codes["run_id"]]
        rtt, step = (
            bits(numbers(rows.column(name))) if name in rows.column_names else np.zeros(0, np.int64)
            for name in ("rtt_ms", STEP)
        )
        return Batch(codes, words, keep.view(np.uint8), rtt, step)


@dataclass(frozen=True, slots=True)
class _Ends:
    """What Parquet says of a column of a row group: its ``least`` and ``most``, if they are ``told``; whether
    all its rows have a value (``full``), or all one and the same, or all none (``alone``)."""

    told: bool
    least: Any
    most: Any
    full: bool
    alone: bool

    @staticmethod
    def of(statistics: Any, rows: int) -> _Ends:
        if statistics is None or not statistics.has_null_count:
            return _Ends(False, None, None, False, False)
        nulls = statistics.null_count
        if nulls == rows:
            return _Ends(False, None, None, False, True)
        if not statistics.has_min_max:
            return _Ends(False, None, None, nulls == 0, False)
        # Long texts may be cut off, upwards for the greatest: so ends that are the same are whole.
        least, most = (
            np.datetime64(end.replace(tzinfo=None), "us") if hasattr(end, "tzinfo") else end
            for end in (statistics.min, statistics.max)
        )
        return _Ends(True, least, most, nulls == 0, nulls == 0 and least == most)


_Item = TypeVar("_Item")
_Read = TypeVar("_Read")


def ahead(read: Callable[[_Item], _Read], items: Sequence[_Item], many: int) -> Iterator[_Read]:
    """What is read of each item, in order, so many items ahead of what is asked for."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[Future[_Read]] = deque()
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > many:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
