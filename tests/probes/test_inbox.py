"""Stores: a directory, and an object store spoken to over a real socket."""

import hashlib
import http.server
import os
import socket
import threading
import time
import urllib.parse
from typing import ClassVar

import pytest

from probes.inbox import DirectoryInbox, StoreDeniedError, StoreError, inbox_key, open_inbox

KEY = inbox_key("v", "20261123T050000.000000Z-0123456789ab")


def test_a_directory_takes_each_object_once(tmp_path):
    inbox = open_inbox(str(tmp_path / "store"))
    assert inbox.create(KEY, b"first")
    assert not inbox.create(KEY, b"second")
    assert inbox.read(KEY) == b"first"


def test_nothing_unfinished_is_left_behind(tmp_path):
    inbox = DirectoryInbox(tmp_path)
    inbox.create(KEY, b"first")
    inbox.create(KEY, b"second")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [KEY.rsplit("/", 1)[1]]


def test_what_a_kill_left_half_written_is_swept_up_by_the_next_try(tmp_path):
    inbox = DirectoryInbox(tmp_path)
    inbox.create(KEY, b"rows")
    (final,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    # Killed after the object got its name and before its draft lost its own: one file, two names.
    draft = final.with_name(f".{final.name}.{hashlib.sha256(b'rows').hexdigest()[:16]}.tmp")
    os.link(final, draft)
    assert not inbox.create(KEY, b"rows")
    assert (list(final.parent.iterdir()), final.read_bytes()) == ([final], b"rows")
    # Killed while the draft was being written.
    final.unlink()
    draft.write_bytes(b"ro")
    assert inbox.create(KEY, b"rows")
    assert (list(final.parent.iterdir()), final.read_bytes()) == ([final], b"rows")


def test_file_url(tmp_path):
    place = tmp_path / "with space"
    assert open_inbox(f"file://{urllib.parse.quote(str(place))}").create(KEY, b"rows")
    assert (place / KEY).read_bytes() == b"rows"


def test_file_url_of_another_host():
    with pytest.raises(StoreError, match="is on this machine"):
        open_inbox("file://elsewhere/rows")


def test_a_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError, match=r"Not a directory|File exists"):
        DirectoryInbox(tmp_path / "store").create(KEY, b"rows")


class _Bucket(http.server.BaseHTTPRequestHandler):
    """As much of S3 as an inbox needs: HEAD, PUT with If-None-Match, and GET.

    ``broken`` refuses all of them. ``conditions`` are "honoured", "ignored" (as some lookalikes do) or
    "unknown" (501, as others do); ``readable`` is whether these credentials may read.
    """

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    broken = False
    conditions = "honoured"
    readable = True

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urllib.parse.unquote(self.path)
        if self.broken:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif self.headers["If-None-Match"] and self.conditions == "unknown":
            self._answer(501, b"<Error><Code>NotImplemented</Code></Error>")
        elif self.headers["If-None-Match"] and self.conditions == "honoured" and path in self.objects:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            self.objects[path] = body
            self._answer(200, b"", {"ETag": '"1"'})

    def do_GET(self):
        found = self.objects.get(urllib.parse.unquote(self.path))
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 05:00:00 GMT"}
        allowed = self.readable and not self.broken
        self._answer(403 if not allowed else 404 if found is None else 200, found or b"", headers)

    def do_HEAD(self):
        self.do_GET()

    def _answer(self, code, body, headers=None):
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        """Not on the terminal of the test."""


@pytest.fixture
def s3_environment(monkeypatch):
    def point_at(port):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_REGION", "us-east-1")

    return point_at


@pytest.fixture
def bucket(s3_environment):
    handler = type("Bucket", (_Bucket,), {"objects": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    s3_environment(server.server_port)
    yield handler
    server.shutdown()
    server.server_close()
    thread.join(2)


def test_an_object_store_takes_each_object_once(bucket):
    inbox = open_inbox("s3://bucket/a/prefix")
    assert inbox.create(KEY, b"first")
    assert not inbox.create(KEY, b"second")
    assert inbox.read(KEY) == b"first"
    assert bucket.objects == {f"/bucket/a/prefix/{KEY}": b"first"}


@pytest.mark.parametrize("conditions", ["ignored", "unknown"])
def test_an_object_store_without_conditions_takes_each_object_once(bucket, conditions):
    bucket.conditions = conditions
    inbox = open_inbox("s3://bucket")
    assert inbox.create(KEY, b"first")
    assert not inbox.create(KEY, b"second")
    assert inbox.read(KEY) == b"first"


def test_who_may_write_need_not_read(bucket):
    bucket.readable = False
    inbox = open_inbox("s3://bucket")
    assert inbox.create(KEY, b"first")
    assert not inbox.create(KEY, b"second")
    with pytest.raises(StoreDeniedError):
        inbox.read(KEY)
    assert bucket.objects == {f"/bucket/{KEY}": b"first"}


def test_an_object_store_that_says_nothing_costs_a_share_of_the_span(s3_environment):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        s3_environment(silent.getsockname()[1])
        began = time.monotonic()
        with pytest.raises(StoreError, match="store s3://bucket: "):
            open_inbox("s3://bucket", 2.0).create(KEY, b"rows")
        # The first request may use 0.8 s; what is asserted is that it does not go on for the default 30.
        assert time.monotonic() - began < 10


def test_an_object_store_nobody_listens_for(s3_environment, refused_port):
    s3_environment(refused_port)
    with pytest.raises(StoreError, match="store s3://bucket: "):
        open_inbox("s3://bucket", 5.0).create(KEY, b"rows")


def test_an_object_store_without_credentials(s3_environment, refused_port, monkeypatch):
    s3_environment(refused_port)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{refused_port}")
    with pytest.raises(StoreError, match=r"^store s3://bucket: no credentials in the environment, and no "):
        open_inbox("s3://bucket", 5.0).create(KEY, b"rows")


def test_an_object_store_that_refuses(bucket):
    bucket.broken = True
    with pytest.raises(StoreError, match=r"store s3://bucket: .*(403|AccessDenied|ermission)"):
        open_inbox("s3://bucket").create(KEY, b"rows")
    with pytest.raises(StoreError):
        open_inbox("s3://bucket").read(KEY)
