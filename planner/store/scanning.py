"""A kernel that reads the lines agents write: flat JSON objects with known keys, straight into columns.

A round is some hundred lines of much the same text. A general JSON reader builds every value of every line;
this one compares each line with the one before, thirty-two bytes at a time. As long as they agree, member for
member, nothing is done: a column is the list of its changes. Where they part, one value is read, and on it
goes.
Whatever is not plain (nested values, a key said twice, numbers out of reach of exact arithmetic, dates of
other centuries, anything against the grammar) is left alone and its line marked :data:`ODD`, for
``planner.store.damage`` to read as Python does. So this is quick and never lenient. What the columns are is
said in ``planner.store.lines``, which calls it.

Numbers are exact: a decimal of at most 2^53 with at most 22 decimal places is one division away (Clinger,
How to Read Floating Point Numbers Accurately, 1990); longer ones are named in ``long`` and read by Python.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numba
import numpy as np

from planner.store.memory import alike_32, memory
from planner.store.plain_json import (
    ABSENT,
    Kernel,
    after_space,
    after_text,
    inlined,
    is_ascii,
    literal,
    moment,
    numeral,
)

COMPILED_IN: Final = "5b39e553a50d99b6"
"""The digest of ``memory.py`` and ``plain_json.py``. Numba keeps the kernel for as long as this file says the
same, and they are compiled into it: a test holds that they and this change together."""

SOUND, ODD, BLANK = 0, 1, 2
TEXT, NUMBER, WHOLE, FLAG, INSTANT = 0, 1, 2, 3, 4
UNREAD: Final = 0x7FF8_0000_0000_0001
"""Stands for a number that is still to be read: a NaN as well, and another one."""

MOST_KEYS: Final = 62

POWERS: Final = np.array([10.0**n for n in range(23)])
_MEMBERS: Final = 128
"""A line of more members than this is odd."""


def _compiled(function: Kernel) -> Kernel:
    return cast(Kernel, numba.njit(cache=True, nogil=True)(function))


@inlined
def _same(data: Any, one: int, other: int, length: int) -> int:
    """How many of the ``length`` bytes from ``one`` on are those from ``other`` on."""
    done = 0
    while done + 32 <= length:
        alike = alike_32(data, one + done, other + done)
        if alike < 32:
            return done + alike
        done += 32
    while done < length and data[one + done] == data[other + done]:
        done += 1
    return done


@inlined
def _matches(data: Any, at: int, other: Any, first: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110 - numba compiles the loop, not the generator
        if data[at + i] != other[first + i]:
            return False
    return True


@inlined
def _place(words: Any, at: int, end: int, mask: int) -> Any:
    """Where the table has this text first looked for (FNV-1a)."""
    digest = np.uint64(14695981039346656037)
    for i in range(at, end):
        digest = (digest ^ np.uint64(words[i])) * np.uint64(1099511628211)
    return np.int64((digest ^ (digest >> np.uint64(32))) & np.uint64(mask))


@inlined
def _coded(
    data: Any, at: int, end: int, words: Any, span: Any, table: Any, known: Any, keys: int, key: int
) -> Any:
    """The code of a text among those of its key, a new one where it was not seen before."""
    room = known[keys + 2]
    place = _place(data, at, end, 2 * room - 1)
    while True:
        code = np.int64(table[2 * room * key + place])
        if code < 0:
            code, first = known[key], known[keys]
            for i in range(at, end):
                words[first + i - at] = data[i]
            table[2 * room * key + place] = np.int32(code)
            span[2 * (room * key + code)], span[2 * (room * key + code) + 1] = first, first + end - at
            known[key] += 1
            known[keys] += end - at
            return code
        first = span[2 * (room * key + code)]
        length = span[2 * (room * key + code) + 1] - first
        if length == end - at and _matches(data, at, words, first, length):
            return code
        place = (place + 1) & (2 * room - 1)


@_compiled
def spread(words: Any, span: Any, known: Any, table: Any) -> None:
    """Enter the texts that are known into a new, empty table."""
    mask = table.shape[1] - 1
    for column in range(table.shape[0]):
        for code in range(known[column]):
            place = _place(words, span[column, code, 0], span[column, code, 1], mask)
            while table[column, place] >= 0:
                place = (place + 1) & mask
            table[column, place] = code


@inlined
def _key(data: Any, at: int, end: int, marks: Any, mark_at: Any, keys: int) -> int:
    """Which of the keys it is; their number where it is none."""
    for which in range(keys):
        # The mark has two quotes and a colon besides.
        first = mark_at[which] + 1
        if mark_at[which + 1] - first - 2 == end - at and _matches(data, at, marks, first, end - at):
            return which
    return keys


@inlined
def _change(since: Any, last: Any, room: int, which: int, line: int) -> Any:
    """The cell for a value of this line that is not that of the line before."""
    if since[room * which + last[which]] != line:
        last[which] += 1
        since[room * which + last[which]] = np.int32(line)
    return room * which + last[which]


@inlined
def _set(cells: Any, since: Any, last: Any, room: int, which: int, line: int, value: int) -> None:
    if cells[room * which + last[which]] != value:
        cells[_change(since, last, room, which, line)] = value


@inlined
def _value(
    data: Any, at: int, stop: int, form: int, cells: Any, reals: Any, since: Any, last: Any, room: int,
    keys: int, which: int, line: int, absent: Any, powers: Any, words: Any, span: Any, table: Any,
    known: Any, long: Any,
) -> int:  # fmt: skip
    """Read the value that starts ``at``; where it ends, or -1 where it is not plain."""
    byte = data[at]
    if byte == 34:
        closing = after_text(data, at + 1, stop)
        if closing < 0:
            return -1
        if form == 0:
            code = _coded(data, at + 1, closing, words, span, table, known, keys, which)
            _set(cells, since, last, room, which, line, code)
        elif form == 4:
            instant = moment(data, at + 1, closing)
            if instant == ABSENT:
                return -1
            _set(cells, since, last, room, which, line, instant)
        elif form > 0 or not is_ascii(data, at + 1, closing):
            return -1
        return closing + 1
    if byte == 45 or 48 <= byte <= 57:
        closing, digits, places = numeral(data, at, stop)
        if form == 1 and places == -2:
            place = _change(since, last, room, which, line)
            cells[place] = UNREAD
            found = 3 * known[keys + 1]
            long[found], long[found + 1], long[found + 2] = place, at, closing
            known[keys + 1] += 1
        elif form == 1:
            value = digits / powers[max(places, 0)]
            if reals[room * which + last[which]] != value:
                reals[_change(since, last, room, which, line)] = value
        elif form == 2 and places == -1:
            _set(cells, since, last, room, which, line, digits)
        elif form >= 0:
            return -1
        return closing
    word = literal(data, at, stop)
    if word == 0 and form >= 0:
        _set(cells, since, last, room, which, line, absent[which])
    elif word > 0 and form == 3:
        _set(cells, since, last, room, which, line, 2 - word)
    elif form >= 0 or word < 0:
        return -1
    return at + (5 if word == 2 else 4)


@_compiled
def scan(
    all_data: Any, line: int, all_marks: Any, all_mark_at: Any, all_kind: Any, all_absent: Any,
    all_powers: Any, all_status: Any, all_cells: Any, all_reals: Any, all_since: Any, all_last: Any,
    all_words: Any, all_span: Any, all_known: Any, all_table: Any, all_long: Any,
) -> int:  # fmt: skip
    """Read all lines of the data, the first of them being ``line``; returns the line after the last."""
    data, marks, mark_at, kind = memory(all_data), memory(all_marks), memory(all_mark_at), memory(all_kind)
    absent, powers, status, cells = (
        memory(all_absent),
        memory(all_powers),
        memory(all_status),
        memory(all_cells),
    )
    reals, since, last, words = memory(all_reals), memory(all_since), memory(all_last), memory(all_words)
    span, known, table, long = memory(all_span), memory(all_known), memory(all_table), memory(all_long)
    keys, room = all_cells.shape
    everything = (1 << keys) - 1
    # The members of the line before: where each starts, and its value; its key, and which keys came earlier;
    # and whether its value is one of the long ones, which nobody knows yet.
    begin, value_at = np.empty(_MEMBERS + 1, np.int64), np.empty(_MEMBERS, np.int64)
    which_of, earlier = np.empty(_MEMBERS, np.int64), np.empty(_MEMBERS + 1, np.int64)
    unread = np.empty(_MEMBERS, np.bool_)
    members = 0
    at, stop = 0, len(all_data)
    while at < stop:
        start = at
        at = after_space(data, at, stop)
        blank = at == stop or data[at] == 10
        sound = not blank and data[at] == 123
        at += 1
        k, seen, closed, following = 0, 0, False, members > 0
        while sound and not closed:
            following = following and k < members
            which, shift = -1, 0
            if following:
                here, rest = begin[k], begin[members] - begin[k]
                shift = at - here
                # To a multiple of 32, for the last few bytes are looked at one by one.
                same = here + _same(data, at, here, min((rest + 31) & -32, stop - at))
                while k < members and begin[k + 1] <= same and not unread[k]:
                    here = begin[k + 1]
                    begin[k] += shift
                    value_at[k] += shift
                    k += 1
                at, seen, closed = here + shift, earlier[k], k == members
                if closed:
                    break
                if value_at[k] <= same:
                    which = which_of[k]
            if k == _MEMBERS:
                sound = False
                break
            begin[k], earlier[k] = at, seen
            if which >= 0:
                at = value_at[k] + shift
            else:
                following = False
                at = after_space(data, at, stop)
                # Mostly it is the key that stands next in the contract, colon and all.
                which = which_of[k - 1] + 1 if k > 0 and which_of[k - 1] + 1 < keys else 0
                first = mark_at[which]
                length = mark_at[which + 1] - first
                if at + length <= stop and _matches(data, at, marks, first, length):
                    at += length
                else:
                    closing = after_text(data, at + 1, stop) if at < stop and data[at] == 34 else -1
                    if closing < 0 or not is_ascii(data, at + 1, closing):
                        sound = False
                        break
                    which = _key(data, at + 1, closing, marks, mark_at, keys)
                    at = after_space(data, closing + 1, stop)
                    if at >= stop or data[at] != 58:
                        sound = False
                        break
                    at += 1
            at = after_space(data, at, stop)
            if at >= stop or (which < keys and seen >> which & 1):
                sound = False
                break
            which_of[k], value_at[k] = which, at
            longer = known[keys + 1]
            at = _value(
                data, at, stop, kind[which] if which < keys else -1, cells, reals, since, last, room, keys,
                which, line, absent, powers, words, span, table, known, long,
            )  # fmt: skip
            if at < 0:
                sound = False
                break
            unread[k] = known[keys + 1] > longer
            at = after_space(data, at, stop)
            closed = at < stop and data[at] == 125
            sound = closed or (at < stop and data[at] == 44)
            at += 1
            if which < keys:
                seen |= 1 << which
            k += 1
        if sound:
            begin[k], earlier[k] = at, seen
            at = after_space(data, at, stop)
            sound = at >= stop or data[at] == 10
        status[line] = SOUND if sound else (BLANK if blank else ODD)
        members = k if sound else 0
        if not sound:
            # A text that was never closed may have led past the line's end.
            at = start
            while at < stop and data[at] != 10:
                at += 1
        elif seen != everything:
            for which in range(keys):
                if not seen >> which & 1:
                    _set(cells, since, last, room, which, line, absent[which])
        at += 1
        line += 1
    return line
