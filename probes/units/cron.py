"""cron: one line of a crontab."""

from __future__ import annotations

import shlex
import sys
from typing import Final

from probes.inbox import is_object_store
from probes.strict_toml import InputError
from probes.units.request import Request, even_steps, uninstalled_root

_TIMES: Final = {60: "*/{} * * * *", 3600: "0 */{} * * *", 86_400: "0 0 * * *"}


def crontab(request: Request) -> str:
    """A crontab line. It needs neither PATH nor a working directory, and no flock: the agent locks itself.

    The table for people goes nowhere; what goes wrong is on stderr, which cron mails. A round bears the name
    of the point of the grid it was started for.
    """
    root = uninstalled_root()
    command = [
        *([] if root is None else [f"PYTHONPATH={shlex.quote(str(root))}"]),
        shlex.quote(sys.executable),
        "-m",
        "probes",
        "run",
        shlex.quote(request.config),
        "--every",
        request.every,
        "--rounds",
        "1",
        ">/dev/null",
    ]
    # crontab(5): an unescaped % ends the command.
    escaped = " ".join(command).replace("%", r"\%")
    credentials = (
        "# The store's credentials are environment variables: NAME=value lines above the one below.\n"
        if is_object_store(request.settings.store)
        else ""
    )
    times = crontab_times(request.every_s)
    return f"# {request.title}; install with: crontab -e\n{credentials}{times} {escaped}\n"


def crontab_times(every_s: float) -> str:
    """The five fields of crontab(5) that start something every ``every_s`` seconds. Raises InputError."""
    steps = even_steps(every_s)
    if every_s < 60:
        raise InputError(
            "--every", "cron runs nothing more often than once a minute; edgeprobe run --every does"
        )
    if steps is None:
        raise InputError(
            "--every",
            "cron keeps only what divides an hour in minutes or a day in hours: 1m 5m 15m 1h 6h 1d",
        )
    unit_s, count = steps
    return _TIMES[unit_s].format(count).replace("*/1 ", "* ")
