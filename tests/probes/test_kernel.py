"""What the kernel tells, against what is known."""

import os
import socket
import time

from probes import kernel


def test_tcp_info_of_a_fresh_connection():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as made,
    ):
        info = kernel.tcp_info(made)
    assert info.connected
    assert 0 < info.rtt_us < 100_000
    assert info.retransmits == 0


def test_tcp_info_of_a_connection_that_was_not_made():
    with socket.socket() as unmade:
        info = kernel.tcp_info(unmade)
    assert (info.connected, info.rtt_us, info.retransmits) == (False, None, 0)


def test_a_datagram_has_no_tcp_info():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert kernel.tcp_info(datagrams) is None


def test_the_stamp_is_of_the_arrival_and_not_of_the_reading():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        assert kernel.stamp_receives(receiver)
        before = time.time_ns()
        receiver.sendto(b"hello", receiver.getsockname())
        time.sleep(0.2)
        data, stamp_ns = kernel.receive(receiver, 100)
        read = time.time_ns()
    assert data == b"hello"
    assert before <= stamp_ns
    # The kernel may deliver on its other processor a little after sendto has returned.
    assert read - stamp_ns > 100_000_000


def test_no_stamp_was_asked_for():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.sendto(b"hello", receiver.getsockname())
        assert kernel.receive(receiver, 100) == (b"hello", None)


def test_a_clock_nobody_sets_does_not_step_even_when_busy():
    first = kernel.realtime_offset_ns()
    readings = []
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        readings.append(kernel.realtime_offset_ns())
        os.sched_yield()
    assert not any(kernel.stepped(first, reading) for reading in readings)


def test_a_step_is_seen_both_ways():
    assert kernel.stepped(0, 1_000_000)
    assert kernel.stepped(0, -1_000_000)
    assert not kernel.stepped(0, 20_000)
