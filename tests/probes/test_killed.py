"""kill -9 at any instant: what was measured reaches the store once, and no litter piles up."""

import contextlib
import gzip
import json
import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import probes.aside
import probes.durable
import probes.inbox
import probes.round_file
import probes.shipped_list
import probes.spool
from probes.inbox import DirectoryInbox
from probes.record import Measurement, from_json
from probes.spool import Spool, run_id
from tests.probes.seaweed import BUCKET, Seaweed

ROOT = Path(__file__).resolve().parents[2]
TRACED = {
    module.__file__
    for module in (
        probes.aside,
        probes.durable,
        probes.inbox,
        probes.round_file,
        probes.shipped_list,
        probes.spool,
    )
}
ROW = Measurement(
    run_id="r",
    vantage="v",
    vantage_country="DE",
    vantage_lat=50.0,
    vantage_lon=8.0,
    site="s",
    host="h",
    peer=None,
    port=443,
    protocol="tcp",
    sample=0,
    started_at="2026-11-23T05:00:00.000000Z",
    late_ms=0.0,
    dns_ms=None,
    connect_ms=None,
    tls_ms=None,
    ttfb_ms=None,
    rtt_ms=1.0,
    clock="kernel",
    retransmits=0,
    failure=None,
    resolver=None,
    family=4,
    agent="0",
)


def identity(row):
    return row.run_id, row.site, row.host, row.port, row.protocol, row.sample, row.resolver


def stored_rows(payloads):
    return [from_json(line) for payload in payloads for line in gzip.decompress(payload).splitlines()]


def slower(rows):
    """A judge that changes rows, so that a row judged twice or not at all would show."""
    return [replace(row, rtt_ms=row.rtt_ms + 1) for row in rows]


def work(directory, tell, hours, process):
    """What an agent does to its spool and its store; ``tell`` is called when rows are safe."""
    spool = Spool(directory / "spool", "v", judge=slower)
    inbox = DirectoryInbox(directory / "store")
    for hour in hours:
        run = run_id("v", datetime(2026, 11, 23, hour, tzinfo=UTC))
        with spool.locked():
            if not spool.knows(run):
                file = spool.open_round(run)
                for sample in (0, 2):
                    file.append(
                        [replace(ROW, run_id=run, sample=sample + n, agent=process) for n in range(2)]
                    )
                    tell()
                file.close()
                spool.seal(run)
            list(spool.ship(inbox))
            spool.trim()


def killed_at(line, directory):
    """Run a round in a child that dies before its ``line``-th line of ours; how it ended, and rows safe."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        seen = 0

        def trace(frame, event, _):
            nonlocal seen
            if frame.f_code.co_filename not in TRACED:
                return None
            seen += event == "line"
            if seen == line:
                os._exit(9)
            return trace

        code = 1
        try:
            sys.settrace(trace)
            work(directory, lambda: os.write(writer, b".."), (5,), "killed")
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        safe = len(pipe.read())
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), safe


def test_killed_before_every_single_line(tmp_path):
    line, ended = 0, 9
    while ended == 9:
        line += 1
        directory = tmp_path / str(line)
        ended, safe = killed_at(line, directory)
        # What cron does next: the same round again, which is not measured twice once begun, and another.
        work(directory, lambda: None, (5, 6), "next")
        rows = stored_rows(path.read_bytes() for path in directory.rglob("*.jsonl.gz"))
        found = [identity(row) for row in rows]
        assert len(found) == len(set(found)), line
        assert sum(row.agent == "killed" for row in rows) >= safe, line
        assert {row.rtt_ms for row in rows} == {2.0}, line
        left = {path.name for path in directory.rglob("*") if path.is_file()}
        assert {name for name in left if not name.endswith(".jsonl.gz")} == {"lock", "shipped"}, line
        assert len(list((directory / "spool").rglob("*.jsonl*"))) == 0, line
    assert ended == 0
    assert safe == 4
    # Every step of all these modules was in it.
    assert line > 150


@pytest.fixture
def config(configured, start):
    servers = [start("tcp", f"127.0.0.{number}") for number in (2, 3)]
    return lambda **agent: configured(
        [{"site": f"s{n}", "host": one.address, "port": one.port} for n, one in enumerate(servers)],
        samples=4,
        protocols=["tcp"],
        rate_per_s=200,
        **agent,
    )


def kill_again_and_again(config, spool, *, kills, seed, environment):
    """Start a daemon, kill it at a random instant, look into its spool, start the next; the rows seen."""
    chance = random.Random(seed)
    seen = set()
    for _ in range(kills):
        daemon = subprocess.Popen(
            [sys.executable, "-m", "probes", "run", str(config), "--every", "100ms"],
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        time.sleep(chance.uniform(0.1, 0.75))
        daemon.kill()
        _, complaint = daemon.communicate(timeout=20)
        assert b"Traceback" not in complaint
        for path in spool.glob("[!.]*.jsonl"):
            for line in path.read_bytes().splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    seen.add(identity(from_json(line)))
        for path in spool.glob("[!.]*.jsonl.gz"):
            seen |= {identity(row) for row in stored_rows([path.read_bytes()])}
    return seen


def check(seen, payloads, spool):
    found = [identity(row) for row in stored_rows(payloads)]
    assert len(found) == len(set(found))
    # Kills early in a process leave nothing to see; that many cannot all have been early.
    assert len(seen) > 20
    assert seen <= set(found)
    assert {path.name for path in spool.iterdir()} <= {"lock", "shipped"}


def test_killed_at_random_instants(config, edgeprobe, tmp_path):
    path = config()
    spool = tmp_path / ".edgeprobe" / "lab-1"
    seen = kill_again_and_again(path, spool, kills=40, seed=1, environment={})
    done = edgeprobe("ship", path)
    assert (done.returncode, done.stderr) == (0, "")
    files = [path for path in (tmp_path / "measurements").rglob("*") if path.is_file()]
    check(seen, [path.read_bytes() for path in files if path.name.endswith(".jsonl.gz")], spool)
    # A draft outlives its process only until the round is put again.
    assert [path.name for path in files if not path.name.endswith(".jsonl.gz")] == []


def test_killed_at_random_instants_while_shipping_to_s3(
    config, edgeprobe, tmp_path, tmp_path_factory, monkeypatch
):
    path = config(store=f"s3://{BUCKET}/killed")
    spool = tmp_path / ".edgeprobe" / "lab-1"
    with Seaweed(tmp_path_factory.mktemp("weed")).running() as server:
        environment = server.environment()
        seen = kill_again_and_again(path, spool, kills=15, seed=2, environment=environment)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        done = edgeprobe("ship", path)
        assert (done.returncode, done.stderr) == (0, "")
        check(seen, server.objects("killed").values(), spool)
