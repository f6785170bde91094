"""The whole loop: an agent measures real servers as cron runs it, and the plan differs as it should."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from planner.decide import decide
from planner.inputs import load_inputs
from planner.study import load_study
from tests.probes.conftest import DnsServer, TcpServer

ROOT = Path(__file__).resolve().parents[2]

# Two racks in the metro of those who measure them, so that what loopback answers is plausible: the first
# beside most of the demand, the second 20 km from it.
STUDY = """\
name = "west-africa"
[demand]
csv = "clients.csv"
peak_rps = 500
requests_per_month = 1.0e8
[candidates]
provider = "aws"
kinds = ["region"]
include = ["eu-west-1", "eu-south-2", "af-south-1"]
[latency]
statistic = "p50"
max_ms = 200
[objective]
minimize = "mean_latency"
[limits]
max_sites = 1
"""

RACK = """\
[[candidates.outpost]]
id = "{name}"
country = "NG"
lat = {lat}
lon = 3.39
parent = "af-south-1"
host = "{host}"
capacity_rps = 1000
upfront_usd = 100000
monthly_usd = 2000
term_months = 36
"""

STUDY += RACK.format(name="op-near", lat=6.46, host="127.0.0.23")
STUDY += RACK.format(name="op-far", lat=6.64, host="127.0.0.21")

CLIENTS = """\
id,country,lat,lon,weight
lagos,NG,6.45,3.39,5
ibadan,NG,7.38,3.90,1
"""


@pytest.fixture
def servers():
    """One TCP server, a port where nobody listens, and a DNS server that names the first."""
    answering = TcpServer("127.0.0.21")
    names = DnsServer("127.0.0.22", answer="127.0.0.21")
    with socket.socket() as unused:
        unused.bind(("127.0.0.23", 0))
        refused = unused.getsockname()[1]
    yield answering, names, refused
    answering.close()
    names.close()


def test_an_agent_s_measurements_change_the_plan(tmp_path, servers):
    answering, names, refused = servers
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "clients.csv").write_text(CLIENTS)
    # op-near is the nearest by distance. From this vantage op-far answers, and so does something that
    # claims to be in Ireland.
    (tmp_path / "probes.toml").write_text(
        f"""\
[agent]
vantage = "lagos-1"
country = "NG"
lat = 6.5
lon = 3.4
store = "store"
samples = 4
timeout_ms = 800
deadline_s = 30
resolvers = ["{names.resolver}"]

[[target]]
site = "op-far"
host = "ok.example.test"
port = {answering.port}
protocols = ["dns", "tcp"]

[[target]]
site = "eu-west-1"
host = "{answering.address}"
port = {answering.port}
protocols = ["tcp"]

[[target]]
site = "op-near"
host = "127.0.0.23"
port = {refused}
protocols = ["tcp"]
"""
    )
    study = load_study(tmp_path / "study.toml")
    before = decide(study, load_inputs(study))
    assert before.audit == ()
    assert before.open == ("op-near",)
    assert {entry.provenance for entry in before.assignments} == {"modelled"}
    assert before.kpi.measured_share == 0.0

    run_as_cron(tmp_path)

    rows = [json.loads(line) for line in stored_lines(tmp_path / "store")]
    by_protocol = {(row["protocol"], row["failure"]) for row in rows}
    assert by_protocol == {
        ("dns", None),
        ("tcp", None),
        ("tcp", "connect_refused"),
        ("tcp", "implausible"),
    }
    assert all(row["rtt_ms"] is not None for row in rows if row["failure"] is None)
    if sys.platform == "linux":
        assert {row["clock"] for row in rows if row["protocol"] == "tcp" and row["rtt_ms"]} == {"kernel"}
    assert answering.has_accepted(8)
    assert names.asked

    inputs = load_inputs(study, [str(tmp_path / "store")])
    after = decide(study, inputs)
    assert after.audit == ()
    assert after.termination == "optimal"
    assert after.open == ("op-far",)
    assert {entry.provenance for entry in after.assignments} == {"measured"}
    assert after.kpi.measured_share == pytest.approx(1.0)
    # What was measured stands in the matrix: the rack that refused is out of reach, the one that answered is
    # as near as it is; and no network answers from Ireland that fast, so that pair is modelled still.
    column = {site.id: j for j, site in enumerate(inputs.sites)}
    assert inputs.matrix.estimate_ms[0, column["op-near"]] == float("inf")
    assert inputs.matrix.loss_ratio[0, column["op-near"]] == 1.0
    assert inputs.matrix.samples[0, column["op-far"]] == 4
    assert inputs.matrix.samples[0, column["eu-west-1"]] == 0
    assert 45.0 < inputs.matrix.estimate_ms[0, column["eu-west-1"]] < float("inf")
    store = str(tmp_path / "store")
    assert f"{store}: 20 rows read, 2 vantage-site pairs used" in after.notes
    assert "site op-near is out of reach from vantage lagos-1: 4 of 4 probes lost" in after.notes
    assert (
        "vantage 'lagos-1', site 'eu-west-1': 4 samples that the agent itself found implausible are left out"
        in after.notes
    )
    assert after.kpi.mean_ms < before.kpi.mean_ms
    assert store in after.inputs


def test_the_command_line_closes_the_same_loop(tmp_path, servers):
    answering, _, _ = servers
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "clients.csv").write_text(CLIENTS)
    (tmp_path / "probes.toml").write_text(
        f'[agent]\nvantage = "lagos-1"\ncountry = "NG"\nlat = 6.5\nlon = 3.4\nstore = "store"\nsamples = 2\n'
        f'[[target]]\nsite = "op-far"\nhost = "{answering.address}"\nport = {answering.port}\n'
        f'protocols = ["tcp"]\n'
    )
    run_as_cron(tmp_path)
    without = planned(tmp_path)
    given = planned(tmp_path, "--measurements", str(tmp_path / "store"))
    assert without["open"] == ["op-near"]
    # Across the street the model says some milliseconds, and op-far answered at once: one measured site is
    # enough to move the plan.
    assert given["open"] == ["op-far"], given["kpi"]
    assert given["audit"] == []
    assert given["inputs"].keys() > without["inputs"].keys()


def planned(place, *more):
    done = subprocess.run(
        [sys.executable, "-m", "planner", "plan", str(place / "study.toml"), "--json", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_as_cron(place):
    """Run the agent's own crontab line as crond does: sh -c, in a bare environment."""
    line = subprocess.run(
        [sys.executable, "-m", "probes", "units", str(place / "probes.toml"), "--for", "cron"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout.splitlines()[-1]
    command = line.split(None, 5)[5].replace("\\%", "%")
    assert str(place / "probes.toml") in shlex.split(command)
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd="/",
        env={"HOME": str(place), "PATH": "/usr/bin:/bin", "LOGNAME": os.environ.get("LOGNAME", "root")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def stored_lines(store):
    (found,) = store.rglob("*.jsonl.gz")
    return gzip.decompress(found.read_bytes()).splitlines()
