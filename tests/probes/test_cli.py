"""The command as a person, cron and a supervisor use it: real processes, real sockets, real files."""

import gzip
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from probes.cli import main
from probes.record import FIELDS, from_json
from probes.shipped import sites_of

ROOT = Path(__file__).resolve().parents[2]


def objects(directory):
    return sorted((directory / "measurements").rglob("*.jsonl.gz"))


def rows_of(path):
    return [from_json(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def spooled(directory):
    return sorted((directory / ".edgeprobe" / "lab-1").glob("*.jsonl*"))


def begin(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "probes", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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


def test_a_round_ends_in_the_store(edgeprobe, configured, endpoint, tmp_path):
    config = configured([endpoint], samples=3)
    done = edgeprobe("run", config, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    (stored,) = objects(tmp_path)
    assert re.fullmatch(
        r"inbox/day=\d{4}-\d\d-\d\d/vantage=lab-1/\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{12}\.jsonl\.gz",
        str(stored.relative_to(tmp_path / "measurements")),
    )
    printed = [from_json(line) for line in done.stdout.splitlines()]
    assert rows_of(stored) == printed
    assert len(printed) == 3
    assert spooled(tmp_path) == []
    row = json.loads(done.stdout.splitlines()[0])
    assert set(row) == set(FIELDS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["started_at"])
    assert {printed[0].run_id} == {stored.name.removesuffix(".jsonl.gz")}


def test_measured_failures_are_a_success(edgeprobe, configured, refused_port, tmp_path):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1", "port": refused_port}])
    done = edgeprobe("run", config)
    assert done.returncode == 0
    heading = "site protocol endpoint sent loss % p50 ms p95 ms jitter ms failures"
    assert " ".join(done.stdout.splitlines()[0].split()) == heading
    assert done.stdout.splitlines()[1].split()[3:] == ["2", "100.0", "∞", "∞", "–", "connect_refused", "2"]
    assert {row.failure for row in rows_of(objects(tmp_path)[0])} == {"connect_refused"}


def test_several_rounds_are_several_objects(edgeprobe, configured, endpoint, tmp_path):
    assert edgeprobe("run", configured([endpoint], samples=1), "--rounds", 3).returncode == 0
    assert len(objects(tmp_path)) == 3


def test_rounds_on_a_grid_start_on_it(edgeprobe, configured, endpoint, tmp_path):
    assert edgeprobe("run", configured([endpoint], samples=1), "--rounds", 3, "--every", "1s").returncode == 0
    starts = [path.name.split("Z-")[0] for path in objects(tmp_path)]
    assert len(set(starts)) == 3
    assert all(start.endswith(".000000") for start in starts)


def test_the_same_scheduled_round_twice_is_one_object(edgeprobe, configured, endpoint, tmp_path):
    config = configured([endpoint])
    first = edgeprobe("run", config, "--every", "1d", "--rounds", 1)
    (stored,) = objects(tmp_path)
    kept = stored.read_bytes()
    again = edgeprobe("run", config, "--every", "1d", "--rounds", 1)
    assert (first.returncode, again.returncode) == (0, 0)
    assert again.stderr == f"edgeprobe: round {stored.name.removesuffix('.jsonl.gz')} was measured already\n"
    assert objects(tmp_path) == [stored]
    assert stored.read_bytes() == kept


def test_a_second_round_at_the_same_time_exits_75(edgeprobe, configured, hole, tmp_path):
    config = configured([hole], timeout_ms=5000)
    first = begin("run", config)
    wait_for(lambda: spooled(tmp_path))
    second = edgeprobe("run", config)
    assert (second.returncode, second.stdout) == (75, "")
    assert second.stderr == "edgeprobe: another round of lab-1 still runs\n"
    assert edgeprobe("ship", config).returncode == 75
    first.communicate(timeout=30)
    assert first.returncode == 0
    assert len(objects(tmp_path)) == 1


def test_the_deadline_ends_a_round_and_each_sample_has_a_row(edgeprobe, configured, endpoint, hole, tmp_path):
    config = configured([endpoint, hole], samples=4, timeout_ms=60_000, deadline_s=1, rate_per_s=20)
    began = time.monotonic()
    done = edgeprobe("run", config)
    assert time.monotonic() - began < 6
    assert done.returncode == 0
    rows = rows_of(objects(tmp_path)[0])
    assert sorted((row.site, row.sample) for row in rows) == [
        (site, sample) for site in ("us-east-1", "us-west-2") for sample in range(4)
    ]
    assert {row.failure for row in rows if row.site == "us-east-1"} == {"deadline"}
    assert {row.failure for row in rows if row.site == "us-west-2"} == {None}


def test_samples_the_deadline_left_no_time_to_start(edgeprobe, configured, endpoint, tmp_path):
    assert edgeprobe("run", configured([endpoint], samples=5, deadline_s=1, rate_per_s=2)).returncode == 0
    failures = [row.failure for row in sorted(rows_of(objects(tmp_path)[0]), key=lambda row: row.sample)]
    assert failures == [None, None, "deadline", "deadline", "deadline"]


def test_a_store_that_cannot_be_written_loses_nothing(edgeprobe, configured, endpoint, tmp_path):
    config = configured([endpoint], samples=3)
    (tmp_path / "measurements").write_text("in the way")
    done = edgeprobe("run", config)
    assert done.returncode == 5
    assert re.fullmatch(r"edgeprobe: store .*measurements: .*; 1 round stays in the spool\n", done.stderr)
    assert edgeprobe("run", config).returncode == 5
    assert len(spooled(tmp_path)) == 2
    failed = edgeprobe("ship", config)
    assert (failed.returncode, failed.stdout) == (5, "")
    (tmp_path / "measurements").unlink()
    shipped = edgeprobe("ship", config)
    assert shipped.returncode == 0
    assert shipped.stdout == f"2 rounds (6 rows) shipped to {tmp_path / 'measurements'}\n"
    assert [len(rows_of(path)) for path in objects(tmp_path)] == [3, 3]
    assert spooled(tmp_path) == []


def test_the_next_round_ships_what_was_left(edgeprobe, configured, endpoint, tmp_path):
    config = configured([endpoint])
    (tmp_path / "measurements").write_text("in the way")
    assert edgeprobe("run", config).returncode == 5
    (tmp_path / "measurements").unlink()
    assert edgeprobe("run", config).returncode == 0
    assert len(objects(tmp_path)) == 2


def test_another_store_for_once(edgeprobe, configured, endpoint, tmp_path):
    done = edgeprobe("run", configured([endpoint]), "--store", tmp_path / "other")
    assert done.returncode == 0
    assert objects(tmp_path) == []
    assert len(list((tmp_path / "other").rglob("*.jsonl.gz"))) == 1


def test_a_spool_that_cannot_be_made_exits_5(edgeprobe, configured, endpoint, tmp_path):
    (tmp_path / ".edgeprobe").write_text("in the way")
    done = edgeprobe("run", configured([endpoint]))
    assert done.returncode == 5
    assert re.fullmatch(r"edgeprobe: spool .*: .*\n", done.stderr)


def test_kill_9_half_way_loses_no_spooled_row(edgeprobe, configured, endpoint, hole, tmp_path):
    config = configured([endpoint, hole], samples=20, timeout_ms=60_000, deadline_s=60, rate_per_s=40)
    agent = begin("run", config)
    wait_for(lambda: spooled(tmp_path) and spooled(tmp_path)[0].read_bytes().count(b"\n") >= 3)
    agent.kill()
    agent.communicate()
    (left,) = spooled(tmp_path)
    measured = left.read_bytes()
    with left.open("ab") as file:  # and a line it was in the middle of
        file.write(measured.splitlines()[0][:40])
    assert edgeprobe("ship", config).returncode == 0
    (stored,) = objects(tmp_path)
    assert gzip.decompress(stored.read_bytes()) == measured
    assert rows_of(stored)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_round_in_good_order(configured, endpoint, hole, tmp_path, number, code):
    config = configured([endpoint, hole], samples=3, timeout_ms=60_000, deadline_s=60)
    agent = begin("run", config)
    wait_for(lambda: spooled(tmp_path) and spooled(tmp_path)[0].read_bytes().count(b"\n") == 3)
    agent.send_signal(number)
    out, err = agent.communicate(timeout=10)
    assert (agent.returncode, err) == (code, "")
    assert "us-west-2" in out
    (stored,) = objects(tmp_path)
    assert [(row.site, row.failure) for row in rows_of(stored)] == [("us-west-2", None)] * 3


def test_a_daemon_between_two_rounds_stops_at_once(configured, endpoint, tmp_path):
    agent = begin("run", configured([endpoint]), "--every", "1d")
    wait_for(lambda: objects(tmp_path) and not spooled(tmp_path))
    agent.send_signal(signal.SIGTERM)
    _, err = agent.communicate(timeout=10)
    (stored,) = objects(tmp_path)
    run = stored.name.removesuffix(".jsonl.gz")
    assert agent.returncode == 0
    assert re.fullmatch(
        rf"edgeprobe: round {run}: 2 rows, 0 failed, in \d+\.\d s; 1 shipped, 0 waiting\n", err
    )


def test_a_reader_that_goes_away_does_not_stop_the_round(configured, endpoint, tmp_path):
    config = configured([endpoint], samples=5)
    agent = begin("run", config, "--json")
    agent.stdout.close()
    assert agent.wait(20) == 0
    assert agent.stderr.read() == ""
    agent.stderr.close()
    assert len(rows_of(objects(tmp_path)[0])) == 5


def test_splay_delays_the_start(edgeprobe, configured, endpoint):
    config = configured([endpoint], samples=1, splay_s=0.3)
    assert edgeprobe("run", config, "--rounds", 2).returncode == 0


def test_check_lists_what_would_be_probed(edgeprobe, configured, endpoint, tmp_path):
    done = edgeprobe("check", configured([endpoint]))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].split() == [
        "us-west-2",
        "127.0.0.2",
        str(endpoint["port"]),
        "dns",
        "tcp",
    ]
    assert f"store    {tmp_path / 'measurements'}" in done.stdout
    assert not (tmp_path / ".edgeprobe").exists()


def test_check_as_json(edgeprobe, configured, endpoint):
    done = edgeprobe("check", configured([{**endpoint, "site": "us-west-2-lax-1"}]), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["targets"] == [
        {
            "site": "us-west-2-lax-1",
            "host": "127.0.0.2",
            "port": endpoint["port"],
            "protocols": ["dns", "tcp"],
            "path": None,
            "scheme": None,
            "family": None,
            "lat": None,
            "lon": None,
        }
    ]
    assert "'us-west-2-lax-1' is not in the shipped catalog (did you mean 'us-west-2-lax-1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "edgeprobe: the following arguments are required: COMMAND (see edgeprobe --help)\n"),
        (
            ("run", "none.toml"),
            "edgeprobe: none.toml: No such file or directory\n",
        ),
        (
            ("run", "none.toml", "--every", "soon"),
            "edgeprobe run: argument --every: 'soon' is not a span of time such as 30s, 5m or 1h"
            " (see edgeprobe run --help)\n",
        ),
        (
            ("run", "none.toml", "--rounds", "0"),
            "edgeprobe run: argument --rounds: '0' is not a whole number above 0"
            " (see edgeprobe run --help)\n",
        ),
        (
            ("chekc", "none.toml"),
            "edgeprobe: argument COMMAND: 'chekc' is none of check, run, ship, units; did you mean 'check'?"
            " (see edgeprobe --help)\n",
        ),
        (
            ("run", "none.toml", "--ruonds", "3"),
            "edgeprobe run: unrecognized arguments: --ruonds 3; did you mean '--rounds'?"
            " (see edgeprobe run --help)\n",
        ),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(edgeprobe, arguments, message):
    done = edgeprobe(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_bad_configuration_is_one_line_and_writes_nothing(edgeprobe, configured, endpoint, tmp_path):
    config = configured([endpoint], sampels=3)
    lines = config.read_text("utf-8").splitlines()
    where = f"{config}, line {1 + next(at for at, line in enumerate(lines) if line.startswith('sampels'))}"
    for command in ("check", "run", "ship"):
        done = edgeprobe(command, config)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"edgeprobe: {where}, agent.sampels: unknown key; did you mean 'samples'?\n"
    assert [path.name for path in tmp_path.iterdir()] == ["probes.toml"]


def test_a_store_url_of_an_unknown_kind(edgeprobe, configured, endpoint):
    done = edgeprobe("run", configured([endpoint]), "--store", "gcs://bucket")
    assert done.returncode == 2
    assert done.stderr.startswith("edgeprobe: --store: 'gcs' is not one of file, s3,")
    assert done.stderr.endswith("did you mean 'gs'?\n")


def test_check_says_which_sites_of_the_catalog_nothing_can_probe(edgeprobe, configured):
    config = configured([])
    with config.open("a", encoding="utf-8") as file:
        file.write('\n[[catalog]]\nprovider = "aws"\nkinds = ["region", "local_zone"]\n')
    done = edgeprobe("check", config, "--json")
    checked = json.loads(done.stdout)
    zones = sites_of("aws", ("local_zone",))
    assert zones
    assert checked["unreachable"] == list(zones)
    assert not {target["site"] for target in checked["targets"]} & set(zones)
    (note,) = done.stderr.splitlines()
    assert f"for {len(zones)} sites of [[catalog]], so nothing probes them: {', '.join(zones)}" in note


def test_a_reader_of_check_that_goes_away_is_no_error(configured):
    config = configured([{"site": "us-west-2", "host": f"h{number}.test"} for number in range(3000)])
    command = f"{sys.executable} -m probes check {config} --json | head -c 10"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ('{"vantage"', "", 141)


def test_check_says_what_dns_over_https_lacks(configured, capsys, monkeypatch):
    targets = [{"site": "us-west-2", "host": "site.test", "protocols": ["dns"]}]
    config = configured(targets, resolvers=["1.1.1.1", "https://dns.google/dns-query"])
    assert main(["check", str(config)]) == 0
    assert "h2" not in capsys.readouterr().err
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "h2" else found(name))
    assert main(["check", str(config)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"edgeprobe: {config}: note: without h2 (pip install 'edgeplan[doh]') DNS over HTTPS speaks HTTP/1.1"
        " alone, which not every resolver does: https://dns.google/dns-query"
    ]
