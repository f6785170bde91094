"""The stream that answers are printed on: nobody else prints there, and its loss is told once [I/O]."""

from __future__ import annotations

import io
import os
import sys


def keep_stdout_for_answers() -> None:
    """Move stdout aside and point descriptor 1 at nothing.

    HiGHS prints from C at times even when told not to; neither a reader of our JSON nor a person needs that.
    """
    try:
        descriptor = sys.stdout.fileno()
    except io.UnsupportedOperation:  # somebody captures what we print in memory
        return
    if descriptor != 1:
        return
    sys.stdout.flush()
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stdout = os.fdopen(answers, "w", encoding="utf-8", errors="backslashreplace")


def drop_what_is_left() -> None:
    """Drop what was printed if it cannot be written: whoever read it has gone, or has no room.

    The interpreter would write it at exit, and complain of the same a second time.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
