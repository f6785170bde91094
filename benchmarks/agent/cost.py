"""What measuring takes: CPU a probe, probes a second, start-up and memory [I/O]."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from benchmarks.agent import probers
from benchmarks.agent.labs import HIGHEST_MS, LOWEST_MS, secure_lab, tcp_lab
from benchmarks.agent.lines import at_once, cpu, in_turns
from benchmarks.agent.probers import Run, Target
from benchmarks.agent.truth import TIMED, answered, begun_per_s, during, most_in_flight, round_trips
from benchmarks.table import COMPARISON, Line, median, say
from tests.netlab import Netlab, Way, spread, wire
from tests.netlab.servers import web

_ASKED = 2000
_IN_FLIGHT = 1000
_ROUNDS = 20
_LEAST_RATIO = 0.85
_MOST_MB = 60


def icmp(runs: int) -> Line:
    """CPU per ICMP probe of 1,000 targets, 10 samples each."""
    targets: list[Target] = [(address, 443) for address in spread(1000, LOWEST_MS, HIGHEST_MS)]
    addresses = [address for address, _ in targets]
    ours, theirs = [], []
    for number in range(runs):
        with Netlab(spread(1000, LOWEST_MS, HIGHEST_MS), seed=number) as lab:

            def mine() -> None:
                idle = probers.edgeprobe(lab, targets[:1], "icmp").cpu_s
                run = probers.edgeprobe(lab, targets, "icmp", samples=10)
                ours.append((run.cpu_s - idle) / len(answered(run)))

            def its() -> None:
                idle = probers.fping(lab, addresses[:1], 1).cpu_s
                run = probers.fping(lab, addresses, 10)
                theirs.append((run.cpu_s - idle) / (10 * len(addresses)))

            in_turns(number, mine, its)
        say(f"icmp: {cpu(ours[-1:])} CPU a probe, fping {cpu(theirs[-1:])}")
    ratio = median(ours) / median(theirs)
    return Line(
        "CPU per ICMP probe, start-up aside",
        "≤ 1.6× fping's",
        cpu(ours),
        f"fping {cpu(theirs)} ({ratio:.2f}×)",
        ratio <= 1.6,
        {"ours_s": ours, "fping_s": theirs},
    )


def stream(runs: int) -> list[Line]:
    """CPU per TCP and per HTTP probe with 1,000 targets, start-up aside, all at one pace: the most that the
    agent allows itself, and a fifth of it."""
    return [*_stream(runs, 5000, gated=True), *_stream(runs, 1000, gated=False)]


def _stream(runs: int, rate_per_s: float, *, gated: bool) -> list[Line]:
    scraper = probers.compiled("scrape")
    ways = spread(1000, LOWEST_MS, HIGHEST_MS)
    targets: list[Target] = [(address, 80) for address in ways]
    tcp: list[float] = []
    http: list[float] = []
    exporter_s, httpx, succeeded = [], [], []
    for number in range(runs):
        with Netlab(ways, seed=number) as lab, web(lab, plain=[80]):

            def mine(protocol: str, costs: list[float]) -> None:
                idle = probers.edgeprobe(lab, targets[:1], protocol).cpu_s
                run = probers.edgeprobe(lab, targets, protocol, samples=3, rate_per_s=rate_per_s)
                costs.append((run.cpu_s - idle) / len(answered(run)))

            def blackbox() -> None:
                with probers.blackbox(lab, scraper) as exporter:
                    run = exporter.probe("tcp", targets, _ASKED, rate_per_s)
                exporter_s.append(run.cpu_s / _ASKED)
                succeeded.append(len(run.rows))

            def client() -> None:
                idle = probers.httpx(lab, targets[:1], 1, rate_per_s).cpu_s
                run = probers.httpx(lab, targets, _ASKED, rate_per_s)
                httpx.append((run.cpu_s - idle) / len(answered(run)))

            in_turns(number, lambda: mine("tcp", tcp), blackbox, lambda: mine("http", http), client)
        say(
            f"CPU a probe at {rate_per_s:,.0f}/s: tcp {cpu(tcp[-1:])}, http {cpu(http[-1:])},"
            f" blackbox_exporter {cpu(exporter_s[-1:])}, httpx {cpu(httpx[-1:])}"
        )
    return [
        Line(
            f"CPU per {what}, all at {rate_per_s:,.0f}/s, start-up aside",
            f"≤ 1/{part}" if part and gated else COMPARISON,
            cpu(ours),
            f"{cpu(theirs)} (1/{median(theirs) / median(ours):.1f}): {peer}",
            median(ours) * part <= median(theirs) if part and gated else None,
            {"ours_s": ours, "peer_s": theirs},
        )
        for what, part, ours, theirs, peer in (
            (
                "TCP probe against blackbox_exporter's",
                4,
                tcp,
                exporter_s,
                f"blackbox_exporter, per probe asked, of which {min(succeeded):,} of {_ASKED:,} succeeded",
            ),
            (
                "TCP probe against httpx",
                20,
                tcp,
                httpx,
                "httpx, a GET on a connection of its own: it can do no less",
            ),
            ("HTTP probe, a GET without TLS, against httpx's", None, http, httpx, "httpx, the same GET"),
        )
    ]


@dataclass(slots=True)
class _Sprints:
    """What was reached without a pace, run by run."""

    per_s: list[float] = field(default_factory=list)
    flight: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def add(self, lab: Netlab, run: Run, probes: int) -> None:
        exchanges = during(wire.handshakes(lab.wire()), run)
        if len(exchanges) != probes:
            raise SystemExit(f"{probes} connects wanted, {len(exchanges)} on the wire")
        self.per_s.append(begun_per_s(exchanges))
        self.flight.append(most_in_flight(exchanges))
        self.cpu_s.append(run.cpu_s / probes)

    def __str__(self) -> str:
        return f"{median(self.per_s):,.0f}/s, {at_once(self.flight)}, {cpu(self.cpu_s)} CPU a probe"


def throughput(runs: int) -> list[Line]:
    """Connects a second with no pace and at most 1,000 in flight, beside a loop in C."""
    far = spread(1000, LOWEST_MS, HIGHEST_MS)
    near = dict.fromkeys(far, Way(rtt_ms=1))
    return [
        _throughput(runs, near, "round trips of 1 ms (bound by the processor)", _LEAST_RATIO),
        _throughput(runs, far, "round trips of 5 to 300 ms (bound by round trips)", None),
    ]


def _throughput(runs: int, ways: dict[str, Way], bound: str, least: float | None) -> Line:
    loop = probers.compiled("epoll")
    targets: list[Target] = [(address, 443) for address in ways]
    probes = _ROUNDS * len(targets)
    ours, theirs = _Sprints(), _Sprints()
    for number in range(runs):
        with tcp_lab(ways, seed=number) as lab:

            def mine() -> None:
                run = probers.unpaced(lab, targets, _ROUNDS, _IN_FLIGHT)
                answered(run)
                ours.add(lab, run, probes)

            def its() -> None:
                theirs.add(lab, probers.epoll(lab, loop, targets, probes, _IN_FLIGHT), probes)

            in_turns(number, mine, its)
        say(f"unpaced, {bound}: {ours.per_s[-1]:,.0f}/s, C {theirs.per_s[-1]:,.0f}/s")
    ratio = median([mine / its for mine, its in zip(ours.per_s, theirs.per_s, strict=True)])
    return Line(
        f"TCP connects a second without pace, {bound}, against a loop in C",
        COMPARISON if least is None else f"≥ {least}×",
        f"{ratio:.2f}× ({ours}, start-up in it)",
        f"C, epoll: {theirs}",
        None if least is None else ratio >= least,
        {"ours": asdict(ours), "c": asdict(theirs)},
    )


def weight(runs: int) -> list[Line]:
    """What the agent uses before its first packet, and the memory of a round of 300 targets."""
    ways = spread(300, LOWEST_MS, HIGHEST_MS)
    start, first_packet = [], []
    memory: dict[str, list[float]] = {"tcp": [], "tls": [], "http": []}
    for number in range(runs):
        with secure_lab(ways, seed=number) as far:
            run = probers.edgeprobe(far.lab, [(next(iter(ways)), 443)], "tcp")
            start.append(run.cpu_s)
            begun = [one.begin_ns for one in during(wire.handshakes(far.lab.wire()), run)]
            first_packet.append((min(begun) - run.window[0]) / 1e9)
            for protocol, peaks_mb in memory.items():
                run = far.edgeprobe(protocol, samples=5)
                round_trips(run.rows, during(TIMED[protocol][1](far.lab.wire()), run))
                peaks_mb.append(run.peak_mb)
        peaks = ", ".join(f"{protocol} {peaks_mb[-1]:.0f} MB" for protocol, peaks_mb in memory.items())
        say(f"start-up {start[-1]:.3f} s CPU, first packet {first_packet[-1]:.3f} s; {peaks}")
    peaks = ", ".join(f"{protocol} {median(peaks_mb):.0f} MB" for protocol, peaks_mb in memory.items())
    return [
        Line(
            "start-up, CPU of a whole round of one TCP target",
            "≤ 0.25 s",
            f"{median(start):.3f} s",
            f"first packet {median(first_packet):.3f} s after the start",
            median(start) <= 0.25,
            {"cpu_s": start, "first_packet_s": first_packet},
        ),
        Line(
            "peak memory of 300 targets × 5 samples, each of tcp, tls, http over TLS",
            f"≤ {_MOST_MB} MB",
            peaks,
            "",
            max(median(peaks_mb) for peaks_mb in memory.values()) <= _MOST_MB,
            {"peak_mb": memory},
        ),
    ]
