"""What a prober says against what was on the wire."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from benchmarks.agent.probers import Run
from tests.netlab import Packet, wire
from tests.netlab.servers import RECORD_OVER
from tests.netlab.wire import Exchange, pair, quantile

_SOUND = 0.95

# What a protocol times, and the same on the wire; over TLS on port 443.
TIMED: dict[str, tuple[str, Callable[[Iterable[Packet]], list[Exchange]]]] = {
    "tcp": ("rtt_ms", wire.handshakes),
    "tls": ("tls_ms", lambda packets: wire.tls_flights(packets, 443)),
    "http": ("ttfb_ms", lambda packets: wire.first_bytes(packets, 443, record_over=RECORD_OVER)),
}


def during(exchanges: Iterable[Exchange], run: Run) -> list[Exchange]:
    """Those that began in a run."""
    return [one for one in exchanges if run.window[0] <= one.begin_ns <= run.window[1]]


def answered(run: Run, but: Collection[str] = ()) -> list[dict[str, Any]]:
    """All rows. On a sound wire a failure would be ours, so any (``but`` those) ends the benchmark."""
    faults = {row["failure"]: row.get("reason") for row in run.rows if row["failure"] not in (None, *but)}
    if faults:
        raise SystemExit(f"rows failed on a sound wire: {faults}")
    return run.rows


def round_trips(
    rows: Sequence[dict[str, Any]], exchanges: Sequence[Exchange]
) -> list[tuple[dict[str, Any], float]]:
    """Rows of the agent with their round trips on the wire, ms.

    Left out is what has none because something was sent twice, as on a busy host; a row may have failed there
    only, and that must be rare.
    """
    pairs = [(row, one.rtt_ms) for row, one in pair(rows, exchanges) if one.rtt_ms is not None]
    for row, _ in pairs:
        if row["failure"] is not None:
            raise SystemExit(f"a row failed on a sound wire: {row}")
    if len(pairs) < _SOUND * len(rows):
        raise SystemExit(f"of {len(rows)} rows only {len(pairs)} have a round trip on the wire")
    return pairs


def p95_us(rows: Sequence[dict[str, Any]], exchanges: Sequence[Exchange], value: str) -> float:
    """p95 of |what a row of the agent says − what the wire says|, µs."""
    return quantile([abs(row[value] - rtt_ms) * 1000 for row, rtt_ms in round_trips(rows, exchanges)], 0.95)


def peer_p95_us(rows: Sequence[dict[str, Any]], exchanges: Sequence[Exchange], value: str) -> float:
    """The same of a peer, over what it has a value for: its nth row of an address (``sample``, 0 when there
    is one) is the nth exchange."""
    sent: dict[str, list[Exchange]] = {}
    for one in sorted(exchanges, key=lambda one: one.begin_ns):
        sent.setdefault(one.peer[0], []).append(one)
    errors = [
        abs(row[value] - truth) * 1000
        for row in rows
        if row[value] is not None and (truth := sent[row["peer"]][row.get("sample", 0)].rtt_ms) is not None
    ]
    return quantile(errors, 0.95)


def most_in_flight(exchanges: Iterable[Exchange]) -> int:
    """How many exchanges were open at once, at most."""
    moments = sorted(
        moment
        for one in exchanges
        if one.end_ns is not None
        for moment in ((one.begin_ns, 1), (one.end_ns, -1))
    )
    most = now = 0
    for _, step in moments:
        now += step
        most = max(most, now)
    return most


def connections_at_once(packets: Sequence[Packet], run: Run) -> int:
    """How many TCP connections were open at once, at most: from the first SYN to the last packet."""
    spans = [
        Exchange(one[0].peer, one[0].source_port, one[0].ns, one[-1].ns)
        for one in wire.conversations(packets)
    ]
    return most_in_flight(during(spans, run))


def begun_per_s(exchanges: Sequence[Exchange]) -> float:
    """Exchanges begun per second, from the first to the last."""
    begins = sorted(one.begin_ns for one in exchanges)
    return (len(begins) - 1) / ((begins[-1] - begins[0]) / 1e9)
