"""The crontab line under Debian's own cron, in namespaces that hide the machine's crontabs from it."""

import gzip
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from probes.record import from_json
from probes.settings import load_settings
from probes.units import unit

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("cron") is None,
    reason="runs cron (Debian's package cron) in namespaces of its own, which takes root",
)

# One minute to the next start, and what a round takes on a busy machine.
PATIENCE_S = 90

INSIDE = """
set -eu
mount --bind "$1/crontabs" /var/spool/cron/crontabs
mount --bind "$1/empty" /etc/cron.d
mount --bind /dev/null /etc/crontab
mount --bind "$1/run" /run
crontab "$1/line"
exec cron -f
"""


@pytest.fixture
def cron(tmp_path):
    """Start a cron that knows one crontab; everything of it ends with the test."""
    place = tmp_path / "cron"
    for name in ("crontabs", "empty", "run"):
        (place / name).mkdir(parents=True)
    started = []

    def begin(text):
        (place / "line").write_text(text, encoding="utf-8")
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
        started.append(subprocess.Popen([*command, "sh", "-c", INSIDE, "sh", str(place)]))
        return started[0]

    yield begin
    for process in started:
        process.kill()
        process.wait(10)


def test_cron_runs_the_line_it_was_given(cron, configured, start, tmp_path):
    server = start("tcp", "127.0.0.2")
    place = tmp_path / "50% it's $HOME"
    place.mkdir()
    config = place / "probes.toml"
    configured([{"site": "us-west-2", "host": server.address, "port": server.port}]).rename(config)
    machine = sorted(path.name for path in Path("/var/spool/cron/crontabs").iterdir())
    began_s = time.time()
    daemon = cron(unit("cron", load_settings(config), 60.0))
    while not (stored := list((place / "measurements").rglob("[!.]*.jsonl.gz"))):
        assert daemon.poll() is None, "cron ended by itself"
        assert time.time() < began_s + PATIENCE_S, "cron started nothing"
        time.sleep(0.1)
    rows = [from_json(line) for line in gzip.decompress(stored[0].read_bytes()).splitlines()]
    assert {row.failure for row in rows} == {None}
    # Named after the minute that cron started it for: the next one, or the one after if cron was late.
    minutes = {time.strftime("%Y%m%dT%H%M00", time.gmtime(began_s + after_s)) for after_s in (60, 120)}
    assert stored[0].name.partition(".")[0] in minutes
    assert ".000000Z-" in stored[0].name
    assert sorted(path.name for path in Path("/var/spool/cron/crontabs").iterdir()) == machine
