"""A round as it happens, in place at a terminal [I/O].

Measuring comes first. The view is drawn when the loop has nothing due for a while, at most a few times a
second; it shows no more series than fit, so that a frame costs about as much whatever the round's size;
and it never waits for the terminal, which may be slow, or stopped by Ctrl-S.
"""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import time
from collections.abc import Sequence
from typing import Final

from probes.record import Measurement
from probes.report import layout
from probes.series import Series, SeriesKey, add_rows

# As often as figures can be read, where the loop has this much time: a frame takes well under a millisecond.
_PERIOD_S: Final = 0.15
_ROOM_S: Final = 0.002

# A loop that is always busy shows something too; and seconds pass without any sample.
_OVERDUE_S: Final = 0.5
_SECOND_S: Final = 1.0

_PATIENCE_S: Final = 0.2
_FALLBACK: Final = (80, 24)
_ERASE_LINE: Final = "\x1b[K"
_ERASE_BELOW: Final = "\x1b[J"


class Live:
    """The view of one round. What stood on the terminal before it is left as it was."""

    def __init__(self, descriptor: int, *, colour: bool) -> None:
        # A file description of its own: the shell's must not become non-blocking. Raises OSError.
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK
        self._terminal = os.open(os.ttyname(descriptor), flags)
        self._colour = colour
        self._found: dict[SeriesKey, Series] = {}
        self._expected = self._count = self._failed = 0
        self._began_s = self._drawn_s = time.monotonic()
        self._frame: list[str] = []
        self._unsent = b""
        self._changed = True

    def expect(self, rows: int) -> None:
        """The round will give this many rows."""
        self._expected = rows
        self._changed = True

    def rows(self, rows: Sequence[Measurement]) -> None:
        """More rows, as they come."""
        add_rows(self._found, rows)
        self._count += len(rows)
        self._failed += sum(row.failure is not None for row in rows)
        self._changed = True
        if time.monotonic() - self._drawn_s > _OVERDUE_S:
            self._draw()

    def idle(self, span_s: float) -> None:
        """Nothing is due for ``span_s``: a time to draw."""
        since_s = time.monotonic() - self._drawn_s
        if span_s >= _ROOM_S and since_s > (_PERIOD_S if self._changed else _SECOND_S):
            self._draw()

    def close(self) -> bytes:
        """Take the view off the terminal, which is waited for a moment only; what it did not take by then."""
        if self._frame:
            self._send(f"{self._to_the_top(self._width())}{_ERASE_BELOW}")
        end = time.monotonic() + _PATIENCE_S
        while self._unsent and (left_s := end - time.monotonic()) > 0:
            select.select([], [self._terminal], [], left_s)
            self._flush()
        os.close(self._terminal)
        return self._unsent

    def _draw(self) -> None:
        self._drawn_s = time.monotonic()
        self._changed = False
        self._flush()
        if self._unsent:
            return
        width, height = self._size()
        # A line as wide as the terminal would leave the cursor in doubt.
        frame = [*self._table(width - 1, height - 2), self._status()[: width - 1]]
        if frame == self._frame:
            return
        text = "\r\n".join(f"{line}{_ERASE_LINE}" for line in frame)
        self._send(f"{self._to_the_top(width)}{text}{_ERASE_BELOW}")
        self._frame = frame

    def _table(self, width: int, height: int) -> list[str]:
        """The series that fit, in their own order where all do, else the worst of them."""
        shown = list(self._found.values())
        if not shown or height < 3:
            return []
        hidden = 0
        if len(shown) + 1 > height:
            hidden = len(shown) - (height - 2)
            shown = heapq.nlargest(height - 2, shown, key=lambda series: (series.lost, series.slowest_ms))
        lines = layout(shown, width=width, cut=True, colour=self._colour)
        return [*lines, f"and {hidden} more, none of them worse"[:width]] if hidden else lines

    def _status(self) -> str:
        took_s = time.monotonic() - self._began_s
        if not self._expected:
            return f"resolving names, {took_s:.0f} s"
        return f"{self._count}/{self._expected} samples, {self._failed} failed, {took_s:.0f} s"

    def _to_the_top(self, width: int) -> str:
        """To where the last frame began, for a terminal that has wrapped its lines anew."""
        rows = sum(max(-(-_columns(line) // width), 1) for line in self._frame)
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"

    def _width(self) -> int:
        return self._size()[0]

    def _size(self) -> tuple[int, int]:
        # Not shutil's: that asks stdout, and believes a COLUMNS that was true before the window was resized.
        with contextlib.suppress(OSError):
            width, height = os.get_terminal_size(self._terminal)
            if width > 1 and height > 1:
                return width, height
        return _FALLBACK

    def _send(self, text: str) -> None:
        self._unsent += text.encode("utf-8", "replace")
        self._flush()

    def _flush(self) -> None:
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(self._terminal, self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            # The terminal has gone; measuring goes on.
            self._unsent = b""


def _columns(line: str) -> int:
    """How wide a line of a frame is, its colours aside."""
    start, end = line.find("\x1b["), line.rfind("\x1b[")
    return len(line) if start < 0 else len(line) - (line.find("m", start) - start + 1) - (len(line) - end)
