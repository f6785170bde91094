"""One event loop for every sample in flight: paced starts, timeouts, a hard deadline [I/O].

It knows nothing of protocols. A :class:`Probe` is one sample: the loop starts it when its turn has come,
hands it what its descriptors report, and ends it when its time is up. Starts come in small batches between
two looks at the descriptors, so that a thousand starts never stand between a reply and its reader.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import resource
import select
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from probes.kernel import LINUX
from probes.record import Clock, Failure, Transport

_EPOLL: Final = hasattr(select, "epoll")

# The numbers are the same for epoll and poll.
READABLE: Final = 0x01
WRITABLE: Final = 0x04

BATCH: Final = 32

# A signal does not wake a poll (PEP 475), so a stop is noticed this late at worst.
_LONGEST_WAIT_S: Final = 0.2

# What has ended but was not handed on would be lost with the process, and holds memory: never more than this.
_MOST_UNDRAINED: Final = 64
_HANDFUL: Final = 16
_SHORT_NS: Final = 2_000_000

# Each time a sleeping process is woken costs as much as several replies do, so with this many under way they
# are taken together, this often at most. The kernel's stamps do not mind being read a little later.
_MANY: Final = 32
_GATHER_NS: Final = 1_000_000 if LINUX else 0

# A turn that took this much longer than it meant to wait is time this process was away.
_AWAY_NS: Final = 50_000_000

# A look for what is there already takes less.
_ASLEEP_NS: Final = 100_000

# While there is always something to read, expired probes are looked for this often.
_BUSY_NS: Final = 100_000_000

_SPARE_DESCRIPTORS: Final = 64
_MOST_IN_FLIGHT: Final = 8192
_MOST_EVENTS: Final = 2 * _MOST_IN_FLIGHT

Handler = Callable[[int], None]
Ending = Literal["timeout", "deadline"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one sample found, in the protocol's own terms; times in milliseconds, None for absent.

    Each field goes into the Measurement's field of the same name, which says what it means.
    """

    clock: Clock
    failure: Failure | None = None
    rtt_ms: float | None = None
    dns_ms: float | None = None
    connect_ms: float | None = None
    tls_ms: float | None = None
    ttfb_ms: float | None = None
    retransmits: int | None = None
    reason: str | None = None
    transport: Transport | None = None
    warm: bool | None = None
    rcode: str | None = None
    ttl_s: int | None = None
    tls_version: str | None = None
    tls_cipher: str | None = None
    certificate_days: float | None = None
    http_status: int | None = None
    http_version: str | None = None
    crypto_ms: float | None = None
    lag_ms: float | None = None

    def stepped(self) -> Finding:
        """The same where somebody set the clock meanwhile: no time that the clock had a part in is left."""
        return replace(
            self,
            failure="clock_step",
            reason=None,
            rtt_ms=None,
            dns_ms=None,
            tls_ms=None,
            ttfb_ms=None,
            lag_ms=None,
        )


class Probe(ABC):
    """One sample in flight. A protocol subclasses it; the loop sets the times (ns) and ``ending``.

    ``intended_ns`` and ``started_ns`` are monotonic, ``wall_ns`` is UTC. ``ending`` tells why the loop cut it
    short, None when it came to its own end; ``begun`` whether it was started at all.
    """

    __slots__ = ("away_ns", "begun", "ending", "intended_ns", "over", "started_ns", "wall_ns")

    def __init__(self) -> None:
        self.intended_ns = self.started_ns = self.wall_ns = self.away_ns = 0
        self.begun = self.over = False
        self.ending: Ending | None = None

    @abstractmethod
    def start(self, loop: Loop) -> None:
        """Begin without blocking; call ``loop.finish(self)`` when it is over, at once or later."""

    @abstractmethod
    def cancel(self, loop: Loop) -> None:
        """Time is up: note what there is to note and let go of every descriptor. Not to call finish()."""

    @abstractmethod
    def finding(self) -> Finding:
        """What was found. Called once, after the end and off the timing path, so it may parse at leisure."""


@dataclass(slots=True)
class Loop:
    """The loop of one round. ``stop`` is asked between turns; once true, nothing further is started.

    ``idle`` is told for how many seconds nothing is due, just before the loop waits for what may arrive.
    ``finished`` gathers ended probes until ``run``'s ``drain`` takes them. What a handler is told of came
    after ``looked_ns`` (monotonic), as far as the loop can tell.
    """

    stop: Callable[[], bool] = lambda: False
    idle: Callable[[float], None] | None = None
    finished: list[Probe] = field(default_factory=list)
    in_flight: int = 0
    looked_ns: int = 0
    _looking_ns: int = 0
    _waited_ns: int = 0
    _away_ns: int = 0
    _handlers: dict[int, Handler] = field(default_factory=dict)
    _poller: Any = field(default_factory=lambda: select.epoll() if _EPOLL else select.poll())

    def watch(self, descriptor: int, events: int, handler: Handler) -> None:
        """Call ``handler`` with what the descriptor reports (errors and hang-ups included)."""
        if descriptor in self._handlers:
            self._poller.modify(descriptor, events)
        else:
            self._poller.register(descriptor, events)
        self._handlers[descriptor] = handler

    def forget(self, descriptor: int, *, closing: bool = False) -> None:
        """No longer watch a descriptor; to be called before it is closed. ``closing``: at once, which takes
        it out of an epoll by itself and saves a system call."""
        if self._handlers.pop(descriptor, None) is not None and not (closing and _EPOLL):
            self._poller.unregister(descriptor)

    def finish(self, probe: Probe) -> None:
        """The probe has come to its end."""
        if not probe.over:
            probe.over = True
            self.in_flight -= 1
            self.finished.append(probe)

    def close(self) -> None:
        """Release the poller; the descriptors belong to whoever opened them."""
        if _EPOLL:
            self._poller.close()

    def run(
        self,
        probes: Iterable[Probe],
        *,
        timeout_ns: int,
        deadline_ns: int,
        drain: Callable[[list[Probe]], None],
        most_in_flight: int = _MOST_IN_FLIGHT,
    ) -> None:
        """Start each probe at its ``intended_ns`` (ascending) and see all of them to an end.

        ``probes`` are taken one by one as their turn comes, and let go of once they have been drained. Every
        probe ends: by itself, ``timeout_ns`` after its start, or at ``deadline_ns`` (monotonic), where those
        never started end too. What this process was away for (stopped, starved, busy with others) does not
        count towards the timeout, since it could not have noticed an answer. ``drain`` is given ended probes
        when the loop has nothing better to do, and the rest at the end. After a stop the probes in flight and
        those not started are dropped.
        """
        waiting = iter(probes)
        following = next(waiting, None)
        running: collections.deque[Probe] = collections.deque()
        woken = expired = 0
        turned, self._waited_ns = time.monotonic_ns(), 0
        self._looking_ns = self.looked_ns = turned
        while following is not None or self.in_flight:
            now = time.monotonic_ns()
            if now >= deadline_ns or self.stop():
                break
            batch = 0
            while (
                following is not None
                and batch < BATCH
                and self.in_flight < most_in_flight
                and following.intended_ns <= now
            ):
                running.append(following)
                self._start(following)
                following, batch = next(waiting, None), batch + 1
            # First all that has arrived, then what has expired.
            idle = not self._dispatch(0.0)
            now = time.monotonic_ns()
            away, self._waited_ns, turned = now - turned - self._waited_ns, 0, now
            if away > _AWAY_NS:
                self._away_ns += away
            if idle or now - expired > _BUSY_NS:
                self._expire(running, now - timeout_ns)
                expired = now
            wake = deadline_ns
            if running:
                wake = min(wake, self._begin_ns(running[0]) + timeout_ns)
            if following is not None and self.in_flight < most_in_flight:
                wake = min(wake, following.intended_ns)
            # What has ended is handed on before a wait of any length, and in handfuls before short ones.
            if len(self.finished) >= (_HANDFUL if idle else _MOST_UNDRAINED) or (
                idle and wake - now > _SHORT_NS
            ):
                self._drain(drain)
            if idle and (following is not None or self.in_flight):
                if self.idle is not None:
                    self.idle((wake - time.monotonic_ns()) / 1e9)
                woken = self._gather(woken, wake)
                self._dispatch(max(wake - time.monotonic_ns(), 0) / 1e9)
        self._dispatch(0.0)
        self._cut(running)
        self._drain(drain)
        if following is not None and not self.stop():
            for probe in itertools.chain([following], waiting):
                probe.started_ns, probe.wall_ns = time.monotonic_ns(), time.time_ns()
                probe.ending, probe.over = "deadline", True
                self.finished.append(probe)
                if len(self.finished) >= _MOST_UNDRAINED:
                    self._drain(drain)
            self._drain(drain)

    def _begin_ns(self, probe: Probe) -> int:
        """When a probe was started, less what this process has been away for since."""
        return probe.started_ns + self._away_ns - probe.away_ns

    def _expire(self, running: collections.deque[Probe], limit_ns: int) -> None:
        """End what was started before ``limit_ns``: all have the same timeout, so those at the front."""
        while running and (running[0].over or self._begin_ns(running[0]) <= limit_ns):
            self._end(running.popleft(), "timeout")
        # One that is slow must not keep all that came after it, and ended, in memory.
        if len(running) > 2 * self.in_flight + _MOST_UNDRAINED:
            left = [probe for probe in running if not probe.over]
            running.clear()
            running.extend(left)

    def _gather(self, woken: int, wake: int) -> int:
        """Where much is under way, wait a little before waiting for one event; when that was over."""
        now = time.monotonic_ns()
        span = min(woken + _GATHER_NS, wake) - now
        if span <= 0 or self.in_flight < _MANY:
            return now
        time.sleep(span / 1e9)
        self._waited_ns += span
        return time.monotonic_ns()

    def _start(self, probe: Probe) -> None:
        self.in_flight += 1
        probe.begun, probe.away_ns = True, self._away_ns
        probe.started_ns = time.monotonic_ns()
        probe.wall_ns = time.time_ns()
        probe.start(self)

    def _end(self, probe: Probe, ending: Ending) -> None:
        if not probe.over:
            probe.ending = ending
            probe.cancel(self)
            self.finish(probe)

    def _cut(self, running: collections.deque[Probe]) -> None:
        """The round is over: end what is under way, or drop it after a stop."""
        stopped = self.stop()
        for probe in running:
            if stopped and not probe.over:
                probe.cancel(self)
                probe.over = True
                self.in_flight -= 1
            else:
                self._end(probe, "deadline")

    def _dispatch(self, wait_s: float) -> bool:
        """Hand out what the descriptors report within ``wait_s``; whether there was anything."""
        wait_s = min(wait_s, _LONGEST_WAIT_S)
        before = time.monotonic_ns()
        ready = self._poller.poll(wait_s, _MOST_EVENTS) if _EPOLL else self._poller.poll(wait_s * 1000)
        after = time.monotonic_ns()
        self._waited_ns += min(after - before, round(wait_s * 1e9))
        # Woken from waiting, it was for what has just come; else that may have come since the last look.
        woken = wait_s > 0 and after - before > _ASLEEP_NS
        self.looked_ns, self._looking_ns = after if woken else self._looking_ns, after
        for descriptor, events in ready:
            handler = self._handlers.get(descriptor)
            # A handler earlier in this list may have closed this one.
            if handler is not None:
                handler(events)
        return bool(ready)

    def _drain(self, drain: Callable[[list[Probe]], None]) -> None:
        if self.finished:
            ended, self.finished = self.finished, []
            drain(ended)


def descriptors_for_probes(others: int = 0) -> int:
    """How many probes may hold a descriptor at once beside ``others`` that are or will be open; raises this
    process's soft limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = _SPARE_DESCRIPTORS + others
    wanted = _MOST_IN_FLIGHT + spare
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < limit:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            soft = limit
    if soft == resource.RLIM_INFINITY:
        soft = wanted
    return max(min(soft, wanted) - spare, 1)
