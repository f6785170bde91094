"""The questions to one resolver that share a socket: what becomes of one when another fails."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

import dns.message
import dns.rrset
import pytest

from probes import dns_exchange, kernel
from probes.dns_exchange import Channel, Exchange
from probes.dns_wire import Question, build_query
from probes.loop import BATCH, Finding, Loop, Probe
from probes.resolvers import Resolver

ADDRESSES = ["127.0.0.58", "::1"]


class Resolving:
    """A resolver that can be closed and opened again at its port. It answers every name at once but ``held``:
    that one when :meth:`answer_held` is called; and ``silent`` never."""

    def __init__(self, address: str) -> None:
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._place: tuple[str, int] = (address, 0)
        self._held: list[tuple[bytes, object]] = []
        self.asked = threading.Semaphore(0)
        self.open()

    @property
    def resolver(self) -> Resolver:
        return Resolver(*self._place)

    def open(self) -> None:
        self._socket = socket.socket(self._family, socket.SOCK_DGRAM)
        self._socket.bind(self._place)
        self._place = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more; from now on the kernel says that nobody does."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2)
        self._socket.close()

    def answer_held(self) -> None:
        for data, peer in self._held:
            self._answer(data, peer)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, peer = self._socket.recvfrom(4096)
                if not data:  # shut down
                    return
                name = dns.message.from_wire(data).question[0].name.to_text()
                if name.startswith("held"):
                    self._held.append((data, peer))
                elif not name.startswith("silent"):
                    self._answer(data, peer)
                self.asked.release()

    def _answer(self, data: bytes, peer: object) -> None:
        reply = dns.message.make_response(dns.message.from_wire(data))
        reply.answer.append(dns.rrset.from_text(reply.question[0].name, 30, "IN", "A", "192.0.2.7"))
        self._socket.sendto(reply.to_wire(), peer)


class Act(Probe):
    """Between one question and the next in the same turn of the loop, do something."""

    def __init__(self, action: Callable[[], object]) -> None:
        super().__init__()
        self._action = action

    def start(self, loop: Loop) -> None:
        self._action()
        loop.finish(self)

    def cancel(self, loop: Loop) -> None:
        """It never waits."""

    def finding(self) -> Finding:
        return Finding("user")


class Round:
    """One resolver, and the agent's channel to it."""

    def __init__(self, address: str) -> None:
        self.server, self.loop = Resolving(address), Loop()
        self.channel = Channel(self.server.resolver, self.loop)

    def ask(self, host: str) -> Exchange:
        return Exchange(self.channel, Question(build_query(f"{host}.test", 4)))

    def run(self, *probes: Probe, timeout_s: float = 0.3) -> list[tuple[str | None, str | None]]:
        """Start all in one turn; failure and reason of those that are questions."""
        assert len(probes) <= BATCH
        self.loop.run(
            probes,
            timeout_ns=round(timeout_s * 1e9),
            deadline_ns=time.monotonic_ns() + 10_000_000_000,
            drain=lambda _: None,
        )
        found = [probe.finding() for probe in probes if isinstance(probe, Exchange)]
        return [(finding.failure, finding.reason) for finding in found]

    def close(self) -> None:
        self.channel.close()
        self.loop.close()
        self.server.close()


@pytest.fixture
def begin() -> Iterator[Callable[..., Round]]:
    with contextlib.ExitStack() as stack:

        def make(address: str = ADDRESSES[0]) -> Round:
            made = Round(address)
            stack.callback(made.close)
            return made

        yield make


GOOD = (None, None)
NOBODY = ("unreachable", "nothing listens there")
OVERFLOWED = ("other", "the receive buffer overflowed")


@pytest.mark.parametrize("address", ADDRESSES)
def test_only_the_question_that_did_not_get_there_fails(begin, address):
    made = begin(address)
    server = made.server

    def close():
        assert server.asked.acquire(timeout=2)
        server.close()

    def open_again():
        server.open()
        server.answer_held()

    held, lost, later = made.ask("held"), made.ask("lost"), made.ask("later")
    assert made.run(held, Act(close), lost, Act(open_again), later) == [GOOD, NOBODY, GOOD]
    assert (lost.reply, lost.finding().rtt_ms, lost.finding().dns_ms) == (None, None, None)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_error_of_one_question_is_not_taken_for_the_next_one_s(begin, address):
    made = begin(address)
    made.server.close()
    # The socket tells the first one's error once more when the second is sent, before any is read.
    assert made.run(made.ask("a"), Act(made.server.open), made.ask("b")) == [NOBODY, GOOD]


def test_all_that_did_not_get_there_fail_at_once(begin):
    made = begin()
    made.server.close()
    begun = time.monotonic()
    assert made.run(*(made.ask(f"n{n}") for n in range(BATCH)), timeout_s=5) == [NOBODY] * BATCH
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize("returned", [b"", b"\x07"])
def test_an_error_that_returns_no_id_is_of_the_question_asked_first(begin, monkeypatch, returned):
    """As of routers that return no more than the UDP header, which the kernel here cannot be made to do."""
    made = begin()
    queued = iter([(errno.EHOSTUNREACH, returned)])
    monkeypatch.setattr(kernel, "queued_error", lambda *_: next(queued, None))
    told = Act(lambda: made.channel._readable(select.POLLERR))
    questions = (made.ask("silent1"), made.ask("silent2"))
    assert made.run(*questions, told) == [("unreachable", "no route to host"), ("dns_timeout", None)]


def test_a_flood_of_errors_is_read_in_turns(begin, monkeypatch):
    made = begin()
    unread = [(errno.ECONNREFUSED, b"\0\0")] * 1000
    monkeypatch.setattr(kernel, "queued_error", lambda *_: unread.pop() if unread else None)
    turns = 0
    while unread:
        made.channel._readable(select.POLLERR)
        turns += 1
    assert turns >= 4


def test_a_reply_that_found_no_room_is_no_loss(begin, monkeypatch):
    monkeypatch.setattr(dns_exchange, "_RECEIVE_BUFFER", 4096)
    made = begin()

    def all_answered():
        for _ in range(BATCH - 1):
            assert made.server.asked.acquire(timeout=2)

    found = made.run(*(made.ask(f"n{n}") for n in range(BATCH - 1)), Act(all_answered))
    assert set(found) == {GOOD, OVERFLOWED}
    # Those that came first had room.
    assert found == sorted(found, key=lambda one: one == OVERFLOWED)
    # What was dropped before a question was asked says nothing of it.
    assert made.channel.dropped() == found.count(OVERFLOWED)
    assert made.run(made.ask("silent"), made.ask("good")) == [("dns_timeout", None), GOOD]


def test_a_loop_that_is_held_up_says_so_and_measures_the_same(begin):
    made = begin()
    held_up, quick = made.ask("a"), made.ask("b")

    def hold_up():
        assert made.server.asked.acquire(timeout=2)
        time.sleep(0.3)

    begun = time.monotonic()
    assert made.run(held_up, Act(hold_up)) == [GOOD]
    taken_ms = (time.monotonic() - begun) * 1000
    found = held_up.finding()
    assert found.rtt_ms < 290
    assert 299 < found.lag_ms < found.rtt_ms + found.lag_ms < taken_ms
    assert made.run(quick) == [GOOD]
    assert quick.finding().lag_ms < 290
