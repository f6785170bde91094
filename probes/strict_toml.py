"""Reading TOML strictly: unknown keys are refused, and the nearest valid name is offered.

The agent's configuration and the planner's studies are read by the same code, so that both complain in
the same words: file, where in it, what is wrong, and the name that was probably meant.
"""

from __future__ import annotations

import difflib
import math
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any


class InputError(ValueError):
    """Bad input from a person: one line that says where, what, and what was probably meant.

    ``file`` names the file; ``row`` is 1-based and counts the header, as an editor shows it; ``column``
    is a column name or a dotted key, and ``line`` where it stands, if that was looked for
    (:mod:`probes.toml_lines`); ``nearest`` is the closest valid name, if any is close. ``message`` says
    what is wrong without saying where.
    """

    def __init__(
        self,
        file: str | Path,
        message: str,
        *,
        row: int | None = None,
        column: str | None = None,
        nearest: str | None = None,
        line: int | None = None,
    ) -> None:
        self.file, self.row, self.column, self.nearest, self.line = str(file), row, column, nearest, line
        self.message = message
        where = [str(file)]
        if row is not None:
            where.append(f"row {row}")
        if line is not None:
            where.append(f"line {line}")
        if column is not None:
            where.append(f"column {column}" if row is not None else column)
        hint = f"; did you mean {nearest!r}?" if nearest is not None else ""
        super().__init__(printable(f"{', '.join(where)}: {message}{hint}"))

    def at_line(self, line: int) -> InputError:
        """The same complaint, about that line of the file."""
        return type(self)(
            self.file, self.message, row=self.row, column=self.column, nearest=self.nearest, line=line
        )


def printable(text: str) -> str:
    """The text in one line that any terminal shows as it is: what is not printable is escaped.

    >>> printable("a\\nb\\x1b[2J.toml")
    'a\\\\nb\\\\x1b[2J.toml'
    """
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def nearest_name(name: str, valid: Collection[str]) -> str | None:
    """The valid name closest to ``name``, or None when nothing is close. Letters that changed places are the
    commonest slip: of close names one with the same letters goes first."""
    folded = {candidate.casefold(): candidate for candidate in valid}
    found = difflib.get_close_matches(name.casefold(), folded, n=5, cutoff=0.55)
    found.sort(key=lambda each: sorted(each) != sorted(name.casefold()))
    return folded[found[0]] if found else None


def read_toml(path: str | Path, error: type[InputError] = InputError) -> Table:
    """The whole file as a strict :class:`Table`. Raises ``error`` when it cannot be read or parsed."""
    return parse_toml(read_text(path, error), path, error)


def read_text(path: str | Path, error: type[InputError] = InputError) -> str:
    """The file's text, as it stands. Raises ``error`` when it cannot be read or is not UTF-8."""
    try:
        return Path(path).read_bytes().decode("utf-8")
    except UnicodeDecodeError as fault:
        raise error(path, f"is not UTF-8 (byte {fault.start})") from None
    except OSError as fault:
        raise error(path, fault.strerror or str(fault)) from None
    except ValueError:
        raise error(path, "no file has a name with a NUL in it") from None


def parse_toml(text: str, name: str | Path, error: type[InputError] = InputError) -> Table:
    """TOML text as a strict :class:`Table`; ``name`` stands for the file in complaints."""
    try:
        # Editors on Windows begin a file with a byte order mark, which TOML does not know.
        values = tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError:
        raise error(name, "is not valid TOML: nested too deeply") from None
    except ValueError as fault:  # TOMLDecodeError, or an integer of thousands of digits
        raise error(name, f"is not valid TOML: {str(fault).split(';')[0]}") from None
    return Table(values, name, "", error)


def _toml(value: Any) -> str:
    """A value as its author wrote it, near enough."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


class Table:
    """One TOML table being read; each ``take_*`` removes a key, :meth:`close` refuses what is left.

    >>> table = parse_toml('[agent]\\nvantage = "a"\\nsplay = 3', "x.toml").table("agent")
    >>> table.text("vantage")
    'a'
    >>> table.close()
    Traceback (most recent call last):
    ...
    probes.strict_toml.InputError: x.toml, agent.splay: unknown key
    """

    def __init__(self, values: dict[str, Any], file: str | Path, path: str, error: type[InputError]) -> None:
        self._values, self._file, self._path, self._error = dict(values), file, path, error
        self._known: set[str] = set()

    def _key(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def fault(
        self, key: str, message: str, valid: Collection[str] = (), got: str | None = None
    ) -> InputError:
        """The error to raise about ``key``; with ``got`` and ``valid`` the nearest valid name is offered."""
        hint = nearest_name(got, valid) if got is not None else None
        return self._error(self._file, message, column=self._key(key), nearest=hint)

    def has(self, key: str) -> bool:
        """Whether the key stands in the file (and has not been taken yet)."""
        self._known.add(key)
        return key in self._values

    def _take(self, key: str, default: Any) -> Any:
        self._known.add(key)
        if key in self._values:
            return self._values.pop(key)
        if default is ...:
            raise self.fault(key, "is required")
        return default

    def text(
        self, key: str, default: Any = ..., *, choices: Collection[str] = (), like: str = "a non-empty string"
    ) -> Any:
        """A string, one of ``choices`` where given; ``like`` says what is asked for."""
        value = self._take(key, default)
        if value is default and default is not ...:
            return value
        if not isinstance(value, str) or not value.strip():
            raise self.fault(key, f"{_toml(value)} is not {like}")
        if choices and value not in choices:
            raise self.fault(key, f"{value!r} is not one of {', '.join(choices)}", choices, value)
        return value

    def number(
        self,
        key: str,
        default: Any = ...,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        above: float = -math.inf,
        whole: bool = False,
    ) -> Any:
        """A finite number in [low, high], greater than ``above``; an int where ``whole``."""
        value = self._take(key, default)
        if value is default and default is not ...:
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fault(key, f"{_toml(value)} is not a number")
        if not abs(value) <= sys.float_info.max:  # nan, infinite, or an integer no float can hold
            raise self.fault(key, f"{str(value)[:20]} is not a finite number")
        if whole and value != int(value):
            raise self.fault(key, f"{value!r} is not a whole number")
        if not low <= value <= high or value <= above:
            lower = f"above {above:g}" if above > -math.inf else f"from {low:g}" if low > -math.inf else ""
            upper = f"up to {high:g}" if high < math.inf else ""
            raise self.fault(key, f"{value!r} is out of range ({' '.join(x for x in (lower, upper) if x)})")
        return int(value) if whole else float(value)

    def texts(self, key: str, default: Any = ..., *, choices: Collection[str] = ()) -> Any:
        """A tuple of strings; one string counts as a tuple of one."""
        value = self._take(key, default)
        if value is default and default is not ...:
            return value
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item.strip() for item in items):
            raise self.fault(key, f"{_toml(value)} is not a list of strings")
        for item in items:
            if choices and item not in choices:
                raise self.fault(key, f"{item!r} is not one of {', '.join(choices)}", choices, item)
        return tuple(items)

    def flag(self, key: str, default: Any = ...) -> Any:
        """true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool) and value is not default:
            raise self.fault(key, f"{value!r} is not true or false")
        return value

    def is_table(self, key: str) -> bool:
        """Whether a table stands there, where a key may hold something else as well."""
        return isinstance(self._values.get(key), dict)

    def names(self) -> tuple[str, ...]:
        """The keys that nobody has asked for yet, for tables whose keys are names."""
        return tuple(self._values)

    def table(self, key: str, default: Any = ...) -> Table:
        """A sub-table; absent counts as empty when a default is given."""
        value = self._take(key, default)
        if value is default and default is not ...:
            value = {}
        if not isinstance(value, dict):
            raise self.fault(key, "is not a table")
        return Table(value, self._file, self._key(key), self._error)

    def tables(self, key: str) -> Iterator[Table]:
        """An array of tables, possibly absent; complaints name its entries ``key[1]``, ``key[2]``, ..."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fault(key, f"is not an array of tables; write [[{self._key(key)}]]")
        for position, item in enumerate(value, start=1):
            yield Table(item, self._file, self._key(f"{key}[{position}]"), self._error)

    def close(self) -> None:
        """Refuse every key nobody asked for."""
        for key in self._values:
            raise self.fault(key, "unknown key", self._known, key)
