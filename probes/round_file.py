"""One round on its way: rows written as they are measured, then sealed as the object the store will hold.

A round that is being measured is ``RUN_ID.jsonl``, a line per row. A sealed one is ``RUN_ID.jsonl.gz``: the
rows as they were judged together, byte for byte what goes to the store, so that a repeated try puts the same.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probes.record import Measurement, from_json

Judge = Callable[[Sequence[Measurement]], list[Measurement]]

_GZIP: Final = 16 + zlib.MAX_WBITS
_CHUNK: Final = 4096

# The last level is twice the work for a twentieth of the size.
_LEVEL: Final = 6


class SpoolError(Exception):
    """The spool itself cannot be written."""


@dataclass(frozen=True, slots=True)
class SealedRound:
    """A whole round: ``payload`` is None when it has no row; ``damaged`` lines could not be read back.

    ``unread`` is what these were found in: the lines alone, or the whole of an object that a disk garbled.
    Of a round that was sealed here and not read back, ``judged`` are its rows and ``text`` their lines.
    """

    payload: bytes | None
    rows: int
    damaged: int
    judged: Sequence[Measurement] = ()
    text: bytes = b""
    unread: bytes = b""


class RoundFile:
    """A round being measured. What it holds in memory outlives a disk that does not take it.

    ``resumed`` is whether the file held something before.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[Measurement] = []
        self.lines: list[bytes] = []
        self._written = 0
        self._descriptor: int | None = None
        self._good = 0
        self.fault: OSError | None = None
        self._open()
        self.resumed = self._good > 0

    @property
    def unwritten(self) -> list[bytes]:
        """The lines that are in memory only."""
        return self.lines[self._written :]

    def append(self, rows: Sequence[Measurement]) -> None:
        """Write rows; they outlive this process from here on. A full disk shows in ``fault``."""
        self.rows += rows
        self.lines += [row.to_json().encode() for row in rows]
        if self._written == len(self.lines):
            return
        if self._descriptor is None:
            self._open()
        if self._descriptor is None:
            return
        data = b"\n".join(self.unwritten) + b"\n"
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
        self._written = len(self.lines)
        self._good = os.fstat(self._descriptor).st_size

    def close(self) -> None:
        """Try once more what the disk refused. Sealing is what makes rows outlive a power cut."""
        self.append(())
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        # A full disk may refuse a new file too; the round is measured all the same.
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._good = os.fstat(self._descriptor).st_size
        except OSError as fault:
            self.fault = fault


def seal(lines: Iterable[bytes], judge: Judge) -> SealedRound:
    """The round that lines read back make. Equal lines count once.

    A line of another schema, or with a failure class this version does not know, cannot be read either.
    """
    rows, sound, unread = [], [], []
    for line in dict.fromkeys(lines):
        try:
            rows.append(from_json(line))
        except (ValueError, TypeError):
            unread.append(line)
        else:
            sound.append(line)
    return seal_rows(rows, sound, judge, unread)


def seal_rows(
    rows: Sequence[Measurement], lines: Sequence[bytes], judge: Judge, unread: Sequence[bytes] = ()
) -> SealedRound:
    """The same for rows at hand, each with its line."""
    judged = judge(rows) if rows else []
    left = b"".join(line + b"\n" for line in unread)
    if not judged:
        return SealedRound(None, 0, len(unread), unread=left)
    # What the judge left alone need not be written anew.
    text = {id(row): line for row, line in zip(rows, lines, strict=True)}
    known = [text[id(row)] if id(row) in text else row.to_json().encode() for row in judged]
    whole = b"\n".join([*known, b""])
    payload = gzip.compress(whole, _LEVEL, mtime=0)
    return SealedRound(payload, len(judged), len(unread), judged, whole, left)


def read_sealed(path: Path) -> SealedRound:
    """Read a sealed round back, or of one that a failing disk garbled what there is. Raises SpoolError."""
    payload = _read(path)
    text, whole = _inflate(payload)
    if whole:
        return SealedRound(payload, text.count(b"\n"), 0)
    # It has been judged already.
    salvaged = seal(_lines(text), list)
    return SealedRound(salvaged.payload, salvaged.rows, max(salvaged.damaged, 1), unread=payload)


def read_lines(path: Path) -> list[bytes]:
    """The lines of a round that is not sealed; none where there is no file. Raises SpoolError."""
    return _lines(_read(path)) if path.exists() else []


def same_rows(payload: bytes, other: bytes) -> bool:
    """Whether two objects hold the same text, whatever compressed it."""
    one, whole = _inflate(payload)
    return whole and (one, True) == _inflate(other)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise SpoolError(f"spool {path}: {fault.strerror or fault}") from None


def _lines(text: bytes) -> list[bytes]:
    return [line for line in text.split(b"\n") if line.strip()]


def _inflate(payload: bytes) -> tuple[bytes, bool]:
    """As much as can be decompressed, and whether that is all of it."""
    inflater = zlib.decompressobj(_GZIP)
    found = bytearray()
    # In pieces, or one bad byte would take with it what came before.
    with contextlib.suppress(zlib.error):
        for start in range(0, len(payload), _CHUNK):
            found += inflater.decompress(payload[start : start + _CHUNK])
    return bytes(found), inflater.eof
