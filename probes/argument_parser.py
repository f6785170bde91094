"""Arguments of a command, read strictly: of a word that is none, the nearest that is one is named."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from probes.strict_toml import nearest_name, printable


class Parser(argparse.ArgumentParser):
    """As the standard library's; ``takes_rest``: what it does not know is for somebody else to read."""

    takes_rest = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Each command complains of what it does not know itself, for it alone has the right names."""
        given, rest = super().parse_known_args(args, namespace)
        if rest and not self.takes_rest:
            self.refuse(rest)
        return given, rest

    def refuse(self, rest: Sequence[str]) -> NoReturn:
        """End with a complaint about ``rest``, with the option that the first unknown one was meant to be."""
        unknown = next((word.partition("=")[0] for word in rest if word.startswith("-")), None)
        # There is no public way to ask a parser for its options.
        hint = "" if unknown is None else did_you_mean(unknown, list(self._option_string_actions))
        self.error(f"unrecognized arguments: {printable(' '.join(rest))}{hint}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A command, or a value of a few, that is none of them."""
        if action.choices is not None and value not in action.choices:
            valid = [str(each) for each in action.choices]
            words = f"{str(value)!r} is none of {', '.join(valid)}{did_you_mean(str(value), valid)}"
            raise argparse.ArgumentError(action, words)


def did_you_mean(name: str, valid: Sequence[str]) -> str:
    """The end of a complaint about ``name``: nothing where no valid name is near."""
    near = nearest_name(name, valid)
    return "" if near is None else f"; did you mean {near!r}?"
