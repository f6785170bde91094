"""Streams that are closed, full, gone, or of few characters: rounds are measured and shipped as ever."""

import gzip
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.probes.conftest import ROOT

FULL = "/dev/full"


@pytest.fixture
def endpoint(start):
    server = start("tcp", "127.0.0.2")
    return {"site": "us-west-2", "host": server.address, "port": server.port, "protocols": ["tcp"]}


def run(*arguments, redirect="", module="probes", environment=None, **streams):
    """The command with its streams as a shell redirects them, and buffered as they usually are."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m "$@" {redirect}', sys.executable, module, *map(str, arguments)],
        cwd=ROOT,
        env={**buffered, "PYTHONPATH": str(ROOT), **(environment or {})},
        timeout=60,
        check=False,
        **streams,
    )


def stored(directory):
    paths = sorted((directory / "measurements").rglob("*.jsonl.gz"))
    return [gzip.decompress(path.read_bytes()).count(b"\n") for path in paths]


@pytest.mark.parametrize("redirect", ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nobody_s_descriptors(configured, endpoint, tmp_path, redirect):
    done = run("run", configured([endpoint]), redirect=redirect, capture_output=True)
    assert (done.returncode, done.stderr, stored(tmp_path)) == (0, b"", [2])
    (tmp_path / "measurements").rename(tmp_path / "elsewhere")
    (tmp_path / "measurements").write_text("in the way")
    # What is said then goes to no file of the agent's.
    assert run("run", tmp_path / "probes.toml", redirect=redirect, capture_output=True).returncode == 5
    spool = tmp_path / ".edgeprobe" / "lab-1"
    assert (spool / "lock").read_bytes() == b""
    assert sum(gzip.decompress(path.read_bytes()).count(b"\n") for path in spool.glob("*.gz")) == 2


@pytest.mark.parametrize("redirect", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_the_planner_s_command_with_closed_streams(redirect):
    place = ("--vantage", "lab-1", "--country", "ES", "--lat", "40.42", "--lon", "-3.7")
    done = run("targets", *place, redirect=redirect, module="planner", capture_output=True)
    assert (done.returncode, done.stderr if "2>" in redirect else b"") == (0, b"")
    assert (b"[agent]" in done.stdout) == (redirect == "2>&-")


def test_a_stdout_that_is_full_is_said_once(configured, endpoint, tmp_path):
    done = run("run", configured([endpoint]), "--rounds", 3, redirect=f">{FULL}", capture_output=True)
    assert (done.returncode, stored(tmp_path)) == (0, [2, 2, 2])
    lines = done.stderr.decode().splitlines()
    assert [line for line in lines if not re.match("edgeprobe: round .* shipped", line)] == [
        "edgeprobe: stdout: No space left on device: no more is printed there"
    ]
    check = run("check", tmp_path / "probes.toml", redirect=f">{FULL}", capture_output=True)
    assert check.returncode == 5
    assert check.stderr == b"edgeprobe: No space left on device\n"
    assert run("check", tmp_path / "absent.toml", redirect=f"2>{FULL}", capture_output=True).returncode == 2


def test_a_stderr_that_is_full_keeps_a_daemon_from_nothing(configured, endpoint, tmp_path):
    (tmp_path / "measurements").write_text("in the way")
    done = run("run", configured([endpoint]), "--rounds", 3, redirect=f"2>{FULL}", stdout=subprocess.PIPE)
    assert done.returncode == 5
    assert len(list((tmp_path / ".edgeprobe" / "lab-1").glob("*.jsonl.gz"))) == 3
    (tmp_path / "measurements").unlink()
    assert run("run", tmp_path / "probes.toml", redirect=f">{FULL} 2>{FULL}").returncode == 0
    assert stored(tmp_path) == [2] * 4


def test_a_terminal_that_has_gone(configured, endpoint, tmp_path):
    ours, theirs = os.openpty()
    os.close(ours)
    try:
        done = run("run", configured([endpoint]), "--rounds", 2, stdin=theirs, stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    assert (done.returncode, stored(tmp_path)) == (0, [2, 2])


def test_a_terminal_of_few_characters(configured, endpoint, start, tmp_path):
    hole = start("blackhole", "127.0.0.3")
    lost = {**endpoint, "site": "us-east-1", "host": hole.address, "port": hole.port}
    done = run(
        "run",
        configured([endpoint, lost], timeout_ms=100),
        environment={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    assert (done.returncode, done.stderr, stored(tmp_path)) == (0, b"", [4])
    (line,) = [line for line in done.stdout.decode("ascii").splitlines() if line.startswith("us-east-1")]
    # Where ∞ would stand.
    assert line.split()[5:7] == ["?", "?"]


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may do anything without setpriv"
)
def test_a_umask_that_denies_everybody_does_not_deny_the_agent(configured, endpoint, tmp_path):
    config = configured([endpoint])
    # Root passes by permissions, unless it gave that up.
    plainly = "setpriv --bounding-set=-dac_override,-dac_read_search" if os.geteuid() == 0 else ""
    for rounds in (1, 2):
        done = subprocess.run(
            [
                "sh",
                "-c",
                f'umask 777; exec {plainly} "$@"',
                "sh",
                sys.executable,
                "-m",
                "probes",
                "run",
                config,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert stored(tmp_path) == [2] * rounds
