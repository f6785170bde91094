"""One DNS query over TLS or HTTPS and its reply, timed by the kernel [I/O].

On a new connection ``dns_ms`` is what a client waits for the network: ``connect_ms``, ``tls_ms`` and the
round trip of the query (``rtt_ms``), which is all there is on a connection that stands already.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final

from probes import kernel
from probes.dns_dialogue import Dialogue, Dialogues
from probes.dns_wire import Question, is_reply
from probes.loop import Finding, Loop, Probe
from probes.record import Failure, Transport
from probes.sockets import errno_words
from probes.stream import Arrival, Moment, elapsed_ns, milliseconds
from probes.tls_stream import TlsStream

_TRANSPORTS: Final[dict[str, Transport]] = {"tls": "tls", "https": "https"}


class EncryptedExchange(Probe):
    """One query to one resolver, on a connection of its own where ``fresh``, else on one that stands where
    there is one. ``reply`` is the whole reply once there is one."""

    __slots__ = (
        "_arrival",
        "_crypto_ns",
        "_dialogue",
        "_dialogues",
        "_failure",
        "_found",
        "_fresh",
        "_loop",
        "_number",
        "_offset_ns",
        "_reason",
        "_resent",
        "_sent",
        "_stepped",
        "question",
        "reply",
    )

    def __init__(self, dialogues: Dialogues, question: Question, *, fresh: bool) -> None:
        super().__init__()
        self.question = question
        self.reply: bytes | None = None
        self._dialogues, self._fresh = dialogues, fresh
        self._dialogue: Dialogue | None = None
        # RFC 8484, 4.1: over HTTPS an id would only make equal questions look different.
        self._number = 0 if dialogues.resolver.speaks == "https" else secrets.randbelow(1 << 16)
        self._offset_ns = self._crypto_ns = self._resent = 0
        self._stepped = False
        self._sent: Moment | None = None
        self._arrival: Arrival | None = None
        self._failure: Failure | None = None
        self._reason: str | None = None
        self._found = Finding("user")

    def start(self, loop: Loop) -> None:
        self._loop = loop
        if self._dialogues.failure is not None:
            self._fail(self._dialogues.failure, self._dialogues.reason)
            return
        idle = None if self._fresh else self._dialogues.idle()
        if idle is None:
            self._connect()
        else:
            self._fresh, self._dialogue = False, idle
            self._ask(idle)

    def connected(self) -> None:
        dialogue = self._dialogue
        assert dialogue is not None
        if dialogue.stream.failure is None:
            self._ask(dialogue)
        else:
            self._fail(dialogue.stream.failure, dialogue.stream.reason)

    def answered(self, reply: bytes, arrival: Arrival) -> None:
        dialogue = self._dialogue
        assert dialogue is not None
        self._arrival = arrival
        if arrival.stamp_ns is not None:
            self._stepped = kernel.stepped(self._offset_ns, kernel.realtime_offset_ns())
        self._note(dialogue)
        if is_reply(reply, self.question.query) and int.from_bytes(reply[:2], "big") == self._number:
            self.reply = reply
            self._dialogues.keep(dialogue)
        else:
            self._failure, self._reason = "other", "an answer to another question"
            dialogue.close()
        self._loop.finish(self)

    def broken(self, failure: Failure, reason: str, *, closed: bool) -> None:
        # A resolver may close a connection at any time between two questions: RFC 7766, 6.2.3.
        if closed and not self._fresh:
            self._connect()
        else:
            self._fail(failure, reason)

    def cancel(self, loop: Loop) -> None:
        self._failure = "dns_timeout"
        if self._dialogue is not None:
            self._dialogue.give_up()
            self._failure = self._dialogue.stream.failure or "dns_timeout"
            self._reason = self._dialogue.stream.reason
            self._note(self._dialogue)

    def finding(self) -> Finding:
        found, failure, reason = self._found, self._failure, self._reason
        rtt_ms = None
        if self._sent is not None and self._arrival is not None:
            rtt_ms = milliseconds(elapsed_ns(self._sent, self._arrival))
        answer = None if self.reply is None else self.question.verdict(self.reply)
        if answer is not None:
            failure, reason = answer.failure, answer.reason
        found = replace(
            found,
            failure=failure,
            reason=reason,
            rtt_ms=rtt_ms if failure is None else None,
            dns_ms=None if rtt_ms is None else (found.connect_ms or 0.0) + (found.tls_ms or 0.0) + rtt_ms,
            transport=_TRANSPORTS[self._dialogues.resolver.speaks],
            warm=not self._fresh,
            rcode=None if answer is None else answer.rcode,
            ttl_s=None if answer is None else answer.ttl_s,
        )
        return found.stepped() if self._stepped else found

    def _connect(self) -> None:
        self._fresh, self._sent = True, None
        self._crypto_ns = self._resent = 0
        self._dialogue = dialogue = self._dialogues.new()
        dialogue.open(self)

    def _ask(self, dialogue: Dialogue) -> None:
        if not self._fresh:
            # What this connection has taken before is not this question's.
            stream = _secure(dialogue)
            self._crypto_ns, self._resent = stream.session.crypto_ns, stream.tcp.resent() or 0
        self._offset_ns = kernel.realtime_offset_ns()
        try:
            self._sent = dialogue.ask(self, self.question.query.with_id(self._number))
        except OSError as fault:
            dialogue.close()
            self.broken("other", errno_words(fault.errno or 0), closed=True)

    def _fail(self, failure: Failure, reason: str | None) -> None:
        self._failure, self._reason = failure, reason
        if self._dialogue is not None:
            self._dialogue.close()
            self._note(self._dialogue)
        self._loop.finish(self)

    def _note(self, dialogue: Dialogue) -> None:
        """What the connection tells now; another question may be on it soon."""
        stream, framing, arrival = _secure(dialogue), dialogue.framing, self._arrival
        session = stream.session
        if self._fresh:
            found = stream.finding()
        else:
            found = Finding("kernel", tls_version=session.version, tls_cipher=session.cipher)
        resent = stream.tcp.resent()
        self._found = replace(
            found,
            clock="user" if arrival is not None and arrival.stamp_ns is None else found.clock,
            retransmits=None if resent is None else resent - self._resent,
            crypto_ms=milliseconds(session.crypto_ns - self._crypto_ns or None),
            http_status=None if framing is None else framing.status,
            http_version=None if framing is None else framing.version,
            lag_ms=found.lag_ms
            if arrival is None or arrival.lag_ns is None
            else milliseconds(arrival.lag_ns),
        )


def _secure(dialogue: Dialogue) -> TlsStream:
    assert isinstance(dialogue.stream, TlsStream)
    return dialogue.stream
