"""The spool's bound: what goes when more waits than there is room for [I/O]."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from probes.round_file import SpoolError, read_lines, read_sealed


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A round that was deleted unshipped to keep the spool within its bound.

    ``rows`` is None where it could not be read.
    """

    run_id: str
    rows: int | None


def delete_oldest(files: Sequence[Path], most_bytes: float) -> Iterator[tuple[Path, int | None]]:
    """Delete from the front of ``files`` until the rest fits; yields what went, and how many rows it held.

    The last one always stays. What is no file, or cannot be deleted, is passed over.
    """
    sizes = {path: size for path in files if (size := _size(path)) is not None}
    total = sum(sizes.values())
    for path in list(sizes)[:-1]:
        if total <= most_bytes:
            return
        rows = _rows_in(path)
        try:
            path.unlink()
        except OSError:
            continue
        total -= sizes[path]
        yield path, rows


def _size(path: Path) -> int | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _rows_in(path: Path) -> int | None:
    try:
        return read_sealed(path).rows if path.suffix == ".gz" else len(read_lines(path))
    except SpoolError:
        return None
