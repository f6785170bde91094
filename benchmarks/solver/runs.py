"""Solving in processes of their own: ours, warm and asked again and again; a peer, once [I/O]."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.solver.instances import Instance
from benchmarks.table import say

ROOT = Path(__file__).resolve().parents[2]
PEER_PROCESS = Path(__file__).with_name("peer_process.py")

GRACE_S = 20.0
"""How far beyond its own limit a solver may go before it is killed; HiGHS looks at the clock seldom."""

BUILD_S = 600.0
"""How long a peer's model may take to stand before it is given up."""

NO_MODEL = "milp by bisection"
"""An algorithm around milp, for p-centers: shown for comparison."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """What the whole command was asked for. ``folder``: published instances, None = none are at hand."""

    folder: Path | None
    scratch: Path
    peers: tuple[str, ...]
    peers_python: str
    limit_s: float
    hard_s: float
    runs: int
    seed: int
    quick: bool
    front_peers: int
    peer_gb: float
    match: tuple[str, ...] = ("*",)
    allowance: float = 3.0


class Ours:
    """A process of ours that answers one request after the other, ready once its kernels are.

    ``warm_s``: seconds from the start of the process to that.
    """

    def __init__(self) -> None:
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.solver.ours"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.ready = self._hear(BUILD_S)
        self.warm_s = time.perf_counter() - began

    def ask(self, task: str, path: Path, *, limit_s: float, wait_s: float, **more: object) -> Answer:
        """The answer, or ``{"error"}`` when there is none within ``wait_s``; the process is then gone."""
        assert self._process.stdin is not None
        if self._process.poll() is not None:
            return {"error": f"the process ended with {self._process.returncode}"}
        request = {"task": task, "path": str(path), "limit_s": limit_s, **more}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._hear(wait_s)

    def _hear(self, wait_s: float) -> Answer:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], wait_s)
        line = self._process.stdout.readline() if ready else ""
        if line:
            answer: Answer = json.loads(line)
            return answer
        if ready:
            return {"error": f"the process ended with {self._process.wait()}"}
        _end(self._process)
        return {"error": f"nothing in {wait_s:.0f} s"}

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Ours:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        _end(self._process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process that leads its session, with all it started (PuLP starts CBC)."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def solve_ours(ours: Ours, instance: Instance, setting: Setting, *, limit_s: float, runs: int) -> Answer:
    """Ask for ``runs`` solutions: seconds of each, and what the last one says."""
    path = instance.write(setting.scratch)
    return ours.ask("solve", path, limit_s=limit_s, wait_s=(limit_s + GRACE_S) * runs + 60, runs=runs)


def solve_peer(name: str, instance: Instance, setting: Setting, *, limit_s: float) -> Answer:
    """One run of a peer: ``objective bound proven build_s solve_s peak_mb``, or ``error``."""
    path = instance.write(setting.scratch)
    with tempfile.TemporaryDirectory() as place:
        process = subprocess.Popen(
            [setting.peers_python, str(PEER_PROCESS), name, str(path), str(limit_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            cwd=place,
            env={**os.environ, "TMPDIR": place, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_bytes(setting.peer_gb),) * 2),
        )
        try:
            answer = _listen(process, limit_s)
        except BaseException:
            _end(process)
            raise
        _end_waiting(process, answer)
    return answer


def _bytes(gigabytes: float) -> int:
    return int(gigabytes * 2**30)


def _listen(process: subprocess.Popen[str], limit_s: float) -> Answer:
    """Collect its JSON lines until the result or the hard limit; solvers print what they like between."""
    assert process.stdout is not None
    descriptor, pending, answer = process.stdout.fileno(), b"", Answer(proven=False)
    until = time.monotonic() + BUILD_S
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return {**answer, "error": "killed", "solve_s": limit_s}
        chunk = os.read(descriptor, 65536)
        if not chunk:
            return {**answer, "error": answer.get("error", "ended without a result (memory?)")}
        *whole, pending = (pending + chunk).split(b"\n")
        for line in whole:
            if not line.startswith(b"{"):
                continue
            said = json.loads(line)
            answer.update(said)
            if "build_s" in said and "solve_s" not in said:
                until = time.monotonic() + limit_s + GRACE_S
            if "solve_s" in said:
                return answer


def _end_waiting(process: subprocess.Popen[str], answer: Answer) -> None:
    """End it and take its peak memory, that of what it started included."""
    ended_well = "solve_s" in answer and "error" not in answer
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM if ended_well else signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout is not None:
        process.stdout.close()
    answer["peak_mb"] = usage.ru_maxrss / 1024


def peer_versions(python: str) -> Mapping[str, str]:
    """Name to distribution and version, of the peers that interpreter has."""
    done = subprocess.run([python, str(PEER_PROCESS)], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def best_peer(instance: Instance, setting: Setting) -> tuple[str, dict[str, Answer]]:
    """Every peer once; the fastest that proves ("" when none does), and what each said.

    A peer that has taken ``setting.allowance`` times as long as the best so far (and 10 s) cannot be it:
    it is stopped there, so that the comparison ends.
    """
    answers: dict[str, Answer] = {}
    best, best_s = "", setting.limit_s
    for name in setting.peers:
        if name == "spopt" and instance.kind == "uflp":
            continue  # it has no class with opening costs
        if name == NO_MODEL and instance.kind != "p_center":
            continue
        limit = min(setting.limit_s, max(10.0, setting.allowance * best_s)) if best else setting.limit_s
        answer = answers[name] = solve_peer(name, instance, setting, limit_s=limit)
        answer["limit_s"] = limit
        proven = answer["proven"] and "error" not in answer
        if proven and name != NO_MODEL and (not best or answer["solve_s"] < best_s):
            best, best_s = name, answer["solve_s"]
        told = f"{answer.get('solve_s', float('nan')):.3f} s" + ("" if proven else ", not proven")
        say(f"{instance.name}: {name} {answer.get('error', told)}")
    return best, answers
