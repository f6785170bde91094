"""The agent as cron runs it, with nobody watching: overlaps, deadlines, full disks, stores that hang."""

import contextlib
import gzip
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probes import schedule
from probes.record import from_json

ROOT = Path(__file__).resolve().parents[2]

needs_mounts = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs, which takes root")


def begin(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "probes", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def objects(directory):
    return sorted((directory / "measurements").rglob("*.jsonl.gz"))


def rows_of(*paths):
    return [from_json(line) for path in paths for line in gzip.decompress(path.read_bytes()).splitlines()]


def spooled(directory):
    return sorted((directory / ".edgeprobe" / "lab-1").glob("*.jsonl*"))


def wait_for(happened, timeout_s=20):
    end = time.monotonic() + timeout_s
    while not happened():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


@pytest.fixture
def endpoint(start):
    server = start("tcp", "127.0.0.2")
    return {"site": "us-west-2", "host": server.address, "port": server.port}


@pytest.fixture
def hole(start):
    server = start("blackhole", "127.0.0.3")
    return {"site": "us-east-1", "host": server.address, "port": server.port}


@pytest.fixture
def small_disk(tmp_path):
    """Mount a few pages of memory somewhere below the test's directory; ``fill`` leaves no room in it."""

    class SmallDisk:
        def __init__(self, name, options="size=64k"):
            self.path = tmp_path / name
            self.path.mkdir(parents=True)
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.path)], check=True, timeout=10
            )
            stack.callback(subprocess.run, ["umount", "--lazy", str(self.path)], check=True, timeout=10)

        def fill(self):
            for number in range(50):
                ballast = self.path / f"ballast-{number}"
                with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 512)

        def relieve(self):
            for ballast in self.path.glob("ballast-*"):
                ballast.unlink()

    with contextlib.ExitStack() as stack:
        yield SmallDisk


def test_of_many_crons_at_once_one_measures(configured, endpoint, hole, tmp_path):
    config = configured([endpoint, hole], timeout_ms=2000)
    crons = [begin("run", config, "--every", "1d", "--rounds", 1) for _ in range(5)]
    ends = []
    for cron in crons:
        _, err = cron.communicate(timeout=60)
        ends.append((cron.returncode, err))
    assert sorted(ends) == [(0, "")] + [(75, "edgeprobe: another round of lab-1 still runs\n")] * 4
    (stored,) = objects(tmp_path)
    assert sorted((row.site, row.sample) for row in rows_of(stored)) == [
        ("us-east-1", 0),
        ("us-east-1", 1),
        ("us-west-2", 0),
        ("us-west-2", 1),
    ]
    assert spooled(tmp_path) == []


def test_splay_is_the_vantage_s_own():
    delays = [schedule.splay(f"vantage-{n}", 60.0) for n in range(600)]
    assert delays == [schedule.splay(f"vantage-{n}", 60.0) for n in range(600)]
    assert all(0 <= delay < 60 for delay in delays)
    # Spread evenly: ten a second on average, and no second with more than thirty.
    assert max(sum(second <= delay < second + 1 for delay in delays) for second in range(60)) <= 30


def test_splay_moves_neither_the_name_nor_the_deadline_of_a_round(edgeprobe, configured, endpoint, tmp_path):
    # More splay than deadline: if one ate the other, every sample would be cut off.
    splay_s = 1.2 / schedule.splay("lab-1", 1.0)
    config = configured([endpoint], deadline_s=1, splay_s=splay_s)
    done = edgeprobe("run", config, "--every", "1d", "--rounds", 1)
    assert (done.returncode, done.stderr) == (0, "")
    (stored,) = objects(tmp_path)
    assert stored.name[8:24] == "T000000.000000Z-"
    assert [row.failure for row in rows_of(stored)] == [None, None]


def test_a_splay_that_does_not_fit_into_the_grid(edgeprobe, configured, endpoint, tmp_path):
    config = configured([endpoint], splay_s=60)
    done = edgeprobe("run", config, "--every", "60s")
    assert (done.returncode, done.stdout) == (2, "")
    line = config.read_text("utf-8").splitlines().index("splay_s = 60") + 1
    assert done.stderr == (
        f"edgeprobe: {config}, line {line}, agent.splay_s: 60 s is not less than the 1m between two rounds\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["probes.toml"]


def test_a_scheduler_s_moment_names_the_round(edgeprobe, configured, endpoint, tmp_path, monkeypatch):
    config = configured([endpoint])
    done = edgeprobe("run", config, "--scheduled-at", "2026-11-24T06:00:00+01:00")
    assert (done.returncode, done.stderr) == (0, "")
    (stored,) = objects(tmp_path)
    assert stored.name.startswith("20261124T050000.000000Z-")
    monkeypatch.setenv("EDGEPROBE_SCHEDULED_AT", "2026-11-24T05:00:00Z")
    again = edgeprobe("run", config)
    assert (again.returncode, again.stderr) == (
        0,
        f"edgeprobe: round {stored.name.removesuffix('.jsonl.gz')} was measured already\n",
    )
    assert objects(tmp_path) == [stored]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--scheduled-at", "2026-11-24T05:00:00"],
            "'2026-11-24T05:00:00' is not a moment such as 2026-11-24T05:00:00Z",
        ),
        (["--scheduled-at", "noon"], "'noon' is not a moment such as 2026-11-24T05:00:00Z"),
        (
            ["--scheduled-at", "2026-11-24T05:00:00Z", "--rounds", "2"],
            "names one round, so it needs --rounds 1",
        ),
        (
            ["--scheduled-at", "2026-11-24T05:00:00Z", "--every", "1m"],
            "names one round, so it needs --rounds 1",
        ),
    ],
)
def test_a_scheduler_s_moment_that_makes_no_sense(
    edgeprobe, configured, endpoint, tmp_path, arguments, message
):
    done = edgeprobe("run", configured([endpoint]), *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"edgeprobe: --scheduled-at: {message}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["probes.toml"]


def test_a_store_that_accepts_and_stays_silent(edgeprobe, configured, hole, tmp_path, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        config = configured([hole], store="s3://bucket", deadline_s=1, timeout_ms=60_000)
        began = time.monotonic()
        done = edgeprobe("run", config, "--every", "5s", "--rounds", 1)
        # 1 s of measuring and at most 9 of shipping; the rest is for a busy machine.
        assert time.monotonic() - began < 25
    assert done.returncode == 5
    assert done.stderr.startswith("edgeprobe: store s3://bucket: ")
    assert done.stderr.endswith("; 1 round stays in the spool\n")
    assert [row.failure for row in rows_of(*spooled(tmp_path))] == ["deadline", "deadline"]


def test_a_filesystem_that_hangs_does_not_keep_the_process(configured, endpoint, tmp_path):
    config = configured([endpoint])
    # What a dead network filesystem does to a write cannot be had on loopback: it never returns.
    program = (
        "import sys, time, probes.agent, probes.cli, probes.schedule\n"
        "class Hanging:\n"
        "    def create(self, key, payload): time.sleep(3600)\n"
        "probes.agent.open_inbox = lambda *_: Hanging()\n"
        "probes.schedule._SHORTEST_SHIPPING_S = 1.0\n"
        f"sys.exit(probes.cli.main(['run', {str(config)!r}, '--every', '1s', '--rounds', '1']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 5
    store = tmp_path / "measurements"
    assert done.stderr == (f"edgeprobe: store {store}: no answer within 1 s; 1 round stays in the spool\n")
    assert len(rows_of(*spooled(tmp_path))) == 2


def test_a_reader_that_reads_no_further_holds_up_nothing(configured, edgeprobe, endpoint, tmp_path):
    config = configured([endpoint], samples=400)
    stalled = begin("run", config, "--json")
    wait_for(lambda: objects(tmp_path) and not spooled(tmp_path))
    # More than a pipe holds, so it is still there, and no longer holds the lock.
    assert edgeprobe("ship", config).returncode == 0
    assert stalled.poll() is None
    out, err = stalled.communicate(timeout=20)
    assert (stalled.returncode, err, len(out.splitlines())) == (0, "", 400)


@needs_mounts
def test_a_store_that_is_full(edgeprobe, configured, endpoint, small_disk, tmp_path):
    disk = small_disk("measurements")
    disk.fill()
    config = configured([endpoint])
    for stays in ("1 round stays", "2 rounds stay"):
        done = edgeprobe("run", config)
        assert done.returncode == 5
        assert done.stderr == (
            f"edgeprobe: store {disk.path}: No space left on device; {stays} in the spool\n"
        )
    disk.relieve()
    assert edgeprobe("run", config).returncode == 0
    assert [len(rows_of(path)) for path in objects(tmp_path)] == [2, 2, 2]
    assert spooled(tmp_path) == []
    assert [path for path in disk.path.rglob("*") if path.name.endswith(".tmp")] == []


@needs_mounts
@pytest.mark.parametrize("options", ["size=64k", "size=64k,nr_inodes=8"])
def test_a_spool_without_room_still_measures_and_ships(
    edgeprobe, configured, endpoint, small_disk, tmp_path, options
):
    disk = small_disk(".edgeprobe", options)
    config = configured([endpoint])
    assert edgeprobe("run", config).returncode == 0
    disk.fill()
    for count in (2, 3):
        done = edgeprobe("run", config)
        assert done.returncode == 5
        assert done.stderr == f"edgeprobe: spool {disk.path}: No space left on device\n"
        assert [len(rows_of(path)) for path in objects(tmp_path)] == [2] * count
        assert spooled(tmp_path) == []
    disk.relieve()
    done = edgeprobe("run", config)
    assert (done.returncode, done.stderr) == (0, "")


@needs_mounts
def test_neither_spool_nor_store_takes_the_rows(edgeprobe, configured, endpoint, small_disk, tmp_path):
    disk = small_disk(".edgeprobe")
    config = configured([endpoint])
    assert edgeprobe("run", config).returncode == 0
    disk.fill()
    done = edgeprobe("run", config, "--store", "/dev/null/store", "--json")
    assert done.returncode == 5
    assert done.stderr.splitlines() == [
        "edgeprobe: store /dev/null/store: Not a directory; 1 round stays in the spool",
        "edgeprobe: 2 rows are lost: neither the spool nor the store took them",
        f"edgeprobe: spool {disk.path}: No space left on device",
    ]
    assert len(done.stdout.splitlines()) == 2


def test_a_spool_at_its_bound_loses_the_oldest_round_and_says_so(configured, edgeprobe, endpoint, tmp_path):
    # 1 MB is the smallest bound a configuration can have; two sealed rounds of noise fill it.
    config = configured([endpoint], spool_max_mb=1)
    (tmp_path / "measurements").write_text("in the way")
    spool = tmp_path / ".edgeprobe" / "lab-1"
    spool.mkdir(parents=True)
    for hour in (1, 2):
        noise = os.urandom(300_000).hex().encode() + b"\n"
        (spool / f"20200101T0{hour}0000.000000Z-000000000000.jsonl.gz").write_bytes(gzip.compress(noise * 2))
    done = edgeprobe("run", config)
    assert done.returncode == 5
    first, second = done.stderr.splitlines()
    assert first.endswith("; 3 rounds stay in the spool")
    assert second == (
        "edgeprobe: round 20200101T010000.000000Z-000000000000: 2 rows are lost:"
        " the spool holds more than spool_max_mb = 1"
    )
    assert [path.name[:11] for path in spooled(tmp_path)][:1] == ["20200101T02"]
    assert len(spooled(tmp_path)) == 2


def test_a_round_that_takes_longer_than_the_grid_leaves_points_out(configured, hole, tmp_path):
    config = configured([hole], samples=1, timeout_ms=1300)
    daemon = begin("run", config, "--every", "500ms", "--rounds", 3)
    _, err = daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    log, lines = [], []
    for line in err.splitlines():
        (log if line.endswith("; 1 shipped, 0 waiting") else lines).append(line)
    assert (len(log), len(lines)) == (3, 2)
    assert all(re.search(r"rounds? left out: the last one took \d+ s$", line) for line in lines)
    starts = [path.name[:22] for path in objects(tmp_path)]
    # On the grid, whatever the rounds took.
    assert {start[-6:] for start in starts} <= {"000000", "500000"}
    assert len(set(starts)) == 3
