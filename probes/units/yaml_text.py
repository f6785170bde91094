"""YAML as text: plain values in, block style out, strings quoted as JSON does, so that nothing is misread.

YAML 1.2 contains JSON, and so does 1.1, which many tools still read, but for a few characters: those are
escaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_PLAIN_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS_TAKEN: Final = frozenset({"y", "yes", "n", "no", "on", "off", "true", "false", "null"})

# Not printable in YAML, or a line break there and none in JSON.
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def yaml_text(value: Mapping[str, Any]) -> str:
    """A document: mappings, sequences, strings, numbers, booleans and None.

    A text of whole lines is written as a block that reads as it is, where YAML would give it back unchanged.

    >>> print(yaml_text({"a": [1, {"b": "yes"}], "text": "one\\ntwo\\n"}), end="")
    a:
      - 1
      - b: "yes"
    text: |
      one
      two
    """
    return "".join(f"{line}\n" for line in _mapping(value))


def _mapping(value: Mapping[str, Any]) -> list[str]:
    lines = []
    for key, item in value.items():
        plain = _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS_TAKEN
        lines += _after(f"{key if plain else _quoted(key)}:", item)
    return lines


def _after(opening: str, item: Any) -> list[str]:
    """An item behind its key."""
    if isinstance(item, str) and _is_block(item):
        return [f"{opening} |", *(f"  {line}" if line else "" for line in item[:-1].split("\n"))]
    if isinstance(item, Mapping) and item:
        return [opening, *(f"  {line}" if line else "" for line in _mapping(item))]
    if isinstance(item, Sequence) and not isinstance(item, str) and item:
        return [opening, *(f"  {line}" if line else "" for line in _sequence(item))]
    return [f"{opening} {_scalar(item)}"]


def _sequence(items: Sequence[Any]) -> list[str]:
    lines = []
    for item in items:
        if isinstance(item, Mapping) and item:
            first, *rest = _mapping(item)
            lines += [f"- {first}", *(f"  {line}" if line else "" for line in rest)]
        else:
            lines.append(f"- {_scalar(item)}")
    return lines


def _scalar(item: Any) -> str:
    return _quoted(item) if isinstance(item, str) else json.dumps(item)


def _quoted(text: str) -> str:
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _is_block(text: str) -> bool:
    """Whether ``text`` is lines that a literal block keeps: no odd characters, no indent to guess."""
    return (
        text.endswith("\n")
        and not text.endswith("\n\n")
        and text[0] not in " \t\n"
        and text.strip() != ""
        and not _ESCAPED.search(text)
        and all(character >= " " or character in "\n\t" for character in text)
    )
