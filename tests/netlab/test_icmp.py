"""ICMP echoes as ``edgeprobe`` reports them, against the wire; the far kernel answers."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.netlab import SILENCE, Way, spread
from tests.netlab.wire import echoes, pair, quantile


def targets(addresses):
    return [{"site": address, "host": address, "protocols": ["icmp"]} for address in addresses]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("groups", ["0 2147483647", "1 0"], ids=["datagram", "raw"])
def test_round_trips_are_those_of_the_wire(netlab, measured_rows, version, groups):
    """By datagram sockets, which the kernel lets these groups have, and by raw ones, where it lets nobody."""
    ways = spread(200, 5, 150, version)
    lab = netlab(ways)
    lab.near.run(["sh", "-c", f"echo {groups} > /proc/sys/net/ipv4/ping_group_range"])
    rows = measured_rows(lab, targets(ways), samples=2)
    assert [row for row in rows if row["failure"] or row["clock"] != "kernel"] == []
    pairs = pair(rows, echoes(lab.wire()))
    assert len(pairs) == 400
    assert quantile([abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs], 0.95) < 1


def test_what_is_lost_is_a_timeout_and_nothing_else_is(netlab, measured_rows):
    ways = {address: Way(rtt_ms=way.rtt_ms, loss=0.05) for address, way in spread(200, 5, 100).items()}
    lab = netlab(ways, seed=5)
    rows = measured_rows(lab, targets(ways), samples=2, timeout_ms=1000)
    pairs = pair(rows, echoes(lab.wire()))
    assert len(pairs) == 400
    lost = {exchange for _, exchange in pairs if exchange.lost}
    assert len(lost) > 15
    assert {exchange for row, exchange in pairs if row["failure"] == "icmp_timeout"} == lost
    assert {row["failure"] for row, exchange in pairs if exchange not in lost} == {None}


def test_what_comes_twice_or_late_counts_once(netlab, measured_rows):
    way = Way(rtt_ms=20, jitter_ms=30, reorder=0.3, hold_ms=60, duplicate=0.5)
    ways = dict.fromkeys(spread(50, 0, 0), way)
    lab = netlab(ways)
    rows = measured_rows(lab, targets(ways), samples=4)
    pairs = pair(rows, echoes(lab.wire()))
    assert len(pairs) == 200
    assert {row["failure"] for row in rows} == {None}
    # A second copy, or a late reply to an earlier echo, taken for the reply would be far off.
    assert max(abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs) < 15


def test_silence_is_a_timeout(netlab, measured_rows):
    lab = netlab({"10.77.0.1": SILENCE, "10.77.0.2": Way(rtt_ms=5)})
    rows = measured_rows(lab, targets(["10.77.0.1", "10.77.0.2"]), timeout_ms=500)
    assert {row["peer"]: row["failure"] for row in rows} == {"10.77.0.1": "icmp_timeout", "10.77.0.2": None}


@pytest.mark.parametrize("groups", ["0 2147483647", "1 0"], ids=["datagram", "raw"])
def test_a_process_that_is_stopped_blames_nobody(netlab, measured_rows, groups):
    """Longer than its timeout; the replies wait in the kernel, which has stamped them."""
    ways = spread(300, 5, 200)
    lab = netlab(ways)
    lab.near.run(["sh", "-c", f"echo {groups} > /proc/sys/net/ipv4/ping_group_range"])
    stopping = threading.Thread(target=stop_for_a_while, args=(lab,))
    stopping.start()
    rows = measured_rows(lab, targets(ways), samples=2, timeout_ms=600)
    stopping.join()
    assert max(row["lag_ms"] or 0 for row in rows) > 500
    assert [row for row in rows if row["failure"]] == []
    pairs = pair(rows, echoes(lab.wire()))
    assert quantile([abs(row["rtt_ms"] - exchange.rtt_ms) for row, exchange in pairs], 0.95) < 1


def stop_for_a_while(lab):
    """Stop the agent for 1.2 s once its first packets are out."""
    end = time.monotonic() + 20
    while lab.counters()["captured"] < 50 and time.monotonic() < end:
        time.sleep(0.005)
    inside = Path(lab.near.namespace).stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"-m", b"probes"] and (process / "ns/net").stat().st_ino == inside:
                os.kill(int(process.name), signal.SIGSTOP)
                time.sleep(1.2)
                os.kill(int(process.name), signal.SIGCONT)
                return
