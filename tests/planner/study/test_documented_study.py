"""The study of several providers in docs/study.md is planned as it stands, in names that every list has."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from planner.decide import decide
from planner.inputs import load_inputs
from planner.study import parse_study

ROOT = Path(__file__).resolve().parents[3]
SECTION = (
    (ROOT / "docs" / "study.md").read_text("utf-8").partition("## Several providers")[2].partition("\n## ")[0]
)


def test_it_is_planned_as_it_stands(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
    study = parse_study(text, name="study.md", directory=tmp_path)
    inputs = load_inputs(study)
    plan = decide(study, inputs, time_limit_s=60.0)
    assert (plan.termination, plan.audit) == ("optimal", ())
    assert len(inputs.sites) == len(study.candidates.include)
    assert len({row.provider for row in plan.placements}) >= 2


def test_its_common_names_are_those_that_every_list_has():
    named = set(re.findall(r"`([a-z-]+)`", SECTION.partition("```")[0]))
    listed = []
    for path in sorted((ROOT / "data" / "providers").glob("*/services.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            listed.append({row["service"] for row in csv.DictReader(file)})
    assert len(listed) == 3
    assert named == set.intersection(*listed)
