"""Which rounds the store took of late: the file ``shipped`` of a spool [I/O]."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from probes.durable import write_whole

# An hour of one-second rounds, should the clock be set back by that much.
_REMEMBERED: Final = 4000
_RUN_ID_BYTES: Final = 37


class ShippedList:
    """The last run ids that were shipped, a line each. A failing disk may have put anything in between."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __contains__(self, run: str) -> bool:
        with contextlib.suppress(OSError):
            return run.encode() in self._path.read_bytes().split()
        return False

    def add(self, run: str) -> bool:
        """Note a round; False where the disk does not take that."""
        try:
            # A line torn by a kill must not swallow the one after it.
            with self._path.open("ab") as file:
                file.write(f"\n{run}\n".encode())
            if self._path.stat().st_size > 2 * _REMEMBERED * _RUN_ID_BYTES:
                known = self._path.read_bytes().split()
                write_whole(self._path, b"\n".join(known[-_REMEMBERED:]) + b"\n")
        except OSError:
            return False
        return True
