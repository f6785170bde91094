"""How many times as fast as the best peer that proves: seconds of solving alone, models already built.

Ours proves to 1e-9 and takes turns with the peers: half its runs before them, half after. The peers prove
to 1e-4. Short solves are repeated in their process, ours (the mean counts) as theirs (the fastest counts).
Where none proves within its limit, the ratio is at least limit / ours, and is counted as that.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

from benchmarks.solver.cities import cities
from benchmarks.solver.instances import Instance
from benchmarks.solver.lines import seconds, times
from benchmarks.solver.published import caps, pmeds
from benchmarks.solver.runs import NO_MODEL, Answer, Ours, Setting, best_peer, solve_ours
from benchmarks.table import COMPARISON, Line, median, say

MEDIAN_GOAL, WORST_GOAL = 300.0, 50.0
QUICK = {"cap71", "cap101", "cap131", "capa1", "capc1", "pmed1", "pmed6", "pmed8"}


def speed(setting: Setting) -> list[Line]:
    """Cities, cap* and capa1, capc1 as uncapacitated problems, and pmed* as p-medians."""
    return _compared("speed", _given(setting), setting)


def centers(setting: Setting) -> list[Line]:
    """pmed* as p-centers; the peers get the one-model formulation with Σ_j d_ij x_ij ≤ r."""
    if setting.folder is None:
        return [_no_folder("p-center speed")]
    every = pmeds(setting.folder, "p_center")
    return _compared("p-center speed", (i for i in every if _wanted(i, setting)), setting)


def _given(setting: Setting) -> Iterator[Instance]:
    for clients in (500,) if setting.quick else (500, 2_000, 5_000):
        instance = cities(clients, seed=setting.seed)
        if _named(instance, setting):
            yield instance
    if setting.folder is not None:
        for instance in (*caps(setting.folder), *pmeds(setting.folder, "p_median")):
            if _wanted(instance, setting):
                yield instance


def _wanted(instance: Instance, setting: Setting) -> bool:
    quick = not setting.quick or instance.name.split()[0] in QUICK
    return quick and _named(instance, setting)


def _named(instance: Instance, setting: Setting) -> bool:
    return any(fnmatch(instance.name.removesuffix(" (p-center)"), pattern) for pattern in setting.match)


def _compared(gate: str, instances: Iterator[Instance], setting: Setting) -> list[Line]:
    lines, ratios, figures = [], list[float](), list[dict[str, Any]]()
    with Ours() as ours:
        for instance in instances:
            line, ratio = _turns(ours, gate, instance, setting)
            lines.append(line)
            ratios.append(ratio)
            figures.append({"instance": instance.name, "ratio": ratio})
    if not ratios:
        return [Line(gate, "", "no instance", "", None, {})]
    middle, worst = median(ratios), min(ratios)
    slowest = figures[ratios.index(worst)]["instance"]
    say(f"{gate}: median {times(middle)}, worst {times(worst)}")
    return [
        *lines,
        Line(
            f"{gate}, median of {len(ratios)}", f"≥ {MEDIAN_GOAL:.0f}×", times(middle), "best that proves",
            middle >= MEDIAN_GOAL, {"ratios": figures},
        ),
        Line(
            f"{gate}, worst of {len(ratios)} ({slowest})", f"≥ {WORST_GOAL:.0f}×", times(worst),
            "best that proves", worst >= WORST_GOAL, {},
        ),
    ]  # fmt: skip


def _turns(ours: Ours, gate: str, instance: Instance, setting: Setting) -> tuple[Line, float]:
    """One instance; the ratio is 0 where ours does not prove, or claims what a peer refutes."""
    half = (setting.runs + 1) // 2
    before = solve_ours(ours, instance, setting, limit_s=setting.limit_s, runs=half)
    best, answers = best_peer(instance, setting)
    after = before
    if ours.alive and "error" not in before:
        after = solve_ours(ours, instance, setting, limit_s=setting.limit_s, runs=half)
    models = [a["limit_s"] for name, a in answers.items() if name != NO_MODEL and not _failed(a)]
    peer_s = answers[best]["solve_s"] if best else max(models, default=0.0)
    figures = {"ours": [before, after], "peers": answers, "best": best}
    words = _words(best, answers, peer_s)
    if "error" in before or "error" in after:
        return Line(f"{gate}: {instance.name}", "proven", after["error"], words, False, figures), 0.0
    spent = median([*before["seconds"], *after["seconds"]])
    say(f"{instance.name}: ours {seconds(spent)}, {after['termination']}, gap {after['gap']:.1e}")
    refuted = refutes(after, answers)
    if after["termination"] != "optimal" or refuted:
        told = f"claims {after['objective']:.9g}, {refuted}" if refuted else f"gap {after['gap']:.1e}"
        return Line(f"{gate}: {instance.name}", "proven", told, words, False, figures), 0.0
    ratio = peer_s / spent
    least = "" if best else "≥ "
    name = f"{gate}: {instance.name}, {instance.size}"
    return Line(name, COMPARISON, f"{seconds(spent)} ({least}{times(ratio)})", words, None, figures), ratio


def refutes(answer: Answer, others: dict[str, Answer]) -> str:
    """Who found better than what we call optimal, by more than a tolerance of feasibility; "" = nobody."""
    for name, other in others.items():
        found = other.get("objective")
        if found is not None and found < answer["objective"] * (1 - 1e-6) - 1e-6 and "error" not in other:
            return f"{name} has {found:.9g}"
    return ""


def _failed(answer: Answer) -> bool:
    """Whether a peer ended by itself without a result, for want of memory or else."""
    return answer.get("error", "killed") != "killed"


def _outcome(answer: Answer) -> str:
    if _failed(answer):
        return f"failed after {seconds(answer.get('solve_s', 0.0))}"
    proven = answer["proven"] and "error" not in answer
    return seconds(answer["solve_s"]) if proven else f"> {answer['limit_s']:.0f} s"


def _words(best: str, answers: dict[str, Answer], peer_s: float) -> str:
    others = [f"{name} {_outcome(answer)}" for name, answer in answers.items() if name != best]
    rest = f"; {', '.join(others)}" if others else ""
    if not best:
        return f"none proves in {peer_s:.0f} s{rest}"
    build = seconds(answers[best].get("build_s", 0.0))
    return f"{best} {seconds(peer_s)} (+ build {build}){rest}"


def _no_folder(gate: str) -> Line:
    return Line(gate, "", "needs --folder", "", None, {})
