"""What may stand in a line of flat JSON, for the kernel of ``planner.store.scanning``: compiled into it.

Each function is given where something starts and where the data end, and is as strict as JSON's grammar. The
data are a bare pointer (``planner.store.memory``). Numba does not see a change in here from the file of the
kernel: its ``COMPILED_IN`` changes with this file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np

ABSENT: Final = np.iinfo(np.int64).min
"""Stands for null or a missing key among whole numbers and instants."""

_BIG: Final = 1 << 53

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def inlined(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(cache=True, nogil=True, forceinline=True)(function))


@inlined
def after_space(data: Any, at: int, end: int) -> int:
    while at < end and (data[at] == 32 or data[at] == 9 or data[at] == 13):
        at += 1
    return at


@inlined
def after_text(data: Any, at: int, end: int) -> int:
    """Where the text whose first byte after the quote is ``at`` has its closing quote; -1 where it has
    none."""
    while at < end:
        byte = data[at]
        if byte == 34:
            return at
        if byte < 32:
            return -1
        if byte == 92:
            at += 1
            if at < end and data[at] < 32:
                return -1
        at += 1
    return -1


@inlined
def is_ascii(data: Any, at: int, end: int) -> bool:
    """Whether a text means what it says: nothing escaped, and no byte that UTF-8 might not have."""
    for i in range(at, end):  # noqa: SIM110 - numba compiles the loop, not the generator
        if data[i] == 92 or data[i] >= 128:
            return False
    return True


@inlined
def numeral(data: Any, at: int, end: int) -> tuple[int, int, int]:
    """Where the number that starts ``at`` ends by JSON's grammar, -1 where it is none; its digits; and how
    many are decimal places: -1 where it has no point, -2 where the digits are not to be had exactly."""
    negative = data[at] == 45
    if negative:
        at += 1
    first, point, places = at, -1, -1
    digits: Any = 0
    while at < end and (48 <= data[at] <= 57 or (data[at] == 46 and point < 0 and at > first)):
        if data[at] == 46:
            point = at
        elif digits <= _BIG:
            digits = digits * 10 + np.int64(data[at] - 48)
        at += 1
    whole = (point if point >= 0 else at) - first
    if whole == 0 or (data[first] == 48 and whole > 1) or point == at - 1:
        return -1, 0, 0
    if point >= 0:
        places = at - point - 1
    if digits > _BIG or places > 22 or (negative and digits == 0):  # a zero below zero is no whole number
        places = -2
    if at < end and (data[at] == 101 or data[at] == 69):
        places = -2
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        first = at
        while at < end and 48 <= data[at] <= 57:
            at += 1
        if at == first:
            return -1, 0, 0
    return at, -digits if negative else digits, places


@inlined
def _digits(data: Any, at: int, count: int) -> Any:
    value: Any = 0
    for i in range(at, at + count):
        if not 48 <= data[i] <= 57:
            return -1
        value = value * 10 + np.int64(data[i] - 48)
    return value


@inlined
def moment(data: Any, at: int, end: int) -> Any:
    """µs since 1970 of ``YYYY-MM-DDTHH:MM:SS[.ffffff](Z|±HH:MM)``; ``ABSENT`` where it is not that."""
    if end - at < 20:
        return ABSENT
    if data[at + 4] != 45 or data[at + 7] != 45 or data[at + 10] != 84:
        return ABSENT
    if data[at + 13] != 58 or data[at + 16] != 58:
        return ABSENT
    year, month, day = _digits(data, at, 4), _digits(data, at + 5, 2), _digits(data, at + 8, 2)
    hour, minute, second = _digits(data, at + 11, 2), _digits(data, at + 14, 2), _digits(data, at + 17, 2)
    if not 1970 <= year <= 2199 or not 1 <= month <= 12 or day < 1:
        return ABSENT
    if not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return ABSENT
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 30 if month in (4, 6, 9, 11) else 31
    if month == 2:
        longest = 29 if leap else 28
    if day > longest:
        return ABSENT
    position, micros = at + 19, 0
    if data[position] == 46:
        first = position + 1
        position = first
        while position < end and 48 <= data[position] <= 57:
            position += 1
        if not 1 <= position - first <= 6:
            return ABSENT
        micros = _digits(data, first, position - first) * 10 ** (6 - (position - first))
    shift = 0
    if end - position == 6 and (data[position] == 43 or data[position] == 45) and data[position + 3] == 58:
        hours, minutes = _digits(data, position + 1, 2), _digits(data, position + 4, 2)
        if not (0 <= hours <= 23 and 0 <= minutes <= 59):
            return ABSENT
        shift = (hours * 60 + minutes) * (1 if data[position] == 43 else -1)
    elif end - position != 1 or data[position] != 90:
        return ABSENT
    # Days from the civil date, by H. Hinnant's algorithm: years begin in March, so that leap days come last.
    y = year - 1 if month <= 2 else year
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return (((days * 24 + hour) * 60 + minute - shift) * 60 + second) * 1_000_000 + micros


@inlined
def literal(data: Any, at: int, end: int) -> int:
    """0 null, 1 true, 2 false, -1 none of them."""
    for which, word in enumerate((b"null", b"true", b"false")):
        if end - at >= len(word):
            same = True
            for i in range(len(word)):
                same = same and data[at + i] == word[i]
            if same:
                return which
    return -1
