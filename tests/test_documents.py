"""What the documents promise is there: files they link to, commands and targets they name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from planner.costs import COST_ITEMS
from planner.inputs import load_inputs
from planner.problem import build_problem
from planner.reference import rules_and_costs
from planner.rules import RULES
from planner.study import load_study, shipped_studies

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)")
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document):
    targets = LINK.findall(document.read_text("utf-8"))
    local = [target for target in targets if "://" not in target]
    missing = [target for target in local if not (document.parent / target).exists()]
    assert not missing


def named(program: str) -> list[str]:
    """The commands of ``program`` that the README shows, each once."""
    found = re.findall(rf"^    {program} ([a-z]+)", README, re.MULTILINE)
    return sorted(set(found))


def test_readme_names_the_commands_it_should():
    assert {"run", "test", "plan"} <= set(named("make"))
    assert {"plan", "frontier", "explain", "whatif", "matrix", "targets"} <= set(named("edgeplan"))
    assert {"check", "run"} <= set(named("edgeprobe"))


@pytest.mark.parametrize("target", named("make"))
def test_make_has_the_target(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("package", "command"),
    [
        *(("planner", command) for command in named("edgeplan")),
        *(("probes", command) for command in named("edgeprobe")),
    ],
)
def test_command_and_its_options_exist(package, command):
    program = {"planner": "edgeplan", "probes": "edgeprobe"}[package]
    done = subprocess.run(
        [sys.executable, "-m", package, command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in README.splitlines():
        if re.search(rf"(^|/|\s){program} {command}\b", line):
            called = re.split(r"[#`]", line[line.index(f"{program} {command}") :])[0]
            for option in re.findall(r"(?<!\S)--[a-z]+", called):
                assert option in done.stdout, f"{program} {command} has no {option}"


def test_rules_and_costs_are_those_of_the_code():
    assert (ROOT / "docs" / "rules-and-costs.md").read_text("utf-8") == rules_and_costs(), "make reference"


def test_every_cost_item_is_in_a_shipped_study():
    text = (ROOT / "docs" / "rules-and-costs.md").read_text("utf-8").partition("## Costs")[2]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    used = {row[0]: row[-1] for row in rows if row[0] not in ("item", "---")}
    assert used.keys() == COST_ITEMS.keys()
    shipped = {path.stem for path in (ROOT / "data" / "studies").glob("*.toml")}
    for name, studies in used.items():
        assert set(studies.strip().split(", ")) & shipped, f"{name} is in no study"


def test_the_rules_of_the_shipped_studies_forbid_something():
    """In one study at least: a pair, a site, or by a row or a failure."""
    forbids = set()
    for path in shipped_studies():
        study = load_study(path)
        inputs = load_inputs(study)
        for problem in build_problem(study, inputs).options:
            for effect in problem.effects:
                masks = [mask for mask in (effect.sites, effect.pairs) if mask is not None]
                if effect.rows or effect.covers or effect.failover or not all(mask.all() for mask in masks):
                    forbids.add(effect.rule.partition("[")[0])
    named = {
        "limits": "max_sites",
        "changes": "max_changes",
        "utilisation": "min_utilisation",
        "recovery": "rto",
    }
    assert {rule for rule in RULES if named.get(rule, rule) not in forbids} == set()


def test_every_key_of_a_study_is_described():
    described = set(re.findall(r"[a-z_]+", (ROOT / "docs" / "study.md").read_text("utf-8")))
    studies = [ROOT / "tests" / "golden" / "study.toml", *(ROOT / "data" / "studies").glob("*.toml")]
    asked = set().union(*(_keys(tomllib.loads(path.read_text("utf-8"))) for path in studies))
    assert len(asked) > 40
    assert asked <= described


def _keys(table: dict) -> set[str]:
    found = set(table)
    for key, value in table.items():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict) and key != "tags":  # whose keys are names of sites
                found |= _keys(inner)
    return found
