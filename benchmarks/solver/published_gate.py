"""Every published instance at hand: is its optimum found and proven, and how long does the set take."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.solver.instances import Instance
from benchmarks.solver.lines import seconds
from benchmarks.solver.published import agrees, caps, pmeds
from benchmarks.solver.runs import Ours, Setting, solve_ours
from benchmarks.table import Line, say

MEDIANS_S, CENTERS_S = 15.0, 45.0
EACH_S = 60.0
"""The limit of one instance."""


def published(setting: Setting) -> list[Line]:
    """One line a set; the whole set takes as long as its solves together, after a warm-up."""
    if setting.folder is None:
        return [Line("published optima", "", "needs --folder", "", None, {})]
    return [
        _whole("cap*", caps(setting.folder), None, setting),
        _whole("pmed* p-medians", pmeds(setting.folder, "p_median"), MEDIANS_S, setting),
        _whole("pmed* p-centers", pmeds(setting.folder, "p_center"), CENTERS_S, setting),
    ]


def _whole(name: str, instances: Iterator[Instance], most_s: float | None, setting: Setting) -> Line:
    ours, total, wrong, told = Ours(), 0.0, list[str](), list[dict[str, object]]()
    for number, instance in enumerate(instances):
        if setting.quick and number % 5:
            continue
        if not ours.alive:
            ours = Ours()
        found = solve_ours(ours, instance, setting, limit_s=EACH_S, runs=1)
        right = (
            "error" not in found
            and found["termination"] == "optimal"
            and agrees(found["value"], instance.optimum)
        )
        total += found["seconds"][0] if "seconds" in found else EACH_S
        if not right:
            wrong.append(instance.name.split()[0])
        say(
            f"{instance.name}: {found.get('value', found.get('error'))} of {instance.optimum},"
            f" {found.get('termination')}, {found.get('seconds', [0.0])[0]:.3f} s"
            + ("" if right else "  WRONG")
        )
        told.append({"instance": instance.name, "optimum": instance.optimum, **found})
    ours.__exit__(None, None, None)
    goal = "published optimum, proven" + ("" if most_s is None else f"; set ≤ {most_s:.0f} s")
    result = f"{len(told) - len(wrong)} of {len(told)} in {seconds(total)}"
    if wrong:
        result += f"; not {', '.join(wrong)}"
    met = bool(told) and not wrong and (most_s is None or total <= most_s)
    return Line(f"published: {name}", goal, result, "", met, {"instances": told})
