"""Rounds for the tests of the drift test: a figure a round, or several samples."""

from __future__ import annotations

import numpy as np

from planner.drift.placements import Reference, compared
from planner.drift.series import series_of

START = np.datetime64("2026-03-02T00:00:00", "us")
QUANTILE = 0.95


def at(number, every_min=15):
    """When the round of that number starts, or rounds of an array of them."""
    return START + number * np.timedelta64(every_min, "m")


def series(samples, first=0, every_min=15):
    """Rounds (k,) of one sample or (k, n) of several; ``first`` is the number of the first."""
    samples = np.asarray(samples, dtype=float).reshape(len(samples), -1)
    number = np.arange(len(samples)).repeat(samples.shape[1])
    return series_of(at(first + number, every_min), number, samples.ravel(), QUANTILE)


def scored(reference, recent):
    """The comparison of one pair's rounds, None where there is none."""
    past = Reference.of(reference)
    return None if past is None else compared(past, recent)


def comparison(samples, reference, every_min=15):
    """Of one pair of whose rounds so many are the reference."""
    samples = np.asarray(samples, dtype=float)
    return scored(
        series(samples[:reference], 0, every_min), series(samples[reference:], reference, every_min)
    )
