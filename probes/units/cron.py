"""cron: one line of a crontab.

cron goes by the time of day where the host is, and rounds are named after a grid in UTC. Debian's cron has no
CRON_TZ. So a line for a span that another time zone would shift begins more often, at times of day that every
zone shares, and asks ``date`` whether a point of the grid has come. Neither an offset of half an hour nor the
nights when clocks are changed move a round then, nor does another zone that the host is set to.
"""

from __future__ import annotations

import math
import shlex
import sys
from typing import Final

from probes.duration import in_words
from probes.inbox import is_object_store
from probes.strict_toml import InputError
from probes.units.request import Request, even_steps, uninstalled_root

# By the tz database every zone's offset is a multiple of this since 1972: a quarter of an hour begins
# everywhere at once.
_SHARED_S: Final = 900

_TIMES: Final = {60: "*/{} * * * *", 3600: "0 */{} * * *", 86_400: "0 0 * * *"}


def crontab(request: Request) -> str:
    """A crontab line. It needs no PATH but cron's, no working directory, no flock: the agent locks itself.

    The table for people goes nowhere; what goes wrong is on stderr, which cron mails. A round bears the name
    of the point of the grid it was started for.
    """
    root = uninstalled_root()
    command = [
        *([] if root is None else [f"PYTHONPATH={shlex.quote(str(root))}"]),
        shlex.quote(sys.executable),
        # Without the home directory, where cron starts it, in the path: there may be another "probes".
        "-P",
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
    begun_s, condition = _grid(request.every_s)
    # crontab(5): an unescaped % ends the command.
    escaped = (condition + " ".join(command)).replace("%", r"\%")
    notes = [f"# {request.title}; install with: crontab -e"]
    if condition:
        notes.append(
            f"# It begins every {in_words(begun_s)}, and goes on when a round is due, in any time zone."
        )
    if is_object_store(request.settings.store):
        notes.append(
            "# The store's credentials are environment variables: NAME=value lines above the one below."
        )
    return "\n".join([*notes, f"{crontab_times(begun_s)} {escaped}", ""])


def _grid(every_s: float) -> tuple[float, str]:
    """How often the line must begin, and what keeps it, in between, from going on. Raises InputError.

    >>> _grid(300.0), _grid(21_600.0)
    ((300.0, ''), (900, 'expr $(date +%s) / 900 % 24 >/dev/null || '))
    """
    crontab_times(every_s)
    if _SHARED_S % every_s == 0:
        return every_s, ""
    begun_s = math.gcd(int(every_s), _SHARED_S)
    # expr(1) fails when the result is 0: at the first beginning within a step of the grid, however late.
    return begun_s, f"expr $(date +%s) / {begun_s} % {int(every_s) // begun_s} >/dev/null || "


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
