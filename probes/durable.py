"""Files that are whole or absent, and outlive a power cut [I/O]."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, payload: bytes, *, mode: int | None = None) -> None:
    """Write a file that is whole from its first moment, and outlives a power cut. Raises OSError.

    ``mode`` is who may read it; None leaves that to the umask.
    """
    draft = path.with_name(f".{path.name}.tmp")
    try:
        with draft.open("wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory outlive a power cut, where its filesystem can. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some network filesystems refuse to sync a directory; the file itself is safe by then.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
