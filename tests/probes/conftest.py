"""Real servers on loopback addresses for the agent to measure, and the agent itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from probes.record import Measurement
from probes.runner import run_round
from probes.settings import parse_settings
from tests.netlab.authority import Authority

ROOT = Path(__file__).resolve().parents[2]


class TcpServer:
    """Accepts on a loopback address; ``reset`` breaks each connection off at once."""

    def __init__(self, address: str, *, reset: bool = False) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.bind((address, 0))
        self._socket.listen(512)
        self.address, self.port = address, self._socket.getsockname()[1]
        self.accepted, self._reset = 0, reset
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        held = []
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.accepted += 1
                if self._reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                else:
                    held.append(connection)
        for connection in held:
            connection.close()

    def has_accepted(self, count: int) -> bool:
        """Whether that many connections came; the agent may be done before this thread has taken the last."""
        end = time.monotonic() + 5
        while self.accepted < count and time.monotonic() < end:
            time.sleep(0.01)
        return self.accepted == count

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(2)


class Blackhole:
    """Drops SYNs: its accept queue is full, and the kernel then answers none; ``open()`` empties it."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket()
        self._socket.bind((address, 0))
        self._socket.listen(0)
        self.address, self.port = self._socket.getsockname()
        self._filler = socket.create_connection((self.address, self.port))
        self._server: threading.Thread | None = None

    def open(self, after_s: float) -> None:
        def serve() -> None:
            time.sleep(after_s)
            with contextlib.suppress(OSError):
                while True:
                    self._socket.accept()[0].close()

        self._server = threading.Thread(target=serve, daemon=True)
        self._server.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._filler.close()
        if self._server is not None:
            self._server.join(2)


class DnsServer:
    """A small DNS server over UDP and TCP. The first label of a name says how it is answered.

    ``nx servfail refused formerr silent truncated forged garbage nodata late``; anything else has the address
    ``answer``. ``drop`` counts queries to leave unanswered first.
    """

    def __init__(self, address: str, *, answer: str = "127.0.0.1", drop: int = 0) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._stream = socket.socket(family, socket.SOCK_STREAM)
        self._stream.bind((address, 0))
        self._stream.listen(64)
        self.address, self.port = address, self._stream.getsockname()[1]
        self._datagrams = socket.socket(family, socket.SOCK_DGRAM)
        self._datagrams.bind((address, self.port))
        self._answer, self._drop = answer, drop
        self.asked: list[tuple[str, str, str]] = []
        self.delay_s = 0.0
        self._threads = [
            threading.Thread(target=serve, daemon=True)
            for serve in (self._serve_datagrams, self._serve_stream)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def resolver(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def _reply(self, data: bytes, transport: str) -> list[bytes]:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True)
        self.asked.append((name, question.rdtype.name, transport))
        how = name.split(".")[0]
        if self._drop > 0:
            self._drop -= 1
            return []
        if how == "silent":
            return []
        if how == "late":
            time.sleep(0.05)
        reply = dns.message.make_response(query)
        codes = {
            "nx": dns.rcode.NXDOMAIN,
            "servfail": dns.rcode.SERVFAIL,
            "refused": dns.rcode.REFUSED,
            "formerr": dns.rcode.FORMERR,
        }
        if how in codes:
            reply.set_rcode(codes[how])
        elif how == "truncated" and transport == "udp":
            reply.flags |= dns.flags.TC
        elif how != "nodata":
            wanted = "AAAA" if ":" in self._answer else "A"
            if question.rdtype.name == wanted:
                reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", wanted, self._answer))
        wire = reply.to_wire()
        if how == "forged":
            return [((int.from_bytes(wire[:2], "big") + 1) % 65536).to_bytes(2, "big") + wire[2:]]
        if how == "garbage":
            # A sound header and question, then a record that ends too early.
            return [wire[:6] + b"\x00\x05" + wire[8:-2]]
        if how == "stranger":
            stranger = dns.message.make_response(dns.message.make_query("elsewhere.test", "A", id=query.id))
            return [stranger.to_wire(), wire]
        return [wire]

    def _serve_datagrams(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, peer = self._datagrams.recvfrom(4096)
                if not data:  # shut down
                    return
                time.sleep(self.delay_s)
                for wire in self._reply(data, "udp"):
                    self._datagrams.sendto(wire, peer)

    def _serve_stream(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._stream.accept()
                with connection, contextlib.suppress(OSError, struct.error):
                    (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                    for wire in self._reply(connection.recv(length, socket.MSG_WAITALL), "tcp"):
                        # In two pieces, as a network may deliver it.
                        connection.sendall(struct.pack("!H", len(wire)) + wire[:10])
                        time.sleep(0.005)
                        connection.sendall(wire[10:])
                    connection.recv(1)

    def close(self) -> None:
        for opened in (self._datagrams, self._stream):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()
        for thread in self._threads:
            thread.join(2)


@pytest.fixture
def start() -> Iterator[Callable[..., object]]:
    """Start a server of one of the classes above by name; closed after the test."""
    kinds = {"tcp": TcpServer, "blackhole": Blackhole, "dns": DnsServer}
    with contextlib.ExitStack() as stack:

        def begin(kind: str, address: str, **options: object) -> object:
            server = kinds[kind](address, **options)
            stack.callback(server.close)
            return server

        yield begin


@pytest.fixture
def refused_port() -> Iterator[int]:
    """A TCP port of 127.0.0.1 nobody listens on: bound, so that nobody else takes it."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def configuration(targets: list[dict[str, object]], **agent: object) -> str:
    """The text of a configuration with short timeouts.

    It stands where us-west-2 does, so that a round trip over loopback is a possible one of that site.
    """
    values = {
        "vantage": "lab-1",
        "country": "US",
        "lat": 45.84,
        "lon": -119.7,
        "samples": 2,
        "timeout_ms": 400,
        "deadline_s": 10,
        **agent,
    }
    lines = ["[agent]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    for target in targets:
        lines += ["[[target]]", *(f"{key} = {json.dumps(value)}" for key, value in target.items())]
    return "\n".join(lines) + "\n"


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Path]:
    """Write a configuration file; its path."""

    def write(targets: list[dict[str, object]], **agent: object) -> Path:
        path = tmp_path / "probes.toml"
        path.write_text(configuration(targets, **agent), encoding="utf-8")
        return path

    return write


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., list[Measurement]]:
    """Run one round in this process; its rows."""

    def run(targets: list[dict[str, object]], **agent: object) -> list[Measurement]:
        settings = parse_settings(configuration(targets, **agent), tmp_path / "probes.toml")
        rows: list[Measurement] = []
        run_round(settings, "run", emit=rows.extend)
        return rows

    return run


@pytest.fixture
def edgeprobe() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as a process of its own."""

    def run(*arguments: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "probes", *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def misbehave(tmp_path: Path) -> Iterator[Callable[..., dict[str, int]]]:
    """Start servers on 127.0.0.5 that misbehave in the manners given (tests/netlab/hostile.py); their ports.

    Manners after ``tls/`` have a certificate that only ``tmp_path / "authority" / "ca.pem"`` vouches for.
    """
    with contextlib.ExitStack() as stack:

        def begin(*manners: str) -> dict[str, int]:
            words: list[object] = []
            if any(manner.startswith("tls/") for manner in manners):
                if shutil.which("openssl") is None:
                    pytest.skip("a certificate needs the command openssl")
                issued = Authority(tmp_path / "authority").issue("valid", ["127.0.0.5"])
                words = ["--certificate", issued.certificate, "--key", issued.key]
            words += ["127.0.0.5", *(f"{manner}:0" for manner in manners)]
            server = subprocess.Popen(
                [sys.executable, ROOT / "tests/netlab/hostile.py", *map(str, words)],
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(server.communicate)
            stack.callback(server.kill)
            assert server.stdout is not None
            lines = (server.stdout.readline().split() for _ in manners)
            return {manner: int(port) for manner, port in lines}

        yield begin
