"""A router at the end of the way. It says that the host of each UDP datagram to a port cannot be reached:

    terse_router.py ADDRESS PORT

The address is its own. It returns no more of a datagram than RFC 792 asks for: the IP header, and eight
bytes. IPv4 only.
"""

from __future__ import annotations

import socket
import struct
import sys

UNREACHABLE, HOST = 3, 1
IP_HEADER = 20


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def main(address: str, port: int) -> None:
    # Without a socket of its own there, the kernel would say that nobody listens.
    with (
        socket.create_server(("0.0.0.0", port)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as seen,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as said,
    ):
        taken.bind(("0.0.0.0", port))
        said.bind((address, 0))
        while True:
            packet, (source, _) = seen.recvfrom(65_535)
            if struct.unpack_from("!H", packet, IP_HEADER + 2) != (port,):
                continue
            message = struct.pack("!BBHI", UNREACHABLE, HOST, 0, 0) + packet[: IP_HEADER + 8]
            said.sendto(message[:2] + struct.pack("!H", checksum(message)) + message[4:], (source, 0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
