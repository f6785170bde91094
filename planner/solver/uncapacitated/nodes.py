"""A node of the search, and how it is split: by how many sites are open, then by single sites.

Under a budget the relaxation mixes a choice of more sites, too dear, with one of fewer. Closing one site of
the mixture lets another take its place, and the bound stays where it was; a bound on their number sets the
two apart at once. With the number settled, the site is split on whose choice wavers most.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from planner.solver.uncapacitated.instance import Flags, Floats, Ints
from planner.solver.uncapacitated.lagrangian import CLOSED, FREE, OPEN


@dataclass(order=True, slots=True)
class Node:
    """What is settled, ``status`` (n,) and ``low`` to ``high`` open sites; and what was found: ``bound``.

    ``u`` (k,): multipliers of the node's merged clients, each known by its ``first`` (k,), the lowest number
    among them. ``frequency`` (n,): how often a site was chosen lately. Nodes are ordered by bound, then by
    ``number``, which no two share.
    """

    bound: int
    number: int
    status: Flags = field(compare=False)
    low: int = field(compare=False)
    high: int = field(compare=False)
    first: Ints = field(compare=False)
    u: Ints = field(compare=False)
    frequency: Floats = field(compare=False)


def halves(node: Node) -> list[tuple[Flags, int, int]]:
    """(status, low, high) of two nodes that share out every choice of sites; one site at least is free."""
    free, count = np.nonzero(node.status == FREE)[0], int((node.status == OPEN).sum())
    fewer = int(count + node.frequency[free].sum())
    if max(node.low, count) <= fewer < min(node.high, count + len(free)):
        return [(node.status.copy(), node.low, fewer), (node.status.copy(), fewer + 1, node.high)]
    site = int(free[np.abs(node.frequency[free] - 0.5).argmin()])
    opened, closed = node.status.copy(), node.status.copy()
    opened[site], closed[site] = OPEN, CLOSED
    return [(opened, node.low, node.high), (closed, node.low, node.high)]
