"""The file a monitoring system reads, by the eyes of Prometheus' own parser."""

import fcntl
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from probes import AGENT_VERSION
from probes.metrics import add_lost_rows, metrics_text, write_metrics
from probes.outcome import Outcome
from probes.record import FAILURES
from tests.probes.conftest import ROOT
from tests.probes.test_report import LOST, ROW

MEASURED = Outcome(
    "r1",
    1000.0,
    lag_s=0.5,
    measuring_s=1.25,
    rows=[ROW, replace(ROW, sample=1, rtt_ms=20.0, late_ms=3.5, lag_ms=0.25), replace(LOST, sample=2)],
    shipped_rounds=1,
    shipped_rows=3,
    waiting_rounds=0,
    stored=True,
    ended_s=1003.5,
)
BUSY = Outcome("r2", 1060.0, code=75, ended_s=1060.1)


def parsed(text):
    """Every sample by its name and labels other than the vantage, which all must have."""
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("vantage") == "lab-1"
            key = (sample.name, *sorted(labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def read(path):
    return parsed(path.read_text("utf-8"))


@pytest.fixture
def write(tmp_path):
    def after(*outcomes):
        path = tmp_path / "edgeprobe.prom"
        for outcome in outcomes:
            write_metrics(path, "lab-1", outcome)
        return read(path)

    return after


def test_what_a_round_says(write):
    found = write(MEASURED)
    site = (("protocol", "tcp"), ("site", "eu-central-1"))
    expected = {
        ("edgeprobe_build_info", ("version", AGENT_VERSION)): 1,
        ("edgeprobe_last_run_timestamp_seconds",): 1003.5,
        ("edgeprobe_last_success_timestamp_seconds",): 1003.5,
        ("edgeprobe_last_exit_code",): 0,
        ("edgeprobe_spool_rounds",): 0,
        ("edgeprobe_round_scheduled_timestamp_seconds",): 1000,
        ("edgeprobe_round_lag_seconds",): 0.5,
        ("edgeprobe_round_duration_seconds",): 1.25,
        ("edgeprobe_round_rows",): 3,
        ("edgeprobe_round_start_lateness_seconds",): 0.0035,
        ("edgeprobe_round_loop_lag_seconds",): 0.00025,
        ("edgeprobe_loss_ratio", *site): 1 / 3,
        ("edgeprobe_success_ratio", *site): 1 - 1 / 3,
        ("edgeprobe_rtt_seconds", *site[:1], ("quantile", "0.5"), *site[1:]): 0.02,
        ("edgeprobe_rtt_seconds", *site[:1], ("quantile", "0.95"), *site[1:]): float("inf"),
        ("edgeprobe_rtt_seconds_sum", *site): 0.03,
        ("edgeprobe_rtt_seconds_count", *site): 2,
        ("edgeprobe_runs_total", ("code", "0")): 1,
        ("edgeprobe_rows_total",): 3,
        ("edgeprobe_shipped_rows_total",): 3,
        ("edgeprobe_lost_rows_total",): 0,
        ("edgeprobe_conflict_rows_total",): 0,
    }
    for failure in FAILURES:
        count = int(failure == "syn_retransmit")
        expected["edgeprobe_round_failures", ("failure", failure)] = count
        expected["edgeprobe_failures_total", ("failure", failure)] = count
    assert found == expected


def test_counters_outlive_the_process(write):
    found = write(MEASURED, replace(MEASURED, ended_s=1063.0))
    site = (("protocol", "tcp"), ("site", "eu-central-1"))
    assert found["edgeprobe_rows_total",] == 6
    assert found["edgeprobe_runs_total", ("code", "0")] == 2
    assert found["edgeprobe_failures_total", ("failure", "syn_retransmit")] == 2
    assert found["edgeprobe_rtt_seconds_count", *site] == 4
    assert found["edgeprobe_rtt_seconds_sum", *site] == pytest.approx(0.06)
    assert found["edgeprobe_round_rows",] == 3


def test_a_run_that_found_another_one_at_work_leaves_the_last_round_as_it_was(write):
    before = write(MEASURED)
    after = write(BUSY)
    assert {key: value for key, value in after.items() if before.get(key) != value} == {
        ("edgeprobe_last_run_timestamp_seconds",): 1060.1,
        ("edgeprobe_last_exit_code",): 75,
        ("edgeprobe_runs_total", ("code", "75")): 1,
    }
    assert set(before) <= set(after)


def test_a_round_that_was_not_shipped_is_no_success_and_does_not_undo_one(write):
    failed = replace(
        MEASURED,
        code=5,
        ended_s=1063.0,
        shipped_rounds=0,
        shipped_rows=0,
        waiting_rounds=1,
        stored=False,
    )
    assert write(failed)["edgeprobe_last_success_timestamp_seconds",] == 0
    assert write(MEASURED, failed, failed)["edgeprobe_last_success_timestamp_seconds",] == 1003.5
    assert write(failed)["edgeprobe_spool_rounds",] == 1
    assert write(failed)["edgeprobe_last_exit_code",] == 5
    assert write(replace(MEASURED, ended_s=2000.0))["edgeprobe_last_success_timestamp_seconds",] == 2000.0


@pytest.mark.parametrize(
    "changes",
    [
        {"stored": False, "waiting_rounds": 12},
        {"stored": False, "displaced": True, "conflict_rows": 3, "code": 5},
        {"code": 143},
    ],
)
def test_only_a_round_that_is_in_the_store_is_a_success(write, changes):
    """Whatever else was shipped in its place."""
    found = write(MEASURED, replace(MEASURED, ended_s=2000.0, **changes))
    assert found["edgeprobe_last_success_timestamp_seconds",] == 1003.5
    assert found["edgeprobe_conflict_rows_total",] == changes.get("conflict_rows", 0)


def test_a_site_that_is_no_longer_probed_goes(write):
    elsewhere = replace(MEASURED, rows=[replace(ROW, site="us-west-2")])
    assert not [key for key in write(MEASURED, elsewhere) if ("site", "eu-central-1") in key]
    cut = replace(MEASURED, rows=[ROW], code=130)
    assert ("edgeprobe_rtt_seconds_count", ("protocol", "tcp"), ("site", "us-west-2")) in write(
        elsewhere, cut
    )


def test_what_is_unknown_is_left_out(write):
    unknown = replace(MEASURED, rows=[replace(ROW, failure="deadline", rtt_ms=None)])
    names = {key[0] for key in write(unknown)}
    assert not names & {"edgeprobe_loss_ratio", "edgeprobe_rtt_seconds", "edgeprobe_round_loop_lag_seconds"}


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff\xfe\x00garbage",
        b"root:x:0:0:root\n",
        b'edgeprobe_rows_total{vantage="lab-1"} x\nedgeprobe_rows_total{vantage="lab-1"} nan\n',
        b'edgeprobe_rows_total{vantage="lab-1"} 1 2 3\nedgeprobe_unheard_of{vantage="lab-1"} 5\n',
        b'edgeprobe_rows_total{vantage=lab-12} 77\nedgeprobe_rows_total{site="x",vantage="lab-12"} 77\n',
        b'node_load1{vantage="lab-12"} 77\n',
    ],
)
def test_a_file_that_is_damaged_starts_anew(write, tmp_path, damage):
    (tmp_path / "edgeprobe.prom").write_bytes(damage)
    assert write(MEASURED)["edgeprobe_rows_total",] == 3


@pytest.mark.parametrize("other", ["lab-12", "lab", "LAB-1"])
def test_the_figures_of_another_vantage_are_left_alone(write, tmp_path, other):
    path = tmp_path / "edgeprobe.prom"
    write_metrics(path, other, MEASURED)
    before = path.read_bytes()
    with pytest.raises(OSError, match=f"the figures of vantage {other} are there"):
        write(MEASURED)
    with pytest.raises(OSError, match=f"vantage {other}"):
        add_lost_rows(path, "lab-1", 5)
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/null")])
def test_what_is_no_file_is_neither_read_nor_replaced(write, tmp_path, make):
    path = tmp_path / "edgeprobe.prom"
    make(path)
    before = path.lstat()
    with pytest.raises(OSError, match="not a regular file"):
        write(MEASURED)
    assert path.lstat().st_ino == before.st_ino


def test_rows_lost_after_their_round_are_added_and_nothing_else_changes(write, tmp_path):
    before = write(MEASURED)
    for rows in (3, 4):
        add_lost_rows(tmp_path / "edgeprobe.prom", "lab-1", rows)
    assert read(tmp_path / "edgeprobe.prom") == {**before, ("edgeprobe_lost_rows_total",): 7}
    add_lost_rows(tmp_path / "anew.prom", "lab-1", 2)
    assert read(tmp_path / "anew.prom") == {("edgeprobe_lost_rows_total",): 2}


def test_labels_are_escaped():
    text = metrics_text("lab-1", replace(MEASURED, rows=[replace(ROW, site='a"b\\c\nd')]), {})
    assert ("edgeprobe_loss_ratio", ("protocol", "tcp"), ("site", 'a"b\\c\nd')) in parsed(text)


def test_the_folder_is_made(tmp_path):
    write_metrics(tmp_path / "textfile" / "edge" / "edgeprobe.prom", "lab-1", MEASURED)
    assert read(tmp_path / "textfile" / "edge" / "edgeprobe.prom")


def test_a_round_of_which_nothing_came_back_says_so():
    lost = [replace(LOST, sample=n) for n in range(3)]
    assert replace(MEASURED, rows=lost).nothing_back() == "none of 3 samples came back: syn_retransmit 3"
    assert MEASURED.nothing_back() is None
    assert BUSY.nothing_back() is None


def test_a_collector_of_another_user_may_read_it(write, tmp_path):
    before = os.umask(0o077)
    try:
        write(MEASURED)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "edgeprobe.prom").stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["edgeprobe.prom"]


def test_two_at_once_lose_no_count(tmp_path):
    program = (
        "import sys; from pathlib import Path; from probes.metrics import write_metrics;"
        "from probes.outcome import Outcome\n"
        "for n in range(50): write_metrics(Path(sys.argv[1]), 'lab-1', Outcome('r', 1.0, code=75))"
    )
    path = tmp_path / "edgeprobe.prom"
    both = [subprocess.Popen([sys.executable, "-c", program, str(path)], cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert read(path)["edgeprobe_runs_total", ("code", "75")] == 100


def test_whoever_holds_the_directory_for_long_is_not_waited_for(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    began = time.monotonic()
    try:
        with pytest.raises(OSError):
            write_metrics(tmp_path / "edgeprobe.prom", "lab-1", MEASURED)
    finally:
        os.close(descriptor)
    assert time.monotonic() - began < 3
