"""How far a long command is, on a terminal [I/O]."""

from __future__ import annotations

import math
import sys
import time
from typing import TextIO


class ProgressLine:
    """Progress on ``stream``: one line that rewrites itself on a terminal, plain lines otherwise."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._rewrites, self._width, self._last = self._stream.isatty(), 0, -math.inf

    def __call__(self, done: int, total: int, words: str) -> None:
        now = time.monotonic()
        if self._rewrites:
            if now - self._last < 0.1 and done < total:
                return
            text = f"{done}/{total} {words}"[:100]
            self._stream.write(f"\r{text.ljust(self._width)}")
            self._width = len(text)
        else:
            self._stream.write(f"{done}/{total} {words}\n")
        self._last = now
        self._stream.flush()

    def clear(self) -> None:
        """Wipe the line, so that what follows starts at the margin."""
        if self._rewrites and self._width:
            self._stream.write(f"\r{' ' * self._width}\r")
            self._stream.flush()
            self._width = 0
