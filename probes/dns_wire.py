"""DNS messages as bytes: queries built before the clock starts, replies understood after it stopped.

dnspython does both, and is imported only when a name is really asked for: a round of plain addresses starts
without it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
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
    """

    failure: Failure | None
    addresses: tuple[str, ...] = ()


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
    """Parse a reply with dnspython. A damaged one is failure "other", never an exception."""
    import dns.exception
    import dns.message
    import dns.rcode

    try:
        message = dns.message.from_wire(data)
        rcode = message.rcode()
        if rcode != dns.rcode.NOERROR:
            return Answer(_RCODE_FAILURES.get(dns.rcode.to_text(rcode), "other"))
        if not isinstance(message, dns.message.QueryMessage):
            return Answer("other")
        records = message.resolve_chaining().answer
    except (dns.exception.DNSException, ValueError, IndexError, struct.error):
        return Answer("other")
    return Answer(None, () if records is None else tuple(record.to_text() for record in records))


def _question_end(wire: bytes) -> int:
    at = HEADER_SIZE
    while wire[at]:
        at += 1 + wire[at]
    return at + 1 + 4  # the root label, then type and class
