"""Servers that misbehave. A program:

    hostile.py [--dns ADDRESS] [--certificate PEM --key PEM] ADDRESS MANNER:PORT...

The address ``::`` is every one of the host, IPv4 too; port 0 is any. It prints a line ``MANNER PORT`` for
each when all of them listen. A manner is the name of a function below, after ``tls/`` where TLS is to be
spoken first, by the certificate. With ``--dns`` there is a name server on port 53 of one address, where the
first label of a name says how it is answered: see :class:`Names`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Iterator

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter

TEN_GB = 10 * 1024**3
HEAD = b"HTTP/1.1 200 OK\r\nServer: hostile\r\nContent-Length: 5\r\n"

# A record of a handshake, in it the beginning of a ServerHello of 118 bytes.
HELLO = bytes.fromhex("16030300 7a 02000076 0303") + bytes(100)
ALERT = bytes.fromhex("15030300 02 0228")  # fatal, handshake_failure
SETTINGS = bytes.fromhex("000000 04 00 00000000")  # an HTTP/2 server's first frame


async def silence(reader: Reader, writer: Writer) -> None:
    """Not a byte, whatever is sent."""
    while await reader.read(65536):
        pass
    await asyncio.sleep(3600)


async def reset(reader: Reader, writer: Writer) -> None:
    """RST at once."""
    await _break_off(writer)


async def reset_when_asked(reader: Reader, writer: Writer) -> None:
    """RST in place of an answer."""
    await reader.read(65536)
    await _break_off(writer)


async def hang_up(reader: Reader, writer: Writer) -> None:
    """FIN at once."""


async def hang_up_when_asked(reader: Reader, writer: Writer) -> None:
    """FIN in place of an answer."""
    await reader.read(65536)


async def hang_up_in_the_head(reader: Reader, writer: Writer) -> None:
    """FIN in the middle of an answer's head."""
    await reader.read(65536)
    writer.write(HEAD)
    await writer.drain()


async def trickle(reader: Reader, writer: Writer) -> None:
    """A sound response, one byte a second."""
    await reader.read(65536)
    await _trickle(writer, HEAD + b"\r\nhello")


async def trickle_hello(reader: Reader, writer: Writer) -> None:
    """A sound beginning of a TLS handshake, one byte a second."""
    await reader.read(65536)
    await _trickle(writer, HELLO)


async def endless_head(reader: Reader, writer: Writer) -> None:
    """A head of ever more fields."""
    await reader.read(65536)
    writer.write(HEAD)
    await _for_ever(writer, b"X-More: and more\r\n" * 400)


async def endless_line(reader: Reader, writer: Writer) -> None:
    """A head of one field without end."""
    await reader.read(65536)
    writer.write(HEAD + b"X-More: ")
    await _for_ever(writer, b"and more " * 800)


async def endless_beginnings(reader: Reader, writer: Writer) -> None:
    """Informational responses, and never the one they inform of."""
    await reader.read(65536)
    await _for_ever(writer, b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n" * 100)


async def slow_head(reader: Reader, writer: Writer) -> None:
    """A head that is begun and not ended."""
    await reader.read(65536)
    writer.write(HEAD)
    await asyncio.sleep(3600)


async def huge_body(reader: Reader, writer: Writer) -> None:
    """A body of 10 GB, as fast as it is taken."""
    await reader.read(65536)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TEN_GB)
    await _for_ever(writer, bytes(65536))


async def redirect_loop(reader: Reader, writer: Writer) -> None:
    """Sends every request back to where it came from; more than one on a connection too."""
    while await reader.read(65536):
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()


async def not_found(reader: Reader, writer: Writer) -> None:
    """404, politely."""
    await reader.read(65536)
    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def garbage(reader: Reader, writer: Writer) -> None:
    """Bytes of no protocol, in lines of none."""
    await reader.read(65536)
    writer.write(bytes((7 * number + number // 256) % 256 for number in range(4096)))
    await writer.drain()
    await reader.read(65536)


async def ssh(reader: Reader, writer: Writer) -> None:
    """The greeting of another protocol."""
    writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    await writer.drain()
    await reader.read(65536)
    await asyncio.sleep(3600)


async def http2(reader: Reader, writer: Writer) -> None:
    """HTTP/2, which nobody asked for."""
    await reader.read(65536)
    writer.write(SETTINGS)
    await writer.drain()
    await asyncio.sleep(3600)


async def alert(reader: Reader, writer: Writer) -> None:
    """A TLS alert in place of a ServerHello."""
    await reader.read(65536)
    writer.write(ALERT)
    await writer.drain()
    await reader.read(65536)


async def alert_and_hang_up(reader: Reader, writer: Writer) -> None:
    """A TLS alert in place of a ServerHello, and FIN along with it."""
    await reader.read(65536)
    writer.write(ALERT)


async def endless_hello(reader: Reader, writer: Writer) -> None:
    """TLS records of a handshake message that is 16 MB long."""
    await reader.read(65536)
    writer.write(bytes.fromhex("16030340 00 02ffffff 0303") + bytes(0x4000 - 6))
    await _for_ever(writer, bytes.fromhex("1603034000") + bytes(0x4000))


async def endless_nothing(reader: Reader, writer: Writer) -> None:
    """TLS records that a handshake has to ignore."""
    await reader.read(65536)
    await _for_ever(writer, bytes.fromhex("140303000101") * 1000)


async def _trickle(writer: Writer, data: bytes) -> None:
    for byte in data:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(1)


async def _for_ever(writer: Writer, data: bytes) -> None:
    while not writer.is_closing():
        writer.write(data)
        await writer.drain()
        # A connection that was broken off never makes drain() wait, and is known to be so a turn later.
        await asyncio.sleep(0)


async def _break_off(writer: Writer) -> None:
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


Manner = Callable[[Reader, Writer], Coroutine[None, None, None]]

MANNERS: dict[str, Manner] = {
    manner.__name__: manner
    for manner in (
        silence,
        reset,
        reset_when_asked,
        hang_up,
        hang_up_when_asked,
        hang_up_in_the_head,
        trickle,
        trickle_hello,
        endless_head,
        endless_line,
        endless_beginnings,
        slow_head,
        huge_body,
        redirect_loop,
        not_found,
        garbage,
        ssh,
        http2,
        alert,
        alert_and_hang_up,
        endless_hello,
        endless_nothing,
    )
}


class Names(asyncio.DatagramProtocol):
    """A name server. The first label of a name says how it is answered:

    ``nxdomain servfail refused`` by that code; ``silent`` not at all; ``truncated`` in full over TCP only;
    ``forged`` by somebody who guesses the id, then truly; ``guessed`` by the one who guesses alone;
    ``turned`` with another address each time; ``to-A-B-C-D`` with the address A.B.C.D, as is ``ec2`` with
    10.77.0.99. The true address of all others is 10.77.0.1.
    """

    TRUE, FALSE, PRIVATE = "10.77.0.1", "10.77.66.66", "10.77.0.99"

    def __init__(self) -> None:
        self._turns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, peer: object) -> None:
        for reply in self.replies(data, "udp"):
            self._transport.sendto(reply, peer)

    async def stream(self, reader: Reader, writer: Writer) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        for reply in self.replies(await reader.readexactly(length), "tcp"):
            writer.write(len(reply).to_bytes(2, "big") + reply)
            await writer.drain()
        await reader.read(1)

    def replies(self, data: bytes, transport: str) -> Iterator[bytes]:
        query = dns.message.from_wire(data)
        question = query.question[0]
        how = question.name.labels[0].decode("ascii").lower()
        reply = dns.message.make_response(query)
        address = self.TRUE
        if how in ("nxdomain", "servfail", "refused"):
            reply.set_rcode(dns.rcode.from_text(how))
        elif how == "silent":
            return
        elif how == "truncated" and transport == "udp":
            reply.flags |= dns.flags.TC
            yield reply.to_wire()
            return
        elif how in ("forged", "guessed"):
            forged = dns.message.make_response(query)
            forged.id = query.id ^ 1
            yield _answered(forged, question, self.FALSE)
            if how == "guessed":
                return
        elif how == "turned":
            self._turns += 1
            address = f"10.77.0.{self._turns}"
        elif how.startswith("to-"):
            address = how.removeprefix("to-").replace("-", ".")
        elif how == "ec2":
            address = self.PRIVATE
        yield _answered(reply, question, address)


def _answered(reply: dns.message.Message, question: dns.rrset.RRset, address: str) -> bytes:
    if reply.rcode() == dns.rcode.NOERROR and question.rdtype.name == "A":
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "A", address))
    return reply.to_wire()


def _listener(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    if ":" in address:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    return listener


def _to_the_end(manner: Manner) -> Manner:
    """``manner``, and then FIN; peers that go away are what it is there for."""

    async def serve(reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            await manner(reader, writer)
        writer.close()

    return serve


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("manners", nargs="*")
    parser.add_argument("--dns")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    given = parser.parse_args()
    context = None
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate, given.key)
    lines = []
    for word in given.manners:
        name, _, port = word.partition(":")
        listener = _listener(given.address, int(port))
        serve = _to_the_end(MANNERS[name.removeprefix("tls/")])
        how = context if name.startswith("tls/") else None
        await asyncio.start_server(serve, sock=listener, ssl=how, backlog=4096)
        lines.append(f"{name} {listener.getsockname()[1]}")
    if given.dns:
        names = Names()
        await asyncio.start_server(_to_the_end(names.stream), given.dns, 53)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: names, local_addr=(given.dns, 53))
    print("\n".join(lines), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
