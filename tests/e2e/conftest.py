"""A real server and a real browser. Where no Chromium stands the tests skip, unless CI=true."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
AT_REST = """() => {
    const now = performance.now();
    const busy =
        !document.querySelector('[data-test-script-state="notRunning"]')
        || !document.querySelector('[data-testid="stHeading"]')
        || document.querySelector('[data-stale="true"], [data-testid="stSkeleton"]')
        || document.querySelector('[data-testid="stProgress"], [data-testid="stSpinner"]')
        || [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
            .some(chart => !chart.querySelector('.plot-container .main-svg'));
    if (busy || window.restingSince === undefined) window.restingSince = now;
    return !busy && now - window.restingSince > 1200;
}"""
HOSTS = {"127.0.0.1", "localhost"}
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A request that would leave the machine finds no name to go to; the page must not need it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"the browser tests must run here, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium():
    """Playwright's Chromium, started from the system's own binary, for the whole run."""
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        _missing("playwright is not installed")
    binary = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
    if binary is None:
        _missing("no chromium was found (Debian: apt-get install chromium)")
    with sync_playwright() as play:
        # Each launch makes a profile directory of its own and removes it at the end.
        browser = play.chromium.launch(executable_path=binary, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``streamlit run app.py`` on a free loopback port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("page") / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"],
            cwd=ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(process, address, log)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert "Traceback" not in log.read_text(), log.read_text()


def _wait_until_up(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended: {log.read_text()}")
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the server did not come up: {log.read_text()}")


@dataclass
class Watch:
    """Everything a tab asked for and complained about."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def outside(self) -> list[str]:
        """Requests to another machine."""
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname not in HOSTS
        ]


@dataclass
class Tab:
    """A browser tab with what it did; ``page`` is Playwright's."""

    page: object
    watch: Watch
    address: str

    def open(self, path: str) -> None:
        """Go to a path of the page and wait until it has finished."""
        self.page.goto(self.address + path)
        self.settle()

    def settle(self) -> None:
        """Wait until the script has run to its end and everything is drawn, and stays so for a while:
        the first run may be followed by a second, when the browser has told which colours it shows."""
        self.page.evaluate("delete window.restingSince")
        self.page.wait_for_function(AT_REST, timeout=240_000, polling=100)

    def figure(self, label: str) -> str:
        """The value of a key figure."""
        metric = self.page.locator('[data-testid="stMetric"]', has_text=label).first
        return metric.locator('[data-testid="stMetricValue"]').inner_text()


@pytest.fixture
def open_tab(chromium, server):
    """Opens tabs, light or dark; at the end each is held to account for what it requested and logged."""
    opened = []

    def make(scheme: str = "light") -> Tab:
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": 1400, "height": 1000}, accept_downloads=True
        )
        page, watch = context.new_page(), Watch()
        page.on("request", lambda request: watch.requests.append(request.url))
        page.on("websocket", lambda socket: watch.requests.append(socket.url))
        page.on("pageerror", lambda error: watch.errors.append(str(error)))
        page.on("console", lambda message: _note(message, watch))
        opened.append((context, watch))
        return Tab(page, watch, server)

    yield make
    for context, watch in opened:
        context.close()
        assert watch.requests, "nothing was watched"
        assert watch.outside() == []
        assert watch.errors == []


def _note(message, watch: Watch) -> None:
    # Under a page's own path Streamlit first asks for its health beside the page and gets a 404; its doing.
    ours = "/_stcore/" not in message.location.get("url", "")
    if message.type == "error" and ours:
        watch.errors.append(message.text)
