"""``edgeprobe``: check a configuration, measure, ship what is spooled, write units [I/O].

Exit codes: 0 done (failures that were measured included) · 2 bad input · 5 the store, the spool or stdout
cannot be written · 75 another round of this vantage still runs · 128 + n when signal n cut a round short, or
nobody reads what is printed (141).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from probes import duration, schedule, standard_streams
from probes.agent import EXIT_BAD_INPUT, EXIT_BUSY, EXIT_DONE, EXIT_STORE, Agent
from probes.argument_parser import Parser
from probes.console import Console
from probes.inbox import StoreError
from probes.locations import resolve_store
from probes.redaction import without_secrets
from probes.settings import Settings, load_settings
from probes.shipping import ship
from probes.spool import Shipped, SpoolBusyError, SpoolError
from probes.strict_toml import InputError
from probes.toml_lines import located

_DEFAULT_EVERY: Final = "5m"
_INTERRUPTED: Final = 130
_BROKEN_PIPE: Final = 141
_SCHEDULED_AT: Final = "EDGEPROBE_SCHEDULED_AT"


class _Parser(Parser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    standard_streams.open_missing()
    standard_streams.accept_any_text()
    # Whatever the umask says, the agent itself must be able to read and enter what it makes.
    os.umask(os.umask(0o077) & 0o077)
    try:
        return _main(arguments)
    finally:
        standard_streams.settle()


def _main(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(as_json=options.json)
    try:
        settings = load_settings(options.config)
        if options.command in ("run", "ship"):
            console = Console(as_json=options.json, log=settings.log, vantage=settings.vantage)
        code = _run(options, settings, console)
        sys.stdout.flush()
        return code
    except InputError as fault:
        return _complain(console, located(fault), "bad_input", EXIT_BAD_INPUT)
    except (StoreError, SpoolError) as fault:
        return _complain(console, fault, "store_failed", EXIT_STORE)
    except SpoolBusyError as fault:
        return _complain(console, fault, "busy", EXIT_BUSY)
    except BrokenPipeError:
        # Whoever read the output has gone. The interpreter must not complain about it at exit either.
        standard_streams.discard(sys.stdout)
        return _BROKEN_PIPE
    except OSError as fault:
        # What was asked for could not be printed, mostly.
        what = f"{fault.filename}: " if fault.filename is not None else ""
        return _complain(console, f"{what}{fault.strerror or fault}", "failed", EXIT_STORE)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _run(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    if options.command in ("run", "ship") and options.store is not None:
        settings = replace(settings, store=_store(options.store))
    if options.command == "check":
        from probes.checking import check

        check(settings, as_json=options.json)
        return EXIT_DONE
    if options.command == "units":
        return _units(settings, options)
    if options.command == "ship":
        return _ship(settings, console, as_json=options.json)
    rounds = options.rounds or (1 if options.every is None else None)
    scheduled_s = _scheduled(options.scheduled_at, rounds)
    return Agent(settings, console).run(rounds, options.every, scheduled_s)


def _complain(console: Console, fault: Exception | str, event: str, code: int) -> int:
    console.say(str(fault), event=event, level="error", code=code)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="edgeprobe", description="Measure the latency from here to the sites of a catalog.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in (
        ("check", "validate a configuration and list what would be probed"),
        ("run", "measure a round (or several) and put it in the store"),
        ("ship", "push what is still in the spool"),
        ("units", "print a unit for a scheduler"),
    ):
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("config", metavar="CONFIG", help="probes.toml")
        command.add_argument("--json", action="store_true", help="JSON on stdout, and nothing else")
        if name in ("run", "ship"):
            command.add_argument("--store", metavar="URL", help="instead of the configured store")
        if name == "run":
            command.add_argument("--rounds", type=_count, metavar="N", help="rounds to measure (1)")
            command.add_argument(
                "--every",
                type=_span,
                metavar="SPAN",
                help="measure on a grid of this span (60s, 5m), for ever unless --rounds says how often;"
                " a round is measured once per point of the grid",
            )
            command.add_argument(
                "--scheduled-at",
                metavar="MOMENT",
                help="when the scheduler meant this round to start (2026-11-24T05:00:00Z), so that"
                f" a repeat of it is the same round; also read from {_SCHEDULED_AT}",
            )
        if name == "units":
            command.add_argument(
                "--for",
                dest="scheduler",
                required=True,
                metavar="SCHEDULER",
                help="cron, systemd, kubernetes or eventbridge",
            )
            command.add_argument(
                "--every",
                type=_span,
                metavar="SPAN",
                default=duration.seconds(_DEFAULT_EVERY),
                help=f"between two rounds ({_DEFAULT_EVERY})",
            )
            command.add_argument("--image", metavar="NAME", help="the container's, for kubernetes")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _span(text: str) -> float:
    try:
        return duration.seconds(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(str(fault)) from None


def _scheduled(text: str | None, rounds: int | None) -> float | None:
    name = "--scheduled-at" if text is not None else _SCHEDULED_AT
    text = os.environ.get(_SCHEDULED_AT) if text is None else text
    if not text:
        return None
    if rounds != 1:
        raise InputError(name, "names one round, so it needs --rounds 1")
    try:
        return schedule.moment(text)
    except ValueError as fault:
        raise InputError(name, str(fault)) from None


def _store(text: str) -> str:
    try:
        return resolve_store(text, Path.cwd())
    except ValueError as fault:
        raise InputError("--store", str(fault)) from None


def _units(settings: Settings, options: argparse.Namespace) -> int:
    from probes.checking import note
    from probes.units import unit

    scheduler, every_s, as_json = options.scheduler, options.every, options.json
    text = unit(scheduler, settings, every_s, options.image)
    print(json.dumps({"for": scheduler, "unit": text}) if as_json else text, end="\n" if as_json else "")
    if settings.deadline_s + settings.splay_s > every_s:
        note(
            settings,
            f"a round may take {settings.splay_s + settings.deadline_s:g} s (splay_s + deadline_s),"
            f" longer than {duration.in_words(every_s)}; the next is then left out",
        )
    return EXIT_DONE


def _ship(settings: Settings, console: Console, *, as_json: bool) -> int:
    done = ship(settings, console, EXIT_STORE)
    if as_json:
        print(json.dumps([_shipped_as_json(one) for one in done]))
    else:
        stored = [one for one in done if one.stored and one.rows]
        rows = sum(one.rows for one in stored)
        rounds = f"{len(stored)} {'round' if len(stored) == 1 else 'rounds'}"
        print(f"{rounds} ({rows} rows) shipped to {without_secrets(settings.store)}")
    return EXIT_DONE if all(one.stored for one in done) else EXIT_STORE


def _shipped_as_json(one: Shipped) -> dict[str, object]:
    return {
        "run_id": one.run_id,
        "rows": one.rows,
        "damaged": one.damaged,
        "conflict": None if one.conflict is None else str(one.conflict),
        "conflict_rows": one.conflict_rows,
        "fault": one.fault,
    }
