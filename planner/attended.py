"""Long work beside the main thread, so that Ctrl-C is answered at once, whatever the work is at.

A compiled kernel, a solver, a database or an import may not look up for many seconds, and what is interrupted
in the middle of one may be anything. So they work in a thread; the main one waits, and hears. What does not
end soon after it was asked to is left alone, and the process ends without it (:func:`left_alone`).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Final, TypeVar

Result = TypeVar("Result")
Asked = Callable[[], bool]
"""Whether somebody asked to stop."""

PATIENCE_S: Final = 0.5
"""So long is waited, after Ctrl-C, for what the work itself has to say."""

_left: list[Thread] = []


def attended(
    work: Callable[[Asked], Result],
    *,
    so_far: Callable[[], Result | None] = lambda: None,
    worth: Callable[[Result], bool] = lambda result: False,
) -> Result:
    """What ``work`` returns or raises. After Ctrl-C: what it returns then, if soon, or else what there is
    ``so_far``, where it is ``worth`` showing; raises ``KeyboardInterrupt`` where it is not."""
    asked, ended = Event(), Event()
    results, faults = list[Result](), list[BaseException]()

    def run() -> None:
        try:
            results.append(work(asked.is_set))
        except BaseException as fault:  # noqa: BLE001 - raised again in who waits
            faults.append(fault)
        ended.set()

    thread = Thread(target=run, name="attended", daemon=True)
    try:
        thread.start()
        ended.wait()
    except KeyboardInterrupt:
        asked.set()
        if not ended.wait(PATIENCE_S):
            _left.append(thread)
            found = so_far()
            if found is None or not worth(found):
                raise
            return found
        if results and not worth(results[0]):
            raise
    if faults:
        raise faults[0]
    return results[0]


def left_alone() -> bool:
    """Whether some work is still at it that nobody waits for: the interpreter must not wait for it either."""
    return any(thread.is_alive() for thread in _left)
