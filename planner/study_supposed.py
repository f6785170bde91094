"""What a study supposes that no catalog says yet: zones that are announced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class AnnouncedZone:
    """A zone that a provider has announced, or that one hopes for: a candidate as any zone is.

    Its parent Region prices it, with the study's premium; nobody has measured it. ``services``: none said =
    those of its kind. ``metro``: none said = one of its own. ``source``, ``as_of``: who said so, and when.
    """

    id: str
    parent: str
    country: str
    lat: float
    lon: float
    kind: Literal["local_zone", "wavelength_zone"] = "local_zone"
    services: tuple[str, ...] = ()
    metro: str = ""
    source: str = ""
    as_of: str = ""
