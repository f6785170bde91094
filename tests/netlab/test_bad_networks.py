"""Bad networks: whatever a network does, a round ends in time, as the right class, with every row once.

Each case, and where it is tested:

- NXDOMAIN, SERVFAIL, refused, truncated and forged-id DNS replies: here; test_dns.py here and in probes
- RST, silent drop, accept-then-silence, one byte a second, an endless header, a 10 GB body, a redirect loop:
  here
- a certificate expired, for another name, or self-signed, TLS garbage: here
- an address that changes between rounds, half the targets dead: here
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.netlab import SILENCE, Netlab, Way, missing
from tests.netlab.servers import serving

ROOT = Path(__file__).resolve().parents[2]
RESOLVER = "10.77.0.53"
SILENT = "10.77.9.9"
SAMPLES = 2
TIMEOUT_MS = 1000
DEADLINE_S = 15

# What a process takes to start, and to seal and ship what it measured, on a machine with other things to do.
AROUND_S = 8


@dataclass(frozen=True, slots=True)
class Case:
    """One target of a bad network: what its rows must say. ``reason`` is a part of theirs."""

    name: str
    host: str
    protocol: str
    failure: str | None
    port: int = 443
    reason: str | None = None

    @property
    def target(self) -> dict[str, object]:
        family = {} if self.host[0].isdigit() else {"family": 4}
        return {
            "site": self.name,
            "host": self.host,
            "port": self.port,
            "protocols": [self.protocol],
            **family,
        }


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one run of the agent: rows by site as it printed them, and as the store has them."""

    code: int
    said: str
    seconds: float
    rows: list[dict[str, object]]
    stored: list[dict[str, object]]

    def of(self, site: str) -> list[dict[str, object]]:
        return [row for row in self.rows if row["site"] == site]


def run(
    lab: Netlab, directory: Path, targets: list[dict[str, object]], *words: object, **agent: object
) -> Ran:
    """``edgeprobe run`` in the near namespace."""
    values = {
        "vantage": "near",
        "country": "DE",
        "lat": 50.1,
        "lon": 8.7,
        "store": "store",
        "samples": SAMPLES,
        "timeout_ms": TIMEOUT_MS,
        "deadline_s": DEADLINE_S,
        "resolvers": [RESOLVER],
        **agent,
    }
    lines = ["[agent]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    for target in targets:
        lines += ["[[target]]", *(f"{key} = {json.dumps(value)}" for key, value in target.items())]
    configuration = directory / "probes.toml"
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    begin = time.monotonic()
    done = lab.near.run(
        [sys.executable, "-m", "probes", "run", configuration, "--json", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    seconds = time.monotonic() - begin
    objects = sorted((directory / "store" / "inbox").rglob("*.jsonl.gz"))
    stored = [
        json.loads(line) for path in objects for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return Ran(done.returncode, done.stderr, seconds, rows, stored)


def assert_each_sample_once(ran: Ran, targets: list[dict[str, object]], rounds: int = 1) -> None:
    """A row for each sample of each target in each round, and the same rows in the store."""
    keys = sorted((row["run_id"], row["site"], row["protocol"], row["sample"]) for row in ran.rows)
    names = {row["run_id"] for row in ran.rows}
    assert len(names) == rounds
    wanted = [(target["site"], protocol) for target in targets for protocol in target["protocols"]]
    assert keys == sorted(
        (name, *one, sample) for name, one, sample in itertools.product(names, wanted, range(SAMPLES))
    )
    assert sorted(map(json.dumps, ran.stored)) == sorted(map(json.dumps, ran.rows))


@contextlib.contextmanager
def hostile(lab: Netlab, manners: dict[str, int], *words: object) -> Iterator[None]:
    """hostile.py on the far host, and its name server."""
    program = [sys.executable, Path(__file__).with_name("hostile.py"), "--dns", RESOLVER, *words, "::"]
    program += [f"{manner}:{port}" for manner, port in manners.items()]
    with serving(lab, "hostile", program, 53, *manners.values()):
        yield


def _dns(how: str, failure: str | None, reason: str | None = None) -> Iterator[Case]:
    """A name as dns measures it, and as a protocol that needs its address."""
    yield Case(f"dns-{how}", f"{how}.test", "dns", failure, reason=reason)
    yield Case(f"name-{how}", f"{how}.test", "icmp", failure, reason=reason)


MANNERS = {"silence": 7001, "reset": 7002, "hang_up": 7003}

CASES = [
    *_dns("nxdomain", "dns_nxdomain"),
    *_dns("servfail", "dns_servfail"),
    *_dns("refused", "dns_refused"),
    *_dns("silent", "dns_timeout"),
    *_dns("guessed", "dns_timeout"),
    *_dns("forged", None),
    *_dns("truncated", None),
    Case("icmp-silent-drop", SILENT, "icmp", "icmp_timeout"),
    Case("tcp-silent-drop", SILENT, "tcp", "connect_timeout"),
    Case("tcp-refused", "10.77.0.1", "tcp", "connect_refused", port=9),
    Case("tcp-no-route", "10.99.0.1", "tcp", "unreachable"),
    Case("icmp-no-route", "10.99.0.1", "icmp", "unreachable"),
    Case("tcp-silence", "10.77.0.1", "tcp", None, port=MANNERS["silence"]),
    Case("tcp-reset", "10.77.0.1", "tcp", None, port=MANNERS["reset"]),
    Case("tcp-hang-up", "10.77.0.1", "tcp", None, port=MANNERS["hang_up"]),
]


def _lab(ways: dict[str, Way] | None = None) -> Netlab:
    why = missing("nginx", "openssl")
    if why is not None:
        pytest.skip(why)
    return Netlab({"10.77.0.0/16": Way(rtt_ms=10), SILENT: SILENCE, **(ways or {})})


@pytest.fixture(scope="module")
def bad_round(tmp_path_factory):
    """One round of all the cases."""
    directory = tmp_path_factory.mktemp("bad")
    with _lab() as lab, hostile(lab, MANNERS):
        lab.near.run(["ip", "route", "add", "unreachable", "10.99.0.0/16"])
        yield run(lab, directory, [case.target for case in CASES])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ends_as_its_class(bad_round, case):
    rows = bad_round.of(case.name)
    assert [(row["failure"], row["reason"]) for row in rows if row["failure"] != case.failure] == []
    assert all((row["rtt_ms"] is None) == (row["failure"] is not None) for row in rows)
    assert all(case.reason in row["reason"] for row in rows if case.reason)


def test_a_forged_reply_moves_nothing(bad_round):
    assert {row["peer"] for row in bad_round.of("name-forged")} == {"10.77.0.1"}


def test_ends_in_time_and_each_sample_is_there_once(bad_round):
    assert (bad_round.code, bad_round.said) == (0, "")
    assert bad_round.seconds < DEADLINE_S + AROUND_S
    assert_each_sample_once(bad_round, [case.target for case in CASES])


def test_an_address_that_changes_between_rounds(tmp_path):
    """Each round measures what the name stands for in it, all of its samples, and says so."""
    target = {"site": "moving", "host": "turned.test", "port": 7001, "protocols": ["tcp"], "family": 4}
    with _lab() as lab, hostile(lab, MANNERS):
        ran = run(lab, tmp_path, [target], "--rounds", 3)
    assert ran.code == 0
    assert_each_sample_once(ran, [target], rounds=3)
    peers = {}
    for row in ran.rows:
        assert row["failure"] is None
        peers.setdefault(row["run_id"], set()).add(row["peer"])
    assert sorted(map(tuple, peers.values())) == [("10.77.0.1",), ("10.77.0.2",), ("10.77.0.3",)]


def test_half_the_targets_are_dead(tmp_path):
    """The dead take no time from the living: the round ends as soon as the last of them has timed out."""
    addresses = [f"10.77.2.{number}" for number in range(1, 201)]
    dead = set(addresses[::2])
    targets = [
        {"site": address, "host": address, "port": 7001, "protocols": ["tcp", "icmp"]}
        for address in addresses
    ]
    with _lab(dict.fromkeys(dead, SILENCE)) as lab, hostile(lab, MANNERS):
        ran = run(lab, tmp_path, targets)
    assert (ran.code, ran.said) == (0, "")
    assert_each_sample_once(ran, targets)
    timeouts = {"tcp": "connect_timeout", "icmp": "icmp_timeout"}
    assert [
        row
        for row in ran.rows
        if row["failure"] != (timeouts[row["protocol"]] if row["site"] in dead else None)
    ] == []
    assert ran.seconds < SAMPLES * TIMEOUT_MS / 1000 + AROUND_S
    assert max(row["rtt_ms"] for row in ran.rows if row["site"] not in dead) < 200


def test_a_deadline_in_the_middle_of_everything(tmp_path):
    """What it cuts off is there as cut off, what was found before is there as found."""
    targets = [case.target for case in CASES]
    with _lab() as lab, hostile(lab, MANNERS):
        ran = run(lab, tmp_path, targets, timeout_ms=30_000, deadline_s=2)
    assert (ran.code, ran.said) == (0, "")
    assert ran.seconds < 2 + AROUND_S
    assert_each_sample_once(ran, targets)
    assert {row["failure"] for row in ran.of("icmp-silent-drop")} == {"deadline"}
    assert {row["failure"] for row in ran.of("tcp-refused")} == {"connect_refused"}
    assert {row["failure"] for row in ran.of("tcp-silence")} == {None}
