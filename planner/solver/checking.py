"""What callers hand in, checked once: shapes and values, each mistake in one clear sentence."""

from __future__ import annotations

import operator

import numpy as np
from numpy.typing import ArrayLike, NDArray


def for_kernels(values: ArrayLike) -> NDArray[np.float64]:
    """As floats in rows, and writeable: numba would compile every kernel once more for read-only arrays."""
    return np.require(values, np.float64, ["C", "W"])


def checked_distance(distance: ArrayLike) -> NDArray[np.float64]:
    """(m, n) float64 without nan or -inf."""
    array = for_kernels(distance)
    if array.ndim != 2:
        raise ValueError(f"distance {array.shape} is not (m, n), clients by sites")
    # A sum is nan or -inf where any of its terms is: only then look closer.
    if array.size and not array.min() > -np.inf:
        raise ValueError("distance must be finite, or inf where a pair is not allowed")
    return array


def checked_covers(covers: ArrayLike) -> NDArray[np.bool_]:
    """(m, n) bool; zeros and ones of another type are taken as such."""
    array = np.asarray(covers)
    if array.ndim != 2:
        raise ValueError(f"covers {array.shape} is not (m, n), clients by sites")
    if array.dtype != np.bool_:
        if not ((array == 0) | (array == 1)).all():
            raise ValueError("covers must be bool, or zeros and ones")
        array = array.astype(np.bool_)
    return np.require(array, np.bool_, ["C", "W"])


def checked_vector(name: str, values: ArrayLike, count: int, of: str, *, least: float) -> NDArray[np.float64]:
    """(count,) float64, finite and at least ``least``; ``of`` says what it has one of for each."""
    array = for_kernels(values)
    if array.shape != (count,):
        raise ValueError(f"{name} {array.shape} does not fit covers with {count} {of}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite")
    if (array < least).any():
        raise ValueError(f"{name} must not be below {least:g}")
    return array


def checked_count(name: str, value: int) -> int:
    """A whole number of sites, not negative; an ``int`` of whatever whole number it was."""
    try:
        count = operator.index(value)
        if isinstance(value, bool):
            raise TypeError
    except TypeError:
        raise ValueError(f"{name} = {value} is not a whole number") from None
    if count < 0:
        raise ValueError(f"{name} = {count} is negative")
    return int(count)


def check_limits(gap: float, time_limit_s: float | None) -> None:
    """0 ≤ gap < 1, and a time limit that is a number."""
    if not 0.0 <= gap < 1.0:
        raise ValueError(f"gap {gap} is not in [0, 1)")
    if time_limit_s is not None and np.isnan(time_limit_s):
        raise ValueError("time_limit_s is not a number")
