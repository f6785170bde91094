"""What ends a process that must not hang, or that was told to end while it waits for something [I/O]."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import threading

# What tells of a filesystem that hangs may hang itself.
_LAST_WORDS_S: Final = 6.0

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_EXIT_SIGNAL: Final = 128
_NAP_S: Final = 0.2


class Watchdog:
    """Within its block, ends the process with ``code`` when ``span_s`` pass without :meth:`reset`.

    ``last_words`` is called before that, and is given a few seconds.
    """

    def __init__(self, span_s: float, code: int, last_words: Callable[[], None]) -> None:
        self._span_s, self._code, self._last_words = span_s, code, last_words
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Watchdog:
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancel()

    def reset(self) -> None:
        """Something came of it: begin the span anew."""
        self._cancel()
        self._timer = _start_timer(self._span_s, self._give_up)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        _start_timer(_LAST_WORDS_S, lambda: os._exit(self._code))
        try:
            self._last_words()
        finally:
            os._exit(self._code)


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Within the block, end the process at once on SIGTERM or Ctrl-C, with exit code 128 + n.

    A handler would have to wait for the call that is under way, which may be a library's own and take long.
    """
    import threading

    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            found = signal.sigtimedwait(_SIGNALS, _NAP_S)
            if found is not None:
                os._exit(_EXIT_SIGNAL + found.si_signo)

    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_timer(span_s: float, end: Callable[[], None]) -> threading.Timer:
    import threading

    timer = threading.Timer(span_s, end)
    timer.daemon = True
    timer.start()
    return timer
