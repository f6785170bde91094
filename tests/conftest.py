"""A test skipped in CI fails, because nobody would read why. Files that take long are started first."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

IN_CI = os.environ.get("CI") == "true"

STARTED_FIRST = (
    "e2e/test_page.py",
    "probes/test_cron_daemon.py",
    "planner/decide/test_prices.py",
    "planner/decide/test_explanations.py",
    "planner/pages/test_pages.py",
    "properties/test_least_changes.py",
    "properties/test_plan_is_optimal.py",
    "planner/decide/test_on_the_way.py",
    "planner/cli/test_ctrl_c.py",
    "probes/test_killed.py",
)
"""The files that take longest. Whichever worker had one of them last would keep the others waiting."""


def _refuse_skip(report, what):
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{what} was skipped in CI, where nothing may be: {why}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    return _refuse_skip((yield), item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _refuse_skip((yield), collector.nodeid)


def pytest_collection_modifyitems(items):
    """Long files first, the rest as collected."""
    tests = Path(__file__).parent
    rank = {tests / name: at for at, name in enumerate(STARTED_FIRST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


# Started in the background a run inherits SIGINT ignored, and with it every program the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_main():
    """Streamlit's AppTest leaves the page it ran as the module ``__main__``.

    A process that a later test spawns would run that page again, for ever.
    """
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
