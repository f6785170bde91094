"""A real SIGINT to a real process, at every stage of a plan that survives the loss of a Region."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from planner.attended import attended, left_alone

ROOT = Path(__file__).resolve().parents[3]
STUDY = """\
name = "bank"
[demand]
cities = { countries = ["*"], top = 900 }
peak_rps = 4000
requests_per_month = 2e9
[candidates]
exclude = ["cn-*", "us-gov-*", "eusc-*"]
[workload]
services = ["ec2", "rds"]
rps_per_instance = 500
home = { region = "auto", home_trips = 0.5 }
[latency]
slo_ms = 300
coverage = 0.8
max_ms = 500
[resilience]
survive = "region"
backup_within_ms = 500
rto = "1h"
rpo = "5m"
data_gb = 800
change_gb_per_day = 15
[[rule]]
kind = "residency"
clients = { jurisdictions = ["EEA"] }
sites = { jurisdictions = ["EEA"] }
[routing]
policy = "auto"
"""
STOPPED = r"edgeplan: stopped before a plan was found, after \d+\.\d s\n"


def interrupted(tmp_path, command: str, stage: str) -> subprocess.CompletedProcess[str]:
    """``edgeplan command`` interrupted once its progress speaks of ``stage``."""
    (tmp_path / "bank.toml").write_text(STUDY)
    process = subprocess.Popen(
        [sys.executable, "-m", "planner", command, str(tmp_path / "bank.toml"), "-v"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""
    while stage not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    printed, more = process.communicate()
    return subprocess.CompletedProcess([], process.returncode, printed, more)


@pytest.mark.parametrize("stage", ["building the problem", "solving for the sites", "finding a first plan"])
@pytest.mark.parametrize("command", ["plan", "explain"])
def test_before_there_is_a_plan_one_line_says_so(tmp_path, command, stage):
    done = interrupted(tmp_path, command, stage)
    assert "proven optimal" not in done.stdout
    if done.returncode == 0:  # a plan was found meanwhile
        assert "stopped before it was proven, gap" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (130, "")
        assert re.search(rf"^{STOPPED}\Z", done.stderr, re.MULTILINE)
    assert "Traceback" not in done.stderr


def test_once_there_is_a_plan_it_is_shown_with_its_gap(tmp_path):
    done = interrupted(tmp_path, "plan", "proving it")
    assert done.returncode == 0
    assert "bank: stopped before it was proven, gap" in done.stdout
    assert "Traceback" not in done.stderr


def test_while_the_solver_is_loaded_nothing_of_it_is_heard(tmp_path):
    """The first word of the process comes before anything is imported; the handler takes over at once."""
    (tmp_path / "bank.toml").write_text(STUDY)
    code = (
        "import planner.cli as cli, sys\n"
        "from planner import attended\n"
        "loading = cli.import_module\n"
        "def load(name):\n"
        "    print('loading', file=sys.stderr, flush=True)\n"
        "    return loading(name)\n"
        "cli.import_module = load\n"
        "sys.exit(cli.main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "plan", str(tmp_path / "bank.toml")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate()
    assert (process.returncode, printed) == (130, "")
    assert re.fullmatch(STOPPED, said)


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_work_that_does_not_hear_is_left_for_what_there_is_so_far():
    freed, over = Event(), Event()

    def deaf(asked):
        press()
        freed.wait()
        over.set()
        return "late"

    assert attended(deaf, so_far=lambda: "so far", worth=bool) == "so far"
    assert left_alone()
    freed.set()
    over.wait()


def test_work_that_hears_has_the_last_word_if_it_is_worth_showing():
    def hears(asked):
        press()
        while not asked():
            pass
        return "in time"

    assert attended(hears, so_far=lambda: "so far", worth=bool) == "in time"
    with pytest.raises(KeyboardInterrupt):
        attended(hears, so_far=lambda: "so far")


def test_a_fault_of_the_work_is_raised_where_it_is_waited_for():
    def fails(asked):
        raise OSError("no such store")

    with pytest.raises(OSError, match="no such store"):
        attended(fails)
