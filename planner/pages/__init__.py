"""The page: what was decided and why, on one machine, with no request leaving it.

``charts`` and the map are pure functions from frozen values to Plotly figures; the modules named
``*_page`` draw them; ``session`` is the only one that remembers anything.
"""
