"""The local spool: rows are here the moment they are measured, and leave when the store has them [I/O].

Under ``<spool>/<vantage>/``: ``lock``; ``RUN_ID.jsonl``, the round being measured; ``RUN_ID.jsonl.gz``, one
per sealed round that is not yet shipped; ``shipped``, the last run ids the store took; ``conflicts/``, rounds
the store already had with other rows. A process killed at any instant leaves at most a damaged last line, and
a round is removed only after its object exists, or when it is the oldest and the spool has reached its bound.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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

__all__ = ["Shipped", "Spool", "SpoolBusyError", "SpoolError", "Trimmed", "run_id"]

# An hour of one-second rounds, should the clock be set back by that much.
_REMEMBERED: Final = 4000
_RUN_ID_BYTES: Final = 37

_MEGABYTE: Final = 1_000_000

# What neither disk nor store takes is kept for the next try, but not for ever.
_MOST_UNWRITTEN_MB: Final = 32.0


class SpoolBusyError(Exception):
    """Another round of this vantage still runs."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What became of one round: ``rows`` put in the store, ``damaged`` lines left out.

    ``conflict`` names the file set aside when the store had other rows under this run id.
    """

    run_id: str
    rows: int
    damaged: int
    conflict: Path | None = None


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A round that was deleted unshipped to keep the spool within its bound."""

    run_id: str
    rows: int


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
        self._rounds: dict[str, RoundFile] = {}
        self._damaged: dict[str, int] = {}
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
        with contextlib.suppress(OSError):
            return run in (self._directory / "shipped").read_text(encoding="utf-8").split()
        return False

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

    def ship(self, inbox: Inbox, stop: Callable[[], bool] = lambda: False) -> Iterator[Shipped]:
        """Put what is here into the store, oldest first; yields each round as it is taken off the spool.

        What a killed process left is sealed first. ``stop`` is asked before each round; the rest then stays.
        Raises StoreError where the store fails; what has not been yielded by then stays. Raises SpoolError.
        """
        waiting = self.pending()
        for run in waiting:
            if not self._sealed(run).exists():
                self._seal(run)
        for run in waiting:
            if stop():
                return
            yield self._ship(run, inbox)

    def trim(self) -> list[Trimmed]:
        """Delete the oldest rounds until the rest fits the bound; the newest one always stays.

        What was set aside goes before what waits: of those rounds the store has an object. Of rows that are
        in memory only, the newest 32 MB stay. Raises SpoolError.
        """
        trimmed = self._trim_memory()
        files = [*sorted((self._directory / "conflicts").glob("[!.]*")), *sorted(self._files())]
        if self._max_bytes is None:
            return trimmed
        try:
            sizes = {path: path.stat().st_size for path in files}
            total = sum(sizes.values())
            for path in files[:-1]:
                if total <= self._max_bytes:
                    break
                rows = len(read_lines(path)) if path.suffix == ".jsonl" else read_sealed(path).rows
                trimmed.append(Trimmed(_run_of(path), rows))
                path.unlink()
                total -= sizes[path]
        except OSError as fault:
            raise SpoolError(f"spool {self._directory}: {fault.strerror or fault}") from None
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
        if sealed.damaged:
            self._damaged[run] = sealed.damaged
        try:
            if sealed.payload is not None:
                write_whole(self._sealed(run), sealed.payload)
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
        if self._fresh is not None and self._fresh[0] == run:
            sealed, self._fresh = self._fresh[1], None
        else:
            sealed = read_sealed(path) if path.exists() else self._seal(run)
        conflict = None
        if sealed.payload is not None:
            key = inbox_key(self._vantage, run)
            if not inbox.create(key, sealed.payload) and not _holds(inbox, key, sealed.payload):
                conflict = self._set_aside(run, sealed.payload)
        try:
            # On a full disk this may fail where deleting does not, and deleting makes room for it.
            remembered = sealed.payload is None or self._remember(run)
            path.unlink(missing_ok=True)
            self._raw(run).unlink(missing_ok=True)
        except OSError as fault:
            raise SpoolError(f"spool {path}: {fault.strerror or fault}") from None
        if not remembered:
            self._remember(run)
        self._rounds.pop(run, None)
        damaged = max(sealed.damaged, self._damaged.pop(run, 0))
        return Shipped(run, sealed.rows, damaged, conflict)

    def _set_aside(self, run: str, payload: bytes) -> Path:
        # The same rows are set aside once, however often a kill makes us try again.
        digest = hashlib.sha256(payload).hexdigest()[:8]
        aside = self._directory / "conflicts" / f"{run}.jsonl.{digest}.gz"
        try:
            aside.parent.mkdir(exist_ok=True)
            if self._sealed(run).exists():
                self._sealed(run).replace(aside)
            else:
                write_whole(aside, payload)
        except OSError as fault:
            raise SpoolError(f"spool {aside}: {fault.strerror or fault}") from None
        return aside

    def _remember(self, run: str) -> bool:
        shipped = self._directory / "shipped"
        try:
            # A line torn by a kill must not swallow the one after it.
            with shipped.open("a", encoding="utf-8") as file:
                file.write(f"\n{run}\n")
            if shipped.stat().st_size > 2 * _REMEMBERED * _RUN_ID_BYTES:
                known = shipped.read_text(encoding="utf-8").split()
                write_whole(shipped, ("\n".join(known[-_REMEMBERED:]) + "\n").encode())
        except OSError:
            return False
        return True

    def _sweep(self) -> None:
        """Remove what a killed process was in the middle of writing; it is still there in its first form."""
        for draft in (*self._directory.glob(".*.tmp"), *self._directory.glob("conflicts/.*.tmp")):
            with contextlib.suppress(OSError):
                draft.unlink()

    def _files(self) -> list[Path]:
        """What waits, sealed or not."""
        return [*self._directory.glob("[!.]*.jsonl"), *self._directory.glob("[!.]*.jsonl.gz")]

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
