"""Kernels compiled beforehand: all of them, of the types of real use, and never without a word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from planner.solver import warm
from planner.solver.placement import SMALL_PAIRS, silent, solve_placement

ROOT = Path(__file__).parents[3]
LIMITED = warm._problem()
PURE = LIMITED.aiming_at("mean_latency").without(["coverage"])


@pytest.mark.parametrize(
    "arguments",
    [
        "planner.cli --help",
        "planner.cli plan --help",
        "planner.cli catalog --provider aws",
        "probes.cli --help",
        "probes.cli --version",
    ],
)
def test_what_needs_no_solver_does_not_load_numba(arguments):
    module, *rest = arguments.split()
    code = (
        "import sys\n"
        f"from {module} import main\n"
        f"try:\n    main({rest!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'numba', 'llvmlite', 'highspy'}), "
        "file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.fixture
def cold(monkeypatch, tmp_path):
    """Nothing compiled yet, as far as anybody knows."""
    monkeypatch.setattr(warm, "CACHE", str(tmp_path))
    monkeypatch.setattr(warm, "_prepared", set())


def test_preparing_says_so_once(cold, monkeypatch):
    said = []
    warm.prepare(LIMITED, lambda done, total, words: said.append(words))
    assert len(said) == 1
    assert "preparing the solver, once" in said[0]
    warm.prepare(LIMITED, lambda done, total, words: said.append(words))
    monkeypatch.setattr(warm, "_prepared", set())  # another process
    warm.prepare(LIMITED, lambda done, total, words: said.append(words))
    assert len(said) == 1


def test_a_note_about_other_kernels_does_not_count(cold, monkeypatch):
    said = []
    warm.prepare(LIMITED, lambda done, total, words: said.append(words))
    monkeypatch.setattr(warm, "_prepared", set())
    monkeypatch.setattr(warm, "_state", lambda: "changed since")
    warm.prepare(LIMITED, lambda done, total, words: said.append(words))
    assert len(said) == 2


def test_the_command_is_silent_when_all_is_done(cold, capsys, monkeypatch):
    monkeypatch.setattr(warm, "library", lambda: None)
    assert warm.main() == 0
    assert "compiling the solver's kernels" in capsys.readouterr().out
    assert warm.main() == 0
    assert capsys.readouterr().out == ""


def test_what_only_some_problems_need_is_compiled_for_those(cold, monkeypatch):
    called = []
    monkeypatch.setattr(warm, "studies", lambda: called.append("studies"))
    monkeypatch.setattr(warm, "pure", lambda: called.append("pure"))
    warm.prepare(LIMITED, silent)
    assert called == ["studies"]
    warm.prepare(PURE, silent)
    assert called == ["studies", "pure"]


def test_the_instances_reach_what_they_are_made_for():
    for problem in (LIMITED, PURE):
        assert problem.allowed.sum() > SMALL_PAIRS
        assert solve_placement(problem).termination == "optimal"


def test_studies_compile_what_a_study_needs(monkeypatch):
    from planner.decide import decide
    from planner.inputs import load_inputs
    from planner.solver.whole_clients import deal_out
    from planner.study import load_study, shipped_studies

    warm.studies()
    before = list(deal_out.signatures)
    assert before
    study = load_study(next(path for path in shipped_studies() if path.stem == "factory-outposts"))
    decide(study, load_inputs(study))
    assert deal_out.signatures == before
