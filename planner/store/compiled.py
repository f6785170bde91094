"""Kernels that are compiled, or taken from the disk, when their module is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def compiled(signature: Any) -> Callable[[Kernel], Kernel]:
    """For a function of arguments of these numba types. It releases the interpreter while it runs."""
    return cast("Callable[[Kernel], Kernel]", numba.njit(signature, cache=True, nogil=True))
