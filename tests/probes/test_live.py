"""What a person at a terminal sees, through a terminal: a pty, and an emulator that draws its screen."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from dataclasses import replace

import pyte
import pytest

from probes.live import Live
from tests.probes.conftest import ROOT
from tests.probes.test_report import LOST, ROW

STATUS = re.compile(r"(\d+)/(\d+) samples, (\d+) failed, \d+ s")


class Terminal:
    """A terminal of some size with the agent in it, and its screen as it is now."""

    def __init__(self, *arguments, size=(100, 24), stdout=None, **environment):
        self._master, slave = os.openpty()
        self.screen = pyte.HistoryScreen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.text = b""
        self.resize(*size)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CONTROLLED, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": "", **environment},
            stdin=slave,
            stdout=slave if stdout is None else stdout,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def resize(self, columns, lines):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def press(self, keys):
        os.write(self._master, keys)

    def read(self, wait_s):
        """Take what comes within that time; whether it goes on."""
        if select.select([self._master], [], [], wait_s)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return False
            self.text += data
            self._stream.feed(data)
        return True

    def until(self, seen, timeout_s=20):
        end = time.monotonic() + timeout_s
        while not seen():
            assert time.monotonic() < end, "\n".join(self.lines)
            assert self.read(0.05), "\n".join(self.lines)

    def ended(self):
        """See it to its end; the exit code."""
        end = time.monotonic() + 30
        while self.read(0.1):
            assert time.monotonic() < end
        return self.process.wait(10)

    @property
    def lines(self):
        """The screen's lines, those that scrolled away first."""
        gone = [
            "".join(line[at].data for at in range(self.screen.columns)) for line in self.screen.history.top
        ]
        return [line.rstrip() for line in [*gone, *self.screen.display] if line.strip()]

    @property
    def status(self):
        found = STATUS.fullmatch(self.lines[-1]) if self.lines else None
        return tuple(map(int, found.groups())) if found else None

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self._master)


# The pty becomes the controlling terminal, so that Ctrl-C is a signal.
_CONTROLLED = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
print("before", file=sys.stderr, flush=True)
from probes.cli import main
sys.exit(main(["run", *sys.argv[1:]]))
"""


@pytest.fixture
def terminal():
    opened = []

    def open_one(*arguments, **how):
        opened.append(Terminal(*arguments, **how))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def targets(start, refused_port):
    server = start("tcp", "127.0.0.2")
    good = {"site": "good", "host": server.address, "port": server.port, "protocols": ["tcp"]}
    bad = {"site": "bad", "host": "127.0.0.1", "port": refused_port, "protocols": ["tcp"]}
    return [good, bad]


@pytest.fixture
def hole(start):
    server = start("blackhole", "127.0.0.3")
    return {"site": "hole", "host": server.address, "port": server.port, "protocols": ["tcp"]}


def many(targets, count):
    """Sites on one server, the last of which refuses."""
    good, bad = targets
    return [*({**good, "site": f"good-{number}"} for number in range(count - 1)), bad]


def test_progress_and_a_table_in_place_then_the_table_alone(terminal, configured, targets, tmp_path):
    shown = terminal(configured(targets, samples=20))
    shown.until(lambda: shown.status and 0 < shown.status[0] < 40)
    during = shown.lines
    assert during[0] == "before"
    assert during[1].split()[:3] == ["site", "protocol", "endpoint"]
    assert sorted(line.split()[0] for line in during[2:-1]) == ["bad", "good"]
    assert any("connect_refused" in line for line in during)
    later = shown.status[0]
    shown.until(lambda: shown.status and shown.status[0] > later)
    assert shown.lines[0] == "before"
    assert len(shown.lines) == 5
    assert shown.ended() == 0
    assert shown.lines[0] == "before"
    assert shown.lines[1].split()[:3] == ["site", "protocol", "endpoint"]
    assert [line.split()[3] for line in shown.lines[2:4]] == ["20", "20"]
    assert [line.split(":")[0] for line in shown.lines[4:]] == ["loss", "jitter"]
    # At most seven frames a second, of about two; and nothing of the screen was cleared.
    assert 5 <= shown.text.count(b" samples, ") <= 25
    assert b"\x1b[2J" not in shown.text


def test_it_moves_on_while_nothing_comes(terminal, configured, targets, hole):
    shown = terminal(configured([*targets, hole], samples=2, timeout_ms=2500))
    # The last rows are shown although no others follow them, and so is time.
    shown.until(lambda: shown.status and shown.status[0] == 4)
    shown.until(lambda: shown.lines[-1].endswith("failed, 2 s"))
    assert shown.ended() == 0


def test_no_taller_than_the_terminal_and_the_worst_first(terminal, configured, targets):
    shown = terminal(configured(many(targets, 40), samples=10), size=(100, 12))
    shown.until(lambda: shown.status and shown.status[0] >= 80)
    assert shown.lines[0] == "before"
    assert len(shown.lines) == 12
    assert shown.lines[2].startswith("bad ")
    assert shown.lines[-2] == "and 32 more, none of them worse"
    assert shown.ended() == 0
    assert sum(line.startswith("good-") for line in shown.lines) == 39


def test_a_window_that_is_resized(terminal, configured, targets):
    shown = terminal(configured(many(targets, 20), samples=30), size=(120, 30))
    shown.until(lambda: shown.status)
    shown.resize(60, 30)
    drawn = shown.text.count(b" samples, ")
    shown.until(lambda: shown.text.count(b" samples, ") > drawn + 1)
    frame = shown.text.decode().rpartition("site ")[2].split("\r\n")
    assert len(frame) == 22
    widest = max((re.sub(r"\x1b\[\d*[A-Za-z]|\r", "", line) for line in frame), key=len)
    assert len(widest) < 60, widest
    assert "connect_refused" in frame[20]
    assert shown.ended() == 0


def test_ctrl_c_leaves_a_table_of_what_was_measured(terminal, configured, targets, tmp_path):
    shown = terminal(configured(targets, samples=200))
    shown.until(lambda: shown.status and shown.status[0] > 6)
    shown.press(b"\x03")
    assert shown.ended() == 128 + signal.SIGINT
    assert shown.lines[0] == "before"
    assert shown.lines[-1].startswith("jitter: ")
    assert not any(STATUS.search(line) or "^C" in line for line in shown.lines)


@pytest.mark.parametrize(
    ("environment", "red", "frames"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
)
def test_colour_is_for_who_wants_it(terminal, configured, targets, environment, red, frames):
    shown = terminal(configured(targets, samples=10), **environment)
    assert shown.ended() == 0
    assert (b"\x1b[31mconnect_refused" in shown.text) == red
    assert (b" samples, " in shown.text) == frames


def test_rows_or_a_log_for_programs_are_left_alone(terminal, configured, targets):
    shown = terminal(configured(targets, samples=5), "--json")
    assert shown.ended() == 0
    assert b"\x1b" not in shown.text
    shown = terminal(configured(targets, samples=5, log="json"))
    assert shown.ended() == 0
    assert b" samples, " not in shown.text


def test_a_terminal_that_takes_nothing_does_not_delay_a_sample(terminal, configured, targets, tmp_path):
    config = configured(many(targets, 300), samples=5, rate_per_s=1000)
    with (tmp_path / "out").open("wb") as out:
        shown = terminal(config, size=(200, 60), stdout=out)
        shown.until(lambda: shown.status)
        shown.press(b"\x13")  # Ctrl-S
        code = shown.process.wait(30)
    assert code == 0
    table = (tmp_path / "out").read_text("utf-8").splitlines()
    assert len(table) == 300 + 1 + 3
    assert {line.split()[3] for line in table[1:301]} == {"5"}


def test_a_terminal_that_was_stopped_is_tidied_when_it_goes_on(terminal, configured, targets):
    shown = terminal(configured(targets, samples=10))
    shown.until(lambda: shown.status)
    shown.press(b"\x13")  # Ctrl-S
    time.sleep(2.5)
    shown.press(b"\x11")  # Ctrl-Q
    assert shown.ended() == 0
    assert shown.lines[0] == "before"
    assert shown.lines[1].split()[0] == "site"
    assert not any(STATUS.search(line) for line in shown.lines)


def test_a_frame_is_cheap_however_many_series_there_are():
    master, slave = os.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        view = Live(slave, colour=True)
        view.expect(30_000)
        spent = []
        for sample in range(10):
            rows = [
                replace(LOST if number % 9 == 0 else ROW, site=f"site-{number}", sample=sample)
                for number in range(3000)
            ]
            began = time.process_time()
            view.rows(rows)
            view._draw()
            spent.append(time.process_time() - began)
            assert os.read(master, 1 << 20)
        view.close()
    finally:
        os.close(master)
        os.close(slave)
    # A few milliseconds for a frame and 3,000 rows.
    assert sorted(spent)[5] < 0.03
