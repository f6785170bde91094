"""Which clients and which sites a rule speaks of, and which countries it names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from planner.inputs import Inputs
from planner.study import Selector


def countries_of(selector: Selector, inputs: Inputs) -> frozenset[str]:
    """The countries named directly or through jurisdictions."""
    named = [inputs.jurisdictions[name] for name in selector.jurisdictions]
    return frozenset(selector.countries).union(*named)


def clients_of(selector: Selector, inputs: Inputs) -> NDArray[np.bool_]:
    """(m,) True for clients whose country or one of whose data classes is selected."""
    countries, classes = countries_of(selector, inputs), frozenset(selector.classes)
    return np.array(
        [client.country in countries or bool(client.classes & classes) for client in inputs.demand.clients],
        dtype=bool,
    )


def sites_of(patterns: Sequence[str], inputs: Inputs) -> NDArray[np.bool_]:
    """(n,) True for sites whose id is one of ``patterns``, or matches one."""
    return np.array(
        [any(fnmatchcase(site.id, pattern) for pattern in patterns) for site in inputs.sites], dtype=bool
    )
