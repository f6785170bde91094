"""Where the shipped data stands: beside the code in a checkout, inside the package in a wheel."""

from __future__ import annotations

from pathlib import Path


def data_dir() -> Path:
    """The directory that holds ``providers/``, ``demand/``, ``latency/`` and ``studies/``."""
    packaged = Path(__file__).parent / "_data"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "data"
