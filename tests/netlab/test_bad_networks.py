"""Bad networks: whatever a network does, a round ends in time, as the right class, with every row once.

Each kind of badness and its tests; without a file, they are here.

- NXDOMAIN, SERVFAIL, refused, truncated and forged-id replies: test_ends_as_its_class,
  test_a_forged_reply_moves_nothing,
  tests/probes/protocols/test_dns_hostile.py::test_what_is_forged_is_dropped_and_the_true_reply_counts,
  tests/probes/protocols/test_dns_hostile.py::test_truncated_and_then_over_tcp
- RST, silent drop, accept-then-silence, one byte a second: test_ends_as_its_class
- an endless header: test_ends_as_its_class, tests/probes/test_endless.py::test_ends_long_before_its_timeout
- a 10 GB body: test_a_body_of_10_gb_is_left_where_it_is
- a redirect loop: test_a_redirect_is_told_and_not_followed
- a certificate expired, for another name or self-signed; TLS garbage: test_ends_as_its_class
- an address that changes between rounds: test_an_address_that_changes_between_rounds
- a private address for a public name: test_ends_as_its_class,
  tests/netlab/test_sanity.py::test_a_private_address_for_a_public_name
- half the targets dead: test_half_the_targets_are_dead
- the store unreachable: tests/probes/test_cli.py::test_a_store_that_cannot_be_written_loses_nothing,
  tests/probes/test_cron.py::test_a_store_that_accepts_and_stays_silent,
  tests/probes/test_cron.py::test_a_filesystem_that_hangs_does_not_keep_the_process,
  tests/probes/test_object_store.py::test_rows_wait_while_the_store_cannot_take_them,
  tests/probes/test_offline.py::test_three_days_without_a_store
- the store full: tests/probes/test_cron.py::test_a_store_that_is_full
- the disk full: tests/probes/test_cron.py::test_a_spool_without_room_still_measures_and_ships,
  tests/probes/test_cron.py::test_neither_spool_nor_store_takes_the_rows,
  tests/probes/test_spool.py::test_a_full_disk_keeps_rows_in_memory_and_ships_them
- kill -9 at any instant: tests/probes/test_killed.py::test_killed_before_every_single_line,
  tests/probes/test_killed.py::test_killed_at_random_instants,
  tests/probes/test_killed.py::test_killed_at_random_instants_while_shipping_to_s3
- the clock stepped by an hour: tests/probes/test_agent_clock.py::test_an_hour_back_under_a_round,
  tests/probes/test_agent_clock.py::test_an_hour_forward_under_a_round,
  tests/probes/test_agent_clock.py::test_an_hour_between_two_rounds
- two crons at once: tests/probes/test_cron.py::test_of_many_crons_at_once_one_measures
- the deadline in the middle of any of it: test_a_deadline_in_the_middle_of_everything
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.netlab import SILENCE, Netlab, Packet, Way, missing
from tests.netlab.authority import Authority
from tests.netlab.servers import serving, web

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
    reason: str | None = None
    port: int = 443
    scheme: str | None = None
    path: str | None = None

    @property
    def target(self) -> dict[str, object]:
        values = {
            "site": self.name,
            "host": self.host,
            "port": self.port,
            "protocols": [self.protocol],
            "family": None if self.host[0].isdigit() else 4,
            "scheme": self.scheme,
            "path": self.path,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of one run of the agent: rows by site as it printed them, and as the store has them."""

    code: int
    said: str
    seconds: float
    rows: list[dict[str, object]]
    stored: list[dict[str, object]]
    wire: list[Packet] = field(default_factory=list)

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


def _tls(manner: str, failure: str, reason: str | None = None) -> Iterator[Case]:
    """A TLS handshake with a server that misbehaves so."""
    yield Case(f"tls-{manner}", SERVER, "tls", failure, reason, MANNERS[manner])


def _http(manner: str, failure: str | None, reason: str | None = None) -> Iterator[Case]:
    """A request to a server that misbehaves so, plain and over TLS."""
    for scheme, port in (("http", MANNERS[manner]), ("https", MANNERS[f"tls/{manner}"])):
        yield Case(f"{scheme}-{manner}", SERVER, "http", failure, reason, port, scheme)


SERVER = "10.77.0.1"
PLAIN = [
    "silence",
    "reset",
    "reset_when_asked",
    "hang_up",
    "hang_up_when_asked",
    "hang_up_in_the_head",
    "trickle",
    "endless_head",
    "endless_line",
    "endless_beginnings",
    "slow_head",
    "huge_body",
    "redirect_loop",
    "not_found",
    "garbage",
    "ssh",
    "http2",
]
ONLY_BEFORE_TLS = ["trickle_hello", "alert", "alert_and_hang_up", "endless_hello", "endless_nothing"]
MANNERS = {
    manner: 7000 + number
    for number, manner in enumerate([*PLAIN, *ONLY_BEFORE_TLS, *(f"tls/{manner}" for manner in PLAIN)])
}
QUIET = {"silence": MANNERS["silence"]}
CERTIFICATES = {
    "valid": 8440,
    "expired": 8441,
    "early": 8442,
    "elsewhere": 8443,
    "alone": 8444,
    "stranger": 8445,
}

CASES = [
    *_dns("nxdomain", "dns_nxdomain"),
    *_dns("servfail", "dns_servfail"),
    *_dns("refused", "dns_refused"),
    *_dns("silent", "dns_timeout"),
    *_dns("guessed", "dns_timeout"),
    *_dns("forged", None),
    *_dns("truncated", None),
    Case(
        "us-west-2",
        "ec2.us-west-2.amazonaws.com",
        "tcp",
        "implausible",
        "10.77.0.99 is a private address",
        MANNERS["silence"],
    ),
    Case("icmp-silent-drop", SILENT, "icmp", "icmp_timeout"),
    Case("tcp-silent-drop", SILENT, "tcp", "connect_timeout"),
    Case("tcp-refused", "10.77.0.1", "tcp", "connect_refused", port=9),
    Case("tcp-no-route", "10.99.0.1", "tcp", "unreachable"),
    Case("icmp-no-route", "10.99.0.1", "icmp", "unreachable"),
    Case("tcp-silence", "10.77.0.1", "tcp", None, port=MANNERS["silence"]),
    Case("tcp-reset", "10.77.0.1", "tcp", None, port=MANNERS["reset"]),
    Case("tcp-hang-up", "10.77.0.1", "tcp", None, port=MANNERS["hang_up"]),
    Case("tls-silent-drop", SILENT, "tls", "connect_timeout"),
    Case("tls-refused", SERVER, "tls", "connect_refused", port=9),
    Case("tls-no-route", "10.99.0.1", "tls", "unreachable"),
    Case("http-silent-drop", SILENT, "http", "connect_timeout"),
    Case("http-refused", SERVER, "http", "connect_refused", port=9),
    Case("http-no-route", "10.99.0.1", "http", "unreachable"),
    *(
        Case(f"{protocol}-{name}", SERVER, protocol, failure, reason, CERTIFICATES[name])
        for protocol in ("tls", "http")
        for name, failure, reason in (
            ("valid", None, None),
            ("expired", "tls_certificate", "expired"),
            ("early", "tls_certificate", "not yet valid"),
            ("elsewhere", "tls_certificate", "mismatch"),
            ("alone", "tls_certificate", "self-signed"),
            ("stranger", "tls_certificate", "unable to get local issuer certificate"),
        )
    ),
    *_tls("silence", "tls_timeout"),
    *_tls("trickle_hello", "tls_timeout"),
    *_tls("reset", "tls_protocol", "during the handshake"),
    *_tls("reset_when_asked", "tls_protocol", "reset"),
    *_tls("hang_up", "tls_protocol", "during the handshake"),
    *_tls("hang_up_when_asked", "tls_protocol", "closed"),
    *_tls("garbage", "tls_protocol", "version"),
    *_tls("ssh", "tls_protocol", "version"),
    *_tls("not_found", "tls_protocol", "version"),
    *_tls("alert", "tls_protocol", "handshake failure"),
    *_tls("alert_and_hang_up", "tls_protocol", "handshake failure"),
    *_tls("endless_hello", "tls_protocol", "excessive message size"),
    *_tls("endless_nothing", "tls_protocol", "unexpected message"),
    *_http("silence", "http_timeout"),
    *_http("trickle", "http_timeout", "did not end in time"),
    *_http("slow_head", "http_timeout", "did not end in time"),
    *_http("endless_head", "http_protocol", "endless"),
    *_http("endless_line", "http_protocol", "endless"),
    *_http("endless_beginnings", "http_protocol", "endless"),
    *_http("huge_body", None),
    *_http("redirect_loop", None),
    *_http("not_found", "http_status", "404"),
    *_http("garbage", "http_protocol", "not HTTP"),
    *_http("ssh", "http_protocol", "not HTTP"),
    *_http("http2", "http_protocol", "not HTTP"),
    *_http("reset", "http_protocol", "before the re"),
    *_http("reset_when_asked", "http_protocol", "reset"),
    *_http("hang_up", "http_protocol", " the re"),
    *_http("hang_up_when_asked", "http_protocol", "closed"),
    *_http("hang_up_in_the_head", "http_protocol", "closed"),
]


def _lab(ways: dict[str, Way] | None = None) -> Netlab:
    why = missing("nginx", "openssl")
    if why is not None:
        pytest.skip(why)
    return Netlab({"10.77.0.0/16": Way(rtt_ms=10), SILENT: SILENCE, **(ways or {})})


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def everything_bad(lab, authority, directory):
    """All the servers that the cases ask."""
    issued = {
        "valid": authority.issue("valid", [SERVER]),
        "expired": authority.issue("expired", [SERVER], begins_days=-60, ends_days=-30),
        "early": authority.issue("early", [SERVER], begins_days=20, ends_days=40),
        "elsewhere": authority.issue("elsewhere", ["elsewhere.test"]),
        "alone": authority.self_signed("alone", [SERVER]),
        "stranger": Authority(directory / "stranger").issue("stranger", [SERVER]),
    }
    lab.near.run(["ip", "route", "add", "unreachable", "10.99.0.0/16"])
    words = ["--certificate", issued["valid"].certificate, "--key", issued["valid"].key]
    ports = {port: issued[name] for name, port in CERTIFICATES.items()}
    with web(lab, tls=ports), hostile(lab, MANNERS, *words):
        yield


@pytest.fixture(scope="module")
def bad_round(tmp_path_factory, authority):
    """One round of all the cases."""
    directory = tmp_path_factory.mktemp("bad")
    with _lab() as lab, everything_bad(lab, authority, directory):
        targets = [case.target for case in CASES]
        ran = run(lab, directory, targets, ca_file=str(authority.certificate))
        yield replace(ran, wire=lab.wire())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ends_as_its_class(bad_round, case):
    rows = bad_round.of(case.name)
    assert [(row["failure"], row["reason"]) for row in rows] == [
        (case.failure, row["reason"]) for row in rows
    ]
    assert len(rows) == SAMPLES
    # What was measured and is not believed is told all the same.
    assert all((row["rtt_ms"] is None) == (row["failure"] not in (None, "implausible")) for row in rows)
    assert all(case.reason in row["reason"] for row in rows if case.reason)


def test_a_forged_reply_moves_nothing(bad_round):
    assert {row["peer"] for row in bad_round.of("name-forged")} == {"10.77.0.1"}


def test_a_body_of_10_gb_is_left_where_it_is(bad_round):
    """What the peer had put on its way when the connection was broken off, and no more."""
    for scheme in ("http", "tls/"):
        port = MANNERS["huge_body" if scheme == "http" else "tls/huge_body"]
        came = sum(packet.length for packet in bad_round.wire if packet.peer[1] == port and not packet.out)
        assert 0 < came < 1 << 20


def test_a_redirect_is_told_and_not_followed(bad_round):
    for scheme in ("http", "https"):
        assert {row["http_status"] for row in bad_round.of(f"{scheme}-redirect_loop")} == {302}
    port = MANNERS["redirect_loop"]
    asked = [packet for packet in bad_round.wire if packet.peer[1] == port and packet.out and packet.length]
    assert len(asked) == SAMPLES


def test_every_reason_can_be_printed(bad_round):
    reasons = {row["reason"] for row in bad_round.rows if row["reason"] is not None}
    assert all(reason.isprintable() and 0 < len(reason) <= 120 for reason in reasons)


def test_ends_in_time_and_each_sample_is_there_once(bad_round):
    assert (bad_round.code, bad_round.said) == (0, "")
    assert bad_round.seconds < DEADLINE_S + AROUND_S
    assert_each_sample_once(bad_round, [case.target for case in CASES])


def test_an_address_that_changes_between_rounds(tmp_path):
    """Each round measures what the name stands for in it, all of its samples, and says so."""
    target = {
        "site": "moving",
        "host": "turned.test",
        "port": MANNERS["silence"],
        "protocols": ["tcp"],
        "family": 4,
    }
    with _lab() as lab, hostile(lab, QUIET):
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
        {"site": address, "host": address, "port": MANNERS["silence"], "protocols": ["tcp", "icmp"]}
        for address in addresses
    ]
    with _lab(dict.fromkeys(dead, SILENCE)) as lab, hostile(lab, QUIET):
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


def test_a_deadline_in_the_middle_of_everything(tmp_path, authority):
    """What it cuts off is there as cut off, what was found before is there as found."""
    targets = [case.target for case in CASES]
    with _lab() as lab, everything_bad(lab, authority, tmp_path):
        ran = run(lab, tmp_path, targets, timeout_ms=30_000, deadline_s=2, ca_file=str(authority.certificate))
    assert (ran.code, ran.said) == (0, "")
    assert ran.seconds < 2 + AROUND_S
    assert_each_sample_once(ran, targets)
    assert {row["failure"] for row in ran.of("icmp-silent-drop")} == {"deadline"}
    assert {row["failure"] for row in ran.of("tcp-refused")} == {"connect_refused"}
    assert {row["failure"] for row in ran.of("tcp-silence")} == {None}


def test_every_kind_of_badness_has_its_tests():
    named = re.findall(r"([\w/]*test_\w+(?:\.py)?)(?:::(\w+))?", __doc__)
    assert len(named) > 25
    for file, name in named:
        path, wanted = (ROOT / file, name) if name else (Path(__file__), file)
        assert f"def {wanted}(" in path.read_text("utf-8"), (file, name)
