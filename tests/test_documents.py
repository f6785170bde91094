"""What the documents promise is there: files they link to, commands and targets they name."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from planner.reference import rules_and_costs

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


def test_the_architecture_names_every_module_and_package():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    missing = []
    for package in ("planner", "probes"):
        heading = text.index(f"`{package}/`")
        part = text[heading : text.find("\n## ", heading)]
        for path in sorted((ROOT / package).iterdir()):
            name = f"{path.name}/" if (path / "__init__.py").exists() else path.name
            spoken_of = re.search(rf"`{re.escape(name)}[^`]*`", part)
            if (name.endswith("/") or path.suffix == ".py") and not path.name.startswith("__"):
                missing += [] if spoken_of else [f"{package}/{name}"]
    assert not missing
    named = re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text)
    assert named
    folders = ("", "planner/", "planner/solver/", "planner/latency/", "probes/", "planner/pages/")
    assert [name for name in named if not any((ROOT / folder / name).exists() for folder in folders)] == []
