"""What is promised of the agent, and what was found: a gate is a function that measures and compares [I/O].

Every figure is the median over runs. Whoever is compared takes turns in the same lab, and who goes first
changes from run to run.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.agent import accuracy, cost, hardship
from benchmarks.table import Line

GATES: dict[str, Callable[[int], list[Line]]] = {
    "tcp": accuracy.tcp,
    "tls": accuracy.tls_and_http,
    "icmp": lambda runs: [accuracy.icmp(runs), cost.icmp(runs)],
    "dns": accuracy.dns,
    "cost": cost.stream,
    "throughput": cost.throughput,
    "loss": hardship.loss,
    "busy": hardship.busy,
    "weight": cost.weight,
}
