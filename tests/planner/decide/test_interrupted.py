"""Ctrl-C ends all that a command solves, not only the part that is being solved."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from planner.decide import explain
from planner.inputs import load_inputs
from planner.solver.interrupt import stop_asked
from planner.study import load_study

STUDY = Path(__file__).resolve().parents[3] / "data" / "studies" / "eu-regulated.toml"


def test_no_rule_is_priced_once_somebody_pressed_ctrl_c():
    study = load_study(STUDY)
    inputs = load_inputs(study, ())
    pressed = list[str]()

    def press(done, total, words):
        if words.startswith("without ") and not pressed:
            pressed.append(words)
            timer = threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            timer.join()

    found = explain(study, inputs, progress=press)
    assert pressed
    assert found.plan.termination == "optimal"
    assert sum(price.proven for price in found.rule_prices) <= 1
    assert not stop_asked()
