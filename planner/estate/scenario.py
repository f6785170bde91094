"""What may happen to an estate, as frozen values; drawn at random, each by its own number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.estate.live import Estate
from probes.strict_toml import InputError, nearest_name


@dataclass(frozen=True, slots=True)
class Scenario:
    """``down``: names of what fails, as in :attr:`Estate.domains`. ``latency_draw``: the seed and the number
    of a draw of the latencies, None for the estimates."""

    name: str
    down: tuple[str, ...] = ()
    demand_factor: float = 1.0
    latency_draw: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Hazards:
    """How likely each failure is in one scenario, and how far demand strays.

    ``site``, ``metro``, ``region``: probability that a given one is down, independently. ``demand_spread``:
    the standard deviation of the logarithm of the demand's factor, whose median is ``demand_factor``.
    ``latency``: whether latencies are drawn too. The defaults are judgements and no measurements: hazards are
    the user's own to say.
    """

    site: float = 0.02
    metro: float = 0.0
    region: float = 0.01
    demand_spread: float = 0.15
    demand_factor: float = 1.0
    latency: bool = True


def failing(estate: Estate, names: Iterable[str], demand_factor: float = 1.0) -> Scenario:
    """These fail together. Raises :class:`InputError` with the nearest name for one that is not there."""
    down = tuple(dict.fromkeys(names))
    for name in down:
        if name not in estate.domains:
            raise InputError(
                "--fail", f"{name!r} is nothing of this plan that may fail",
                nearest=nearest_name(name, estate.domains),
            )  # fmt: skip
    return Scenario(" and ".join(down) or "as planned", down, demand_factor)


def drawn(estate: Estate, hazards: Hazards, count: int, seed: int) -> tuple[Scenario, ...]:
    """``count`` scenarios. Each hangs on its own number and the seed alone, so that a hundred are the first
    hundred of two hundred, wherever they are worked out."""
    return tuple(_one(tuple(estate.domains), hazards, seed, number) for number in range(count))


def _one(names: Sequence[str], hazards: Hazards, seed: int, number: int) -> Scenario:
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 1, number])))
    stray = float(generator.standard_normal())
    chance = generator.random(len(names))
    limits = {"metro": hazards.metro, "region": hazards.region}
    down = tuple(
        name
        for name, luck in zip(names, chance, strict=True)
        if luck < limits.get(name.partition(":")[0], hazards.site)
    )
    factor = hazards.demand_factor * float(np.exp(hazards.demand_spread * stray))
    return Scenario(f"{number}", down, factor, (seed, number) if hazards.latency else None)
