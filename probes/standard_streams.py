"""Standard streams that are closed, full, or read by nobody: none of that is to stop the work [I/O]."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Final, TextIO

_MODES: Final = {"stdin": "r", "stdout": "w", "stderr": "w"}


def open_missing() -> None:
    """Open /dev/null for each standard stream that the process was started without.

    In their order, and before any other file: each gets its own descriptor back, which would else be the
    next file's, and what a library writes to descriptor 2 would end up in there.
    """
    for name, mode in _MODES.items():
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            # A child is to have it too.
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", errors="replace"))


def accept_any_text() -> None:
    """Let what a stream's encoding has no character for be printed as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def discard(stream: TextIO) -> None:
    """Point a stream at nothing from here on, what it still holds included."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)


def settle() -> None:
    """Write what the streams hold, or forget it: at exit, it would become the exit code 120."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            discard(stream)
