"""Two network namespaces and the link between them, for as long as a ``with`` block lasts [I/O]."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import ipaddress
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.netlab.wire import Packet, read_log

NEAR = ("10.76.0.1", "fd76::1")
FAR = ("10.77.0.0/16", "fd77::/64")

_SOURCE = Path(__file__).with_name("link.c")
_PATIENCE_S = 10
_COMMANDS = ("cc", "ip", "tc", "nsenter", "setpriv", "unshare")

# What a busy server needs, and what a namespace does not take from its host.
_SETTINGS = {
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/wire/rp_filter": "0",
    "net/ipv4/ping_group_range": "0 2147483647",
    "net/ipv4/tcp_syncookies": "0",
    "net/ipv4/tcp_max_syn_backlog": "65535",
    "net/core/somaxconn": "65535",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
    "net/ipv6/conf/all/accept_ra": "0",
    "net/ipv6/conf/wire/accept_dad": "0",
    "net/ipv6/conf/wire/router_solicitations": "0",
    "net/ipv6/ip_nonlocal_bind": "1",
    "net/ipv4/ip_nonlocal_bind": "1",
}


def missing(*servers: str) -> str | None:
    """Why there can be no lab here, or none with these commands on its hosts; None when there can."""
    if os.geteuid() != 0:
        return "the network lab needs root"
    if not Path("/dev/net/tun").exists():
        return "the network lab needs /dev/net/tun"
    absent = [command for command in (*_COMMANDS, *servers) if shutil.which(command) is None]
    return f"the network lab needs the commands {', '.join(absent)}" if absent else None


@dataclass(frozen=True, slots=True)
class Way:
    """What packets to and from one far address, or one far network, meet; each way, unless a name says which.

    ``rtt_ms`` is split evenly unless ``out_ms`` or ``back_ms`` is given. ``jitter_ms`` adds up to that much
    and keeps the order. ``loss`` is a probability. ``lose_first_out`` and ``_back`` lose that many packets of
    each address before anything else: with ``lose_first_out=1`` the first SYN. A share ``reorder`` of packets
    is held back ``hold_ms`` longer and may be overtaken; a share ``duplicate`` comes twice.
    """

    rtt_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    out_ms: float | None = None
    back_ms: float | None = None
    loss_out: float | None = None
    loss_back: float | None = None
    lose_first_out: int = 0
    lose_first_back: int = 0
    reorder: float = 0.0
    hold_ms: float = 0.0
    duplicate: float = 0.0

    def _words(self) -> str:
        out = self.rtt_ms / 2 if self.out_ms is None else self.out_ms
        back = self.rtt_ms / 2 if self.back_ms is None else self.back_ms
        words = (
            out * 1000,
            back * 1000,
            self.jitter_ms * 1000,
            self.loss if self.loss_out is None else self.loss_out,
            self.loss if self.loss_back is None else self.loss_back,
            self.lose_first_out,
            self.lose_first_back,
            self.reorder,
            self.hold_ms * 1000,
            self.duplicate,
        )
        return " ".join(format(word, "g" if isinstance(word, int) else ".9g") for word in words)


SILENCE = Way(loss=1.0)
"""Nothing comes through, either way."""


def spread(count: int, lowest_ms: float, highest_ms: float, version: int = 4) -> dict[str, Way]:
    """That many far addresses, with round trips spread evenly."""
    place = "10.77.{}.{}" if version == 4 else "fd77::{:x}:{:x}"
    step = (highest_ms - lowest_ms) / max(count - 1, 1)
    return {
        place.format(1 + number // 250, 1 + number % 250): Way(rtt_ms=lowest_ms + number * step)
        for number in range(count)
    }


class Host:
    """One of the two namespaces. What is started here dies with this process and ends with the lab."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._started: list[subprocess.Popen[Any]] = []

    def command(
        self, argv: Sequence[object], *, files: Mapping[str, Path] | None = None, contained: bool = False
    ) -> list[str]:
        """``argv`` to be run in this namespace; the process that starts becomes the one that is meant, unless
        ``contained``: then that one and all it forks end with the process that starts. ``files`` are put in
        the place of others, such as ``{"/etc/resolv.conf": path}``, for this process only.
        """
        words = ["setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={self.namespace}"]
        if contained:
            words += ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        if files:
            mounts = [f"mount --bind {shlex.quote(str(path))} {place}" for place, path in files.items()]
            words += ["unshare", "--mount", "sh", "-ec", "; ".join([*mounts, 'exec "$@"']), "sh"]
        return words + [str(word) for word in argv]

    def popen(
        self,
        argv: Sequence[object],
        *,
        files: Mapping[str, Path] | None = None,
        contained: bool = False,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a process here; options as for ``subprocess.Popen``."""
        process = subprocess.Popen(self.command(argv, files=files, contained=contained), **options)
        self._started.append(process)
        return process

    def run(
        self,
        argv: Sequence[object],
        *,
        files: Mapping[str, Path] | None = None,
        timeout: float = 60,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process here to its end, with text captured; options as for ``subprocess.run``."""
        settings: dict[str, Any] = {"capture_output": True, "text": True, "check": True, **options}
        try:
            return subprocess.run(self.command(argv, files=files), timeout=timeout, **settings)
        except subprocess.CalledProcessError as fault:
            fault.add_note(str(fault.stderr))
            raise

    def end(self, *processes: subprocess.Popen[Any]) -> None:
        """Kill processes started here, if they still run, and wait for them."""
        for process in processes:
            if process.poll() is None:
                process.kill()
        for process in processes:
            process.wait(10)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            self._started.remove(process)

    def _stop(self) -> None:
        self.end(*self._started)


class Netlab:
    """A near and a far host with a known way to every far address in between.

    ``ways`` are by far address or network, such as ``{"10.77.0.0/16": Way(rtt_ms=20), "10.77.0.9":
    SILENCE}``; the most specific holds, and a far address without one has no delay. ``networks`` are the far
    addresses: every one of them is the far host. With ``turn_us`` (below a million) the link gathers packets
    for that long before it handles them, as a network card may: under load that halves what it takes of a
    processor, and makes each way up to twice that longer. Must be entered by a thread that outlives it: the
    processes die with the thread.
    """

    def __init__(
        self,
        ways: Mapping[str, Way] | None = None,
        *,
        seed: int = 1,
        turn_us: int = 0,
        networks: Iterable[str] = FAR,
    ) -> None:
        self._ways = dict(ways or {})
        self._seed, self._turn_us = seed, turn_us
        self._networks = tuple(networks)

    def __enter__(self) -> Self:
        why = missing()
        if why is not None:
            raise OSError(why)
        with contextlib.ExitStack() as stack:
            self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netlab-")))
            self._log = self.directory / "wire.log"
            self._link = subprocess.Popen(
                [_link_program(), self._log, str(self._seed), str(self._turn_us)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.callback(self._stop_link)
            ready = self._answer("ready").split()
            self.link_pid = int(ready[0])
            self.near, self.far = (Host(f"/proc/{self.link_pid}/fd/{number}") for number in ready[1:])
            stack.callback(self.far._stop)
            stack.callback(self.near._stop)
            self._bring_up()
            self._say("up")
            self._answer("listening")
            self._dropped_before = {host.namespace: _device_drops(host) for host in (self.near, self.far)}
            self.set(self._ways)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def set(self, ways: Mapping[str, Way]) -> None:
        """Change ways, or add some, at once; packets under way are not touched."""
        lines = []
        for place, way in ways.items():
            network = ipaddress.ip_network(place)
            mapped = f"::ffff:{network.network_address}" if network.version == 4 else network.network_address
            bits = network.prefixlen + (96 if network.version == 4 else 0)
            lines.append(f"path {mapped} {bits} {way._words()}\n")
        self._say("".join(lines) + "sync")
        self._answer("synced")

    def counters(self) -> dict[str, int]:
        """What the link has counted so far: packets by direction, lost, delivered, still queued, and how late
        it was in delivering them (mean and worst, ns)."""
        self._say("sync")
        return {
            name: int(value) for name, value in (word.split("=") for word in self._answer("synced").split())
        }

    def wire(self) -> list[Packet]:
        """Every packet so far. Raises RuntimeError when one escaped the log."""
        counters = self.counters()
        faults = {name: counters[name] for name in ("capture_lost", "overrun", "refused") if counters[name]}
        faults |= {
            f"{name} device": drops
            for name, host in (("near", self.near), ("far", self.far))
            if (drops := _device_drops(host) - self._dropped_before[host.namespace])
        }
        if faults:
            raise RuntimeError(f"the log of the wire is not whole: {faults}")
        return read_log(self._log)

    def _bring_up(self) -> None:
        near_networks = [f"{address}/{32 if ':' not in address else 128}" for address in NEAR]
        device = ["link set lo up", "link set wire addrgenmode none txqueuelen 100000 up"]
        near = [f"addr add {network} dev wire" for network in near_networks]
        near += ["route add 0.0.0.0/0 dev wire", "route add ::/0 dev wire"]
        far = [f"route add {network} dev wire" for network in near_networks]
        far += [f"route add local {network} dev lo" for network in self._networks]
        # A queue in front of the device would stamp packets later than they were sent.
        script = ["ip -batch -", "tc qdisc replace dev wire root noqueue"]
        script += [f"echo {value} > /proc/sys/{name}" for name, value in _SETTINGS.items()]
        for host, lines in ((self.far, far), (self.near, near)):
            batch = "".join(f"{line}\n" for line in [*device, *lines])
            host.run(["sh", "-ec", "; ".join(script)], input=batch)

    def _say(self, text: str) -> None:
        assert self._link.stdin is not None
        self._link.stdin.write(text + "\n")
        self._link.stdin.flush()

    def _answer(self, word: str) -> str:
        assert self._link.stdout is not None
        # It speaks when spoken to and one line at a time, so that none is ever left in the buffer.
        ready, _, _ = select.select([self._link.stdout], [], [], _PATIENCE_S)
        line = self._link.stdout.readline() if ready else "nothing"
        if not line.startswith(word):
            raise RuntimeError(f"the link said {line!r} where {word!r} was expected")
        return line.removeprefix(word).strip()

    def _stop_link(self) -> None:
        with contextlib.suppress(OSError):
            self._link.communicate(timeout=5)
        if self._link.poll() is None:
            self._link.send_signal(signal.SIGKILL)
            self._link.wait()


@functools.cache
def _link_program() -> str:
    """The link, compiled once for each text it has had."""
    source = _SOURCE.read_bytes()
    folder = Path(tempfile.gettempdir()) / f"netlab-link-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise OSError(f"{folder} belongs to somebody else")
    program = folder / hashlib.sha256(source).hexdigest()[:16]
    if not program.exists():
        with tempfile.TemporaryDirectory(dir=folder) as place:
            built = Path(place) / "link"
            subprocess.run(["cc", "-O2", "-Wall", "-o", built, _SOURCE], check=True)
            built.rename(program)
    return str(program)


def _device_drops(host: Host) -> int:
    """Packets the kernel did not get into or out of the device of ``host``."""
    lines = host.run(["cat", "/proc/net/dev"]).stdout.splitlines()
    numbers = next(line.split()[1:] for line in lines if line.split()[0] == "wire:")
    return sum(int(numbers[at]) for at in (2, 3, 10, 11))
