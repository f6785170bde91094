"""Who asks for the service, and from where [I/O]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Client:
    """A weighted origin of requests; ``weight`` is its share before normalisation (population, users...)."""

    id: str
    name: str
    country: str
    lat: float
    lon: float
    weight: float
    classes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Demand:
    """The clients of a study. ``weight`` (m,) is float64, non-negative, read-only; not normalised."""

    clients: tuple[Client, ...]
    weight: NDArray[np.float64]
    source: str
