"""The shipped outline of land and borders, projected once [I/O].

Source, licence and what was changed stand at the head of ``data/outline/land.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from planner.datadir import data_dir
from planner.pages.projection import polyline


@dataclass(frozen=True, slots=True)
class Outline:
    """Land rings (closed) and interior borders as projected paths, NaN between the pieces; read-only."""

    land_x: NDArray[np.float32]
    land_y: NDArray[np.float32]
    border_x: NDArray[np.float32]
    border_y: NDArray[np.float32]
    source: str


@cache
def outline() -> Outline:
    """Read and project the outline; kept for the life of the process, since it never changes."""
    document = json.loads((data_dir() / "outline" / "land.json").read_text("utf-8"))
    rings = [_path(flat, closed=True) for flat in document["land"]]
    borders = [_path(flat, closed=False) for flat in document["borders"]]
    land_x, land_y = (_frozen(axis) for axis in polyline(rings))
    border_x, border_y = (_frozen(axis) for axis in polyline(borders))
    return Outline(land_x, land_y, border_x, border_y, document["source"])


def _path(flat: list[int], *, closed: bool) -> NDArray[np.float64]:
    points = np.asarray(flat, dtype=np.float64).reshape(-1, 2) / 100.0
    return np.vstack([points, points[:1]]) if closed else points


def _frozen(values: NDArray[np.float64]) -> NDArray[np.float32]:
    # Single precision is a hundredth of a pixel here and halves what the browser receives.
    single = values.astype(np.float32)
    single.flags.writeable = False
    return single
