"""Stores: a directory, and an object store spoken to over a real socket."""

import http.server
import threading
import urllib.parse
from typing import ClassVar

import pytest

from probes.inbox import DirectoryInbox, StoreError, inbox_key, open_inbox

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
    """As much of S3 as an inbox needs: PUT with If-None-Match, and GET."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    broken = False

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urllib.parse.unquote(self.path)
        if self.broken:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif self.headers["If-None-Match"] == "*" and path in self.objects:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        else:
            self.objects[path] = body
            self._answer(200, b"", {"ETag": '"1"'})

    def do_GET(self):
        found = self.objects.get(urllib.parse.unquote(self.path))
        headers = {"ETag": '"1"', "Last-Modified": "Mon, 23 Nov 2026 05:00:00 GMT"}
        self._answer(404 if found is None else 200, found or b"", headers)

    def _answer(self, code, body, headers=None):
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Not on the terminal of the test."""


@pytest.fixture
def bucket(monkeypatch):
    handler = type("Bucket", (_Bucket,), {"objects": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
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


def test_an_object_store_that_refuses(bucket):
    bucket.broken = True
    with pytest.raises(StoreError, match=r"store s3://bucket: .*(403|AccessDenied|ermission)"):
        open_inbox("s3://bucket").create(KEY, b"rows")
    with pytest.raises(StoreError):
        open_inbox("s3://bucket").read(KEY)
