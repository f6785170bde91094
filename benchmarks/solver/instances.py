"""What is solved: an instance as arrays, and as a file that another interpreter reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["uflp", "p_median", "p_center"]


@dataclass(frozen=True, slots=True)
class Instance:
    """``opening`` (n,) and ``cost`` (m, n), clients by sites, inf = not allowed; ``p`` sites for a p-median
    or p-center, 0 otherwise. ``budget`` bounds the opening costs, inf = none. ``optimum`` as published, nan =
    not published."""

    name: str
    kind: Kind
    opening: NDArray[np.float64]
    cost: NDArray[np.float64]
    p: int = 0
    budget: float = np.inf
    optimum: float = np.nan

    @property
    def size(self) -> str:
        """Sites × clients."""
        return f"{self.cost.shape[1]:,} × {self.cost.shape[0]:,}"

    def write(self, folder: Path) -> Path:
        """Write the arrays to a file in ``folder`` and return it; the same name is written once."""
        path = folder / f"{self.name}-{self.kind}.npz"
        if not path.exists():
            np.savez(
                path,
                kind=self.kind,
                opening=self.opening,
                cost=self.cost,
                p=self.p,
                budget=self.budget,
            )
        return path


def read(path: Path) -> Instance:
    """The instance of a file."""
    with np.load(path) as file:
        return Instance(
            path.stem,
            str(file["kind"]),  # type: ignore[arg-type]
            file["opening"],
            file["cost"],
            int(file["p"]),
            float(file["budget"]),
        )


def value(instance: Instance, is_open: NDArray[np.intp]) -> float:
    """The objective of a set of open sites, computed anew; inf when it does not serve everyone."""
    if len(is_open) == 0:
        return 0.0 if len(instance.cost) == 0 else np.inf
    paid = instance.cost[:, is_open].min(axis=1)
    if instance.kind == "p_center":
        return float(paid.max())
    return float(instance.opening[is_open].sum() + paid.sum())
