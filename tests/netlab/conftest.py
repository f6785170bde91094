"""A lab for a test, and the real agent in it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.netlab import Netlab, Way, missing

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def netlab() -> Iterator[Callable[..., Netlab]]:
    """Set up a lab: ``netlab({"10.77.0.0/16": Way(rtt_ms=20)})``; taken down after the test."""
    why = missing("nginx", "nsd", "openssl", "ping")
    if why is not None:
        pytest.skip(why)
    with contextlib.ExitStack() as stack:

        def begin(ways: dict[str, Way] | None = None, **options: Any) -> Netlab:
            return stack.enter_context(Netlab(ways, **options))

        yield begin


@pytest.fixture
def measured_rows(tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Run one round of ``edgeprobe run --json`` in the near namespace; its rows, sample by sample."""

    def run(
        lab: Netlab,
        targets: list[dict[str, object]],
        *,
        environment: dict[str, str] | None = None,
        files: dict[str, Path] | None = None,
        **agent: object,
    ) -> list[dict[str, Any]]:
        values = {
            "vantage": "near",
            "country": "DE",
            "lat": 50.1,
            "lon": 8.7,
            "store": "store",
            "samples": 1,
            "timeout_ms": 3000,
            "deadline_s": 30,
            **agent,
        }
        lines = ["[agent]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        for target in targets:
            lines += ["[[target]]", *(f"{key} = {json.dumps(value)}" for key, value in target.items())]
        configuration = tmp_path / "probes.toml"
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        done = lab.near.run(
            [sys.executable, "-m", "probes", "run", configuration, "--json"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            files=files,
            timeout=60,
        )
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return sorted(rows, key=lambda row: row["sample"])

    return run
