"""What one probe found: the value that crosses from the agents to the planner.

A failed probe is a record, not an exception. Standard library only, because both sides import this
module and the agent must start fast.

Times are milliseconds, decimal, with at least 1 µs resolution; absent is ``None``. ``started_at`` is UTC,
RFC 3339 with microseconds. Round-trip delay is used in the sense of RFC 2681.
"""

from __future__ import annotations

import dataclasses
import json
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

SCHEMA_VERSION: Final = 1

Clock = Literal["kernel", "user"]
"""Whose clock timed the sample: the kernel's own TCP_INFO / receive stamps, or this process."""

Transport = Literal["udp", "tcp", "tls", "https"]
"""What carried a DNS question."""

Failure = Literal[
    "dns_timeout",
    "dns_nxdomain",
    "dns_servfail",
    "dns_refused",
    "connect_timeout",
    "connect_refused",
    "syn_retransmit",
    "unreachable",
    "tls_timeout",
    "tls_certificate",
    "tls_protocol",
    "http_timeout",
    "http_status",
    "http_protocol",
    "icmp_timeout",
    "clock_step",
    "implausible",
    "deadline",
    "other",
]

FAILURES: Final[tuple[str, ...]] = get_args(Failure)

NOT_LOSS: Final[frozenset[str]] = frozenset(
    {
        "dns_timeout",
        "dns_nxdomain",
        "dns_servfail",
        "dns_refused",
        "tls_certificate",
        "tls_protocol",
        "http_status",
        "http_protocol",
        "clock_step",
        "implausible",
        "deadline",
        "other",
    }
)
"""Failures that say nothing of the path to the site: it was not tried, the figure is not the site's, or what
answered was not what was asked for. Of ``dns`` rows, which time a resolver, the first four are loss."""

CLOCKS: Final[tuple[str, ...]] = get_args(Clock)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One sample of one target by one protocol.

    ``rtt_ms`` is the protocol's own network round trip and is None when the sample failed. A row that was
    judged ``implausible`` keeps its times as they were measured: they are true, but not of this site.
    ``late_ms`` is actual minus intended start, so that coordinated omission shows.
    ``vantage_country``, ``vantage_lat`` and ``vantage_lon`` say where the vantage stands, so that a
    store explains itself to a reader who never saw the agent's configuration.

    What follows ``agent`` is None where it does not apply. ``reason`` says in a few words what the failure
    class leaves open. ``transport`` is what carried a DNS question; ``warm`` is False for the first
    question of a round for its name (a fresh connection, where there is one) and True for those after it;
    ``rcode`` is the reply's and ``ttl_s`` the shortest of its addresses'. ``certificate_days`` is how long
    the peer's certificate is still valid. ``crypto_ms`` is what this process spent on cryptography, which is
    in no other time. ``lag_ms`` is how long the agent's own loop kept the sample waiting to be noticed.
    """

    run_id: str
    vantage: str
    vantage_country: str
    vantage_lat: float
    vantage_lon: float
    site: str
    host: str
    peer: str | None
    port: int | None
    protocol: str
    sample: int
    started_at: str
    late_ms: float
    dns_ms: float | None
    connect_ms: float | None
    tls_ms: float | None
    ttfb_ms: float | None
    rtt_ms: float | None
    clock: Clock
    retransmits: int | None
    failure: Failure | None
    resolver: str | None
    family: int | None
    agent: str
    reason: str | None = None
    transport: Transport | None = None
    warm: bool | None = None
    rcode: str | None = None
    ttl_s: int | None = None
    tls_version: str | None = None
    tls_cipher: str | None = None
    certificate_days: float | None = None
    http_status: int | None = None
    http_version: str | None = None
    crypto_ms: float | None = None
    lag_ms: float | None = None
    schema: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """One line of JSON, keys in the contract's order, no newline."""
        line = _LINE % tuple(
            ["null" if value is None else _TEXT[type(value)](value) for value in _values(self)]
        )
        # Looked for in the whole, since looking at every number takes longer; a text may have it as well.
        if any(mark in line for mark in _NO_NUMBERS):
            _check_numbers(self)
        return line


def is_loss(row: Measurement) -> bool:
    """Whether the way to the peer lost this sample; a failure that is no loss says nothing of that way.

    A row without a peer has none: no address was known, so nothing was sent. A ``dns`` row times a resolver,
    and is lost where that did not answer the question. The planner counts the same.
    """
    if row.failure is None:
        return False
    if row.protocol == "dns":
        return row.failure not in NOT_LOSS or row.failure.startswith("dns_")
    return row.peer is not None and row.failure not in NOT_LOSS


FIELDS: Final[tuple[str, ...]] = tuple(field.name for field in dataclasses.fields(Measurement))

_KEYS: Final = ("schema", *(name for name in FIELDS if name != "schema"))
_values: Final = operator.attrgetter(*_KEYS)


_NO_NUMBERS: Final = (":nan", ":inf", ":-inf")


def _check_numbers(row: Measurement) -> None:
    for value in _values(row):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value!r} is not a JSON number")


# What json.dumps would write, in a third of its time: an agent spends as much on this as on a probe.
_LINE: Final = "{" + ",".join(f'"{key}":%s' for key in _KEYS) + "}"
_TEXT: Final[Mapping[type, Callable[[Any], str]]] = {
    str: json.encoder.encode_basestring_ascii,
    int: repr,
    float: repr,
    bool: lambda value: "true" if value else "false",
}


def from_json(line: str | bytes) -> Measurement:
    """Read back one line that :meth:`Measurement.to_json` wrote.

    Unknown keys are ignored, so that a newer agent can add a field. Raises ``ValueError`` (which
    ``json.JSONDecodeError`` is) or ``TypeError`` when the line is damaged or lacks a field.
    """
    values: dict[str, Any] = json.loads(line)
    if not isinstance(values, dict):
        raise TypeError("a measurement is a JSON object")
    if values.get("schema") != SCHEMA_VERSION:
        raise ValueError(f"schema {values.get('schema')!r} is not {SCHEMA_VERSION}")
    if values.get("failure") is not None and values["failure"] not in FAILURES:
        raise ValueError(f"unknown failure class {values['failure']!r}")
    if values.get("clock") not in CLOCKS:
        raise ValueError(f"unknown clock {values.get('clock')!r}")
    return Measurement(**{name: values[name] for name in values if name in FIELDS})
