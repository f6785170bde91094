"""The agent and its peers, each run as a whole process on the near host of a lab [I/O]."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.netlab import Netlab

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

Target = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Run:
    """What one process measured and used. ``rows`` are dictionaries with at least ``peer`` and ``port``;
    ``window`` is CLOCK_REALTIME in ns before and after, to find its packets by."""

    rows: list[dict[str, Any]]
    cpu_s: float
    peak_mb: float
    window: tuple[int, int]
    words: dict[str, Any] = field(default_factory=dict)


def compiled(name: str) -> str:
    """A C program of this folder, compiled anew."""
    program = Path(tempfile.gettempdir()) / f"edgeplan-benchmark-{os.getuid()}-{name}"
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", program, HERE / f"{name}.c"], check=True)
    return str(program)


def _waited(child: subprocess.Popen[Any], timeout_s: float = 300) -> tuple[int, float, float]:
    """Exit code, CPU seconds and peak resident MB.

    The peak is the program's own: ru_maxrss would also have what this process held when it forked.
    """
    end, peak_mb = time.monotonic() + timeout_s, 0.0
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            status_text = Path(f"/proc/{child.pid}/status").read_text(encoding="utf-8")
            if found := re.search(r"VmHWM:\s+(\d+) kB", status_text):
                peak_mb = int(found[1]) / 1024
        pid, status, usage = os.wait4(child.pid, os.WNOHANG)
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode, usage.ru_utime + usage.ru_stime, peak_mb
        time.sleep(0.02)
    child.kill()
    raise TimeoutError(child.args)


def _measured(lab: Netlab, command: Sequence[object], accepted: Sequence[int] = (0,), **options: Any) -> Run:
    """Run a command on the near host; its lines of standard output (and error) are in ``words``."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.time_ns()
        child = lab.near.popen(command, stdout=out, stderr=err, **options)
        code, cpu_s, peak_mb = _waited(child)
        ended = time.time_ns()
        lab.near.end(child)
        out.seek(0)
        err.seek(0)
        text, complaint = out.read(), err.read()
    if code not in accepted:
        raise SystemExit(f"{command[0]} ended with {code}: {complaint[-2000:]}")
    return Run(
        [],
        cpu_s,
        peak_mb,
        (began, ended),
        {"out": text, "err": complaint},
    )


def edgeprobe(
    lab: Netlab,
    targets: Sequence[Target],
    protocol: str,
    *,
    samples: int = 1,
    rate_per_s: float = 5000,
    timeout_ms: float = 3000,
    resolvers: Sequence[str] = ("system",),
    names: Mapping[str, str] | None = None,
    authority: Path | None = None,
    family: int | None = None,
) -> Run:
    """One round of the real command. ``names`` are what an /etc/hosts would have: name to address; targets
    then name hosts. ``authority`` is the certificate to trust."""
    with tempfile.TemporaryDirectory(prefix="edgeprobe-") as place:
        agent = {
            "vantage": "near",
            "country": "DE",
            "lat": 50.1,
            "lon": 8.7,
            "samples": samples,
            "timeout_ms": timeout_ms,
            "deadline_s": 60,
            "rate_per_s": rate_per_s,
            "protocols": [protocol],
            "resolvers": list(resolvers),
        }
        lines = ["[agent]", *(f"{key} = {json.dumps(value)}" for key, value in agent.items())]
        for host, port in targets:
            lines += ["[[target]]", f'site = "{host}"', f'host = "{host}"', f"port = {port}"]
            lines += [] if family is None else [f"family = {family}"]
        hosts = Path(place) / "hosts"
        hosts.write_text("".join(f"{address} {name}\n" for name, address in (names or {}).items()))
        trust = {} if authority is None else {"SSL_CERT_FILE": str(authority)}
        configuration = Path(place) / "probes.toml"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        run = _measured(
            lab,
            [sys.executable, "-m", "probes", "run", configuration, "--json"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **trust},
            files={"/etc/hosts": hosts} if names else None,
        )
    return _with_rows(run)


def _with_rows(run: Run) -> Run:
    """Of a program that prints a JSON line per row."""
    return replace(run, rows=[json.loads(line) for line in run.words["out"].splitlines()], words={})


@contextlib.contextmanager
def _target_file(targets: Sequence[Target]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="targets-") as place:
        file = Path(place) / "targets"
        file.write_text("".join(f"{address} {port}\n" for address, port in targets), encoding="utf-8")
        yield file


def unpaced(lab: Netlab, targets: Sequence[Target], samples: int, in_flight: int) -> Run:
    """The agent's own round, as fast as it will go, at most so many connects at once."""
    with _target_file(targets) as file:
        run = _measured(
            lab,
            [sys.executable, HERE / "unpaced.py", file, samples, in_flight],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    return _with_rows(run)


def epoll(lab: Netlab, program: str, targets: Sequence[Target], total: int, in_flight: int) -> Run:
    """The C epoll loop; it has no rows, and all its connects are answered."""
    with _target_file(targets) as file:
        run = _measured(lab, [program, file, total, in_flight])
    answered, failed = map(int, run.words["out"].split())
    if (answered, failed) != (total, 0):
        raise SystemExit(f"the loop in C: {answered} answered and {failed} failed of {total}")
    return run


_BLACKBOX = """
modules:
  tcp:
    prober: tcp
    timeout: 9s
"""
_BLACKBOX_PORT = 9115
_TICKS = os.sysconf("SC_CLK_TCK")


def _process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(slots=True)
class Blackbox:
    """A running blackbox_exporter."""

    lab: Netlab
    scraper: str
    pid: int

    def probe(self, module: str, targets: Sequence[Target], total: int, rate_per_s: float) -> Run:
        """Ask for ``total`` probes, round the targets; ``probe_duration_seconds`` as ``duration_ms``."""
        with _target_file(targets) as file:
            before = _process_cpu_s(self.pid)
            run = _measured(self.lab, [self.scraper, _BLACKBOX_PORT, module, file, total, rate_per_s])
            cpu_s = _process_cpu_s(self.pid) - before
        rows = []
        for line in run.words["out"].splitlines():
            target, success, seconds = line.split()
            address, port = target.rsplit(":", 1)
            if success == "1":
                rows.append({"peer": address, "port": int(port), "duration_ms": float(seconds) * 1000})
        return Run(rows, cpu_s, 0.0, run.window)


@contextlib.contextmanager
def blackbox(lab: Netlab, scraper: str) -> Iterator[Blackbox]:
    """A blackbox_exporter on the near host's loopback, ready to be scraped."""
    with tempfile.TemporaryDirectory(prefix="blackbox-") as place:
        configuration = Path(place) / "blackbox.yml"
        configuration.write_text(_BLACKBOX, encoding="utf-8")
        exporter = lab.near.popen(
            [
                "prometheus-blackbox-exporter",
                f"--config.file={configuration}",
                f"--web.listen-address=127.0.0.1:{_BLACKBOX_PORT}",
                "--log.level=error",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ready = ["python3", "-c", _READY, str(_BLACKBOX_PORT)]
        lab.near.run(ready, timeout=20)
        try:
            yield Blackbox(lab, scraper, exporter.pid)
        finally:
            lab.near.end(exporter)


_READY = """
import socket, sys, time
for _ in range(100):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit(1)
"""


def httpx(
    lab: Netlab,
    targets: Sequence[Target],
    total: int,
    rate_per_s: float,
    tls: tuple[Path, str] | None = None,
) -> Run:
    """httpx's own trace, one connection and one GET a probe. ``tls``: the certificate to trust, and the name
    all targets are asked by."""
    with _target_file(targets) as file:
        words = [sys.executable, HERE / "httpx_peer.py", file, total, rate_per_s, *(tls or ())]
        return _with_rows(_measured(lab, words))


_FPING_LINE = re.compile(r"^(\S+)\s*:((?: (?:-|[0-9.]+))+)$", re.MULTILINE)


def fping(lab: Netlab, addresses: Sequence[str], count: int, *, period_ms: int = 1000) -> Run:
    """``fping -C``, the round trips as it prints them, ``printed_ms``, in the order they were sent.

    -i is the gap between any two packets, whose least for root is 0; it paces like the agent at 5,000/s.
    """
    with tempfile.TemporaryDirectory(prefix="fping-") as place:
        file = Path(place) / "targets"
        file.write_text("".join(f"{address}\n" for address in addresses), encoding="utf-8")
        run = _measured(
            lab,
            ["fping", "-C", count, "-q", "-i", "0.2", "-p", period_ms, "-t", "3000", "-f", file],
            accepted=(0, 1),
        )
    rows = [
        {"peer": address, "port": 0, "printed_ms": float(value), "sample": sample}
        for address, values in _FPING_LINE.findall(run.words["err"] + run.words["out"])
        for sample, value in enumerate(values.split())
        if value != "-"
    ]
    return Run(rows, run.cpu_s, run.peak_mb, run.window)


@contextlib.contextmanager
def hogs(lab: Netlab, count: int) -> Iterator[None]:
    """That many processes which do nothing but use a processor."""
    running = [lab.near.popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(0.5)
        yield
    finally:
        lab.near.end(*running)


def versions() -> dict[str, str]:
    """Who takes part, in the words of each."""
    said = {}
    for name, command in (
        ("blackbox_exporter", ["prometheus-blackbox-exporter", "--version"]),
        ("fping", ["fping", "--version"]),
        ("C compiler", ["cc", "--version"]),
        ("kernel", ["uname", "-r"]),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        said[name] = (done.stdout + done.stderr).strip().splitlines()[0]
    import httpx as library

    said["httpx"] = library.__version__
    said["python"] = sys.version.split()[0]
    return said
