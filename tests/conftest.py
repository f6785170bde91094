"""In CI nothing skips: there a skipped test is a failed one, because nobody would read why."""

from __future__ import annotations

import os
import signal

import pytest

IN_CI = os.environ.get("CI") == "true"


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


# Started in the background a run inherits SIGINT ignored, and with it every program the tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
