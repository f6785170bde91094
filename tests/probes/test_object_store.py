"""Shipping to a real S3 server: each round once, and nothing lost while it cannot be reached."""

import concurrent.futures
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from probes.inbox import StoreDeniedError, StoreError, inbox_key, open_inbox
from probes.record import from_json
from tests.probes.seaweed import BUCKET, WRITER_KEY, WRITER_SECRET, Seaweed

ROOT = Path(__file__).resolve().parents[2]
RUN = "20261123T050000.000000Z-0123456789ab"


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory):
    with Seaweed(tmp_path_factory.mktemp("weed")).running() as server:
        yield server


@pytest.fixture
def use(seaweed, monkeypatch):
    """Point this process at the server: with what credentials, at what port."""

    def point(**how):
        for name, value in seaweed.environment(**how).items():
            monkeypatch.setenv(name, value)

    point()
    return point


@pytest.fixture
def prefix(request):
    """A part of the bucket of this test's own."""
    return request.node.name.replace("[", "-").replace("]", "")


@pytest.fixture
def store(prefix):
    return f"s3://{BUCKET}/{prefix}"


@pytest.fixture
def endpoint(start):
    server = start("tcp", "127.0.0.2")
    return {"site": "us-west-2", "host": server.address, "port": server.port}


def edgeprobe(*arguments):
    """The command, pointed where this process is."""
    return subprocess.run(
        [sys.executable, "-m", "probes", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rows_of(objects):
    return [from_json(line) for text in objects.values() for line in gzip.decompress(text).splitlines()]


def waiting(tmp_path):
    return list((tmp_path / ".edgeprobe" / "lab-1").glob("*.jsonl*"))


def test_each_object_once(use, store, seaweed, prefix):
    inbox = open_inbox(store)
    key = inbox_key("v", RUN)
    assert inbox.create(key, b"first")
    assert not inbox.create(key, b"second")
    assert inbox.read(key) == b"first"
    assert seaweed.objects(prefix) == {f"{prefix}/{key}": b"first"}


def test_the_server_honours_the_condition_itself(use, store, monkeypatch):
    inbox = open_inbox(store)
    # Without the look beforehand only the condition is left to tell.
    monkeypatch.setattr(type(inbox), "_has", lambda *_: False)
    assert inbox.create(inbox_key("v", RUN), b"first")
    assert not inbox.create(inbox_key("v", RUN), b"second")
    assert inbox.read(inbox_key("v", RUN)) == b"first"


def test_many_at_once_create_it_once(use, store):
    inboxes = [open_inbox(store) for _ in range(8)]
    keys = [inbox_key("v", f"20261123T05000{n}.000000Z-0123456789ab") for n in range(10)]

    def create_all(number):
        return [inboxes[number].create(key, str(number).encode()) for key in keys]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        created = list(pool.map(create_all, range(8)))
    for position, key in enumerate(keys):
        (winner,) = [number for number in range(8) if created[number][position]]
        assert inboxes[0].read(key) == str(winner).encode()


def test_who_may_only_write_ships_too(use, store, seaweed, prefix, configured, endpoint, tmp_path):
    use(key=WRITER_KEY, secret=WRITER_SECRET)
    config = configured([endpoint], store=store)
    assert edgeprobe("run", config).returncode == 0
    assert len(rows_of(seaweed.objects(prefix))) == 2
    with pytest.raises(StoreDeniedError):
        open_inbox(store).read(next(iter(seaweed.objects(prefix))).removeprefix(f"{prefix}/"))


def test_a_bucket_that_is_not_there(use):
    with pytest.raises(StoreError, match=r"store s3://nowhere: .*404"):
        open_inbox("s3://nowhere").create(inbox_key("v", RUN), b"rows")


def test_rows_wait_while_the_store_cannot_take_them(
    use, store, seaweed, prefix, configured, endpoint, refused_port, tmp_path
):
    config = configured([endpoint], store=store)
    trouble = [
        ({"port": refused_port}, store, "error sending request"),
        ({"secret": "wrong"}, store, "403"),
        ({"key": "nobody"}, store, "403"),
        ({}, "s3://nowhere", "404"),
    ]
    for count, (how, where, words) in enumerate(trouble, start=1):
        use(**how)
        done = edgeprobe("run", config, "--store", where, "--json")
        assert done.returncode == 5
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"edgeprobe: store {where}: ")
        assert words in line
        stays = "1 round stays" if count == 1 else f"{count} rounds stay"
        assert line.endswith(f"; {stays} in the spool")
        assert len(done.stdout.splitlines()) == 2
        assert len(waiting(tmp_path)) == count
    use()
    done = edgeprobe("run", config)
    assert (done.returncode, done.stderr) == (0, "")
    rows = rows_of(seaweed.objects(prefix))
    assert len({(row.run_id, row.sample) for row in rows}) == len(rows) == 10
    assert waiting(tmp_path) == []


def test_a_round_put_by_a_process_that_was_killed_then_is_the_same_round(
    use, store, seaweed, prefix, configured, endpoint, tmp_path
):
    config = configured([endpoint], store=store)
    use(port=1)
    assert edgeprobe("run", config).returncode == 5
    (sealed,) = waiting(tmp_path)
    kept = sealed.read_bytes()
    use()
    assert edgeprobe("ship", config).returncode == 0
    sealed.write_bytes(kept)  # as if it had not come to removing it
    done = edgeprobe("ship", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(seaweed.objects(prefix).values()) == [kept]
    assert not (sealed.parent / "conflicts").exists()
