"""Accepts connections on every address of its host, and says nothing. A program: ``acceptor.py PORT...``

The oldest connections are closed when there are very many.
"""

import collections
import resource
import selectors
import socket
import sys

MOST_HELD = 8192


def main() -> None:
    limit = MOST_HELD + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    held = collections.deque()
    with selectors.DefaultSelector() as selector:
        for port in sys.argv[1:]:
            listener = socket.socket(socket.AF_INET6)
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("::", int(port)))
            listener.listen(65535)
            listener.setblocking(False)
            selector.register(listener, selectors.EVENT_READ)
        while True:
            for ready, _ in selector.select():
                try:
                    held.append(ready.fileobj.accept()[0])
                except (BlockingIOError, ConnectionError):
                    continue
                if len(held) > MOST_HELD:
                    held.popleft().close()


if __name__ == "__main__":
    main()
