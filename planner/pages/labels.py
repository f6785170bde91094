"""Where a site's name may stand on the map without covering another."""

from __future__ import annotations

from collections.abc import Sequence

POSITIONS = (
    ("top center", 0.0, 1.0),
    ("middle right", 1.0, 0.0),
    ("bottom center", 0.0, -1.0),
    ("middle left", -1.0, 0.0),
    ("top right", 1.0, 1.0),
    ("bottom right", 1.0, -1.0),
    ("top left", -1.0, 1.0),
    ("bottom left", -1.0, -1.0),
)
CHARACTER_PX, LINE_PX, MARK_PX = 6.6, 15.0, 9.0


def place_labels(
    points: Sequence[tuple[float, float]], names: Sequence[str], frame: tuple[float, float, float, float]
) -> list[str | None]:
    """A Plotly text position per name, None where every position would overlap what is already there.

    ``points`` in pixels, y upwards, the most important first; ``frame`` is (left, bottom, right, top).
    """
    taken = [(x - MARK_PX, y - MARK_PX, x + MARK_PX, y + MARK_PX) for x, y in points]
    chosen: list[str | None] = []
    for own, ((x, y), name) in enumerate(zip(points, names, strict=True)):
        pick = None
        for position, dx, dy in POSITIONS:
            box = _box(x, y, dx, dy, CHARACTER_PX * len(name))
            inside = frame[0] <= box[0] and box[2] <= frame[2] and frame[1] <= box[1] and box[3] <= frame[3]
            if inside and not any(_overlap(box, other) for at, other in enumerate(taken) if at != own):
                taken.append(box)
                pick = position
                break
        chosen.append(pick)
    return chosen


def _box(x: float, y: float, dx: float, dy: float, width: float) -> tuple[float, float, float, float]:
    centre_x = x + dx * (MARK_PX + width / 2) * (0.75 if dy else 1.0)
    centre_y = y + dy * (MARK_PX + LINE_PX / 2)
    return centre_x - width / 2, centre_y - LINE_PX / 2, centre_x + width / 2, centre_y + LINE_PX / 2


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
