"""A skip fails in CI and only there, wherever in a test file it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "in a test": "import pytest\ndef test_it(): pytest.skip('no wind')",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no wind')\ndef test_it(): pass",
    "in a fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no wind')\ndef test_it(f): pass",
    "of a module": "import pytest\npytest.skip('no wind', allow_module_level=True)",
}


def run(tmp_path: Path, source: str, ci: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_it.py").write_text(source, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    environment = {**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [*command, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("place", SKIPS)
def test_a_skip_fails_in_ci(place, tmp_path):
    done = run(tmp_path, SKIPS[place], ci="true")
    assert done.returncode != 0
    assert "was skipped in CI" in done.stdout
    assert "no wind" in done.stdout


def test_a_skip_passes_on_a_desk(tmp_path):
    done = run(tmp_path, SKIPS["by a mark"], ci="")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout


def test_a_passing_test_passes_in_ci(tmp_path):
    assert run(tmp_path, "def test_it(): pass", ci="true").returncode == 0
