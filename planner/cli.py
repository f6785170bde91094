"""``edgeplan``: the planner on the command line [I/O].

Exit codes: 0 done, 2 bad input, 3 infeasible, 4 a plan is no longer right, 5 the tool itself failed, 75
another ingest of the store still runs, 130 stopped by Ctrl-C with nothing to show. Each command imports what
it needs when it runs, so that help is quick and the catalog needs no solver.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from planner import __version__, check_arguments, scenario_arguments
from planner.answer_stream import drop_what_is_left, keep_stdout_for_answers
from planner.argument_values import (
    assignment,
    at_least_one,
    at_least_two,
    days,
    factor,
    listed,
    path,
    seconds,
)
from planner.attended import attended, left_alone
from probes.argument_parser import Parser
from probes.standard_streams import open_missing
from probes.strict_toml import InputError
from probes.toml_lines import located

if TYPE_CHECKING:
    from planner.commands import Options

BAD_INPUT: Final = 2
TOOL_FAILED: Final = 5
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

PLANNING: Final = ("plan", "frontier", "explain", "whatif", "survey", "matrix", "check")

EXTRAS: Final = {
    "distributed": "dask",
    "dask": "dask",
    "streamlit": "app",
    "plotly": "app",
    "obstore": "s3",
    "boto3": "aws",
    "botocore": "aws",
}
"""Which extra installs a package that is missing, where it is not ``planner``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Usage errors exit 2 from within argparse."""
    code = _command(arguments)
    if left_alone():  # Ctrl-C was answered while a solver, deep in its own code, still works
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _command(arguments: Sequence[str] | None) -> int:
    started = time.monotonic()
    open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names of cities are not ASCII, whatever the locale says.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    parser = _parser()
    given, rest = parser.parse_known_args(arguments)
    if rest and given.command != "ui":
        parser.refuse(rest)
    if given.command != "ui":
        keep_stdout_for_answers()
    try:
        code = _run(given, rest)
        sys.stdout.flush()
        return code
    except InputError as fault:
        return _fail(str(located(fault)), BAD_INPUT)
    except ModuleNotFoundError as fault:
        package = (fault.name or "").partition(".")[0]
        if package in ("", "planner", "probes"):
            raise
        extra = EXTRAS.get(package, "planner")
        return _fail(f"{package} is not installed; pip install 'edgeplan[{extra}]'", TOOL_FAILED)
    except BrokenPipeError:
        drop_what_is_left()
        return BROKEN_PIPE
    except OSError as fault:
        drop_what_is_left()
        why = fault.strerror or str(fault)
        return _fail(why if fault.filename is None else f"{fault.filename}: {why}", TOOL_FAILED)
    except KeyboardInterrupt:
        return _interrupted(given.command, time.monotonic() - started)


def _fail(message: str, code: int) -> int:
    print(f"edgeplan: error: {' '.join(message.splitlines())}", file=sys.stderr)
    return code


def _interrupted(command: str, seconds: float) -> int:
    what = " before a plan was found," if command in PLANNING and command not in ("matrix", "check") else ""
    print(f"edgeplan: stopped{what} after {seconds:.1f} s", file=sys.stderr)
    return INTERRUPTED


def _run(given: argparse.Namespace, rest: Sequence[str]) -> int:
    """Dispatch; ``rest`` are the arguments that only streamlit knows."""
    if given.command in PLANNING:  # with a solver, which takes a moment to load
        attended(lambda asked: import_module("planner.commands"))
    match given.command:
        case "plan":
            from planner import commands

            return commands.plan(_options(given), out=given.out)
        case "frontier":
            from planner import commands

            return commands.frontier(_options(given), points=given.points, out=given.out)
        case "explain":
            from planner import commands

            return commands.explain(_options(given))
        case "whatif":
            from planner import commands

            changes = scenario_arguments.changes(given)
            if scenario_arguments.of_the_plan_as_it_stands(given):
                from planner import live_command

                return live_command.live(_options(given), scenario_arguments.asked(given), changes)
            return commands.whatif(_options(given), changes, demand_factor=given.demand)
        case "survey":
            from planner import survey_command

            return survey_command.command(_options(given), top=given.top, draws=given.draws, out=given.out)
        case "matrix":
            from planner import commands

            return commands.matrix(_options(given), out=given.out)
        case "ingest":
            from planner import ingest_command

            return ingest_command.ingest(given.store, keep_days=given.keep_days, as_json=given.json)
        case "check":
            from planner.check_command import check

            return check(check_arguments.asked(given))
        case "catalog" if given.action == "refresh":
            from planner.refresh.command import Refresh, refresh

            if given.instances == ():
                raise InputError("--instances", "names none")
            asked = given.instances or ()
            return refresh(Refresh(given.provider, asked, given.out, given.write, given.json))
        case "catalog":
            from planner import catalog_commands

            if given.prices:
                return catalog_commands.show_prices(given.provider)
            shown = catalog_commands.Shown(given.instance, given.own)
            return catalog_commands.show(given.provider, given.kind, shown, as_json=given.json)
        case "targets":
            from planner import catalog_commands

            standing = catalog_commands.check_standing(given.vantage, given.country, given.lat, given.lon)
            wanted = catalog_commands.Wanted(tuple(given.reachability), given.study, given.outpost)
            return catalog_commands.targets(given.provider, given.kind, standing, wanted, as_json=given.json)
        case _:
            from planner import catalog_commands

            return catalog_commands.ui(rest)


def _options(given: argparse.Namespace) -> Options:
    from planner.commands import Options

    return Options(
        study=given.study,
        stores=tuple(given.measurements),
        time_limit_s=getattr(given, "time_limit", None),
        json=given.json,
        verbose=given.verbose,
    )


def _parser() -> Parser:
    parser = Parser(
        prog="edgeplan",
        description="Where should this service run? Placement across Regions, Local Zones and Outposts,"
        " decided from measured latency.",
        epilog="Exit codes: 0 done, 2 bad input, 3 infeasible, 4 a plan is no longer right,"
        " 5 the tool itself failed, 130 stopped by Ctrl-C.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"edgeplan {__version__}")
    parser.takes_rest = True  # "ui" alone leaves something over, for streamlit
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_planning(commands)
    _add_catalog(commands)
    return parser


def _add_planning(commands: argparse._SubParsersAction[Parser]) -> None:
    plan = _add(commands, "plan", "decide a study; write its placements, assignments and proof")
    _takes_study(plan, time_limit="300")
    plan.add_argument(
        "--out", type=path, metavar="DIR", help="write placements.csv assignments.csv plan.json"
    )

    frontier = _add(commands, "frontier", "the exact latency/cost front of a study")
    _takes_study(frontier, time_limit="none")
    frontier.add_argument("--points", type=at_least_two, default=25, metavar="N", help="default: 25")
    frontier.add_argument("--out", type=path, metavar="FILE.csv", help="write the front as CSV")

    explain = _add(commands, "explain", "what binds, the price of each rule, why infeasible")
    _takes_study(explain, time_limit="600")

    whatif = _add(commands, "whatif", "a variation of a study against its base plan")
    _takes_study(whatif, time_limit="600")
    whatif.add_argument(
        *("--set", "-s"),
        type=assignment,
        action="append",
        default=[],
        metavar="a.b=VALUE",
        help="a dotted key of the study, such as latency.slo_ms=80; nothing after = takes it away",
    )
    whatif.add_argument("--without", action="append", default=[], metavar="SITE", help="an id or a glob")
    whatif.add_argument(
        "--announce",
        action="append",
        default=[],
        metavar="ZONE",
        help="a new Local Zone: ID,PARENT,COUNTRY,LAT,LON, such as us-east-1-xyz-1a,us-east-1,CO,4.71,-74.07",
    )
    whatif.add_argument(
        "--price",
        action="append",
        default=[],
        metavar="ITEM[@SITES]=X1.3",
        help="so many times a price: egress_gb=X1.3, or instance_hour@eu-*=X0.9 at some sites",
    )
    whatif.add_argument(
        "--demand", type=factor, default=1.0, metavar="X1.5", help="so many times the requests"
    )

    scenario_arguments.add(whatif)

    survey = _add(commands, "survey", "which pairs to measure next; agents that measure them")
    _takes_study(survey, time_limit="none")
    survey.add_argument("--top", type=at_least_one, default=20, metavar="N", help="default: 20")
    survey.add_argument("--draws", type=at_least_one, default=16, metavar="N", help="plans compared (16)")
    survey.add_argument("--out", type=path, metavar="DIR", help="an agent's configuration for each place")

    matrix = _add(commands, "matrix", "the latency matrix: client × site, with bounds and provenance")
    _takes_study(matrix)
    matrix.add_argument("--out", type=path, metavar="FILE.csv", help="default: the terminal")

    ingest = _add(commands, "ingest", "what agents put into a store's inbox into its table")
    ingest.add_argument("store", metavar="URL", help="a store: a directory or an object store's URL")
    ingest.add_argument(
        "--keep-days",
        type=days,
        metavar="N",
        help="drop rows of days longer ago, once the daily rollups have them (default: keep all)",
    )
    check = _add(commands, "check", "is a plan still right? exit 4 where it is not")
    check_arguments.add(check)
    _takes_measurements(check, required=True)
    _takes_time(check, "300")


def _add_catalog(commands: argparse._SubParsersAction[Parser]) -> None:
    catalog = commands.add_parser(
        "catalog",
        help="the sites and prices in use; from the cloud's own APIs",
        description="The sites and prices in use, and how to bring them up to date.",
        allow_abbrev=False,
    )
    actions = catalog.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = _add(actions, "show", "the sites and prices in use")
    _takes_catalog(shown, kinds="region,local_zone,wavelength_zone")
    shown.add_argument(
        "--instance",
        metavar="TYPE",
        help="priced by the hour (default: what a study of the provider runs on that names none)",
    )
    shown.add_argument(
        "--own", type=Path, metavar="FILE.csv", help="a file of your own prices, which go before these"
    )
    shown.add_argument(
        "--prices", action="store_true", help="every price as CSV: a start for a file of your own"
    )
    refreshed = _add(actions, "refresh", "ask the cloud's own APIs, and show what is not as it was")
    refreshed.add_argument("--provider", default="aws", help="default: aws")
    refreshed.add_argument(
        "--instances",
        type=listed,
        metavar="TYPE,...",
        help="prices of these only (default: those in the catalog)",
    )
    refreshed.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="your catalogs (default: EDGEPLAN_CATALOG): compare and write",
    )
    refreshed.add_argument("--write", action="store_true", help="write what was found; without, nothing is")

    targets = _add(commands, "targets", "an agent configuration that measures the catalog's sites")
    _takes_catalog(targets, kinds="region,local_zone")
    targets.add_argument("--vantage", metavar="NAME", help="names the agent in the data")
    targets.add_argument("--country", metavar="CC", help="ISO 3166 code of where it stands")
    targets.add_argument("--lat", type=float)
    targets.add_argument("--lon", type=float)
    targets.add_argument(
        "--reachability",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="addresses of zones, as downloaded from http://ec2-reachability.amazonaws.com/prefixes-ipv4.json"
        " (and prefixes-ipv6.json: may be given twice)",
    )
    targets.add_argument(
        "--study", metavar="STUDY", help="a TOML file or a shipped study: its racks are measured as well"
    )
    targets.add_argument(
        "--outpost", metavar="ID", help="the agent stands beside this rack of the study: its service link"
    )

    ui = commands.add_parser(
        "ui",
        help="open the page (streamlit run app.py)",
        description="Open the page. Further arguments go to streamlit run, such as --server.port 8502.",
        allow_abbrev=False,
    )
    ui.takes_rest = True


def _add(commands: argparse._SubParsersAction[Parser], name: str, words: str) -> Parser:
    parser = commands.add_parser(
        name, help=words, description=f"{words[0].upper()}{words[1:]}.", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout and nothing else")
    return parser


def _takes_study(parser: Parser, *, time_limit: str | None = None) -> None:
    """``time_limit``: the default of the option in words; None for a command that solves nothing."""
    parser.add_argument("study", metavar="STUDY", help="a TOML file, or the name of a shipped study")
    _takes_measurements(parser)
    if time_limit is not None:
        _takes_time(parser, time_limit)


def _takes_measurements(parser: Parser, *, required: bool = False) -> None:
    parser.add_argument(
        "--measurements",
        action="append",
        default=None if required else [],
        required=required,
        metavar="URL",
        help="a store or a file of own measurements, or a store as it was: URL@N, by the number of its"
        " ingest; may be given several times",
    )
    parser.add_argument("--verbose", "-v", action="store_true", help="progress on stderr, terminal or not")


def _takes_time(parser: Parser, default: str) -> None:
    parser.add_argument(
        "--time-limit",
        type=seconds,
        metavar="S",
        help=f"seconds for all that the command solves (default: {default})",
    )


def _takes_catalog(parser: Parser, *, kinds: str) -> None:
    parser.add_argument("--provider", default="aws", help="default: aws")
    parser.add_argument(
        "--kind", type=listed, default=listed(kinds), metavar="KIND,...", help=f"default: {kinds}"
    )
