"""ICMP echoes as ``edgeprobe`` reports them, against the wire; the far kernel answers."""

from __future__ import annotations

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
