"""The local spool: rows are here the moment they are measured, and leave when the store has them [I/O].

Under ``<spool>/<vantage>/``: ``lock``; ``RUN_ID.jsonl``, the round being measured; ``RUN_ID.jsonl.gz``, one
per sealed round that is not yet shipped; ``shipped``, the last run ids the store took; ``conflicts/``, rounds
the store already had with other rows; ``damaged/``, what could not be read back. A process killed at any
instant leaves at most a damaged last line, and a round is removed only after its object exists, or when it is
the oldest and the spool has reached its bound. Files of other names are left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from probes.aside import Aside
from probes.durable import write_whole
from probes.inbox import Inbox, StoreDeniedError, inbox_key
from probes.round_file import (
    Judge,
    RoundFile,
    SealedRound,
    SpoolError,
    read_lines,
    read_sealed,
    same_rows,
    seal,
    seal_rows,
)
from probes.shipped_list import ShippedList
from probes.spool_bound import Trimmed, delete_oldest

__all__ = ["Shipped", "Spool", "SpoolBusyError", "SpoolError", "Trimmed", "run_id"]

_ROUND: Final = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{12}\.jsonl(\.gz)?")

_MEGABYTE: Final = 1_000_000

# What neither disk nor store takes is kept for the next try, but not for ever.
_MOST_UNWRITTEN_MB: Final = 32.0


class SpoolBusyError(Exception):
    """Another round of this vantage still runs."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What became of one round: ``rows`` the store has of it, ``damaged`` lines that could not be read back.

    ``conflict`` names the file where its ``conflict_rows`` were set aside, because the store has other rows
    under this run id. ``fault`` is why nothing could be done with it: it stays, and the others go on.
    """

    run_id: str
    rows: int
    damaged: int
    conflict: Path | None = None
    conflict_rows: int = 0
    fault: str | None = None

    @property
    def stored(self) -> bool:
        """Whether the store has what there is of this round."""
        return self.conflict is None and self.fault is None


def run_id(vantage: str, scheduled: datetime) -> str:
    """The name of the round of ``vantage`` scheduled at that moment (aware); the same for a repeat of it.

    >>> run_id("tokyo-1", datetime(2026, 11, 23, 5, tzinfo=UTC))
    '20261123T050000.000000Z-a7bb1d3c288d'
    """
    moment = scheduled.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    digest = hashlib.sha256(f"{vantage}\n{moment}".encode()).hexdigest()
    return f"{moment}-{digest[:12]}"


class Spool:
    """The spool of one vantage. Everything but :meth:`locked` wants the lock held.

    ``max_mb`` bounds what waits in it, in megabytes (10⁶ bytes); ``judge`` looks at a round's rows
    together before it is sealed. ``fault`` is why the last round could not be written, None when it could.
    """

    def __init__(
        self, directory: Path, vantage: str, *, max_mb: float | None = None, judge: Judge = list
    ) -> None:
        self._directory, self._vantage = directory / vantage, vantage
        self._max_bytes = None if max_mb is None else max_mb * _MEGABYTE
        self._judge = judge
        self._shipped = ShippedList(self._directory / "shipped")
        self._conflicts = Aside(self._directory / "conflicts")
        self._damaged = Aside(self._directory / "damaged")
        self._rounds: dict[str, RoundFile] = {}
        # The round sealed last, so that it need not be read back to be shipped.
        self._fresh: tuple[str, SealedRound] | None = None
        self.fault: OSError | None = None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the vantage's lock, without waiting for it. Raises SpoolBusyError or SpoolError.

        The kernel lets go of it with the process, however that ends.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as fault:
            raise SpoolError(f"spool {self._directory}: {fault.strerror or fault}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SpoolBusyError(f"another round of {self._vantage} still runs") from None
            except OSError as fault:
                raise SpoolError(f"spool {self._directory}: {fault.strerror or fault}") from None
            self._sweep()
            yield
        finally:
            os.close(descriptor)

    def knows(self, run: str) -> bool:
        """Whether this round was measured already, at least in part, be it here or shipped."""
        with contextlib.suppress(OSError):
            if self._sealed(run).exists() or self._raw(run).stat().st_size > 0:
                return True
        return run in self._shipped

    def conflicts(self, run: str) -> bool:
        """Whether the store had other rows under this run id than were measured here."""
        return bool(self._conflicts.files(run))

    def stored(self, run: str) -> bool:
        """Whether the store took this round; a list of shipped rounds that is lost says no."""
        return run in self._shipped and not self.conflicts(run) and run not in self.pending()

    def open_round(self, run: str) -> RoundFile:
        """Begin a round. Raises SpoolError when it is sealed already."""
        if self._sealed(run).exists():
            raise SpoolError(f"spool {self._sealed(run)}: this round was measured already")
        self._rounds[run] = RoundFile(self._raw(run))
        return self._rounds[run]

    def seal(self, run: str) -> SealedRound:
        """End a round: judge what was measured and keep it as the object it will be.

        Where the disk does not take that (``fault``), the round stays as it is and is shipped from there.
        """
        sealed = self._seal(run)
        self._fresh = (run, sealed)
        return sealed

    def pending(self) -> list[str]:
        """The run ids not yet shipped, oldest first."""
        found = {_run_of(path) for path in self._files()}
        return sorted(found | {run for run, held in self._rounds.items() if held.unwritten})

    def unwritten(self) -> int:
        """How many rows are in memory only, because the disk did not take them."""
        return sum(len(held.unwritten) for held in self._rounds.values())

    def forget_unwritten(self) -> int:
        """Give up the rows that are in memory only; how many there were."""
        lost = self.unwritten()
        self._rounds = {run: held for run, held in self._rounds.items() if not held.unwritten}
        return lost

    def ship(
        self, inbox: Inbox, enough: Callable[[], bool] = lambda: False, *, fresh: str | None = None
    ) -> Iterator[Shipped]:
        """Put what is here into the store, oldest first; yields what became of each round.

        What a killed process left is sealed first. ``enough`` is asked before each round; once it is, the
        rest stays, but the round ``fresh`` is tried all the same. One that cannot be read, or not be taken
        off the spool, is yielded with its fault. Raises StoreError where the store fails; what has not been
        yielded by then stays.
        """
        waiting = self.pending()
        for run in waiting:
            # What is wrong with it is said when its turn comes.
            with contextlib.suppress(SpoolError, OSError):
                if not self._sealed(run).exists():
                    self._seal(run)
        over = False
        for run in waiting:
            over = over or enough()
            if over and run != fresh:
                continue
            try:
                one = self._ship(run, inbox)
            except (SpoolError, OSError) as fault:
                one = Shipped(run, 0, 0, fault=str(fault))
            yield one

    def trim(self) -> list[Trimmed]:
        """Delete the oldest rounds until the rest fits the bound; the newest one always stays.

        What was set aside goes before what waits: of damaged lines, which were lost before, nothing is said,
        and of rounds in conflict the store has an object. Of rows that are in memory only, the newest 32 MB
        stay. What cannot be deleted is passed over.
        """
        trimmed = self._trim_memory()
        if self._max_bytes is None:
            return trimmed
        files = [*self._damaged.files(), *self._conflicts.files(), *sorted(self._files())]
        for path, rows in delete_oldest(files, self._max_bytes):
            if path.parent != self._damaged.directory:
                trimmed.append(Trimmed(_run_of(path), rows))
        return trimmed

    def _trim_memory(self) -> list[Trimmed]:
        sizes = {run: sum(map(len, held.unwritten)) for run, held in self._rounds.items()}
        total, trimmed = sum(sizes.values()), []
        for run in sorted(sizes):
            if total <= _MOST_UNWRITTEN_MB * _MEGABYTE:
                break
            trimmed.append(Trimmed(run, len(self._rounds.pop(run).unwritten)))
            total -= sizes[run]
        return trimmed

    def _seal(self, run: str) -> SealedRound:
        raw, held = self._raw(run), self._rounds.get(run)
        if held is not None and not held.resumed:
            sealed = seal_rows(held.rows, held.lines, self._judge)
        else:
            # A disk that filled up half-way may hold rows that are still in memory too.
            sealed = seal([*read_lines(raw), *(held.lines if held else ())], self._judge)
        try:
            if sealed.unread:
                self._damaged.keep(run, sealed.unread, compressed=False)
            if sealed.payload is not None:
                write_whole(self._sealed(run), sealed.payload)
            # A round of nothing but damage waits for its turn to be told.
            if sealed.payload is not None or not sealed.unread:
                raw.unlink(missing_ok=True)
        except OSError as fault:
            self.fault = fault
            if held is not None and not held.unwritten:
                self._rounds.pop(run)
        else:
            self.fault = None
            self._rounds.pop(run, None)
        return sealed

    def _ship(self, run: str, inbox: Inbox) -> Shipped:
        path = self._sealed(run)
        garbled = False
        if self._fresh is not None and self._fresh[0] == run:
            sealed, self._fresh = self._fresh[1], None
        else:
            found = path.exists()
            sealed = read_sealed(path) if found else self._seal(run)
            garbled = found and sealed.unread != b""
        conflict = None
        try:
            if sealed.payload is not None:
                key = inbox_key(self._vantage, run)
                if not inbox.create(key, sealed.payload) and not _holds(inbox, key, sealed.payload):
                    whole = None if garbled else path
                    conflict = self._conflicts.keep(run, sealed.payload, file=whole)
            # On a full disk this may fail where deleting does not, and deleting makes room for it.
            remembered = sealed.payload is None or self._shipped.add(run)
            if garbled:
                self._damaged.keep(run, sealed.unread, file=path)
            path.unlink(missing_ok=True)
            self._raw(run).unlink(missing_ok=True)
        except OSError as fault:
            raise SpoolError(f"spool {path}: {fault.strerror or fault}") from None
        if not remembered:
            self._shipped.add(run)
        self._rounds.pop(run, None)
        # Sealed by a process that did not come to tell.
        damaged = max(sealed.damaged, self._damaged.lines(run))
        if conflict is not None:
            return Shipped(run, 0, damaged, conflict, conflict_rows=sealed.rows)
        return Shipped(run, sealed.rows, damaged)

    def _sweep(self) -> None:
        """Remove what a killed process was in the middle of writing; it is still there in its first form."""
        for folder in (Aside(self._directory), self._conflicts, self._damaged):
            folder.sweep()

    def _files(self) -> list[Path]:
        """What waits, sealed or not."""
        return [path for path in self._directory.glob("*.jsonl*") if _ROUND.fullmatch(path.name)]

    def _raw(self, run: str) -> Path:
        return self._directory / f"{run}.jsonl"

    def _sealed(self, run: str) -> Path:
        return self._directory / f"{run}.jsonl.gz"


def _run_of(path: Path) -> str:
    return path.name.partition(".jsonl")[0]


def _holds(inbox: Inbox, key: str, payload: bytes) -> bool:
    """Whether an object is this very round, put there before the spool could note it.

    Who may write the store but not read it cannot tell; the round is then set aside rather than lost.
    """
    try:
        return same_rows(inbox.read(key), payload)
    except StoreDeniedError:
        return False
