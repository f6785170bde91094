"""How far from the wire: the agent and its peers, with many targets in flight [I/O]."""

from __future__ import annotations

from benchmarks.agent import probers
from benchmarks.agent.labs import HIGHEST_MS, LOWEST_MS, ONE_NAME, secure_lab, tcp_lab
from benchmarks.agent.lines import at_once, in_turns, us
from benchmarks.agent.probers import Target
from benchmarks.agent.truth import (
    TIMED,
    connections_at_once,
    during,
    most_in_flight,
    p95_us,
    peer_p95_us,
)
from benchmarks.table import Line, median, say
from tests.netlab import Netlab, spread, wire
from tests.netlab.servers import name_server

# So long that a crowd is under way at once, begun 5,000 a second; of TLS the farthest first, since the
# processor does not allow so many.
_CROWD = 1000
_CROWD_HIGHEST_MS = 420.0
_TLS_HIGHEST_MS = 700.0
_RATE_PER_S = 5000.0


def tcp(runs: int) -> list[Line]:
    """``rtt_ms`` and blackbox_exporter's ``probe_duration_seconds``, so many at once."""
    return [
        _tcp(runs, count, times, highest_ms)
        for count, times, highest_ms in (
            (50, 5, HIGHEST_MS),
            (300, 20, HIGHEST_MS),
            (1000, 100, _CROWD_HIGHEST_MS),
        )
    ]


def _tcp(runs: int, count: int, times: int, highest_ms: float) -> Line:
    scraper = probers.compiled("scrape")
    ways = spread(count, LOWEST_MS, highest_ms)
    targets: list[Target] = [(address, 443) for address in ways]
    ours, theirs, flight, their_flight, succeeded = [], [], [], [], []
    for number in range(runs):
        with tcp_lab(ways, seed=number) as lab, probers.blackbox(lab, scraper) as exporter:

            def mine() -> None:
                run = probers.edgeprobe(lab, targets, "tcp", samples=3)
                exchanges = during(wire.handshakes(lab.wire()), run)
                ours.append(p95_us(run.rows, exchanges, "rtt_ms"))
                flight.append(most_in_flight(exchanges))

            def its() -> None:
                run = exporter.probe("tcp", targets, count, _RATE_PER_S)
                exchanges = during(wire.handshakes(lab.wire()), run)
                theirs.append(peer_p95_us(run.rows, exchanges, "duration_ms"))
                their_flight.append(most_in_flight(exchanges))
                succeeded.append(len(run.rows))

            in_turns(number, mine, its)
        say(f"tcp {count}: ours {us(ours[-1])}, blackbox_exporter {us(theirs[-1])}")
    return Line(
        f"TCP p95 error, {count:,} targets",
        f"≤ 60 µs and ≥ {times}× smaller",
        f"{us(median(ours))}, {at_once(flight)}",
        f"blackbox_exporter {us(median(theirs))} ({median(theirs) / median(ours):.0f}×),"
        f" {at_once(their_flight)}",
        median(ours) <= 60 and median(theirs) >= times * median(ours),
        {
            "ours_us": ours,
            "blackbox_us": theirs,
            "in_flight": flight,
            "blackbox_in_flight": their_flight,
            "blackbox_succeeded": succeeded,
        },
    )


def tls_and_http(runs: int) -> list[Line]:
    """``tls_ms`` and ``ttfb_ms`` with 1,000 connections at once; httpx's trace of a GET over TLS beside
    them."""
    ways = dict(reversed(spread(1400, LOWEST_MS, _TLS_HIGHEST_MS).items()))
    targets: list[Target] = [(address, 443) for address in ways]
    tls: list[float] = []
    first: list[float] = []
    tls_flight: list[int] = []
    first_flight: list[int] = []
    peer_tls: list[float] = []
    peer_first: list[float] = []
    peer_flight = []
    for number in range(runs):
        with secure_lab(ways, seed=number) as far:

            def mine(protocol: str, errors: list[float], flight: list[int]) -> None:
                run = far.edgeprobe(protocol, timeout_ms=9000)
                value, exchanges = TIMED[protocol]
                packets = far.lab.wire()
                errors.append(p95_us(run.rows, during(exchanges(packets), run), value))
                flight.append(connections_at_once(packets, run))

            def its() -> None:
                run = probers.httpx(far.lab, targets, len(ways), 1000, (far.authority, ONE_NAME))
                packets = far.lab.wire()
                for protocol, errors in (("tls", peer_tls), ("http", peer_first)):
                    value, exchanges = TIMED[protocol]
                    errors.append(peer_p95_us(run.rows, during(exchanges(packets), run), value))
                peer_flight.append(connections_at_once(packets, run))

            in_turns(
                number,
                lambda: mine("tls", tls, tls_flight),
                lambda: mine("http", first, first_flight),
                its,
            )
        say(f"tls {us(tls[-1])}, ttfb {us(first[-1])}; httpx {us(peer_tls[-1])}, {us(peer_first[-1])}")
    return [
        Line(
            f"{what} p95 error, {len(ways):,} targets",
            f"≤ {most_us} µs with ≥ {_CROWD:,} in flight",
            f"{us(median(ours))}, {at_once(flight)}",
            f"httpx's trace of a GET over TLS {us(median(theirs))}, {at_once(peer_flight)}",
            median(ours) <= most_us and min(flight) >= _CROWD,
            {"ours_us": ours, "httpx_us": theirs, "in_flight": flight, "httpx_in_flight": peer_flight},
        )
        for what, most_us, ours, theirs, flight in (
            ("TLS", 100, tls, peer_tls, tls_flight),
            ("TTFB over TLS", 250, first, peer_first, first_flight),
        )
    ]


def icmp(runs: int) -> Line:
    """``rtt_ms`` of icmp and what fping prints, 300 targets."""
    ways = spread(300, LOWEST_MS, HIGHEST_MS)
    ours, theirs, flight, their_flight = [], [], [], []
    for number in range(runs):
        with Netlab(ways, seed=number) as lab:

            def mine() -> None:
                run = probers.edgeprobe(lab, [(address, 443) for address in ways], "icmp", samples=3)
                echoes = during(wire.echoes(lab.wire()), run)
                ours.append(p95_us(run.rows, echoes, "rtt_ms"))
                flight.append(most_in_flight(echoes))

            def its() -> None:
                run = probers.fping(lab, list(ways), 3)
                echoes = during(wire.echoes(lab.wire()), run)
                theirs.append(peer_p95_us(run.rows, echoes, "printed_ms"))
                their_flight.append(most_in_flight(echoes))

            in_turns(number, mine, its)
        say(f"icmp: ours {us(ours[-1])}, fping {us(theirs[-1])}")
    return Line(
        "ICMP p95 error, 300 targets",
        "≥ 10× smaller than fping prints",
        f"{us(median(ours))}, {at_once(flight)}",
        f"fping {us(median(theirs))} ({median(theirs) / median(ours):.0f}×), {at_once(their_flight)}",
        median(theirs) >= 10 * median(ours),
        {"ours_us": ours, "fping_us": theirs, "in_flight": flight, "fping_in_flight": their_flight},
    )


def dns(runs: int) -> list[Line]:
    """``rtt_ms`` of dns with 1,000 resolvers, each as far away as its delay says."""
    ways = spread(1000, LOWEST_MS, HIGHEST_MS)
    ours, flight = [], []
    for number in range(runs):
        with Netlab(ways, seed=number) as lab, name_server(lab, ways, ["www A 10.77.0.9"]):
            targets: list[Target] = [("www.netlab.test", 443)]
            run = probers.edgeprobe(lab, targets, "dns", samples=2, resolvers=list(ways), family=4)
            questions = [one for one in during(wire.dns_exchanges(lab.wire()), run) if one.peer[0] in ways]
            ours.append(p95_us(run.rows, questions, "rtt_ms"))
            flight.append(most_in_flight(questions))
        say(f"dns {us(ours[-1])}")
    return [
        Line(
            "DNS p95 error, 1,000 resolvers",
            "≤ 60 µs",
            f"{us(median(ours))}, {at_once(flight)}",
            "",
            median(ours) <= 60,
            {"ours_us": ours, "in_flight": flight},
        )
    ]
