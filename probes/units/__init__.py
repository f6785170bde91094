"""Ready units: what to hand to a scheduler so that it runs the agent.

One file per scheduler, and the one mapping that names them all. A unit belongs to one configuration where it
stands, and is text that says in its first lines what to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from probes.settings import Settings
from probes.strict_toml import InputError, nearest_name
from probes.units.cron import crontab
from probes.units.eventbridge import template
from probes.units.kubernetes import cron_job
from probes.units.request import Request
from probes.units.systemd import service_and_timer

UNITS: Final[Mapping[str, Callable[[Request], str]]] = MappingProxyType(
    {"cron": crontab, "systemd": service_and_timer, "kubernetes": cron_job, "eventbridge": template}
)


def unit(scheduler: str, settings: Settings, every_s: float, image: str | None = None) -> str:
    """The text of a unit that measures every ``every_s`` seconds; ``image`` is for Kubernetes alone.

    Raises InputError when the scheduler is not known, or cannot keep what the configuration says.
    """
    if scheduler not in UNITS:
        raise InputError(
            "--for",
            f"{scheduler!r} is not one of {', '.join(UNITS)}",
            nearest=nearest_name(scheduler, UNITS),
        )
    if image is not None and scheduler != "kubernetes":
        raise InputError("--image", f"{scheduler} runs no image")
    return UNITS[scheduler](Request(settings, every_s, image))
