"""A service and its timer, as systemd itself reads them."""

import itertools
import os
import re
import shutil
import subprocess
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from probes.settings import load_settings, parse_settings
from probes.strict_toml import InputError
from probes.units import unit
from probes.units.request import Request

MANAGER = "/lib/systemd/systemd"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or not Path(MANAGER).exists(),
    reason="no systemd: Debian's package systemd brings it",
)

HOSTILE = """50% off $HOME "it's" \\x"""


def agent(**more):
    lines = "".join(f"{key} = {value!r}\n" for key, value in more.items())
    return (
        '[agent]\nvantage = "lab-1"\ncountry = "DE"\nlat = 50\nlon = 8\n'
        f'{lines}[[target]]\nsite = "a"\nhost = "10.0.0.1"\n'
    )


def run(*command, **how):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **how)


@pytest.fixture
def install():
    """Run the script of a unit as root would, but for where units go and for systemctl; the units' folder."""
    with tempfile.TemporaryDirectory(prefix="units-") as made:
        folder, tools = Path(made, "system"), Path(made, "tools")
        for path in (folder, tools):
            path.mkdir()
        # A manager that is not root's must read what is in it.
        Path(made).chmod(0o755)
        (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@" >>{made}/systemctl.log\n')
        (tools / "systemctl").chmod(0o755)

        def begin(script):
            done = run(
                "sh",
                "-c",
                script.replace("/etc/systemd/system", str(folder)),
                env={"PATH": f"{tools}:/usr/bin:/bin"},
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            return folder

        yield begin


def as_systemd_reads_it(folder, name):
    """What a manager makes of a unit, line by line, without starting it."""
    runtime = folder.parent / "runtime"
    runtime.mkdir()
    command = [MANAGER, "--test", "--user", f"--unit={name}"]
    if os.geteuid() == 0:
        # It does not do this as root.
        os.chown(runtime, 65534, 65534)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    done = run(
        *command,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(runtime),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_CONFIG_HOME": str(runtime),
            "SYSTEMD_UNIT_PATH": f"{folder}:",
        },
    )
    found = re.search(rf"^\t-> Unit {re.escape(name)}:\n(.*?)^\t\t?-> Job", done.stdout, re.M | re.S)
    assert found, done.stderr
    return [line.strip() for line in found[1].splitlines()]


@needs_systemd
def test_what_systemd_runs_measures_a_round(configured, start, install, tmp_path):
    server = start("tcp", "127.0.0.2")
    place = tmp_path / HOSTILE
    place.mkdir()
    config = place / "probes.toml"
    configured([{"site": "us-west-2", "host": server.address, "port": server.port}]).rename(config)
    folder = install(unit("systemd", load_settings(config), 900))
    assert sorted(path.name for path in folder.iterdir()) == [
        "edgeprobe-lab-1.service",
        "edgeprobe-lab-1.timer",
    ]
    log = (folder.parent / "systemctl.log").read_text()
    assert log == "daemon-reload\nenable --now edgeprobe-lab-1.timer\n"
    read = as_systemd_reads_it(folder, "edgeprobe-lab-1.service")
    (command,) = (line.removeprefix("Command Line: ") for line in read if line.startswith("Command Line: "))
    environment = [line.removeprefix("Environment: ") for line in read if line.startswith("Environment: ")]
    done = run(
        # systemd shows the words it found as a shell would want them.
        *("/bin/sh", "-c", f"exec {command}"),
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **dict(line.split("=", 1) for line in environment)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    (stored,) = (place / "measurements").rglob("*.jsonl.gz")
    # The scheduled start is the point of the grid the timer elapsed at.
    assert stored.name[11:13] in ("00", "15", "30", "45")
    assert stored.name[13:].startswith("00.000000Z-")
    # Exactly what the round writes is what the unit may write; systemd shows the paths in one line.
    (allowed,) = (line for line in read if line.startswith("ReadWritePaths: "))
    assert allowed == f"ReadWritePaths: {place / '.edgeprobe'} {place / 'measurements'}"


@needs_systemd
@pytest.mark.parametrize("targets", ["", 'protocols = ["icmp"]\n'])
@pytest.mark.parametrize("store", ["measurements", "s3://rows/edge", "file:///srv/50%25%20$x"])
def test_systemd_finds_nothing_to_complain_of(install, tmp_path, store, targets):
    config = tmp_path / HOSTILE / "probes.toml"
    text = agent(store=store, metrics="edge.prom", splay_s=20, deadline_s=100) + targets
    script = unit("systemd", parse_settings(text, config), 300)
    folder = install(re.sub(r"(?m)^\[ -d .*\n", "", script))
    units = [str(path) for path in folder.iterdir()]
    done = run("systemd-analyze", "verify", *units)
    assert (done.returncode, done.stderr) == (0, "")
    # 0 is confined best and 10 not at all; a service that says nothing has 9.6.
    done = run(
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--threshold=30",
        str(folder / "edgeprobe-lab-1.service"),
    )
    assert done.returncode == 0, done.stdout
    service = (folder / "edgeprobe-lab-1.service").read_text()
    assert ("CAP_NET_RAW" in service) == bool(targets)
    assert ("EnvironmentFile=-/etc/edgeprobe-lab-1.env" in service) == store.startswith("s3")


@needs_systemd
@pytest.mark.parametrize("every", ["10s", "30s", "1m", "5m", "20m", "1h", "6h", "12h", "1d"])
def test_a_timer_elapses_on_the_grid_that_rounds_are_named_after(every, configured, edgeprobe):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}], deadline_s=5)
    done = edgeprobe("units", config, "--for", "systemd", "--every", every)
    (times,) = re.findall(r"(?m)^OnCalendar=(.*)$", done.stdout)
    calendar = run("systemd-analyze", "calendar", "--iterations=4", times, env={"TZ": "Asia/Kathmandu"})
    assert calendar.returncode == 0, calendar.stderr
    found = re.findall(r"(?m)^ *(?:\(in UTC\)|Next elapse|Iter\. #\d+): \w+ (\S+ \S+) UTC$", calendar.stdout)
    moments = [datetime.fromisoformat(f"{moment}+00:00") for moment in found]
    steps = {after - before for before, after in itertools.pairwise(moments)}
    spans = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    period = timedelta(**{spans[every[-1]]: int(every[:-1])})
    assert len(moments) == 4
    assert steps == {period}
    assert moments[0].timestamp() % period.total_seconds() == 0


@pytest.mark.parametrize("every_s", [0.5, 7, 90, 420, 5400, 2 * 86_400])
def test_spans_a_timer_cannot_keep(every_s):
    settings = parse_settings(agent(), "/etc/probes.toml")
    with pytest.raises(InputError, match=r"^--every: a timer keeps only "):
        unit("systemd", settings, every_s)


def test_a_round_is_given_the_time_that_it_may_take():
    settings = parse_settings(agent(splay_s=20, deadline_s=100), "/etc/probes.toml")
    script = unit("systemd", settings, 300)
    assert Request(settings, 300).longest_s > 20 + 100 + 75
    assert f"\nTimeoutStartSec={Request(settings, 300).longest_s}\n" in script
    assert int(re.search(r"\nTimeoutStopSec=(\d+)\n", script)[1]) > 75
    assert "\nSuccessExitStatus=75\n" in script


@pytest.mark.parametrize(("place", "hidden"), [("/home/me", "ProtectHome"), ("/tmp/x", "PrivateTmp")])
def test_what_the_agent_needs_is_not_hidden_from_it(place, hidden, monkeypatch):
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    monkeypatch.setattr("sys.prefix", "/usr")
    monkeypatch.setattr("sys.base_prefix", "/usr")
    monkeypatch.setattr("probes.units.systemd.uninstalled_root", lambda: None)
    elsewhere = unit("systemd", parse_settings(agent(), "/etc/edge/probes.toml"), 300)
    there = unit("systemd", parse_settings(agent(), f"{place}/probes.toml"), 300)
    trusted = parse_settings(agent(ca_file=f"{place}/ca.pem"), "/etc/edge/probes.toml", here=False)
    assert f"\n{hidden}=yes\n" in elsewhere
    assert hidden not in there
    assert hidden not in unit("systemd", trusted, 300)


def test_a_service_runs_as_who_owns_the_spool(tmp_path):
    config = tmp_path / "probes.toml"
    name = run("id", "-un").stdout.strip()
    assert f"\nUser={name}\n" in unit("systemd", parse_settings(agent(), config), 300)
    if os.geteuid() == 0:
        (tmp_path / ".edgeprobe").mkdir()
        os.chown(tmp_path / ".edgeprobe", 65534, 65534)
        assert "\nUser=nobody\n" in unit("systemd", parse_settings(agent(), config), 300)
        os.chown(tmp_path / ".edgeprobe", 54321, 54321)
        assert "\nUser=54321\n" in unit("systemd", parse_settings(agent(), config), 300)
