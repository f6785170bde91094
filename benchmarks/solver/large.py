"""300 sites by many cities: scale and memory, steps of a slider, the front of latency and cost."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from benchmarks.solver.cities import cities
from benchmarks.solver.lines import percent, seconds, times
from benchmarks.solver.runs import GRACE_S, Answer, Ours, Setting, solve_ours, solve_peer
from benchmarks.table import COMPARISON, Line, median, say

SCALE = ((5_000, 0.5), (20_000, 2.0), (50_000, 5.0))
MOST_MB = 1_500.0
STEEPEST = 1.5
"""Of the growth of time in the number of clients, as a power: 1 is linear."""

FIRST_S, FIRST_GAP, EXACT_S = 0.3, 5e-3, 4.0
EACH_STEP_S = 20.0
"""The limit of a step's first answer, and of its exact one."""

POINTS, FRONT_GOAL = 25, 500.0
FRONT_S = 300.0
"""The limit of our front."""


def scale(setting: Setting) -> list[Line]:
    """A process each, so that the peak memory is its own; the instance itself is in it."""
    lines, spent = [], dict[int, float]()
    for clients, most_s in SCALE[:1] if setting.quick else SCALE:
        instance = cities(clients, seed=setting.seed)
        with Ours() as ours:
            found = solve_ours(ours, instance, setting, limit_s=max(60.0, 4 * most_s), runs=setting.runs)
        goal = f"proven in ≤ {most_s:g} s, ≤ {MOST_MB:,.0f} MB"
        if "error" in found:
            lines.append(Line(f"scale: {instance.size}", goal, found["error"], "", False, found))
            continue
        taken = spent[clients] = median(found["seconds"])
        proven = found["termination"] == "optimal"
        told = f"{seconds(taken)}, {found['peak_mb']:,.0f} MB"
        told += f", {len(found['open'])} open" if proven else f", gap {found['gap']:.1e}"
        say(f"{instance.size}: {told}")
        met = proven and taken <= most_s and found["peak_mb"] <= MOST_MB
        lines.append(Line(f"scale: {instance.size}", goal, told, "", met, found))
    if len(spent) > 1:
        few, many = min(spent), max(spent)
        power = math.log(spent[many] / spent[few]) / math.log(many / few)
        goal = f"close to linear: clients^≤ {STEEPEST}"
        lines.append(
            Line("scale: growth", goal, f"clients^{power:.2f}", "", power <= STEEPEST, {"seconds": spent})
        )
    return lines


def resolve(setting: Setting) -> list[Line]:
    """Steps of a slider on one state at 300 × 20,000."""
    instance = cities(2_000 if setting.quick else 20_000, seed=setting.seed)
    path = instance.write(setting.scratch)
    with Ours() as ours:
        found = ours.ask("resolve", path, limit_s=EACH_STEP_S, wait_s=600.0)
    gate = f"re-solve at {instance.size}"
    if "error" in found:
        return [Line(gate, f"≤ {FIRST_S} s", found["error"], "", False, found)]
    steps = found["steps"]
    first = median([step["first_s"] for step in steps])
    gaps = [step["gap"] for step in steps]
    late = max(step["exact_s"] for step in steps)
    sound = all(_sound(step) for step in steps)
    exact = all(step["exact_gap"] <= 1e-9 for step in steps)
    slowest = max(step["first_s"] for step in steps)
    late_words = "" if exact else ", not all proven"
    return [
        Line(
            f"{gate}: first certified answer, {len(steps)} steps", f"≤ {FIRST_S} s median, gap ≤ 0.5 %",
            f"{seconds(first)} (slowest {seconds(slowest)}), gap {percent(median(gaps))} (largest"
            f" {percent(max(gaps))})", "", first <= FIRST_S and max(gaps) <= FIRST_GAP and sound, found,
        ),
        Line(
            f"{gate}: exact behind it", f"≤ {EXACT_S:g} s", f"slowest {seconds(late)}{late_words}",
            "", late <= EXACT_S and exact, {},
        ),
    ]  # fmt: skip


def _sound(step: Answer) -> bool:
    """Whether the first bound held: it is below the optimum, and the optimum not above the first answer."""
    (low, high), (_, optimum) = step["first"], step["exact"]
    slack = 1e-9 * abs(optimum)
    return bool(low <= optimum + slack and optimum <= high + slack)


def front(setting: Setting) -> list[Line]:
    """25 points at 300 × 5,000; the peer solves a few of them, and its time for all is extrapolated."""
    instance = cities(500 if setting.quick else 5_000, seed=setting.seed)
    path = instance.write(setting.scratch)
    with Ours() as ours:
        found = ours.ask("front", path, limit_s=FRONT_S, wait_s=FRONT_S + GRACE_S, points=POINTS)
    gate = f"front of {POINTS} points at {instance.size}"
    if "error" in found:
        return [Line(gate, f"≥ {FRONT_GOAL:.0f}×", found["error"], "", False, found)]
    points, spent = found["points"], found["seconds"][0]
    say(f"{gate}: {len(points)} points in {seconds(spent)}, largest gap {max(p['gap'] for p in points):.1e}")
    chosen = np.linspace(0, len(points) - 1, setting.front_peers + 2).astype(int)[1:-1]
    taken, wrong, open_ended = list[float](), list[str](), False
    for k in chosen:
        point = points[k]
        here = replace(instance, name=f"front-{k}", budget=point["budget"])
        answer = solve_peer("scipy milp", here, setting, limit_s=setting.limit_s)
        taken.append(answer.get("solve_s", setting.limit_s))
        open_ended = open_ended or not answer["proven"]
        say(f"point {k}, budget {point['budget']:,.0f}: scipy milp {seconds(taken[-1])}, {answer}")
        better = answer.get("objective")
        if better is not None and better < point["assignment"] * (1 - 2e-4):
            wrong.append(f"point {k} is not the best")
        found[f"peer at {k}"] = answer
    proven = found["complete"] and all(point["gap"] <= 1.0001e-4 for point in points)
    if not taken:
        return [Line(gate, "proven 1e-4", seconds(spent), "", proven, found)]
    ratio = len(points) * float(np.mean(taken)) / spent
    least = "≥ " if open_ended else ""
    told = f"{seconds(spent)} ({least}{times(ratio)})" + "".join(f"; {word}" for word in wrong)
    peer = f"scipy milp: {', '.join(seconds(t) for t in taken)} for {len(taken)} points, × {len(points)}"
    return [
        Line(gate, f"≥ {FRONT_GOAL:.0f}×", told, peer, proven and not wrong and ratio >= FRONT_GOAL, found),
        Line(f"{gate}: proven", "every point to 1e-4", f"{len(points)} points", COMPARISON, proven, {}),
    ]
