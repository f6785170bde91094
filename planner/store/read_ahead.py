"""Objects read and unpacked on the other processor, while the rows before them are written [I/O]."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from planner.store.rows import Reader, Rows
from planner.store.shelf import Shelf
from planner.store.steps import with_steps

_READERS: Final = 2
_ROWS: Final = 115_000
"""Rows read together: a row group of a file, and no more of a batch than two readers and a writer hold."""

_STRIDE: Final = 32
"""So many objects a reader takes at once, so that neighbours mostly stay neighbours."""


@dataclass(frozen=True, slots=True)
class Read:
    """Some objects, their rows, and the same rows with their steps (``planner.store.steps``)."""

    objects: Sequence[tuple[str, bytes, bool]]
    rows: Rows
    stepped: pa.Table


def read_ahead(shelf: Shelf, names: Sequence[str]) -> Iterator[Read]:
    """All the objects that are there, some hundred thousand rows at a time."""
    strides = iter([names[at : at + _STRIDE] for at in range(0, len(names), _STRIDE)])
    readers: list[Reader] = []
    with ThreadPoolExecutor(_READERS) as pool:
        waiting: deque[Future[Read | None]] = deque(
            pool.submit(_read, shelf, strides, readers) for _ in range(_READERS)
        )
        while waiting:
            read = waiting.popleft().result()
            if read is not None:
                waiting.append(pool.submit(_read, shelf, strides, readers))
                yield read


def _read(shelf: Shelf, strides: Iterator[Sequence[str]], readers: list[Reader]) -> Read | None:
    """As many objects as make a batch; None where none is left. ``readers`` are those at leisure."""
    try:  # the other thread may take it between a look and the taking
        reader = readers.pop()
    except IndexError:
        reader = Reader()
    for names in strides:
        for name in names:
            content = shelf.get(name)
            if content is not None:  # deleted already, by whoever committed it
                reader.read(name, content, True)
        if reader.lines >= _ROWS:
            break
    if not reader.objects:
        return None
    rows = reader.rows()
    read = Read(reader.objects, rows, with_steps(rows.table))
    reader.clear()
    readers.append(reader)
    return read
