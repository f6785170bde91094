"""The shape of the house: what stands where, how large it may grow, and what may never be in it."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from planner.costs import COST_ITEMS
from planner.rules import RULES
from probes.protocols import PROTOCOLS
from tests.conftest import STARTED_FIRST

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("planner", "probes")

MEGABYTE = 1_000_000
LONGEST_MODULE = 400
LONGEST_APP = 59

HOUSE = {"app.py", "data", "planner", "probes", "pyproject.toml", "tests"}
BESIDE_IT = {
    ".ci",
    ".gitattributes",
    ".gitignore",
    ".streamlit",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "constraints.txt",
    "docs",
}
NOT_OURS = {".git", ".venv", "__pycache__", "build", "dist", "out", "plans", "measurements"}


def tracked() -> list[Path]:
    """Files under version control; without git, every file that is no tool's leftover."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        files = (path for path in ROOT.rglob("*") if path.is_file())
        ours = (path.relative_to(ROOT) for path in files)
        return [path for path in ours if not NOT_OURS & set(path.parts) and "_cache" not in str(path)]
    names = (Path(name) for name in done.stdout.decode().split("\0") if name)
    return [name for name in names if (ROOT / name).is_file()]


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def configuration() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_top_level_entries():
    entries = {path.parts[0] for path in tracked()}
    assert entries >= HOUSE, f"the house lacks {HOUSE - entries}"
    assert entries <= HOUSE | BESIDE_IT, f"nothing else stands at the top: {entries - HOUSE - BESIDE_IT}"


@pytest.mark.parametrize("name", STARTED_FIRST)
def test_what_is_started_first_is_there(name):
    assert (ROOT / "tests" / name).is_file()


def test_registries():
    assert tuple(PROTOCOLS) == ("dns", "tcp", "tls", "http", "icmp")
    assert tuple(COST_ITEMS) == (
        "compute",
        "egress",
        "direct_connect",
        "cross_zone",
        "transfer",
        "outpost",
        "routing",
        "recovery",
    )
    assert tuple(RULES) == (
        "services",
        "max_ms",
        "coverage",
        "residency",
        "program",
        "capacity",
        "one_size",
        "utilisation",
        "parent",
        "service_link",
        "budget",
        "limits",
        "changes",
        "survive",
        "group",
        "tags",
        "routing",
        "recovery",
    )


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_one_file_that_opens_with_its_inequality(name):
    module = importlib.import_module(RULES[name].__module__)
    others = [other for other in RULES if RULES[other].__module__ == module.__name__]
    assert others == [name]
    first = (module.__doc__ or "").splitlines()[0]
    assert re.search(r"[=≤≥⊆]", first), f"{module.__name__} opens with {first!r}"


@pytest.mark.parametrize("name", COST_ITEMS)
def test_a_cost_item_is_one_file(name):
    assert COST_ITEMS[name].__module__ == f"planner.costs.{name}"


def test_app_is_navigation_and_nothing_else():
    assert len((ROOT / "app.py").read_text("utf-8").splitlines()) <= LONGEST_APP


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_fits_in_a_head_and_says_what_it_is(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert not text or ast.get_docstring(ast.parse(text)), "no docstring"
    assert not {"utils", "util", "common", "helpers", "helper", "base", "misc"} & set(dotted(path).split("."))


def test_every_module_of_the_planner_has_a_layer():
    contracts = configuration()["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    placed = {name for layer in layers for name in re.findall(r"[\w.]+", layer)}
    for path in modules():
        name = dotted(path)
        if not name.startswith("planner.") or path == ROOT / "planner/latency/__init__.py":
            continue
        assert any(name == layer or name.startswith(f"{layer}.") for layer in placed), f"{name} has no layer"


def test_repository_is_small():
    sizes = {name: (ROOT / name).stat().st_size for name in tracked()}
    large = {str(name): size for name, size in sizes.items() if size > 3 * MEGABYTE}
    assert not large
    assert sum(sizes.values()) < 20 * MEGABYTE


# Written so that this file does not match itself.
FOREIGN = {
    "a package registry": "|".join(
        (
            r"py[p]i\.(?:org|python)",
            r"pythonhos[t]ed\.org",
            r"np[m]js\.",
            r"crat[e]s\.io",
            r"--(?:extra-)?inde[x]-url",
        )
    ),
    "a path of one machine": r"(?<![\w.}])/(?:wor[k]|roo[t]|User[s]|home/\w+)/",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_no_tracked_file_names(what):
    pattern = re.compile(FOREIGN[what])
    found = []
    for name in tracked():
        try:
            text = (ROOT / name).read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {match.group()}" for match in pattern.finditer(text)]
    assert not found


def test_constraints_are_versions_only_and_cover_what_is_asked_for():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*==[0-9][\w.]*", pin) for pin in pins)
    assert pins == sorted(set(pins))
    project = configuration()["project"]
    wanted = set(project["dependencies"]).union(*project["optional-dependencies"].values())
    names = {re.match(r"[\w-]+", requirement).group().lower() for requirement in wanted} - {"edgeplan"}
    assert names <= {pin.split("==")[0] for pin in pins}


def test_base_install_is_the_agent():
    names = {re.match(r"\w+", item).group() for item in configuration()["project"]["dependencies"]}
    assert names == {"certifi", "dnspython", "h11"}


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_agent_starts_light():
    heavy = {"numpy", "scipy", "pandas", "pyarrow", "duckdb", "streamlit", "plotly", "httpx", "planner"}
    assert not loaded_by("probes.cli") & heavy


def test_planner_command_starts_without_the_page():
    assert not loaded_by("planner.cli") & {"streamlit", "plotly", "pandas"}
