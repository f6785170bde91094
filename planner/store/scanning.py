"""A kernel that reads the lines agents write: flat JSON objects with known keys, straight into columns.

A round is some hundred lines of much the same text. A general JSON reader builds every value of every
line; this one compares: a key with the key that came next in the line before, a text with the text that
stood there. Whatever is not plain (nested values, numbers out of reach of exact arithmetic, dates of other
centuries, anything against the grammar) is left alone and its line marked :data:`ODD`, for
``planner.store.damage`` to read as Python does. So this is quick and never lenient. What the columns are is
said in ``planner.store.lines``, which calls it.

Numbers are exact: a decimal of at most 2^53 with at most 22 decimal places is one division away (Clinger,
How to Read Floating Point Numbers Accurately, 1990); longer ones are named in ``Scan.long`` and read by
Python. The kernel stands alone in its file, so that numba's own cache knows when it is stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba
import numpy as np

SOUND, ODD, BLANK = 0, 1, 2
TEXT, NUMBER, WHOLE, FLAG, INSTANT = 0, 1, 2, 3, 4
ABSENT: Final = np.iinfo(np.int64).min
"""Stands for null or a missing key among whole numbers and instants; NaN among numbers, -1 elsewhere."""

POWERS: Final = np.array([10.0**n for n in range(23)])
_BIG: Final = 1 << 53

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def _compiled(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))


@_compiled
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 9 or byte == 13


@_compiled
def _after_text(data: Any, at: int, end: int) -> int:
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


@_compiled
def _after_number(data: Any, at: int, end: int) -> int:
    """Where the number that starts ``at`` ends, by JSON's grammar; -1 where it is none."""
    if at < end and data[at] == 45:
        at += 1
    first = at
    while at < end and 48 <= data[at] <= 57:
        at += 1
    if at == first or (data[first] == 48 and at - first > 1):
        return -1
    if at < end and data[at] == 46:
        at += 1
        first = at
        while at < end and 48 <= data[at] <= 57:
            at += 1
        if at == first:
            return -1
    if at < end and (data[at] == 101 or data[at] == 69):
        at += 1
        if at < end and (data[at] == 43 or data[at] == 45):
            at += 1
        first = at
        while at < end and 48 <= data[at] <= 57:
            at += 1
        if at == first:
            return -1
    return at


@_compiled
def _decimal(data: Any, at: int, end: int, powers: Any) -> tuple[bool, float]:
    """The number's value, and whether that is exact; one with an exponent is not tried."""
    negative = data[at] == 45
    if negative:
        at += 1
    mantissa: Any = 0
    places, seen_point = 0, False
    for i in range(at, end):
        byte = data[i]
        if byte == 46:
            seen_point = True
        elif 48 <= byte <= 57:
            mantissa = mantissa * 10 + np.int64(byte - 48)
            if mantissa > _BIG:
                return False, 0.0
            if seen_point:
                places += 1
        else:
            return False, 0.0
    if places > 22:
        return False, 0.0
    value = mantissa / powers[places]
    return True, -value if negative else value


@_compiled
def _integer(data: Any, at: int, end: int) -> Any:
    """The whole number; ``ABSENT`` for one with a point, an exponent or more than 17 digits."""
    negative = data[at] == 45
    if negative:
        at += 1
    if end - at > 17:
        return ABSENT
    value: Any = 0
    for i in range(at, end):
        if not 48 <= data[i] <= 57:
            return ABSENT
        value = value * 10 + np.int64(data[i] - 48)
    return -value if negative else value


@_compiled
def _digits(data: Any, at: int, count: int) -> Any:
    value: Any = 0
    for i in range(at, at + count):
        if not 48 <= data[i] <= 57:
            return -1
        value = value * 10 + np.int64(data[i] - 48)
    return value


@_compiled
def _moment(data: Any, at: int, end: int) -> Any:
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


@_compiled
def _matches(data: Any, at: int, other: Any, first: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110 - numba compiles the loop, not the generator
        if data[at + i] != other[first + i]:
            return False
    return True


@_compiled
def _coded(data: Any, at: int, end: int, span: Any, table: Any, known: Any, column: int) -> Any:
    """The code of a text in its column, a new one where it was not seen before."""
    mask = table.shape[1] - 1
    digest = np.uint64(14695981039346656037)
    for i in range(at, end):
        digest = (digest ^ np.uint64(data[i])) * np.uint64(1099511628211)
    place = np.int64((digest ^ (digest >> np.uint64(32))) & np.uint64(mask))
    while True:
        code = table[column, place]
        if code < 0:
            code = known[column]
            table[column, place] = code
            span[column, code, 0], span[column, code, 1] = at, end
            known[column] += 1
            return code
        first = span[column, code, 0]
        if span[column, code, 1] - first == end - at and _matches(data, at, data, first, end - at):
            return code
        place = (place + 1) & mask


@_compiled
def _key(data: Any, at: int, end: int, marks: Any, mark_at: Any) -> int:
    """Which of the keys it is; their number where it is none."""
    count = len(mark_at) - 1
    for which in range(count):
        # The mark has two quotes and a colon besides.
        first = mark_at[which] + 1
        if mark_at[which + 1] - first - 2 == end - at and _matches(data, at, marks, first, end - at):
            return which
    return count


@_compiled
def _literal(data: Any, at: int, end: int) -> int:
    """0 null, 1 true, 2 false, -1 none of them."""
    for which, word in enumerate((b"null", b"true", b"false")):
        if end - at >= len(word):
            same = True
            for i in range(len(word)):
                same = same and data[at + i] == word[i]
            if same:
                return which
    return -1


@_compiled
def scan(
    data: Any, start: Any, end: Any, marks: Any, mark_at: Any, kind: Any, slot: Any, powers: Any,
    status: Any, text: Any, span: Any, known: Any, number: Any, whole: Any, flag: Any, instant: Any,
    long: Any, table: Any,
) -> int:  # fmt: skip
    """Fill the columns; returns how many long numbers there are."""
    keys = len(kind)
    found = 0
    at, stop = 0, len(data)
    for line in range(len(start)):
        start[line] = at
        while at < stop and _is_space(data[at]):
            at += 1
        if at == stop or data[at] == 10:
            status[line] = BLANK
            end[line] = at
            at += 1
            continue
        status[line] = ODD
        expected = 0
        sound = data[at] == 123
        at += 1
        while sound:
            while at < stop and _is_space(data[at]):
                at += 1
            # Mostly it is the key that came next in the line before, colon and all.
            which = expected
            first = mark_at[which]
            length = mark_at[which + 1] - first
            if at + length <= stop and _matches(data, at, marks, first, length):
                at += length
            else:
                if at >= stop or data[at] != 34:
                    sound = False
                    break
                at += 1
                closing = _after_text(data, at, stop)
                if closing < 0:
                    sound = False
                    break
                for i in range(at, closing):
                    if data[i] == 92:
                        sound = False
                which = _key(data, at, closing, marks, mark_at)
                at = closing + 1
                while at < stop and _is_space(data[at]):
                    at += 1
                if not sound or at >= stop or data[at] != 58:
                    sound = False
                    break
                at += 1
            while at < stop and _is_space(data[at]):
                at += 1
            if at >= stop:
                sound = False
                break
            form = kind[which] if which < keys else -1
            column = slot[which] if which < keys else 0
            byte = data[at]
            if byte == 34:
                at += 1
                if form == 0 and line > 0 and text[column, line - 1] >= 0:
                    # Mostly it is the text that stood there in the line before.
                    code = text[column, line - 1]
                    first = span[column, code, 0]
                    length = span[column, code, 1] - first
                    if (
                        at + length < stop
                        and data[at + length] == 34
                        and _matches(data, at, data, first, length)
                    ):
                        text[column, line] = code
                        at += length + 1
                        byte = 0
            if byte == 0:
                pass
            elif byte == 34:
                closing = _after_text(data, at, stop)
                if closing < 0:
                    sound = False
                    break
                if form == 0:
                    text[column, line] = _coded(data, at, closing, span, table, known, column)
                elif form == 4:
                    instant[line] = _moment(data, at, closing)
                    sound = instant[line] != ABSENT
                elif form >= 0:
                    sound = False
                at = closing + 1
            elif byte == 45 or 48 <= byte <= 57:
                closing = _after_number(data, at, stop)
                if closing < 0:
                    sound = False
                    break
                if form == 1:
                    exact, value = _decimal(data, at, closing, powers)
                    if exact:
                        number[column, line] = value
                    elif found < len(long):
                        long[found, 0], long[found, 1] = column, line
                        long[found, 2], long[found, 3] = at, closing
                        found += 1
                    else:
                        sound = False
                elif form == 2:
                    whole[column, line] = _integer(data, at, closing)
                    sound = whole[column, line] != ABSENT
                elif form >= 0:
                    sound = False
                at = closing
            else:
                which_literal = _literal(data, at, stop)
                if which_literal < 0:
                    sound = False
                    break
                at += 5 if which_literal == 2 else 4
                if which_literal > 0:
                    if form == 3:
                        flag[column, line] = 2 - which_literal
                    elif form >= 0:
                        sound = False
                elif form == 0:
                    text[column, line] = -1
                elif form == 1:
                    number[column, line] = np.nan
                elif form == 2:
                    whole[column, line] = ABSENT
                elif form == 3:
                    flag[column, line] = -1
                elif form == 4:
                    instant[line] = ABSENT
            while at < stop and _is_space(data[at]):
                at += 1
            if at < stop and data[at] == 125:
                at += 1
                break
            if at >= stop or data[at] != 44:
                sound = False
                break
            at += 1
            expected = which + 1 if which + 1 < keys else 0
        while at < stop and _is_space(data[at]):
            at += 1
        if sound and (at >= stop or data[at] == 10):
            status[line] = SOUND
        # A text that was never closed may have led past the line's end, so an odd line is read from its
        # start.
        if status[line] == ODD:
            at = start[line]
            while at < stop and data[at] != 10:
                at += 1
        end[line] = min(at, stop)
        at += 1
    return found
