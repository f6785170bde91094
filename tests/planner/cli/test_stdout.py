"""Descriptor 1 is for answers: what a library prints from C goes nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

NOISY = """
import os, sys
from planner import catalog_commands, cli
quiet = catalog_commands.show
def noisy(*given, **named):
    os.write(1, b"noise from a C library")
    return quiet(*given, **named)
catalog_commands.show = noisy
sys.exit(cli.main(["catalog", "show", "--json"]))
"""


def test_noise_on_descriptor_1_does_not_reach_the_answer():
    done = subprocess.run(
        [sys.executable, "-c", NOISY], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert "noise" not in done.stderr


def test_an_answer_there_is_no_room_for_is_one_error():
    # Little text, which fails when it is flushed at the end, and much, which fails in the middle.
    for arguments in (("targets",), ("catalog", "show", "--json")):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "planner", *arguments],
                cwd=ROOT,
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        assert (done.returncode, done.stderr) == (5, "edgeplan: error: No space left on device\n")
