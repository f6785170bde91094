"""What is promised of the agent, and what was found: a gate is a function that measures and compares [I/O].

Every figure is the median over runs, and ours and the peer's runs take turns in the same lab.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.agent import probers
from benchmarks.agent.probers import Run, Target
from tests.netlab import Netlab, Way, spread, wire
from tests.netlab.authority import Authority
from tests.netlab.servers import RECORD_OVER, acceptor, name_server, web
from tests.netlab.wire import Exchange, Packet, pair, quantile

LOWEST_MS, HIGHEST_MS = 5.0, 300.0

# So long that 1,000 connects are under way at once, begun 5,000 a second.
CROWD_HIGHEST_MS = 420.0
TLS_HIGHEST_MS = 700.0
RATE_PER_S = 5000.0


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; ``met`` is None for what is shown for comparison only."""

    gate: str
    goal: str
    ours: str
    peer: str
    met: bool | None
    figures: dict[str, Any]


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _during(exchanges: Iterable[Exchange], run: Run) -> list[Exchange]:
    return [one for one in exchanges if run.window[0] <= one.begin_ns <= run.window[1]]


def _errors_us(rows: Sequence[dict[str, Any]], exchanges: Sequence[Exchange], value: str) -> list[float]:
    """|what a row says − what the wire says|, µs, over the rows that have a value. Rows that do not say when
    they began are one of each peer."""
    pairs = pair(rows, exchanges, began=lambda row: row.get("started_at", ""))
    return [
        abs(row[value] - exchange.rtt_ms) * 1000
        for row, exchange in pairs
        if row[value] is not None and exchange.rtt_ms is not None
    ]


def _most_in_flight(exchanges: Iterable[Exchange]) -> int:
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


def _connections_at_once(packets: Sequence[Packet], run: Run) -> int:
    """How many TCP connections were open at once, at most: from the first SYN to the last packet."""
    spans = [
        Exchange(one[0].peer, one[0].source_port, one[0].ns, one[-1].ns)
        for one in wire.conversations(packets)
    ]
    return _most_in_flight(_during(spans, run))


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _us(value: float) -> str:
    return f"{value / 1000:.1f} ms" if value >= 10_000 else f"{value:.0f} µs"


@contextlib.contextmanager
def _tcp_lab(ways: dict[str, Way], **options: Any) -> Iterator[Netlab]:
    with Netlab(ways, **options) as lab, acceptor(lab, 443):
        yield lab


def tcp_accuracy(runs: int) -> list[Line]:
    """``rtt_ms`` and blackbox_exporter's ``probe_duration_seconds`` against the wire, so many at once."""
    scraper = probers.compiled("scrape")
    lines = []
    for count, times, highest_ms in (
        (50, 5, HIGHEST_MS),
        (300, 20, HIGHEST_MS),
        (1000, 100, CROWD_HIGHEST_MS),
    ):
        ways = spread(count, LOWEST_MS, highest_ms)
        targets: list[Target] = [(address, 443) for address in ways]
        ours, theirs, ours_cpu, theirs_cpu, flight = [], [], [], [], []
        for number in range(runs):
            with _tcp_lab(ways, seed=number) as lab, probers.blackbox(lab, scraper) as exporter:
                for first in (number % 2 == 0, number % 2 == 1):
                    if first:
                        run = probers.edgeprobe(lab, targets, "tcp", samples=3)
                        exchanges = _during(wire.handshakes(lab.wire()), run)
                        ours.append(quantile(_errors_us(run.rows, exchanges, "rtt_ms"), 0.95))
                        ours_cpu.append(run.cpu_s)
                        flight.append(_most_in_flight(exchanges))
                    else:
                        run = exporter.probe("tcp", targets, count, RATE_PER_S)
                        by_peer = {one.peer: one.rtt_ms for one in _during(wire.handshakes(lab.wire()), run)}
                        errors = [
                            abs(row["duration_ms"] - by_peer[row["peer"], row["port"]]) * 1000
                            for row in run.rows
                            if by_peer.get((row["peer"], row["port"])) is not None
                        ]
                        theirs.append(quantile(errors, 0.95))
                        theirs_cpu.append(run.cpu_s)
            _say(f"tcp {count}: ours {_us(ours[-1])}, blackbox_exporter {_us(theirs[-1])}")
        mine, its = _median(ours), _median(theirs)
        lines.append(
            Line(
                f"TCP p95 error, {count} targets, {min(flight)} in flight",
                f"≤ 60 µs and ≥ {times}× smaller",
                _us(mine),
                f"blackbox_exporter {_us(its)} ({its / mine:.0f}×)",
                mine <= 60 and its >= times * mine,
                {
                    "ours_us": ours,
                    "blackbox_us": theirs,
                    "in_flight": flight,
                    "blackbox_cpu_s": theirs_cpu,
                    "ours_cpu_s": ours_cpu,
                },
            )
        )
    return lines


def tls_and_http_accuracy(runs: int) -> list[Line]:
    """``tls_ms`` and ``ttfb_ms`` with 1,000 connections at once; httpx's trace beside them."""
    ways = spread(1400, LOWEST_MS, TLS_HIGHEST_MS)
    names = {f"t{number}.netlab.test": address for number, address in enumerate(ways)}
    tls, first, peer_first, flight = [], [], [], []
    for number in range(runs):
        with Netlab(ways, seed=number) as lab:
            authority = Authority(lab.directory / "authority")
            certificate = authority.issue("all", ["*.netlab.test"])
            with web(lab, plain=[80], tls={443: certificate}):
                targets = [(name, 443) for name in names]
                run = probers.edgeprobe(lab, targets, "tls", names=names, authority=authority.certificate)
                flight.append(_connections_at_once(lab.wire(), run))
                flights = _during(wire.tls_flights(lab.wire(), 443), run)
                tls.append(quantile(_errors_us(_answered(run), flights, "tls_ms"), 0.95))
                run = probers.edgeprobe(lab, targets, "http", names=names, authority=authority.certificate)
                flight.append(_connections_at_once(lab.wire(), run))
                bytes_ = _during(wire.first_bytes(lab.wire(), 443, record_over=RECORD_OVER), run)
                first.append(quantile(_errors_us(_answered(run), bytes_, "ttfb_ms"), 0.95))
                run = probers.httpx(lab, [(address, 80) for address in ways], len(ways), 1000)
                bytes_ = _during(wire.first_bytes(lab.wire(), 80), run)
                peer_first.append(quantile(_errors_us(run.rows, bytes_, "ttfb_ms"), 0.95))
        _say(f"tls {_us(tls[-1])}, ttfb {_us(first[-1])}; httpx ttfb without TLS {_us(peer_first[-1])}")
    return [
        Line(
            f"TLS p95 error, {min(flight)} in flight",
            "≤ 100 µs",
            _us(_median(tls)),
            "",
            _median(tls) <= 100,
            {"ours_us": tls, "in_flight": flight},
        ),
        Line(
            f"TTFB p95 error, {min(flight)} in flight",
            "≤ 250 µs",
            _us(_median(first)),
            f"httpx, without TLS, {_us(_median(peer_first))}",
            _median(first) <= 250,
            {"ours_us": first, "httpx_plain_us": peer_first},
        ),
    ]


def _answered(run: Run) -> list[dict[str, Any]]:
    """All rows, which must all be sound: on a quiet wire a failure would be ours."""
    faults = {row["failure"]: row.get("reason") for row in run.rows if row["failure"]}
    if faults:
        raise SystemExit(f"rows failed on a sound wire: {faults}")
    return run.rows


def icmp(runs: int) -> list[Line]:
    """``rtt_ms`` of icmp and what fping prints against the wire, 300 targets; CPU per probe of 1,000."""
    ways = spread(300, LOWEST_MS, HIGHEST_MS)
    crowd = spread(1000, LOWEST_MS, HIGHEST_MS)
    ours, theirs, ours_cpu, theirs_cpu = [], [], [], []
    for number in range(runs):
        with Netlab({**crowd, **ways}, seed=number) as lab:
            run = probers.edgeprobe(lab, [(address, 443) for address in ways], "icmp", samples=3)
            echoes = _during(wire.echoes(lab.wire()), run)
            ours.append(quantile(_errors_us(_answered(run), echoes, "rtt_ms"), 0.95))
            run = probers.fping(lab, list(ways), 3)
            echoes = _during(wire.echoes(lab.wire()), run)
            theirs.append(quantile(_fping_errors_us(run, echoes), 0.95))
            one = [(next(iter(crowd)), 443)]
            many: list[Target] = [(address, 443) for address in crowd]
            idle = probers.edgeprobe(lab, one, "icmp", samples=1).cpu_s
            ours_cpu.append((probers.edgeprobe(lab, many, "icmp", samples=10).cpu_s - idle) / 10_000)
            idle = probers.fping(lab, [one[0][0]], 1).cpu_s
            theirs_cpu.append((probers.fping(lab, list(crowd), 10).cpu_s - idle) / 10_000)
        _say(
            f"icmp: ours {_us(ours[-1])}, fping {_us(theirs[-1])};"
            f" CPU {ours_cpu[-1] * 1e6:.1f} µs, {theirs_cpu[-1] * 1e6:.1f} µs"
        )
    mine, its = _median(ours), _median(theirs)
    cost, its_cost = _median(ours_cpu), _median(theirs_cpu)
    return [
        Line(
            "ICMP p95 error",
            "≥ 10× smaller than fping prints",
            _us(mine),
            f"fping {_us(its)} ({its / mine:.0f}×)",
            its >= 10 * mine,
            {"ours_us": ours, "fping_us": theirs},
        ),
        Line(
            "CPU per ICMP probe, start-up aside",
            "≤ 1.6× fping's",
            f"{cost * 1e6:.1f} µs",
            f"fping {its_cost * 1e6:.1f} µs ({cost / its_cost:.2f}×)",
            cost <= 1.6 * its_cost,
            {"ours_s": ours_cpu, "fping_s": theirs_cpu},
        ),
    ]


def _fping_errors_us(run: Run, echoes: Sequence[Exchange]) -> list[float]:
    sent: dict[str, list[Exchange]] = {}
    for echo in sorted(echoes, key=lambda echo: echo.begin_ns):
        sent.setdefault(echo.peer[0], []).append(echo)
    return [
        abs(row["printed_ms"] - truth) * 1000
        for row in run.rows
        if (truth := sent[row["peer"]][row["sample"]].rtt_ms) is not None
    ]


def dns(runs: int) -> list[Line]:
    """``rtt_ms`` of dns with 1,000 resolvers, each as far away as its delay says."""
    ways = spread(1000, LOWEST_MS, HIGHEST_MS)
    ours = []
    for number in range(runs):
        with Netlab(ways, seed=number) as lab, name_server(lab, ways, ["www A 10.77.0.9"]):
            targets: list[Target] = [("www.netlab.test", 443)]
            run = probers.edgeprobe(lab, targets, "dns", samples=2, resolvers=list(ways), family=4)
            questions = _during(wire.dns_exchanges(lab.wire()), run)
            rows = _answered(run)
            kept = [one for one in questions if one.peer[0] in ways]
            if len(rows) != len(kept):
                raise SystemExit(f"{len(kept)} questions on the wire, {len(rows)} rows")
            ours.append(quantile(_errors_us(rows, kept, "rtt_ms"), 0.95))
        _say(f"dns {_us(ours[-1])}")
    return [
        Line(
            "DNS p95 error, 1,000 resolvers at once",
            "≤ 60 µs",
            _us(_median(ours)),
            "",
            _median(ours) <= 60,
            {"ours_us": ours},
        )
    ]


def tcp_cost(runs: int) -> list[Line]:
    """CPU per TCP probe with 1,000 targets, start-up aside; and probes a second beside a C loop."""
    scraper, loop = probers.compiled("scrape"), probers.compiled("epoll")
    ways = spread(1000, LOWEST_MS, HIGHEST_MS)
    targets: list[Target] = [(address, 443) for address in ways]
    costs: dict[str, list[float]] = {"edgeprobe": [], "blackbox_exporter": [], "httpx": [], "C": []}
    pace: list[float] = []
    sprint: list[float] = []
    for number in range(runs):
        with Netlab(dict.fromkeys(ways, Way(rtt_ms=1)), seed=number) as lab, acceptor(lab, 443):
            run = probers.unpaced(lab, targets, 10, 1000)
            ours = _probes_per_s(_during(wire.handshakes(lab.wire()), run))
            run = probers.epoll(lab, loop, targets, 10_000, 1000)
            sprint.append(ours / _probes_per_s(_during(wire.handshakes(lab.wire()), run)))
        with Netlab(ways, seed=number) as lab, web(lab, plain=[443]):
            idle = probers.edgeprobe(lab, targets[:1], "tcp").cpu_s
            run = probers.edgeprobe(lab, targets, "tcp", samples=10)
            costs["edgeprobe"].append((run.cpu_s - idle) / len(run.rows))
            paced = _probes_per_s(_during(wire.handshakes(lab.wire()), run))
            run = probers.unpaced(lab, targets, 10, 1000)
            ours = _probes_per_s(_during(wire.handshakes(lab.wire()), run))
            with probers.blackbox(lab, scraper) as exporter:
                run = exporter.probe("tcp", targets, 2000, 1000)
                costs["blackbox_exporter"].append(run.cpu_s / max(len(run.rows), 1))
            idle = probers.httpx(lab, targets[:1], 1, 1000).cpu_s
            run = probers.httpx(lab, targets, 1000, 1000)
            costs["httpx"].append((run.cpu_s - idle) / len(run.rows))
            run = probers.epoll(lab, loop, targets, 10_000, 1000)
            costs["C"].append(run.cpu_s / run.words["answered"])
            theirs = _probes_per_s(_during(wire.handshakes(lab.wire()), run))
            pace.append(ours / theirs)
        _say(
            ", ".join(f"{name} {values[-1] * 1e6:.0f} µs" for name, values in costs.items())
            + f" CPU a probe; a second {ours:.0f} probes, paced {paced:.0f}, C {theirs:.0f}"
        )
    mine = _median(costs["edgeprobe"])
    lines = [
        Line(
            f"CPU per TCP probe against {name}",
            f"≤ 1/{part}",
            f"{mine * 1e6:.0f} µs",
            f"{name} {_median(costs[name]) * 1e6:.0f} µs (1/{_median(costs[name]) / mine:.1f})",
            mine * part <= _median(costs[name]),
            {"ours_s": costs["edgeprobe"], "peer_s": costs[name]},
        )
        for name, part in (("blackbox_exporter", 4), ("httpx", 20))
    ]
    lines.append(
        Line(
            "TCP throughput unpaced, 1,000 in flight, against a C epoll loop",
            "≥ 0.85×",
            f"{_median(pace):.2f}×",
            f"C uses {_median(costs['C']) * 1e6:.0f} µs CPU a probe",
            _median(pace) >= 0.85,
            {"ratio": pace, "c_s": costs["C"]},
        )
    )
    lines.append(
        Line(
            "the same where nothing but the processor limits either (1 ms)",
            "for comparison",
            f"{_median(sprint):.2f}×",
            "",
            None,
            {"ratio": sprint},
        )
    )
    return lines


def _probes_per_s(exchanges: Sequence[Exchange]) -> float:
    """Connects begun per second, from the first to the last on the wire."""
    begins = sorted(one.begin_ns for one in exchanges)
    return (len(begins) - 1) / ((begins[-1] - begins[0]) / 1e9)


def lost_syns(runs: int) -> list[Line]:
    """Rows called ``syn_retransmit`` (or never answered) against connects whose packets the link lost."""
    ways = {address: Way(rtt_ms=way.rtt_ms, loss=0.05) for address, way in spread(1000, 5, 150).items()}
    probes = flagged = lost = both = 0
    for number in range(max(runs, 1)):
        with _tcp_lab(ways, seed=number) as lab:
            run = probers.edgeprobe(lab, [(address, 443) for address in ways], "tcp", samples=3)
            for row, exchange in pair(run.rows, _during(wire.handshakes(lab.wire()), run)):
                said, true = row["failure"] is not None, exchange.lost > 0
                probes, flagged, lost = probes + 1, flagged + said, lost + true
                both += said and true
        _say(f"lost SYNs: {probes} probes, {lost} lost on the wire, {flagged} flagged, {both} both")
    precision, recall = both / flagged, both / lost
    return [
        Line(
            "lost SYNs flagged, 5 % loss",
            "precision = recall = 1 over ≥ 3,000",
            f"{precision:.4f}, {recall:.4f} over {probes}",
            f"wire: {lost} lost",
            precision == recall == 1 and probes >= 3000,
            {"probes": probes, "lost": lost, "flagged": flagged, "both": both},
        )
    ]


def busy_host(runs: int) -> list[Line]:
    """The TCP error with two processes that use all the CPU they can, against a quiet host; same lab."""
    ways = spread(300, LOWEST_MS, HIGHEST_MS)
    targets: list[Target] = [(address, 443) for address in ways]
    quiet, busy = [], []
    for number in range(runs):
        with _tcp_lab(ways, seed=number) as lab:
            for loud in (number % 2 == 1, number % 2 == 0):
                with probers.hogs(lab, 2) if loud else contextlib.nullcontext():
                    run = probers.edgeprobe(lab, targets, "tcp", samples=5, rate_per_s=1000)
                errors = _errors_us(run.rows, _during(wire.handshakes(lab.wire()), run), "rtt_ms")
                (busy if loud else quiet).append(quantile(errors, 0.95))
        _say(f"busy {_us(busy[-1])}, quiet {_us(quiet[-1])}")
    ratio = _median(busy) / _median(quiet)
    return [
        Line(
            "TCP p95 error with two CPU hogs against quiet",
            "≤ 1.5×",
            f"{ratio:.2f}× ({_us(_median(busy))})",
            f"quiet {_us(_median(quiet))}",
            ratio <= 1.5,
            {"busy_us": busy, "quiet_us": quiet},
        )
    ]


def weight(runs: int) -> list[Line]:
    """What the agent uses before its first packet, and the memory of a round of 300 targets."""
    ways = spread(300, LOWEST_MS, HIGHEST_MS)
    start, first_packet, memory = [], [], []
    for number in range(runs):
        with _tcp_lab(ways, seed=number) as lab:
            run = probers.edgeprobe(lab, [(next(iter(ways)), 443)], "tcp")
            start.append(run.cpu_s)
            first_packet.append((min(_begins(lab.wire(), run)) - run.window[0]) / 1e9)
            run = probers.edgeprobe(lab, [(address, 443) for address in ways], "tcp", samples=5)
            memory.append(run.peak_mb)
        _say(f"start-up {start[-1]:.3f} s CPU, first packet {first_packet[-1]:.3f} s; {memory[-1]:.0f} MB")
    return [
        Line(
            "start-up, CPU of a whole round of one target",
            "≤ 0.25 s",
            f"{_median(start):.3f} s",
            f"first packet {_median(first_packet):.3f} s after the start",
            _median(start) <= 0.25,
            {"cpu_s": start, "first_packet_s": first_packet},
        ),
        Line(
            "memory of a round of 300 targets",
            "≤ 60 MB",
            f"{_median(memory):.0f} MB",
            "",
            _median(memory) <= 60,
            {"peak_mb": memory},
        ),
    ]


def _begins(packets: Iterable[Packet], run: Run) -> list[int]:
    return [one.begin_ns for one in _during(wire.handshakes(packets), run)]


GATES: dict[str, Callable[[int], list[Line]]] = {
    "tcp": tcp_accuracy,
    "tls": tls_and_http_accuracy,
    "icmp": icmp,
    "dns": dns,
    "cost": tcp_cost,
    "loss": lost_syns,
    "busy": busy_host,
    "weight": weight,
}
