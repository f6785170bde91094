"""What the spool sets aside for a person to look at: rounds and lines that no store will have [I/O]."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from probes.durable import write_whole


class Aside:
    """A folder of such files, named ``RUN_ID.jsonl.DIGEST`` and, where compressed, ``.gz``.

    By the digest the same content is kept once, however often a kill makes the spool try again.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keep(self, run: str, content: bytes, *, file: Path | None = None, compressed: bool = True) -> Path:
        """Keep ``content``, by moving the ``file`` that holds it where there is one. Raises OSError."""
        digest = hashlib.sha256(content).hexdigest()[:8]
        kept = self.directory / f"{run}.jsonl.{digest}{'.gz' if compressed else ''}"
        self.directory.mkdir(exist_ok=True)
        if file is not None and file.exists():
            file.replace(kept)
        else:
            write_whole(kept, content)
        return kept

    def files(self, run: str = "") -> list[Path]:
        """What is here (of one round), oldest round first."""
        return sorted(self.directory.glob(f"{run or '[!.]*'}.jsonl.*"))

    def lines(self, run: str) -> int:
        """How many lines of a round are here uncompressed."""
        found = 0
        for path in self.files(run):
            if path.suffix != ".gz":
                with contextlib.suppress(OSError):
                    found += sum(1 for line in path.read_bytes().split(b"\n") if line)
        return found

    def sweep(self) -> None:
        """Remove what a killed process was in the middle of writing."""
        for draft in self.directory.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                draft.unlink()
