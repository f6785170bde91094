"""What becomes of rounds that wait, clash, cannot be read, or meet a store that hangs."""

import gzip
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

import probes.agent
from probes.agent import Agent
from probes.cli import main
from probes.console import Console
from probes.inbox import DirectoryInbox, inbox_key
from probes.settings import load_settings
from probes.spool import Spool, SpoolBusyError
from tests.probes.conftest import ROOT

FIRST, SECOND = "2026-11-24T05:00:00Z", "2026-11-24T06:00:00Z"


@pytest.fixture
def config(configured, start):
    server = start("tcp", "127.0.0.2")
    target = {"site": "us-west-2", "host": server.address, "port": server.port, "protocols": ["tcp"]}
    return lambda **agent: configured([target], metrics="edgeprobe.prom", **agent)


def figures(directory):
    families = text_string_to_metric_families((directory / "edgeprobe.prom").read_text("utf-8"))
    return {
        (sample.name.removeprefix("edgeprobe_"), *list(sample.labels.values())[1:]): sample.value
        for one in families
        for sample in one.samples
    }


def objects(directory):
    return sorted((directory / "measurements").rglob("*.jsonl.gz"))


def spooled(directory):
    return sorted((directory / ".edgeprobe" / "lab-1").glob("*.jsonl*"))


def begin(*arguments, program=None):
    """The command, or a program that changes something and calls it."""
    call = ["-m", "probes"] if program is None else ["-c", program]
    return subprocess.Popen(
        [sys.executable, *call, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def without_a_store(directory):
    (directory / "measurements").write_text("in the way")
    yield
    (directory / "measurements").unlink()


def test_a_round_is_in_the_store_though_others_take_longer_than_there_is_time(
    edgeprobe, config, tmp_path, monkeypatch, capsys
):
    path = config()
    with without_a_store(tmp_path):
        assert edgeprobe("run", path, "--scheduled-at", FIRST).returncode == 5
    assert figures(tmp_path)["last_success_timestamp_seconds",] == 0
    monkeypatch.setattr(probes.agent, "_BACKLOG_SHARE", 0.0)
    assert main(["run", str(path), "--scheduled-at", SECOND]) == 0
    (stored,) = objects(tmp_path)
    assert stored.name.startswith("20261124T06")
    found = figures(tmp_path)
    assert found["spool_rounds",] == 1
    assert found["last_success_timestamp_seconds",] == pytest.approx(time.time(), abs=60)
    assert capsys.readouterr().err == ""


def test_a_round_that_is_not_in_the_store_is_no_success(config, tmp_path, monkeypatch):
    monkeypatch.setattr(Spool, "ship", lambda *_, **__: iter(()))
    assert main(["run", str(config())]) == 0
    found = figures(tmp_path)
    assert (found["last_success_timestamp_seconds",], found["spool_rounds",]) == (0, 1)


def test_a_repeat_of_a_round_that_is_stored_is_a_success(edgeprobe, config, tmp_path):
    path = config()
    assert edgeprobe("run", path, "--scheduled-at", FIRST).returncode == 0
    before = figures(tmp_path)["last_success_timestamp_seconds",]
    assert edgeprobe("run", path, "--scheduled-at", FIRST).returncode == 0
    assert figures(tmp_path)["last_success_timestamp_seconds",] > before


def test_a_round_that_cannot_be_read_is_said_every_time_and_stays(edgeprobe, config, tmp_path):
    path = config()
    unreadable = tmp_path / ".edgeprobe" / "lab-1" / "20200101T010000.000000Z-000000000000.jsonl.gz"
    unreadable.mkdir(parents=True)
    for count in (1, 2):
        done = edgeprobe("run", path)
        assert done.returncode == 5
        assert done.stderr == (
            "edgeprobe: round 20200101T010000.000000Z-000000000000 stays:"
            f" spool {unreadable}: Is a directory\n"
        )
        assert len(objects(tmp_path)) == count
    found = figures(tmp_path)
    assert (found["spool_rounds",], found["shipped_rows_total",]) == (1, 4)
    done = edgeprobe("ship", path, "--json")
    assert done.returncode == 5
    (told,) = json.loads(done.stdout)
    assert (told["rows"], told["fault"]) == (0, f"spool {unreadable}: Is a directory")


def test_lines_that_cannot_be_read_are_counted_as_lost(edgeprobe, config, tmp_path):
    path = config()
    assert edgeprobe("run", path).returncode == 0
    row = gzip.decompress(objects(tmp_path)[0].read_bytes()).splitlines()[0]
    spool = tmp_path / ".edgeprobe" / "lab-1"
    left = spool / "20200101T010000.000000Z-000000000000.jsonl"
    left.write_bytes(row + b"\n" + row.replace(b'"schema":1', b'"schema":2') + b"\n")
    done = edgeprobe("run", path)
    assert (done.returncode, done.stderr) == (
        0,
        f"edgeprobe: round {left.stem}: 1 line could not be read and went into damaged/; 1 rows shipped\n",
    )
    assert figures(tmp_path)["lost_rows_total",] == 1
    assert len(list((spool / "damaged").iterdir())) == 1


def test_what_a_kill_left_without_a_row_is_not_shipped(edgeprobe, config, tmp_path):
    path = config(log="json")
    spool = tmp_path / ".edgeprobe" / "lab-1"
    spool.mkdir(parents=True)
    for number, command in enumerate((("run", path), ("ship", path))):
        (spool / f"20200101T01000{number}.000000Z-000000000000.jsonl").touch()
        done = edgeprobe(*command)
        assert done.returncode == 0
        assert spooled(tmp_path) == []
        if command[0] == "run":
            assert json.loads(done.stderr)["shipped_rounds"] == 1
    assert done.stdout.startswith("0 rounds (0 rows) shipped to ")


def conflict(directory, path):
    """Put another round into the store under the name of the one scheduled first."""
    settings = load_settings(path)
    with without_a_store(directory):
        assert Agent(settings, Console(as_json=True)).run(1, None, 1795496400.0) == 5
    (sealed,) = spooled(directory)
    run = sealed.name.removesuffix(".jsonl.gz")
    other = gzip.compress(gzip.decompress(sealed.read_bytes()).replace(b'"sample":0', b'"sample":7'))
    assert DirectoryInbox(directory / "measurements").create(inbox_key("lab-1", run), other)
    return run


def test_a_round_the_store_has_in_other_rows_is_neither_shipped_nor_a_success(edgeprobe, config, tmp_path):
    path = config(log="json")
    run = conflict(tmp_path, path)
    for code in (5, 0):
        done = edgeprobe("run", path, "--scheduled-at", FIRST)
        assert done.returncode == code
        event = json.loads(done.stderr.splitlines()[-1])
        assert (event["run_id"], event["shipped_rounds"], event["stored"]) == (run, 0, False)
        assert event["conflict_rows"] == (2 if code else 0)
    found = figures(tmp_path)
    assert (found["conflict_rows_total",], found["shipped_rows_total",]) == (2, 0)
    assert (found["last_success_timestamp_seconds",], found["lost_rows_total",]) == (0, 0)


def test_ship_tells_a_conflict(edgeprobe, config, tmp_path):
    path = config()
    run = conflict(tmp_path, path)
    done = edgeprobe("ship", path, "--json")
    assert done.returncode == 5
    (told,) = json.loads(done.stdout)
    aside = told.pop("conflict")
    assert told == {"run_id": run, "rows": 0, "damaged": 0, "conflict_rows": 2, "fault": None}
    assert aside.startswith(str(tmp_path / ".edgeprobe" / "lab-1" / "conflicts" / run))
    assert f"2 rows set aside in {aside}" in done.stderr
    again = edgeprobe("ship", path)
    assert (again.returncode, again.stdout.split(" shipped")[0]) == (0, "0 rounds (0 rows)")


HANGING = (
    "import sys, time, probes.agent, probes.cli, probes.schedule, probes.shipping, probes.spool\n"
    "class Hanging:\n"
    "    def create(self, key, payload):\n"
    # A spool beside the store, on the same filesystem.
    "        probes.spool.Spool._files = lambda self: time.sleep(3600)\n"
    "        time.sleep(3600)\n"
    "probes.agent.open_inbox = probes.shipping.open_inbox = lambda *_: Hanging()\n"
    "probes.schedule.shipping_span = lambda *_: 1.0\n"
    "sys.exit(probes.cli.main(sys.argv[1:]))\n"
)


def test_a_spool_that_hangs_with_the_store_does_not_keep_the_process(config, tmp_path):
    began = time.monotonic()
    _, err = (process := begin("run", config(), program=HANGING)).communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert process.returncode == 5
    assert err == (
        f"edgeprobe: store {tmp_path / 'measurements'}: no answer within 1 s; 1 round stays in the spool\n"
    )
    assert figures(tmp_path)["spool_rounds",] == 1


def test_last_words_that_hang_do_not_keep_the_process(config):
    program = HANGING.replace(
        "sys.exit",
        "probes.watchdog._LAST_WORDS_S = 1.0\n"
        "probes.agent.Agent._staying = lambda self: time.sleep(3600)\n"
        "sys.exit",
    )
    process = begin("run", config(), program=program)
    process.communicate(timeout=60)
    assert process.returncode == 5


def test_ship_gives_up_a_store_that_hangs(edgeprobe, config, tmp_path):
    path = config()
    with without_a_store(tmp_path):
        assert edgeprobe("run", path).returncode == 5
    process = begin("ship", path, program=HANGING)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (5, "")
    assert err == f"edgeprobe: store {tmp_path / 'measurements'}: no answer within 1 s; 0 rounds shipped\n"
    assert len(spooled(tmp_path)) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_ship_at_once(edgeprobe, config, tmp_path, monkeypatch, number, code):
    path = config()
    with without_a_store(tmp_path):
        assert edgeprobe("run", path).returncode == 5
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        process = begin("ship", path, "--store", "s3://bucket")
        # It waits for an answer, within the library's own call.
        connection, _ = silent.accept()
        with connection:
            began = time.monotonic()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
            assert time.monotonic() - began < 5
    assert (process.returncode, out, err) == (code, "", "")
    assert len(spooled(tmp_path)) == 1


def test_ctrl_c_in_a_command_that_holds_nothing_is_no_traceback(monkeypatch, capsys):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("probes.cli.load_settings", interrupted)
    assert main(["check", "probes.toml"]) == 130
    assert capsys.readouterr() == ("", "")


def test_metrics_that_are_a_pipe_are_a_line_and_hold_up_nothing(edgeprobe, config, tmp_path):
    path = config()
    os.mkfifo(tmp_path / "edgeprobe.prom")
    done = edgeprobe("run", path, timeout=30)
    assert (done.returncode, done.stderr) == (
        0,
        f"edgeprobe: metrics {tmp_path / 'edgeprobe.prom'}: not a regular file\n",
    )
    assert stat.S_ISFIFO((tmp_path / "edgeprobe.prom").stat().st_mode)
    assert len(objects(tmp_path)) == 1


def test_metrics_that_hang_hold_up_neither_the_lock_nor_the_next_round(config, tmp_path, monkeypatch, capsys):
    settings = load_settings(config())
    free = []

    def hang(*_):
        try:
            with Spool(settings.spool, settings.vantage).locked():
                free.append(True)
        except SpoolBusyError:
            free.append(False)
        time.sleep(3600)

    monkeypatch.setattr("probes.metrics.write_metrics", hang)
    began = time.monotonic()
    assert Agent(settings, Console(as_json=True)).run(3, None) == 0
    # Waited for once.
    assert time.monotonic() - began < 6
    assert free == [True]
    assert len(objects(tmp_path)) == 3
    said = [line for line in capsys.readouterr().err.splitlines() if " shipped, " not in line]
    assert said == [f"edgeprobe: metrics {settings.metrics}: no answer within 2 s"] * 3


def test_two_vantages_do_not_share_a_metrics_file(edgeprobe, config, tmp_path):
    assert edgeprobe("run", config()).returncode == 0
    before = (tmp_path / "edgeprobe.prom").read_bytes()
    done = edgeprobe("run", config(vantage="lab-2"))
    assert (done.returncode, done.stderr) == (
        0,
        f"edgeprobe: metrics {tmp_path / 'edgeprobe.prom'}: the figures of vantage lab-1 are there;"
        " each vantage needs a file of its own\n",
    )
    assert (tmp_path / "edgeprobe.prom").read_bytes() == before


def test_check_and_ship_show_no_secret(edgeprobe, config, tmp_path):
    path = config(store="https://k:secret@h.example/rows?sig=secret", otlp="https://k:secret@h.example/x")
    for form in ([], ["--json"]):
        done = edgeprobe("check", path, *form)
        assert done.returncode == 0
        assert "secret" not in done.stdout + done.stderr
        assert "https://h.example/rows" in done.stdout
        assert "https://h.example/x" in done.stdout
    done = edgeprobe("ship", path)
    assert done.stdout == "0 rounds (0 rows) shipped to https://h.example/rows\n"


@pytest.fixture
def failing(monkeypatch):
    """Let no row be written to the spool while ``failing`` says so, as a full disk would."""
    disk = {"full": True}
    real = os.write

    def write(descriptor, data):
        if disk["full"]:
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    def write_whole(*arguments, **options):
        if disk["full"] and "mode" not in options:
            raise OSError(28, "No space left on device")
        return whole(*arguments, **options)

    whole = probes.spool.write_whole
    monkeypatch.setattr("probes.round_file.os.write", write)
    monkeypatch.setattr("probes.spool.write_whole", write_whole)
    return disk


def test_rows_that_wait_in_memory_are_not_lost_until_the_process_ends(
    config, tmp_path, monkeypatch, capsys, failing
):
    path = config(log="json")
    (tmp_path / "measurements").write_text("in the way")
    real, begun = probes.agent.run_round, []

    def relieve(*arguments, **options):
        begun.append(1)
        if len(begun) == 3:
            (tmp_path / "measurements").unlink()
            failing["full"] = False
        real(*arguments, **options)

    monkeypatch.setattr(probes.agent, "run_round", relieve)
    assert Agent(load_settings(path), Console(as_json=True, log="json")).run(3, None) == 0
    found = figures(tmp_path)
    assert (found["rows_total",], found["lost_rows_total",], found["shipped_rows_total",]) == (6, 0, 6)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["rows"] for one in told if one["event"] == "rows_unwritten"] == [2, 4]
    assert [one for one in told if one["event"] == "rows_lost"] == []


@pytest.mark.parametrize("ends", ["after its last round", "between two rounds"])
def test_rows_in_memory_are_lost_once_when_the_process_ends(
    config, tmp_path, monkeypatch, capsys, failing, ends
):
    (tmp_path / "measurements").write_text("in the way")
    agent = Agent(load_settings(config(log="json")), Console(as_json=True, log="json"))
    if ends == "between two rounds":
        settled = Agent._publish

        def publish(self):
            settled(self)
            if figures(tmp_path)["rows_total",] == 4:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(Agent, "_publish", publish)
        assert agent.run(None, 0.5) == 5
    else:
        assert agent.run(2, None) == 5
    found = figures(tmp_path)
    assert (found["rows_total",], found["lost_rows_total",]) == (4, 4)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["rows"] for one in told if one["event"] == "rows_lost"] == [4]


def test_an_outcome_in_words_tells_what_was_set_aside():
    words = replace(probes.agent.Outcome("r", 0.0), conflict_rows=3, shipped_rounds=1).in_words()
    assert words == "round r: measured before; 1 shipped, 3 rows set aside"
