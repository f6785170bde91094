"""What a unit is asked for: whose rounds, how often, and how long a scheduler must let one run [I/O]."""

from __future__ import annotations

import math
import re
import shlex
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from probes import AGENT_VERSION, schedule
from probes.duration import in_words
from probes.inbox import is_object_store
from probes.settings import Settings, parse_settings
from probes.strict_toml import InputError, read_text

# What a process needs besides its round: the interpreter's start, sealing, judging and printing.
_AROUND_A_ROUND_S: Final = 15.0

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400

# A unit of time, and how many of it the next longer one has.
_STEPS: Final = ((1, 60), (_MINUTE, 60), (_HOUR, 24), (_DAY, 1))

_IMAGE: Final = re.compile("[A-Za-z0-9][A-Za-z0-9._:/@-]*")

_CERTIFICATE: Final = re.compile("-----BEGIN CERTIFICATE-----\n.*?\n-----END CERTIFICATE-----", re.DOTALL)

# What would end a line, or could not be printed.
_NOT_IN_A_LINE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Request:
    """A unit for ``settings`` every ``every_s`` seconds; ``image`` is the container's, where there is one.

    Raises InputError for what no scheduler could keep.
    """

    settings: Settings
    every_s: float
    image: str | None = None

    def __post_init__(self) -> None:
        check_path(self.config)
        if self.settings.ca_file is not None:
            check_path(str(self.settings.ca_file))
        if self.image is not None and not _IMAGE.fullmatch(self.image):
            raise InputError("--image", f"{self.image!r} is not the name of an image")
        if self.settings.splay_s >= self.every_s:
            raise self.fault(
                "agent.splay_s",
                f"{self.settings.splay_s:g} s is not less than the {self.every} between two rounds",
            )

    @property
    def config(self) -> str:
        """The configuration's absolute path."""
        return str(self.settings.file.absolute())

    @property
    def every(self) -> str:
        """The period as people write it."""
        return in_words(self.every_s)

    @property
    def title(self) -> str:
        """What the unit does, for its first line."""
        return f"edgeprobe: a round of vantage {self.settings.vantage} every {self.every}"

    @property
    def longest_s(self) -> int:
        """What one process of one round takes at the very most, so the least a scheduler may allow it."""
        longest_s = schedule.longest_round(self.settings.splay_s, self.settings.deadline_s)
        return math.ceil(longest_s + _AROUND_A_ROUND_S)

    @property
    def ending_s(self) -> int:
        """What it takes at most once it was told to end: it still ships."""
        return math.ceil(schedule.longest_round(0.0, 0.0) + _AROUND_A_ROUND_S)

    @property
    def requirement(self) -> str:
        """What pip is told to install where the agent is to run."""
        wanted = {
            "s3": is_object_store(self.settings.store),
            "doh": any(one.startswith("https://") for one in self.settings.resolvers),
            "otlp": self.settings.otlp is not None,
        }
        extras = ",".join(name for name, used in wanted.items() if used)
        return f"edgeplan{f'[{extras}]' if extras else ''}=={AGENT_VERSION}"

    @property
    def wants_icmp(self) -> bool:
        """Whether any target is measured by echoes."""
        return any("icmp" in target.protocols for target in self.settings.targets)

    def text(self) -> str:
        """The configuration itself. Raises InputError when it cannot be read."""
        return read_text(self.settings.file)

    def authorities(self) -> str | None:
        """The certificates of ``ca_file``, as PEM, and nothing else that stands in it. Raises InputError."""
        file = self.settings.ca_file
        if file is None:
            return None
        try:
            text = file.read_bytes().decode("ascii", "replace")
        except OSError as fault:
            raise self.fault("agent.ca_file", f"{file}: {fault.strerror or fault}") from None
        # A key may stand beside them.
        found = _CERTIFICATE.findall(text.replace("\r\n", "\n"))
        if not found:
            raise self.fault("agent.ca_file", f"{file} holds no certificate in PEM")
        return "".join(f"{one}\n" for one in found)

    def standing_at(self, path: str) -> Settings:
        """The same configuration as it is read at a place of another machine. Raises InputError."""
        return parse_settings(self.text(), path, here=False)

    def command_line(self, scheduler: str) -> str:
        """The command that printed this, for a comment."""
        image = "" if self.image is None else f" --image {shlex.quote(self.image)}"
        return f"edgeprobe units {shlex.quote(self.config)} --for {scheduler} --every {self.every}{image}"

    def fault(self, column: str, message: str) -> InputError:
        """An error at a key of the configuration."""
        return InputError(self.settings.file, message, column=column)


def check_path(path: str) -> None:
    """Raises InputError for a path that no line of a unit can hold."""
    if _NOT_IN_A_LINE.search(path):
        raise InputError(repr(path), "a unit cannot hold a path with a line break or a control character")


def even_steps(every_s: float) -> tuple[int, int] | None:
    """A period as so many seconds, minutes, hours or a day, where they divide the next longer unit.

    >>> even_steps(30.0), even_steps(300.0), even_steps(21_600.0), even_steps(420.0)
    ((1, 30), (60, 5), (3600, 6), None)
    """
    for unit_s, limit in _STEPS:
        steps = every_s / unit_s
        if steps >= 1 and steps == int(steps) and limit % int(steps) == 0 and (steps < limit or limit == 1):
            return unit_s, int(steps)
    return None


def uninstalled_root() -> Path | None:
    """Where the package is read from when it is not installed, as in a checkout; else None."""
    root = Path(__file__).resolve().parents[2]
    installed = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return None if root in installed else root
