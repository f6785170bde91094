"""What the log of a run reads like, for programs and for people."""

import fcntl
import json
import re
import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.probes.conftest import ROOT

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def target(start):
    server = start("tcp", "127.0.0.2")
    return {"site": "us-west-2", "host": server.address, "port": server.port, "protocols": ["tcp"]}


def events(stderr):
    found = [json.loads(line) for line in stderr.splitlines()]
    for event in found:
        assert MOMENT.fullmatch(event["time"])
        assert event["level"] in ("info", "warning", "error")
        assert event["message"]
        assert event["vantage"] == "lab-1"
    return found


def test_a_round_is_one_object_on_a_line(edgeprobe, configured, target, refused_port):
    refused = {**target, "site": "us-east-1", "host": "127.0.0.1", "port": refused_port}
    done = edgeprobe("run", configured([target, refused], log="json"), "--json")
    (event,) = events(done.stderr)
    assert (done.returncode, event["event"], event["level"]) == (0, "round", "info")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert event["run_id"] == rows[0]["run_id"]
    assert (event["rows"], event["failed"], event["failures"]) == (4, 2, {"connect_refused": 2})
    assert (event["shipped_rounds"], event["shipped_rows"]) == (1, 4)
    assert (event["waiting"], event["lost_rows"], event["code"]) == (0, 0, 0)
    assert (event["conflict_rows"], event["stored"]) == (0, True)
    assert 0 < event["duration_s"] < 10
    assert event["scheduled_at"].endswith("Z")


def test_text_stays_text(edgeprobe, configured, target):
    assert edgeprobe("run", configured([target])).stderr == ""
    two = edgeprobe("run", configured([target]), "--rounds", 2).stderr.splitlines()
    assert len(two) == 2
    assert all(line.startswith("edgeprobe: round ") for line in two)


def test_what_goes_wrong_has_a_name(edgeprobe, configured, target, tmp_path):
    (tmp_path / "measurements").write_text("in the way")
    config = configured([target], log="json", metrics="probes.toml/edgeprobe.prom")
    done = edgeprobe("run", config, "--scheduled-at", "2026-11-24T05:00:00Z")
    assert done.returncode == 5
    failed, metrics, ended = events(done.stderr)
    assert (failed["event"], failed["level"], failed["waiting"]) == ("store_failed", "error", 1)
    assert (metrics["event"], metrics["level"]) == ("metrics_failed", "warning")
    assert (ended["event"], ended["code"], ended["waiting"]) == ("round", 5, 1)
    assert len({event["run_id"] for event in (failed, metrics, ended)}) == 1
    (failed,) = events(edgeprobe("ship", config).stderr)
    assert (failed["event"], failed["code"]) == ("store_failed", 5)
    (tmp_path / "measurements").unlink()
    assert edgeprobe("ship", config).returncode == 0
    known, ended = events(edgeprobe("run", config, "--scheduled-at", "2026-11-24T05:00:00Z").stderr)[::2]
    assert (known["event"], known["level"]) == ("measured_before", "info")
    assert (ended["rows"], ended["duration_s"], ended["code"]) == (0, None, 0)


def samples(path):
    families = text_string_to_metric_families(path.read_text("utf-8"))
    return {
        (sample.name, *sample.labels.values()): sample.value for one in families for sample in one.samples
    }


def test_a_run_writes_metrics_whatever_comes_of_it(edgeprobe, configured, target, tmp_path):
    config = configured([target], metrics="edgeprobe.prom")
    path = tmp_path / "edgeprobe.prom"
    assert edgeprobe("run", config).returncode == 0
    first = samples(path)
    assert first["edgeprobe_round_rows", "lab-1"] == 2
    assert first["edgeprobe_rtt_seconds", "lab-1", "us-west-2", "tcp", "0.5"] > 0
    assert first["edgeprobe_rtt_seconds_count", "lab-1", "us-west-2", "tcp"] == 2
    succeeded_s = first["edgeprobe_last_success_timestamp_seconds", "lab-1"]

    (tmp_path / "measurements").rename(tmp_path / "elsewhere")
    (tmp_path / "measurements").write_text("in the way")
    assert edgeprobe("run", config).returncode == 5
    second = samples(path)
    assert second["edgeprobe_last_success_timestamp_seconds", "lab-1"] == succeeded_s
    assert second["edgeprobe_last_run_timestamp_seconds", "lab-1"] > succeeded_s
    assert second["edgeprobe_last_exit_code", "lab-1"] == 5
    assert second["edgeprobe_spool_rounds", "lab-1"] == 1
    assert second["edgeprobe_rows_total", "lab-1"] == 4

    with (tmp_path / ".edgeprobe" / "lab-1" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert edgeprobe("run", config).returncode == 75
    third = samples(path)
    assert third["edgeprobe_last_exit_code", "lab-1"] == 75
    assert third["edgeprobe_spool_rounds", "lab-1"] == 1
    assert third["edgeprobe_last_success_timestamp_seconds", "lab-1"] == succeeded_s
    assert third["edgeprobe_runs_total", "lab-1", "75"] == 1


@pytest.mark.parametrize("path", ["probes.toml/edgeprobe.prom", "taken"])
def test_metrics_that_cannot_be_written_are_a_line_and_no_more(edgeprobe, configured, target, path, tmp_path):
    (tmp_path / "taken").mkdir()
    done = edgeprobe("run", configured([target], metrics=path), "--json")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"edgeprobe: metrics {tmp_path / path}: ")


def test_an_outposts_service_link_is_told_to_people_and_to_the_metrics(
    edgeprobe, configured, target, tmp_path
):
    config = configured([target], outpost="op-1", parent="us-west-2", metrics="edgeprobe.prom")
    done = edgeprobe("run", config)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("service link to us-west-2: p95 0.")
    found = samples(tmp_path / "edgeprobe.prom")
    assert 0 < found["edgeprobe_service_link_p95_seconds", "lab-1", "us-west-2"] < 0.1
    assert found["edgeprobe_service_link_loss_ratio", "lab-1", "us-west-2"] == 0
    assert len(edgeprobe("run", config, "--json").stdout.splitlines()) == 2


def test_check_says_where_figures_go_and_that_nobody_would_read_them(edgeprobe, configured, target):
    config = configured([target], metrics="edgeprobe.txt", log="json", otlp="http://collector:4318")
    done = edgeprobe("check", config, "--json")
    checked = json.loads(done.stdout)
    assert checked["metrics"].endswith("/edgeprobe.txt")
    assert (checked["log"], checked["otlp"]) == ("json", "http://collector:4318")
    (note,) = done.stderr.splitlines()
    assert note.endswith(" does not end in .prom, as that of agent.metrics, edgeprobe.txt")
    assert edgeprobe("check", configured([target], metrics="edgeprobe.prom")).stderr == ""


@pytest.mark.parametrize("also_metrics", [False, True])
def test_a_filesystem_that_hangs_is_told_to_the_metrics_though_they_may_hang_too(
    configured, target, tmp_path, also_metrics
):
    config = configured([target], metrics="edgeprobe.prom", log="json")
    # What a dead network filesystem does to a write cannot be had on loopback: it never returns.
    program = (
        "import sys, time, probes.agent, probes.cli, probes.metrics, probes.schedule\n"
        "class Hanging:\n"
        "    def create(self, key, payload): time.sleep(3600)\n"
        "probes.agent.open_inbox = lambda *_: Hanging()\n"
        "probes.schedule._SHORTEST_SHIPPING_S = 1.0\n"
        f"if {also_metrics}: probes.metrics.write_whole = lambda *_, **__: time.sleep(3600)\n"
        f"sys.exit(probes.cli.main(['run', {str(config)!r}, '--every', '1s', '--rounds', '1']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 5
    told = events(done.stderr)
    assert (told[0]["event"], told[0]["waiting"]) == ("store_failed", 1)
    if also_metrics:
        assert told.pop(1)["message"].endswith("edgeprobe.prom: no answer within 2 s")
    assert (told[1]["event"], told[1]["code"], told[1]["rows"]) == ("round", 5, 2)
    if also_metrics:
        return
    found = samples(tmp_path / "edgeprobe.prom")
    assert found["edgeprobe_last_exit_code", "lab-1"] == 5
    assert found["edgeprobe_spool_rounds", "lab-1"] == 1
