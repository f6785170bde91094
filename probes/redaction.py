"""URLs as they may be shown: a log is read by more people than a store's keys are for. Pure."""

from __future__ import annotations

import re
from typing import Final

# Up to the last @ before the path: a password may hold one that was not escaped.
_USERINFO: Final = re.compile(r"(://)[^/?#]*@")
_AFTER_PATH: Final = re.compile(r"[?#].*", re.DOTALL)
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>()]+")

# Some libraries name the path and the query of a request alone.
_QUERY: Final = re.compile(r"(/[^\s\"'<>()?]*)\?[^\s\"'<>()]+")


def without_secrets(url: str) -> str:
    """``url`` without user, password, query (a signature stands there) and fragment. A path stays as it is.

    >>> without_secrets("https://me:secret@acme.example/rows?sv=2024&sig=abc"), without_secrets("/var/a?b")
    ('https://acme.example/rows', '/var/a?b')
    """
    return _AFTER_PATH.sub("", _USERINFO.sub(r"\1", url, count=1)) if "://" in url else url


def redacted(text: str) -> str:
    """``text``, as another library words what went wrong, with its URLs shown without secrets.

    >>> redacted("Error performing PUT https://h/k?sig=abc in 1.2s - (https://u:p@h/), twice")
    'Error performing PUT https://h/k in 1.2s - (https://h/), twice'
    """
    return _QUERY.sub(r"\1", _URL.sub(lambda found: without_secrets(found[0]), text))
