"""Asking a solve to stop with what it has: Ctrl-C, or from another thread.

The first Ctrl-C asks for what was found so far, the second ends the program as ever. A page, whose solves
run in threads of their own, answers a question instead.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_asked = False
_listening = False
_here = threading.local()


def stop_asked() -> bool:
    """Whether somebody pressed Ctrl-C since the outermost :func:`stoppable` began, or this thread's question
    (:func:`stopped_by`) is answered with yes."""
    asked: Callable[[], bool] | None = getattr(_here, "asked", None)
    return _asked or (asked is not None and asked())


def late(deadline: float | None) -> bool:
    """Whether ``deadline``, by ``time.perf_counter``, has passed, or somebody asked to stop."""
    return stop_asked() or (deadline is not None and time.perf_counter() >= deadline)


@contextmanager
def stopped_by(asked: Callable[[], bool]) -> Iterator[None]:
    """Within this, solves of this thread stop as at their time limit once ``asked`` is true."""
    before, _here.asked = getattr(_here, "asked", None), asked
    try:
        yield
    finally:
        _here.asked = before


@contextmanager
def stoppable() -> Iterator[None]:
    """Within this, a first Ctrl-C only asks to stop: everything that solves is then :func:`late`.

    Signals reach the main thread alone; elsewhere, and within another ``stoppable``, this does nothing. Where
    somebody else handles SIGINT already, it stays theirs.
    """
    global _asked, _listening
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if _listening or not ours or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        global _asked
        if _asked:
            raise KeyboardInterrupt
        _asked = True

    _listening, _asked = True, False
    signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _listening, _asked = False, False
