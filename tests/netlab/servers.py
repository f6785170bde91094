"""Real servers on the far host, each a context manager that is entered when it answers [I/O]."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.netlab.lab import Netlab


@contextlib.contextmanager
def acceptor(lab: Netlab, *ports: int) -> Iterator[None]:
    """TCP on every far address: accepts thousands at once and keeps silent. Any other port refuses."""
    program = [sys.executable, Path(__file__).with_name("acceptor.py"), *ports]
    server = lab.far.popen(program, contained=True, stdout=subprocess.PIPE, text=True)
    if server.stdout is None or server.stdout.readline() != "listening\n":
        raise OSError("the acceptor does not listen")
    try:
        yield
    finally:
        lab.far.end(server)
