"""How long the page takes after a slider is let go: until new figures are drawn, and until they are proven.

``python -m benchmarks.page`` serves the page, opens it in headless Chromium on the worldwide study with 5,000
clients, and makes a few moves. Needs Debian's chromium and the ``dev`` extra. Timed is
all that lies between the last key pressed and the text on the screen, Streamlit's own wait for more keys too.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
STUDY = ROOT / "data" / "studies" / "worldwide-saas.toml"
PATIENCE_MS = 150_000

SHOWN = """([words, proven]) => {
    const main = document.querySelector('[data-testid="stMain"]');
    const said = main.innerText.replaceAll('\\u00a0', ' ');
    return said.includes(words) && (!proven || said.includes('proven optimal'));
}"""


@contextmanager
def served() -> Iterator[str]:
    """The page on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=2)
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=20)


def edited(page: Page, address: str, clients: int) -> None:
    """Plan the worldwide study with so many clients, as a reader would: through the Study page."""
    page.goto(f"{address}/study?study=worldwide-saas")
    text = re.sub(r"top = \d+", f"top = {clients}", STUDY.read_text("utf-8"))
    page.get_by_label("worldwide-saas.toml").fill(text)
    page.get_by_role("button", name="Plan with this").click()
    page.wait_for_url(re.compile("study=edited"), timeout=PATIENCE_MS)
    page.get_by_role("link", name="Plan", exact=True).click()


def slide(page: Page, name: str, keys: int) -> None:
    """Move a slider by so many steps, negative to the left, and let go."""
    slider = page.get_by_role("slider", name=name).first
    slider.focus()
    for _ in range(abs(keys)):
        slider.press("ArrowLeft" if keys < 0 else "ArrowRight")


def typed(page: Page, name: str, value: str) -> None:
    """Type a number and press Enter."""
    box = page.get_by_label(name).first
    box.fill(value)
    box.press("Enter")


SLO, COVERAGE = "Latency (SLO), ms", "Share of demand within it, %"
MOVES: tuple[tuple[str, Callable[[Page], None], str], ...] = (
    ("SLO 100 to 95 ms", lambda page: slide(page, SLO, -5), "within 95 ms; 90 % asked"),
    ("SLO 95 to 110 ms", lambda page: slide(page, SLO, 15), "within 110 ms; 90 % asked"),
    ("coverage 90 to 92 %", lambda page: slide(page, COVERAGE, 4), "within 110 ms; 92 % asked"),
    ("budget of $45,000", lambda page: typed(page, "Budget, $ a month", "45000"), "of $45,000 budget"),
    ("SLO 110 to 111 ms", lambda page: slide(page, SLO, 1), "within 111 ms; 92 % asked"),
)


def measured(
    page: Page, move: Callable[[Page], None], words: str, picture: Path | None
) -> tuple[float, float]:
    """Seconds from the move to the first figures, and to the proven ones; a ``picture`` of each."""
    move(page)
    released, drawing, waited = time.perf_counter(), 0.0, []
    for proven in (False, True):
        argument: Any = [words, proven]
        page.wait_for_function(SHOWN, arg=argument, timeout=PATIENCE_MS, polling=20)
        waited.append(time.perf_counter() - released - drawing)
        if picture is not None:
            started = time.perf_counter()
            page.screenshot(path=picture.with_name(f"{picture.name}-{'proven' if proven else 'first'}.png"))
            drawing += time.perf_counter() - started
    return waited[0], waited[1]


def main() -> int:
    """Print a line for each move."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--clients", type=int, default=5000, help="default: 5000")
    parser.add_argument("--pictures", type=Path, metavar="DIR", help="also write what is seen, as PNG files")
    given = parser.parse_args()
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    with served() as address, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        edited(page, address, given.clients)
        print(f"worldwide-saas with {given.clients:,} clients; seconds after the slider is let go")
        print(f"{'move':24s} {'first figures':>14s} {'proven':>8s}")
        for at, (name, move, words) in enumerate(
            (("opened", lambda page: None, "within 100 ms; 90 % asked"), *MOVES)
        ):
            picture = None if given.pictures is None else given.pictures / str(at)
            first, proven = measured(page, move, words, picture)
            print(f"{name:24s} {first:14.2f} {proven:8.2f}", flush=True)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
