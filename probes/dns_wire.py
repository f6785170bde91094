"""DNS messages as bytes: queries built before the clock starts, replies understood after it stopped.

dnspython does both, and is imported only when a name is really asked for: a round of plain addresses starts
without it.
"""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass, replace
from typing import Final

from probes.record import Failure

HEADER_SIZE: Final = 12
_FLAGS: Final = struct.Struct("!H")
_COUNT: Final = struct.Struct("!H")
_REPLY: Final = 0x8000
_OPCODE: Final = 0x7800
_TRUNCATED: Final = 0x0200
_RCODE: Final = 0x000F

# What DNS flag day 2020 settled on: larger replies would fragment, so the server truncates instead.
_EDNS_PAYLOAD: Final = 1232

# What a server may add to its refusal (RFC 8914) is its own choice of words.
_LONGEST_REASON: Final = 120

_RCODE_FAILURES: Final[dict[str, Failure]] = {
    "NXDOMAIN": "dns_nxdomain",
    "SERVFAIL": "dns_servfail",
    "REFUSED": "dns_refused",
}


@dataclass(frozen=True, slots=True)
class Query:
    """A query ready to be sent but for its id, the first two bytes; ``question`` is what a reply repeats."""

    wire: bytes
    question: bytes
    family: int

    def with_id(self, number: int) -> bytes:
        """The wire form under one id."""
        return number.to_bytes(2, "big") + self.wire[2:]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reply says: addresses in its order, or why there are none.

    A name that exists but has no address of the family asked for is no failure of DNS: both are empty then.
    ``rcode`` is None when the reply is too damaged to tell; ``ttl_s`` is the shortest of the addresses'.
    """

    failure: Failure | None
    addresses: tuple[str, ...] = ()
    rcode: str | None = None
    ttl_s: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A query, and how its answer is taken.

    ``warm``: the same was asked before in this round. With ``required``, a name that exists but has no
    address of the family is a failure; without, that is an answer like any other.
    """

    query: Query
    warm: bool = False
    required: bool = False

    def verdict(self, reply: bytes) -> Answer:
        """What the reply says, its failure included."""
        answer = read_answer(reply)
        if self.required and not answer.failure and not answer.addresses:
            return replace(answer, failure="other")
        return answer


def build_query(host: str, family: int) -> Query:
    """Ask for the A (family 4) or AAAA (6) records of ``host``, taken as a full name."""
    import dns.message
    import dns.name

    message = dns.message.make_query(
        dns.name.from_text(host), "AAAA" if family == 6 else "A", use_edns=0, payload=_EDNS_PAYLOAD, id=0
    )
    wire = message.to_wire()
    return Query(wire, wire[HEADER_SIZE : _question_end(wire)].lower(), family)


def is_reply(data: bytes, query: Query) -> bool:
    """Whether ``data`` answers ``query``'s question (ids are the caller's to compare).

    An error reply may leave the question out, as some servers do.
    """
    if len(data) < HEADER_SIZE:
        return False
    (flags,) = _FLAGS.unpack_from(data, 2)
    if not flags & _REPLY or flags & _OPCODE:
        return False
    (questions,) = _COUNT.unpack_from(data, 4)
    if questions == 0:
        return bool(flags & _RCODE)
    return questions == 1 and data[HEADER_SIZE : HEADER_SIZE + len(query.question)].lower() == query.question


def is_truncated(data: bytes) -> bool:
    """Whether the server asks to be asked again over TCP."""
    return bool(_FLAGS.unpack_from(data, 2)[0] & _TRUNCATED)


def read_answer(data: bytes) -> Answer:
    """What a reply says. A damaged one is failure "other", never an exception."""
    # A resolver says the same again and again, under ids of their own.
    return _read(data[2:])


@functools.lru_cache(maxsize=1024)
def _read(data: bytes) -> Answer:
    import dns.exception
    import dns.message
    import dns.rcode
    import dns.rdatatype

    try:
        message = dns.message.from_wire(b"\0\0" + data)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return Answer("other", reason="malformed reply")
    rcode = dns.rcode.to_text(message.rcode())
    if message.rcode() != dns.rcode.NOERROR:
        failure = _RCODE_FAILURES.get(rcode, "other")
        told = message.extended_errors()
        reason = _printable(told[0].to_text())[:_LONGEST_REASON] if told else None
        return Answer(failure, (), rcode, reason=reason or (rcode.lower() if failure == "other" else None))
    try:
        if not isinstance(message, dns.message.QueryMessage):
            return Answer("other", (), rcode, reason="not a reply to a query")
        records = message.resolve_chaining().answer
    except dns.message.ChainTooLong:
        return Answer("other", (), rcode, reason="endless chain of CNAMEs")
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return Answer("other", (), rcode, reason="malformed reply")
    if not records:
        return Answer(
            None, (), rcode, reason=f"no {dns.rdatatype.to_text(message.question[0].rdtype)} record"
        )
    return Answer(None, tuple(record.to_text() for record in records), rcode, records.ttl)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _question_end(wire: bytes) -> int:
    at = HEADER_SIZE
    while wire[at]:
        at += 1 + wire[at]
    return at + 1 + 4  # the root label, then type and class
