"""A fleet beyond every cloud is refused where it is written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.study import StudyError, parse_study

TEXT = """\
name = "huge"
[demand]
cities = { top = 5 }
peak_rps = 1e12
[candidates]
[workload]
rps_per_instance = 0.001
"""


def test_more_instances_than_any_cloud_has():
    words = (
        "huge.toml, workload.rps_per_instance: 0.001 makes 1e+15 instances of 1e+12 requests a second;"
        " at most 1,000,000 are planned"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(words)}$"):
        parse_study(TEXT, name="huge.toml", directory=Path())
