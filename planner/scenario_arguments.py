"""Arguments of ``edgeplan whatif`` about the plan as it stands. Imports nothing heavy before it must."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from planner.argument_values import path
from probes.strict_toml import InputError, nearest_name

if TYPE_CHECKING:
    from planner.live_command import Live
    from planner.whatif import Changes

SCHEMES: Final = ("tcp", "tls", "ws", "wss", "ucx")
"""Of a Dask scheduler's address; none said is tcp."""

HAZARDS: Final = ("site", "metro", "region", "demand_spread")


def add(whatif: argparse.ArgumentParser) -> None:
    """Give ``edgeplan whatif`` its options about what may happen."""
    live = whatif.add_argument_group("the plan as it stands, while something happens to it")
    live.add_argument(
        "--fail",
        action="append",
        default=[],
        metavar="WHAT",
        help="an open site, metro:NAME or region:ID is lost; given several times, together; with --scenarios,"
        " in every one",
    )
    live.add_argument(
        "--scenarios",
        type=_count,
        default=0,
        metavar="N",
        help="so many at random: failures, demand, latency",
    )
    live.add_argument("--seed", type=_count, metavar="K", help="of the random numbers (default: 1)")
    live.add_argument(
        "--hazard",
        type=_hazards,
        default={},
        metavar="NAME=P,...",
        help="site=0.02,metro=0,region=0.01: how likely each is lost; demand_spread=0.15: of its logarithm",
    )
    live.add_argument(
        "--redecide", action="store_true", help="decide anew for each scenario, to tell the regret"
    )
    live.add_argument("--jobs", type=_count, metavar="N", help="processes (default: one for each core)")
    live.add_argument("--cluster", metavar="URL", help="a Dask scheduler instead, such as tcp://host:8786")
    live.add_argument("--out", type=path, metavar="FILE.csv", help="a row for each scenario")


def of_the_plan_as_it_stands(given: argparse.Namespace) -> bool:
    """Whether something is to happen to it. Raises :class:`InputError` for an option that does nothing."""
    if not given.scenarios:
        for name in ("seed", "hazard", "jobs", "cluster"):
            if getattr(given, name) not in (None, {}):
                raise InputError(f"--{name}", "is of random scenarios: say how many with --scenarios N")
    if not (given.fail or given.scenarios):
        for name in ("redecide", "out"):
            if getattr(given, name):
                raise InputError(f"--{name}", "is about --fail and --scenarios, and neither is given")
    return bool(given.fail or given.scenarios)


def asked(given: argparse.Namespace) -> Live:
    """What these arguments ask for. Raises :class:`InputError`."""
    from planner.estate import Hazards
    from planner.live_command import Live
    from planner.whatif import check_factor

    check_factor(given.demand)
    if given.cluster is not None:
        _check_scheduler(given.cluster)
    hazards = Hazards(**{**given.hazard, "demand_factor": given.demand})
    return Live(
        fail=tuple(given.fail),
        demand_factor=given.demand,
        scenarios=given.scenarios,
        seed=given.seed or 1,
        hazards=hazards,
        redecide=given.redecide,
        jobs=given.jobs,
        cluster=given.cluster,
        out=given.out,
    )


def _check_scheduler(url: str) -> None:
    scheme, there, _ = url.partition("://")
    if not url.strip():
        raise InputError("--cluster", "names nothing")
    if there and scheme not in SCHEMES:
        words = f"{scheme!r} is none of {', '.join(SCHEMES)}"
        raise InputError("--cluster", words, nearest=nearest_name(scheme, SCHEMES))


def changes(given: argparse.Namespace) -> Changes:
    """What these arguments change of the study. Raises :class:`~planner.study.StudyError`."""
    from planner.whatif import Changes, price_row, zone_row

    zones, prices = map(zone_row, given.announce), map(price_row, given.price)
    return Changes(tuple(given.set), tuple(given.without), tuple(zones), tuple(prices))


def _hazards(text: str) -> dict[str, float]:
    found = {}
    for part in text.split(","):
        name, _, value = (each.strip() for each in part.partition("="))
        if name not in HAZARDS:
            near = nearest_name(name, HAZARDS)
            hint = "" if near is None else f"; did you mean {near!r}?"
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(HAZARDS)}{hint}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = -1.0
        most = 5.0 if name == "demand_spread" else 1.0
        if not 0.0 <= found[name] <= most:
            raise argparse.ArgumentTypeError(f"{part.strip()!r}: not a number from 0 to {most:g}")
    return found


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1,000,000")
    return int(text)
