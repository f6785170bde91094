"""The local spool: rows are here the moment they are measured, and leave when the store has them [I/O].

Under ``<spool>/<vantage>/``: ``lock``; one append-only ``RUN_ID.jsonl`` per round not yet shipped;
``shipped``, the last run ids the store took; ``conflicts/``, rounds the store already had with other rows.
A process killed at any instant leaves at most a damaged last line, and a round is removed only after its
object exists.
"""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from probes.inbox import Inbox, inbox_key
from probes.record import Measurement, from_json

_REMEMBERED: Final = 1000


class SpoolBusyError(Exception):
    """Another round of this vantage still runs."""


class SpoolError(Exception):
    """The spool itself cannot be written."""


@dataclass(frozen=True, slots=True)
class Shipped:
    """What became of one round: ``rows`` put in the store, ``damaged`` lines left out.

    ``conflict`` names the file set aside when the store had other rows under this run id.
    """

    run_id: str
    rows: int
    damaged: int
    conflict: Path | None = None


def run_id(vantage: str, scheduled: datetime) -> str:
    """The name of the round of ``vantage`` scheduled at that moment (aware); the same for a repeat of it.

    >>> run_id("tokyo-1", datetime(2026, 11, 23, 5, tzinfo=UTC))
    '20261123T050000.000000Z-a7bb1d3c288d'
    """
    moment = scheduled.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    digest = hashlib.sha256(f"{vantage}\n{moment}".encode()).hexdigest()
    return f"{moment}-{digest[:12]}"


class Spool:
    """The spool of one vantage. Everything but :meth:`locked` wants the lock held."""

    def __init__(self, directory: Path, vantage: str) -> None:
        self._directory, self._vantage = directory / vantage, vantage
        self._unwritten: dict[str, list[str]] = {}

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
            yield
        finally:
            os.close(descriptor)

    def knows(self, run: str) -> bool:
        """Whether this round was measured already, be it here or shipped."""
        if self._path(run).exists():
            return True
        with contextlib.suppress(OSError):
            return run in (self._directory / "shipped").read_text(encoding="utf-8").split()
        return False

    def open_round(self, run: str) -> RoundFile:
        """Begin a round. Raises SpoolError."""
        return RoundFile(self._path(run), self._unwritten.setdefault(run, []))

    def pending(self) -> list[str]:
        """The run ids not yet shipped, oldest first."""
        found = {path.stem for path in self._directory.glob("*.jsonl")}
        return sorted(found | {run for run, rows in self._unwritten.items() if rows})

    def unwritten(self) -> int:
        """How many rows are in memory only, because the disk did not take them."""
        return sum(len(rows) for rows in self._unwritten.values())

    def ship(self, inbox: Inbox) -> Iterator[Shipped]:
        """Put what is here into the store, oldest first; yields each round as it is taken off the spool.

        Raises StoreError where the store fails; what has not been yielded by then stays. Raises SpoolError.
        """
        for run in self.pending():
            yield self._ship(run, inbox)

    def _ship(self, run: str, inbox: Inbox) -> Shipped:
        path = self._path(run)
        lines, damaged = _rows(path)
        # A disk that filled up half-way may hold rows that are still in memory too.
        lines = list(dict.fromkeys([*lines, *(row.encode() for row in self._unwritten.get(run, ()))]))
        conflict = None
        if lines:
            text = b"\n".join(lines) + b"\n"
            key = inbox_key(self._vantage, run)
            if not inbox.create(key, gzip.compress(text, mtime=0)) and not _holds(inbox.read(key), text):
                conflict = self._set_aside(run, text)
        try:
            if lines:
                self._remember(run)
            path.unlink(missing_ok=True)
        except OSError as fault:
            raise SpoolError(f"spool {path}: {fault.strerror or fault}") from None
        self._unwritten.pop(run, None)
        return Shipped(run, len(lines), damaged, conflict)

    def _set_aside(self, run: str, text: bytes) -> Path:
        aside = self._directory / "conflicts" / f"{run}.jsonl"
        try:
            aside.parent.mkdir(exist_ok=True)
            with aside.open("ab") as file:
                file.write(text)
                os.fsync(file.fileno())
        except OSError as fault:
            raise SpoolError(f"spool {aside}: {fault.strerror or fault}") from None
        return aside

    def _remember(self, run: str) -> None:
        shipped = self._directory / "shipped"
        known = shipped.read_text(encoding="utf-8").split() if shipped.exists() else []
        draft = shipped.with_name(".shipped.tmp")
        draft.write_text("\n".join([*known[-_REMEMBERED + 1 :], run]) + "\n", encoding="utf-8")
        draft.replace(shipped)

    def _path(self, run: str) -> Path:
        return self._directory / f"{run}.jsonl"


class RoundFile:
    """One round being written. Rows the disk did not take are kept in memory, to be shipped from there."""

    def __init__(self, path: Path, unwritten: list[str]) -> None:
        self._path, self._unwritten = path, unwritten
        self.fault: OSError | None = None
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as fault:
            raise SpoolError(f"spool {path}: {fault.strerror or fault}") from None
        self._good = os.fstat(self._descriptor).st_size

    def append(self, rows: Sequence[Measurement]) -> None:
        """Write rows; they outlive this process from here on. A full disk shows in ``fault``."""
        self._unwritten += [row.to_json() for row in rows]
        if not self._unwritten:
            return
        data = ("\n".join(self._unwritten) + "\n").encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as fault:
            self.fault = fault
            # Take the half-written line back, or the next row would be glued to it.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._good)
            return
        self.fault = None
        self._unwritten.clear()
        self._good = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Try once more what the disk refused, and make the rest outlive a power cut."""
        self.append(())
        try:
            os.fsync(self._descriptor)
        except OSError as fault:
            self.fault = fault
        finally:
            os.close(self._descriptor)


def _rows(path: Path) -> tuple[list[bytes], int]:
    """The sound rows of a spool file, and how many lines are not."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return [], 0
    except OSError as fault:
        raise SpoolError(f"spool {path}: {fault.strerror or fault}") from None
    sound, damaged = [], 0
    for line in text.split(b"\n"):
        if not line.strip():
            continue
        try:
            from_json(line)
        except (ValueError, TypeError):
            damaged += 1
        else:
            sound.append(line)
    return sound, damaged


def _holds(payload: bytes, text: bytes) -> bool:
    """Whether an object is this very round, put there before the spool could note it."""
    try:
        return gzip.decompress(payload) == text
    except (OSError, EOFError, zlib.error):
        return False
