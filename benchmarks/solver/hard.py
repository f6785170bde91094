"""Körkel-Ghosh, 250 × 250: hard on purpose. Class c is proven in minutes; elsewhere the gap is stated."""

from __future__ import annotations

from benchmarks.solver.hard_classes import koerkel_ghosh
from benchmarks.solver.lines import percent, seconds
from benchmarks.solver.runs import Ours, Setting, solve_ours, solve_peer
from benchmarks.table import Line, say


def hard(setting: Setting) -> list[Line]:
    """By definition, not the published files; one of each class, at most ``hard_s`` each. A peer gets the
    same seconds on class c."""
    lines = []
    for letter in "cba":
        for symmetric in (False, True):
            if setting.quick and (symmetric or letter != "c"):
                continue
            instance = koerkel_ghosh(
                letter, symmetric=symmetric, n=100 if setting.quick else 250, seed=setting.seed
            )
            with Ours() as ours:
                found = solve_ours(ours, instance, setting, limit_s=setting.hard_s, runs=1)
            goal = "proven in minutes" if letter == "c" else "gap stated"
            if "error" in found:
                lines.append(Line(f"hard: {instance.name}", goal, found["error"], "", False, found))
                continue
            proven = found["termination"] == "optimal"
            told = seconds(found["seconds"][0]) + (", proven" if proven else f", gap {percent(found['gap'])}")
            say(f"{instance.name}: {told}")
            peer = ""
            if letter == "c" and not symmetric and setting.peers:
                answer = solve_peer(setting.peers[0], instance, setting, limit_s=setting.hard_s)
                found["peer"] = answer
                peer = f"{setting.peers[0]} {seconds(answer.get('solve_s', setting.hard_s))}"
                if answer["proven"]:
                    peer += ", proven"
                elif answer.get("objective") and answer.get("bound") is not None:
                    gap = (answer["objective"] - answer["bound"]) / answer["objective"]
                    values = f"{answer['objective']:,.0f}; ours {found['objective']:,.0f}"
                    peer += f", gap {percent(gap)} (best {values})"
            met = proven if letter == "c" else 0.0 <= found["gap"] < 1.0
            lines.append(Line(f"hard: {instance.name}", goal, told, peer, met, found))
    return lines
