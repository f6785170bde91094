"""What is found where packets are lost, and where others use the processor [I/O]."""

from __future__ import annotations

import contextlib

from benchmarks.agent import probers
from benchmarks.agent.labs import HIGHEST_MS, LOWEST_MS, secure_lab, tcp_lab
from benchmarks.agent.lines import in_turns, us
from benchmarks.agent.truth import TIMED, answered, during, p95_us
from benchmarks.table import Line, median, say
from tests.netlab import Way, spread, wire
from tests.netlab.wire import pair

# At which a TLS handshake on each side leaves a quiet host quiet.
_RATE_PER_S = 500.0

_LOST = ("syn_retransmit", "connect_timeout")


def loss(runs: int) -> list[Line]:
    """Rows called ``syn_retransmit`` or ``connect_timeout`` against connects whose packets the link lost."""
    ways = {address: Way(rtt_ms=way.rtt_ms, loss=0.05) for address, way in spread(1000, 5, 150).items()}
    probes = flagged = lost = both = 0
    for number in range(runs):
        with tcp_lab(ways, seed=number) as lab:
            run = probers.edgeprobe(lab, [(address, 443) for address in ways], "tcp", samples=3)
            for row, exchange in pair(answered(run, but=_LOST), during(wire.handshakes(lab.wire()), run)):
                said, true = row["failure"] in _LOST, exchange.lost > 0
                probes, flagged, lost = probes + 1, flagged + said, lost + true
                both += said and true
        say(f"lost SYNs: {probes} probes, {lost} lost on the wire, {flagged} flagged, {both} both")
    precision, recall = both / max(flagged, 1), both / max(lost, 1)
    return [
        Line(
            f"connects flagged as lost ({' or '.join(_LOST)}, no other failure), 5 % loss",
            "precision = recall = 1 over ≥ 3,000",
            f"{precision:.4f}, {recall:.4f} over {probes:,}",
            f"wire: {lost} lost",
            precision == recall == 1 and probes >= 3000,
            {"probes": probes, "lost": lost, "flagged": flagged, "both": both},
        )
    ]


def busy(runs: int) -> list[Line]:
    """The error with two processes that use all the CPU they can, against a quiet host; same lab."""
    quiet: dict[str, list[float]] = {protocol: [] for protocol in TIMED}
    loud: dict[str, list[float]] = {protocol: [] for protocol in TIMED}
    for number in range(runs):
        with secure_lab(spread(300, LOWEST_MS, HIGHEST_MS), seed=number) as far:

            def measure(errors: dict[str, list[float]], hogs: int) -> None:
                for protocol, (value, exchanges) in TIMED.items():
                    with probers.hogs(far.lab, hogs) if hogs else contextlib.nullcontext():
                        run = far.edgeprobe(protocol, samples=5, rate_per_s=_RATE_PER_S)
                    found = during(exchanges(far.lab.wire()), run)
                    errors[protocol].append(p95_us(run.rows, found, value))

            in_turns(number, lambda: measure(quiet, 0), lambda: measure(loud, 2))
        say("busy " + ", ".join(f"{one} {us(loud[one][-1])}, quiet {us(quiet[one][-1])}" for one in TIMED))
    return [
        Line(
            f"{what} p95 error with two CPU hogs against quiet",
            "≤ 1.5×",
            f"{median(loud[protocol]) / median(quiet[protocol]):.2f}× ({us(median(loud[protocol]))})",
            f"itself, quiet, {us(median(quiet[protocol]))}",
            median(loud[protocol]) <= 1.5 * median(quiet[protocol]),
            {"busy_us": loud[protocol], "quiet_us": quiet[protocol]},
        )
        for protocol, what in (("tcp", "TCP"), ("tls", "TLS"), ("http", "TTFB over TLS"))
    ]
