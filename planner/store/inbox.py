"""The objects that agents put into a store, one for each round [I/O].

They stand at ``inbox/day=YYYY-MM-DD/vantage=NAME/RUN_ID.jsonl.gz`` and never change; an ingest takes them
away once its table has them. A single ``.jsonl`` or ``.jsonl.gz`` file counts as a store of one object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from planner.store.shelf import Address, MeasurementError, Shelf, StoreError, open_shelf

_OBJECT: Final = re.compile(r"inbox/day=[^/]+/vantage=[^/]+/[^/]+\.jsonl\.gz")
_FILE_ENDINGS: Final = (".jsonl", ".jsonl.gz")


def is_object(key: str) -> bool:
    """Whether this is where an agent's round stands.

    >>> is_object("inbox/day=2026-11-23/vantage=tokyo-1/r1.jsonl.gz"), is_object("inbox/notes.jsonl.gz")
    (True, False)
    """
    return _OBJECT.fullmatch(key) is not None


def is_file(address: Address) -> bool:
    """Whether this is a single file of measurements. Raises :class:`MeasurementError` for another file."""
    if address.path is None or not _is_there(address):
        return False
    if not address.path.is_file():
        return False
    if not address.path.name.endswith(_FILE_ENDINGS):
        raise MeasurementError(
            address.url, "is neither a store nor a .jsonl or .jsonl.gz file of measurements"
        )
    return True


def objects_of(address: Address) -> Iterator[tuple[str, bytes, bool]]:
    """Each object: its key, or for a file the URL; its content; and whether that is packed by gzip.

    One that an ingest takes away between listing and reading is passed over: who opens the table afterwards
    finds its rows there. Raises :class:`MeasurementError` and :class:`StoreError`.
    """
    if is_file(address):
        assert address.path is not None
        try:
            yield address.url, address.path.read_bytes(), address.path.name.endswith(".gz")
        except OSError as fault:
            raise _unreadable(address, fault) from None
        return
    shelf = open_shelf(address)
    for key in listed(shelf):
        content = shelf.get(key)
        if content is not None:
            yield key, content, True


def listed(shelf: Shelf) -> list[str]:
    """The keys of all objects, in order."""
    return sorted(key for key in shelf.keys("inbox") if is_object(key))


def check_directory(address: Address) -> None:
    """Raises :class:`MeasurementError` for a path that can be no store."""
    if address.path is None or (_is_there(address) and address.path.is_dir()):
        return
    what = "is neither a directory nor a file" if _is_there(address) else "is not there"
    raise MeasurementError(address.url, what)


def _is_there(address: Address) -> bool:
    assert address.path is not None
    try:
        address.path.stat()
    except FileNotFoundError:
        return False
    except OSError as fault:
        raise _unreadable(address, fault) from None
    return True


def _unreadable(address: Address, fault: OSError) -> StoreError:
    where = f" ({fault.filename})" if fault.filename is not None else ""
    return StoreError(f"{address.url}: cannot be read: {fault.strerror or fault}{where}")
