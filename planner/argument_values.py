"""What the text of an argument means.

Each raises :class:`argparse.ArgumentTypeError` where it means nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def listed(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(item.strip() for item in text.split(",") if item.strip())


def assignment(text: str) -> tuple[str, str]:
    """``a.b=VALUE``."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form a.b=VALUE")
    return key.strip(), value


def path(text: str) -> Path:
    """A path; nothing at all is an empty variable of a shell and not the directory it is called in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("names nothing")
    return Path(text)


def factor(text: str) -> float:
    """A factor, with an X before it or without."""
    try:
        return float(text.lower().removeprefix("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a factor such as X1.5") from None


def seconds(text: str) -> float:
    """Seconds above 0."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return found


def percent(text: str) -> float:
    """A share, from a percentage."""
    try:
        share = float(text.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage such as 2%")
    return share


def days(text: str) -> int:
    """A whole number of days, from 1."""
    if not text.isdecimal() or not 1 <= int(text) <= 36_500:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days from 1")
    return int(text)


def at_least_one(text: str) -> int:
    """A whole number from 1 to 1000."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 1000")
    return int(text)


def at_least_two(text: str) -> int:
    """A whole number from 2 to 1000."""
    if not text.isdecimal() or not 2 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 2 to 1000")
    return int(text)
