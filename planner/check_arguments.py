"""Arguments of ``edgeplan check``. Imports nothing heavy before it must."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from planner.argument_values import path, percent

if TYPE_CHECKING:
    from planner.check_command import CheckOptions


def add(check: argparse.ArgumentParser) -> None:
    """Give ``edgeplan check`` its own options."""
    check.add_argument("plan", type=path, metavar="PLAN", help="DIR/plan.json, or the DIR of a plan")
    check.add_argument("--study", metavar="STUDY", help="a study in the place of the one in the plan")
    check.add_argument(
        "--since", metavar="24h", help="what was measured lately: a span, or a moment (default: 24h)"
    )
    check.add_argument(
        "--reference",
        metavar="28d",
        help="how much from before the plan rounds are compared with, a span (default: 28d)",
    )
    check.add_argument(
        "--threshold",
        type=percent,
        default=0.02,
        metavar="PERCENT",
        help="how much better another plan has to be for this one to be no longer right (default: 2)",
    )
    check.add_argument(
        "--out-prometheus", type=path, metavar="FILE.prom", help="write metrics for a textfile collector"
    )


def asked(given: argparse.Namespace) -> CheckOptions:
    """What these arguments ask for."""
    from planner.check_command import CheckOptions

    return CheckOptions(
        plan=given.plan,
        stores=tuple(given.measurements),
        since=given.since,
        reference=given.reference,
        threshold=given.threshold,
        study=given.study,
        out_prometheus=given.out_prometheus,
        time_limit_s=given.time_limit,
        json=given.json,
        verbose=given.verbose,
    )
