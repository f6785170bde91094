"""Solving in a thread of its own, so that the page shows what is found so far and answers meanwhile.

A script run of Streamlit's ends early when the reader moves the next slider, but only where it calls
Streamlit, never inside a solver. So solvers run beside it. A job that nobody follows any more stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Any, Generic, TypeVar

from planner.solver.interrupt import stopped_by

Value = TypeVar("Value")
Say = Callable[[int, int, str], None]
Tell = Callable[[Any], None]

PATIENCE_S = 15.0
"""A job whose followers have not looked for so long (their tab was closed) stops."""


@dataclass(slots=True)
class Job(Generic[Value]):
    """``latest``: the best answer so far; ``result``: the final one. Nothing of both while there is none.

    ``stopped``: it ended early because nobody followed it; its result is not the answer to its question.
    """

    words: tuple[int, int, str] = (0, 1, "")
    latest: Value | None = None
    result: Value | None = None
    fault: Exception | None = None
    done: bool = False
    stopped: bool = False
    news: Condition = field(default_factory=Condition)
    followers: dict[str, float] = field(default_factory=dict)

    def wait(self, follower: str, seconds: float, seen: Value | None = None) -> None:
        """Until it is done or has a better answer than ``seen``, or for so many seconds."""
        with self.news:
            self.followers[follower] = time.monotonic()
            self.news.wait_for(lambda: self.done or self.latest is not seen, seconds)

    def leave(self, follower: str) -> None:
        """This one does not wait for it any more."""
        with self.news:
            self.followers.pop(follower, None)

    def unwanted(self) -> bool:
        """Whether nobody waits for it."""
        with self.news:
            now = time.monotonic()
            self.stopped = self.stopped or all(now - at > PATIENCE_S for at in self.followers.values())
            return self.stopped

    def say(self, done: int, total: int, words: str) -> None:
        """How far it is."""
        self.words = (done, total, words)

    def tell(self, answer: Value) -> None:
        """A better answer than the one before."""
        with self.news:
            self.latest = answer
            self.news.notify_all()

    def run(self, work: Callable[[Say, Tell], Value], keep: Callable[[Job[Value]], None]) -> None:
        """The thread's own part; ``keep`` is called once it has ended and before anybody hears of it."""
        try:
            with stopped_by(self.unwanted):
                self.result = work(self.say, self.tell)
        except Exception as fault:  # noqa: BLE001 - raised again in whoever follows
            self.fault = fault
        keep(self)
        with self.news:
            self.done = True
            self.news.notify_all()


@dataclass(slots=True)
class Jobs:
    """The jobs at work, each under its key; safe to share between sessions."""

    running: dict[str, Job[Any]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: str) -> Job[Any] | None:
        """The job at work under ``key``; one that has been told to stop does not count."""
        with self.lock:
            job = self.running.get(key)
            return None if job is None or job.stopped else job

    def start(
        self, key: str, follower: str, work: Callable[[Say, Tell], Value], keep: Callable[[Value], None]
    ) -> Job[Value]:
        """Start it; ``keep`` takes its result, unless it was stopped."""
        job: Job[Value] = Job(followers={follower: time.monotonic()})

        def ended(job: Job[Value]) -> None:
            if job.result is not None and not job.stopped:
                keep(job.result)
            with self.lock:
                if self.running.get(key) is job:
                    del self.running[key]

        with self.lock:
            self.running[key] = job
        Thread(target=job.run, args=(work, ended), name=f"job {key[:8]}", daemon=True).start()
        return job
