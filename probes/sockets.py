"""What sockets take for an address, and what they mean when they fail."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Final

from probes.record import Failure

_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}
)

OVERFLOWED: Final = "the receive buffer overflowed"
"""Why nothing may have come on a datagram socket, though it was sent."""


def network_failure(number: int) -> Failure:
    """The class of an errno from connecting or sending over TCP or UDP."""
    if number == errno.ECONNREFUSED:
        return "connect_refused"
    if number == errno.ETIMEDOUT:
        return "connect_timeout"
    return "unreachable" if number in _UNREACHABLE else "other"


def errno_words(number: int) -> str:
    """What the system calls an errno, in lower case."""
    return os.strerror(number).lower()


def numeric_address(host: str, port: int, family: socket.AddressFamily) -> Any:
    """What connect() takes for an IP address; a scope such as %eth0 becomes a number.

    No query is made. Raises OSError when the scope names no interface of this host.
    """
    return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4]
