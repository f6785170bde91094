"""Reading a store by URL, from a server on loopback that speaks as much S3 as that takes."""

import http.server
import os
import socket
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import pytest

from planner.measurements import MeasurementError, StoreError, hash_sources, read_stores
from tests.planner.store.inbox_writing import SITES, put, samples


class Bucket(http.server.BaseHTTPRequestHandler):
    """ListObjectsV2 and GetObject of ``server.objects``, key -> bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        _, bucket, key = (*urllib.parse.unquote(url.path).split("/", 2), "")[:3]
        objects = self.server.objects
        if bucket == "private":
            self.answer(403, b"<Error><Code>AccessDenied</Code></Error>")
        elif bucket != "bucket":
            self.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
        elif "list-type" in query:
            found = [name for name in sorted(objects) if name.startswith(query.get("prefix", ""))]
            entries = "".join(
                f"<Contents><Key>{name}</Key><Size>{len(objects[name])}</Size><ETag>x</ETag>"
                "<LastModified>2026-11-23T10:00:00.000Z</LastModified></Contents>"
                for name in found
            )
            listing = f"<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>"
            self.answer(200, listing.encode())
        elif key in objects:
            self.answer(200, objects[key])
        else:
            self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"x"')
        self.send_header("Last-Modified", "Mon, 23 Nov 2026 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def bucket(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket)
    server.objects = {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield server.objects
    server.shutdown()
    thread.join()
    server.server_close()


def upload(folder, objects, prefix):
    for path in folder.rglob("*.jsonl.gz"):
        objects[f"{prefix}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()


def test_an_object_store_reads_as_a_directory_does(tmp_path, bucket):
    put(tmp_path, samples(10.0, 11.0, 12.0))
    put(tmp_path, samples(13.0, 14.0, run_id="r2"), "r2")
    upload(tmp_path, bucket, "team/latency")
    bucket["team/latency/inbox/readme.txt"] = b"no measurement"
    bucket["other/inbox/day=2026-11-23/vantage=x/r.jsonl.gz"] = b"another prefix"
    report = read_stores(["s3://bucket/team/latency"], 0.5, SITES)
    (found,) = report.statistics
    assert (found.samples, found.rtt_ms, report.damaged) == (5, 12.0, 0)
    local, remote = hash_sources([str(tmp_path)]), hash_sources(["s3://bucket/team/latency"])
    assert list(local.values()) == list(remote.values())
    assert dict(report.hashes) == dict(remote)


def test_damage_is_named_by_url(tmp_path, bucket):
    put(tmp_path, samples(10.0))
    upload(tmp_path, bucket, "team")
    bucket["team/inbox/day=2026-11-23/vantage=x/r.jsonl.gz"] = b"damaged"
    report = read_stores(["s3://bucket/team"], 0.5, SITES)
    assert (report.rows, report.damaged) == (1, 1)
    assert report.complaints == (
        "s3://bucket/team/inbox/day=2026-11-23/vantage=x/r.jsonl.gz, line 1: is not gzip",
    )


def test_a_store_that_does_not_let_us_look_is_not_bad_input(bucket):
    for url in ("s3://private/x", "s3://absent/x"):
        with pytest.raises(StoreError, match=f"^{url}: cannot be read: ") as caught:
            read_stores([url], 0.5, SITES)
        assert "\n" not in str(caught.value)


def test_a_store_out_of_reach_ends_the_command_line_with_5(tmp_path, bucket):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
    (tmp_path / "clients.csv").write_text("id,country,lat,lon,weight\nparis,FR,48.9,2.4,1\n")
    (tmp_path / "study.toml").write_text(
        'name = "s"\n[demand]\ncsv = "clients.csv"\n[candidates]\ninclude = ["eu-west-*"]\n'
    )
    plan = [sys.executable, "-m", "planner", "plan", str(tmp_path / "study.toml"), "--measurements"]
    done = subprocess.run(
        [*plan, "s3://bucket/x"],
        cwd=Path(__file__).resolve().parents[3],
        env={**os.environ, "AWS_ENDPOINT": f"http://127.0.0.1:{closed}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (5, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("edgeplan: error: s3://bucket/x: cannot be read: ")


def test_a_table_that_is_damaged_is_said_and_not_passed_over(tmp_path, bucket):
    put(tmp_path, samples(10.0))
    upload(tmp_path, bucket, "table")
    bucket["table/measurements/_delta_log/00000000000000000000.json"] = b"{}"
    with pytest.raises(StoreError, match=r"^s3://bucket/table: its table cannot be read: ") as caught:
        read_stores(["s3://bucket/table"], 0.5, SITES)
    assert "\n" not in str(caught.value)


def test_what_is_no_store_is_one_clear_error(tmp_path, bucket):
    put(tmp_path, samples(10.0))
    upload(tmp_path, bucket, "table")
    for url, complaint in {
        "s3://bucket/empty": r"^s3://bucket/empty: holds no measurements",
        "nope://bucket/x": r"^nope://bucket/x: is no store: .*nope",
    }.items():
        with pytest.raises(MeasurementError, match=complaint) as caught:
            read_stores([url], 0.5, SITES)
        assert "\n" not in str(caught.value)
