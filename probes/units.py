"""Ready units: what to hand to the scheduler of a host so that it runs the agent.

One mapping from the scheduler's name to the function that writes its text.
"""

from __future__ import annotations

import shlex
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from probes.duration import in_words
from probes.settings import Settings

SCHEDULERS: Final = ("cron", "systemd", "kubernetes", "eventbridge")

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


class UnitError(ValueError):
    """What was asked for cannot be scheduled so."""


def unit(scheduler: str, settings: Settings, every_s: float) -> str:
    """The text of a unit that measures every ``every_s`` seconds. Raises UnitError."""
    if scheduler not in UNITS:
        raise UnitError(f"units for {scheduler} are not written by this version ({', '.join(UNITS)})")
    return UNITS[scheduler](settings, every_s)


def cron(settings: Settings, every_s: float) -> str:
    """A crontab line. It needs neither PATH nor a working directory, and no flock: the agent locks itself.

    The table for people goes nowhere; what goes wrong is on stderr, which cron mails.
    """
    command = [
        *_environment(),
        shlex.quote(sys.executable),
        "-m",
        "probes",
        "run",
        shlex.quote(str(settings.file.absolute())),
        "--every",
        in_words(every_s),
        "--rounds",
        "1",
        ">/dev/null",
    ]
    line = " ".join(command)
    if "\n" in line:
        raise UnitError("a crontab line cannot hold a path with a line break")
    # crontab(5): an unescaped % ends the command.
    escaped = line.replace("%", r"\%")
    return (
        f"# edgeprobe: a round of vantage {settings.vantage} every {in_words(every_s)};"
        " install with: crontab -e\n"
        f"{_cron_times(every_s)} {escaped}\n"
    )


def _cron_times(every_s: float) -> str:
    if every_s < _MINUTE:
        raise UnitError(
            f"cron runs nothing more often than once a minute, not every {in_words(every_s)};"
            " edgeprobe run --every does"
        )
    for unit_s, limit, times in (
        (_MINUTE, 60, "*/{} * * * *"),
        (_HOUR, 24, "0 */{} * * *"),
        (_DAY, 1, "0 0 * * *"),
    ):
        steps = every_s / unit_s
        if steps == int(steps) and limit % int(steps) == 0 and (steps < limit or unit_s == _DAY):
            return times.format(int(steps)).replace("*/1 ", "* ")
    raise UnitError(
        f"cron has no steady way to run every {in_words(every_s)};"
        " it takes what divides an hour in minutes or a day in hours: 1m 5m 15m 1h 6h 1d"
    )


def _environment() -> list[str]:
    """PYTHONPATH where the package is not installed but read from a checkout."""
    root = Path(__file__).resolve().parent.parent
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return [] if root in installed else [f"PYTHONPATH={shlex.quote(str(root))}"]


UNITS: Final[Mapping[str, Callable[[Settings, float], str]]] = MappingProxyType({"cron": cron})
