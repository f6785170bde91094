"""The loop alone, with probes that note what happens to them."""

import itertools
import os
import threading
import time
import weakref

import pytest

from probes.loop import BATCH, READABLE, Finding, Loop, Probe, descriptors_for_probes


class Sleeper(Probe):
    """Ends when its pipe is written to, or never; notes when it was started and cancelled."""

    def __init__(self, intended_ns, *, at_once=False):
        super().__init__()
        self.intended_ns, self.at_once = intended_ns, at_once
        self.cancelled = False

    def start(self, loop):
        if self.at_once:
            loop.finish(self)

    def cancel(self, loop):
        self.cancelled = True

    def finding(self):
        return Finding("user")


@pytest.fixture
def loop():
    made = Loop()
    yield made
    made.close()


def run(loop, probes, *, timeout_s=0.2, deadline_s=5.0, **options):
    ended = []
    loop.run(
        probes,
        timeout_ns=round(timeout_s * 1e9),
        deadline_ns=time.monotonic_ns() + round(deadline_s * 1e9),
        drain=ended.extend,
        **options,
    )
    return ended


def test_starts_keep_their_time(loop):
    begin = time.monotonic_ns()
    probes = [Sleeper(begin + n * 10_000_000, at_once=True) for n in range(10)]
    assert run(loop, probes) == probes
    for probe in probes:
        assert 0 <= probe.started_ns - probe.intended_ns < 50_000_000
        assert abs(probe.wall_ns - time.time_ns()) < 5_000_000_000


def test_a_probe_that_says_nothing_times_out(loop):
    probe = Sleeper(time.monotonic_ns())
    began = time.monotonic()
    assert run(loop, [probe], timeout_s=0.1) == [probe]
    assert 0.1 <= time.monotonic() - began < 0.3
    assert (probe.ending, probe.cancelled, probe.over) == ("timeout", True, True)


def test_the_deadline_ends_what_runs_and_what_never_began(loop):
    begin = time.monotonic_ns()
    running, waiting = Sleeper(begin), Sleeper(begin + 60_000_000_000)
    began = time.monotonic()
    assert run(loop, [running, waiting], timeout_s=30, deadline_s=0.1) == [running, waiting]
    assert time.monotonic() - began < 0.5
    assert (running.ending, running.begun, running.cancelled) == ("deadline", True, True)
    assert (waiting.ending, waiting.begun, waiting.cancelled) == ("deadline", False, False)


def test_a_stop_drops_what_has_not_ended():
    stopped = []
    loop = Loop(lambda: bool(stopped))
    begin = time.monotonic_ns()
    quick, slow, never = Sleeper(begin, at_once=True), Sleeper(begin), Sleeper(begin + 10**11)

    def drain(ended):
        stopped.extend(ended)

    loop.run([quick, slow, never], timeout_ns=10**10, deadline_ns=time.monotonic_ns() + 10**10, drain=drain)
    loop.close()
    assert stopped == [quick]
    assert (slow.cancelled, never.cancelled, loop.in_flight) == (True, False, 0)


def test_no_more_in_flight_than_allowed(loop):
    most = []

    class Counter(Sleeper):
        def start(self, loop):
            most.append(loop.in_flight)

    probes = [Counter(time.monotonic_ns()) for _ in range(10)]
    run(loop, probes, timeout_s=0.02, most_in_flight=3)
    assert max(most) == 3
    assert all(probe.over for probe in probes)


def test_a_reply_is_read_between_two_batches_of_starts(loop):
    reading, writing = os.pipe()
    begin = time.monotonic_ns()
    order = []

    class Starter(Sleeper):
        def start(self, loop):
            order.append("start")
            if len(order) == 1:
                os.write(writing, b"x")
            loop.finish(self)

    loop.watch(reading, READABLE, lambda _: (order.append("read"), loop.forget(reading)))
    run(loop, [Starter(begin) for _ in range(4 * BATCH)])
    assert order.index("read") == BATCH
    os.close(reading)
    os.close(writing)


def test_rows_are_handed_on_while_the_loop_is_busy(loop):
    begin = time.monotonic_ns()
    sizes = []
    reading, writing = os.pipe()
    os.write(writing, b"x")  # always readable: the loop is never idle
    loop.watch(reading, READABLE, lambda _: None)
    loop.run(
        [Sleeper(begin, at_once=True) for _ in range(2000)],
        timeout_ns=10**9,
        deadline_ns=begin + 10**10,
        drain=lambda ended: sizes.append(len(ended)),
    )
    assert sum(sizes) == 2000
    assert max(sizes) < 400
    loop.forget(reading)
    os.close(reading)
    os.close(writing)


def test_replies_are_gathered_where_many_are_under_way(loop):
    """They come a fifth of a millisecond apart: taken one by one, each would wake the loop."""
    pipes = [os.pipe() for _ in range(64)]
    waiting = iter(pipes)
    moments = []

    class Reader(Sleeper):
        def start(self, loop):
            self.reading, _ = next(waiting)
            loop.watch(self.reading, READABLE, lambda _: self.read(loop))

        def read(self, loop):
            moments.append(time.monotonic_ns())
            loop.forget(self.reading)
            loop.finish(self)

    def reply():
        for _, writing in pipes:
            time.sleep(0.0002)
            os.write(writing, b"x")

    replies = threading.Thread(target=reply)
    begin = time.monotonic_ns()
    probes = [Reader(begin) for _ in pipes]
    replies.start()
    assert sorted(map(id, run(loop, probes))) == sorted(map(id, probes))
    replies.join()
    for reading, writing in pipes:
        os.close(reading)
        os.close(writing)
    assert {probe.ending for probe in probes} == {None}
    # The first half, while more than a few are under way.
    alone = sum(later - earlier > 100_000 for earlier, later in itertools.pairwise(moments[:32]))
    assert alone < 16


def test_what_has_ended_is_let_go_of_while_others_run(loop):
    """Also behind one that is slow: a round may have a million samples."""
    alive = weakref.WeakSet()
    most = 0

    def probes():
        nonlocal most
        for number in range(5000):
            most = max(most, len(alive))
            probe = Sleeper(0, at_once=number > 0)
            alive.add(probe)
            yield probe

    loop.run(
        probes(),
        timeout_ns=300_000_000,
        deadline_ns=time.monotonic_ns() + 10**10,
        drain=lambda ended: ended.clear(),
    )
    assert most < 1500
    assert len(alive) <= 1


def test_a_process_that_was_away_does_not_blame_the_peer(loop):
    """Its timeout is over when it comes back, and the answer is there."""
    reading, writing = os.pipe()

    class Asker(Sleeper):
        def start(self, loop):
            loop.watch(reading, READABLE, lambda _: (loop.forget(reading), loop.finish(self)))

    class Absent(Sleeper):
        def start(self, loop):
            time.sleep(0.3)
            loop.finish(self)

    class SecondQuestion(Sleeper):
        """Asked before the absence; the answer comes 50 ms after it."""

        def start(self, loop):
            self.timer = threading.Timer(0.35, os.write, (writing, b"x"))
            self.timer.start()
            loop.watch(reading, READABLE, lambda _: (loop.forget(reading), loop.finish(self)))

    begin = time.monotonic_ns()
    asker = Asker(begin)
    os.write(writing, b"x")
    assert [probe.ending for probe in run(loop, [asker, Absent(begin)], timeout_s=0.1)] == [None, None]
    os.read(reading, 1)
    begin = time.monotonic_ns()
    late = SecondQuestion(begin)
    run(loop, [late, Absent(begin)], timeout_s=0.2)
    late.timer.join()
    assert late.ending is None
    os.close(reading)
    os.close(writing)


def test_descriptors_leave_some_to_spare():
    assert 1 <= descriptors_for_probes() <= 8192
