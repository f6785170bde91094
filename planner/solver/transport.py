"""How much can be moved at once from where it is to where there is room, and what stands in the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

UNITS = 2.0**29
"""Flows are integers: all that is to be moved is so many units."""


def saturate(need: Floats, options: Mask, room: Floats) -> tuple[float, Mask]:
    """The most that can be moved, and which of the kinds stand on the source's side of a minimum cut.

    ``need`` (k,) of each kind, to the places its ``options`` (k, p) name, which have ``room`` (p,). Max-flow
    min-cut: Ford & Fulkerson 1956.
    """
    total = float(need.sum())
    kind, site = np.nonzero(options)
    count, places = len(need), len(room)
    sink = count + places + 1
    row = np.concatenate((np.zeros(count, np.intp), 1 + kind, 1 + count + np.arange(places)))
    column = np.concatenate((1 + np.arange(count), 1 + count + site, np.full(places, sink)))
    arcs = np.concatenate((need, need[kind], room))
    units = np.rint(np.minimum(arcs / total, 1.0) * UNITS).astype(np.int32)
    network = csr_array((units, (row, column)), shape=(sink + 1, sink + 1))
    flow = maximum_flow(network, 0, sink)
    residual = csr_array(network - flow.flow)
    residual.data = np.maximum(residual.data, 0)
    residual.eliminate_zeros()
    reached = np.zeros(sink + 1, dtype=bool)
    reached[breadth_first_order(residual, 0, return_predecessors=False)] = True
    return flow.flow_value / UNITS * total, reached[1 : 1 + count]
