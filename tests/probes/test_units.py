"""Units: what is printed must run as the scheduler would run it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from probes.settings import parse_settings
from probes.units import UnitError, cron, unit

TEXT = (
    '[agent]\nvantage = "v"\ncountry = "DE"\nlat = 50\nlon = 8\n[[target]]\nsite = "a"\nhost = "10.0.0.1"\n'
)


def settings(path="/etc/edge/probes.toml"):
    return parse_settings(TEXT, path)


def as_cron_runs_it(line):
    """The command of a crontab line as crontab(5) says: five fields, then up to the first bare %."""
    command = line.split(None, 5)[5]
    kept, rest = [], iter(command)
    for character in rest:
        if character == "%":
            break
        if character == "\\":
            following = next(rest, "")
            kept.append(following if following == "%" else "\\" + following)
        else:
            kept.append(character)
    return "".join(kept)


def test_the_cron_line_runs_in_cron_s_bare_environment(edgeprobe, configured, start, tmp_path):
    server = start("tcp", "127.0.0.2")
    place = tmp_path / "50% it's here"
    place.mkdir()
    config = place / "probes.toml"
    configured([{"site": "us-west-2", "host": server.address, "port": server.port}]).rename(config)
    done = edgeprobe("units", config, "--for", "cron", "--every", "15m")
    assert done.returncode == 0
    comment, line = done.stdout.splitlines()
    assert comment.startswith("# ")
    assert line.startswith("*/15 * * * * ")
    ran = subprocess.run(
        ["/bin/sh", "-c", as_cron_runs_it(line)],
        env={"HOME": str(tmp_path), "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    (stored,) = (place / "measurements").rglob("*.jsonl.gz")
    # The scheduled start is the point of the grid cron started it for.
    assert stored.name[11:13] in ("00", "15", "30", "45")
    assert stored.name[13:].startswith("00.000000Z-")


@pytest.mark.parametrize(
    ("every_s", "times"),
    [
        (60, "* * * * *"),
        (300, "*/5 * * * *"),
        (1800, "*/30 * * * *"),
        (3600, "0 * * * *"),
        (21_600, "0 */6 * * *"),
        (86_400, "0 0 * * *"),
    ],
)
def test_spans_as_cron_writes_them(every_s, times):
    assert cron(settings(), every_s).splitlines()[1].startswith(f"{times} ")


@pytest.mark.parametrize("every_s", [30, 90, 420, 5400, 7 * 3600, 2 * 86_400])
def test_spans_cron_cannot_keep(every_s):
    with pytest.raises(UnitError, match="cron"):
        cron(settings(), every_s)


def test_the_command_is_absolute():
    line = cron(settings("probes.toml"), 300).splitlines()[1]
    words = shlex.split(as_cron_runs_it(line))
    assert f"PYTHONPATH={Path(__file__).resolve().parents[2]}" in words
    assert sys.executable in words
    assert os.path.join(os.getcwd(), "probes.toml") in words  # noqa: PTH109, PTH118


def test_a_path_with_a_line_break_is_refused():
    with pytest.raises(UnitError, match="line break"):
        cron(settings("/tmp/a\nb/probes.toml"), 300)


@pytest.mark.parametrize("scheduler", ["systemd", "kubernetes", "eventbridge"])
def test_schedulers_of_a_later_version(edgeprobe, configured, scheduler):
    with pytest.raises(UnitError) as caught:
        unit(scheduler, settings(), 300)
    assert str(caught.value) == f"units for {scheduler} are not written by this version (cron)"
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}])
    done = edgeprobe("units", config, "--for", scheduler)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"edgeprobe: {caught.value}\n")


def test_a_round_that_may_outlast_its_turn_is_noted(edgeprobe, configured):
    config = configured([{"site": "us-west-2", "host": "127.0.0.1"}], deadline_s=50, splay_s=20)
    done = edgeprobe("units", config, "--for", "cron", "--every", "1m")
    assert done.returncode == 0
    assert "a round may take 70 s (splay_s + deadline_s), longer than 1m" in done.stderr
