"""Every class a failure can have is produced by the agent itself, with a real network behind it."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from probes import kernel
from probes.record import FAILURES, Measurement, from_json

ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """What a case has at hand: servers, and the agent in this process or where no echo is answered."""

    def __init__(
        self, start, measure, refused_port, misbehave, configured, edgeprobe, monkeypatch, tmp_path
    ) -> None:
        self.start, self.measure, self.refused_port = start, measure, refused_port
        self.monkeypatch = monkeypatch
        self._directory, self._misbehave = tmp_path, misbehave
        self._configured, self._edgeprobe = configured, edgeprobe

    def name(self, how: str, **agent: object) -> list[Measurement]:
        """Resolve a name that a real server answers that way."""
        server = self.start("dns", "127.0.0.53")
        target = {"site": "s", "host": f"{how}.test", "protocols": ["dns"], "family": 4}
        return self.measure([target], **{"resolvers": [server.resolver], **agent})

    def connect(self, address: str, port: int, **agent: object) -> list[Measurement]:
        return self.measure([{"site": "s", "host": address, "port": port, "protocols": ["tcp"]}], **agent)

    def hole(self, *, opens_after_s: float | None = None, **agent: object) -> list[Measurement]:
        """Connect to where SYNs are dropped, until some time has passed."""
        hole = self.start("blackhole", "127.0.0.3")
        if opens_after_s is not None:
            hole.open(after_s=opens_after_s)
        return self.connect(hole.address, hole.port, **agent)

    def ask(self, protocol: str, manner: str) -> list[Measurement]:
        """Ask a server that misbehaves in that manner."""
        (port,) = self._misbehave(manner).values()
        target = {"site": "s", "host": "127.0.0.5", "port": port, "protocols": [protocol], "scheme": "http"}
        return self.measure([target])

    def too_fast_for_its_place(self) -> list[Measurement]:
        """Connect, as a whole agent, to somebody near by who answers for a Region an ocean away."""
        server = self.start("tcp", "127.0.0.2")
        configuration = self._configured(
            [{"site": "us-west-2", "host": server.address, "port": server.port, "protocols": ["tcp"]}],
            lat=50.1,
            lon=8.7,
        )
        done = self._edgeprobe("run", configuration, "--json")
        return [from_json(line) for line in done.stdout.splitlines()]

    def unanswered_echo(self) -> list[Measurement]:
        """Send echoes in a network namespace of their own, whose loopback leaves them unanswered."""
        directory = self._directory / "unanswered"
        directory.mkdir()
        configuration = directory / "probes.toml"
        configuration.write_text(
            """
            [agent]
            vantage = "lab-1"
            country = "DE"
            lat = 50.1
            lon = 8.7
            samples = 2
            timeout_ms = 300
            [[target]]
            site = "s"
            host = "127.0.0.1"
            protocols = ["icmp"]
            """
        )
        script = (
            "ip link set lo up && echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all"
            f" && exec {sys.executable} -m probes run {configuration} --json"
        )
        done = subprocess.run(
            ["unshare", "--net", "sh", "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return [from_json(line) for line in done.stdout.splitlines()]

    def clock_that_is_set(self) -> list[Measurement]:
        # The one thing a test cannot do for real on a machine others use: set its clock.
        offsets = itertools.count(0, 3_600_000_000_000)
        self.monkeypatch.setattr(kernel, "realtime_offset_ns", lambda: next(offsets))
        return self.name("site")


CASES: dict[str, Callable[[Bench], list[Measurement]]] = {
    "dns_timeout": lambda bench: bench.name("silent"),
    "dns_nxdomain": lambda bench: bench.name("nx"),
    "dns_servfail": lambda bench: bench.name("servfail"),
    "dns_refused": lambda bench: bench.name("refused"),
    "connect_timeout": lambda bench: bench.hole(),
    "connect_refused": lambda bench: bench.connect("127.0.0.1", bench.refused_port),
    "syn_retransmit": lambda bench: bench.hole(opens_after_s=0.5, timeout_ms=5000),
    "unreachable": lambda bench: bench.connect("255.255.255.255", 443),
    "tls_timeout": lambda bench: bench.ask("tls", "silence"),
    "tls_certificate": lambda bench: bench.ask("tls", "tls/silence"),
    "tls_protocol": lambda bench: bench.ask("tls", "alert"),
    "http_timeout": lambda bench: bench.ask("http", "silence"),
    "http_status": lambda bench: bench.ask("http", "not_found"),
    "http_protocol": lambda bench: bench.ask("http", "ssh"),
    "icmp_timeout": lambda bench: bench.unanswered_echo(),
    "clock_step": lambda bench: bench.clock_that_is_set(),
    "implausible": lambda bench: bench.too_fast_for_its_place(),
    "deadline": lambda bench: bench.hole(timeout_ms=30_000, deadline_s=1),
    "other": lambda bench: bench.name("formerr"),
}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace takes root")


@pytest.fixture
def bench(start, measure, refused_port, misbehave, configured, edgeprobe, monkeypatch, tmp_path):
    return Bench(start, measure, refused_port, misbehave, configured, edgeprobe, monkeypatch, tmp_path)


def test_every_class_has_a_case():
    assert set(CASES) == set(FAILURES)


@pytest.mark.parametrize(
    "failure",
    [pytest.param(name, marks=[needs_root] if name == "icmp_timeout" else []) for name in CASES],
)
def test_class(bench, failure):
    rows = CASES[failure](bench)
    assert [(row.sample, row.failure) for row in rows] == [(0, failure), (1, failure)]
    # What was measured and is not believed is told all the same.
    assert all((row.rtt_ms is None) == (failure != "implausible") for row in rows)
