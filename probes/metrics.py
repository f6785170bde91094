"""A Prometheus textfile, for node_exporter's textfile collector [I/O].

A process of one round remembers nothing, so what must last (counters, the last success) is read from the file
that the one before it wrote.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import math
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from probes.durable import write_whole
from probes.outcome import Outcome
from probes.readings import FAMILIES, RTT, Labels, by_site, readings
from probes.record import FAILURES

# node_exporter runs as a user of its own, and cron's umask may be anything.
_MODE: Final = 0o644

# Another run of this vantage holds the lock for as long as it takes to write a small file.
_PATIENCE_S: Final = 1.0
_NAP_S: Final = 0.02

_SUCCESS: Final = "edgeprobe_last_success_timestamp_seconds"
_LOST: Final = "edgeprobe_lost_rows_total"
_SUM, _COUNT = f"{RTT}_sum", f"{RTT}_count"
_SAMPLE: Final = re.compile(r"(edgeprobe_\w+)(\{[^\n]*\}) ([^ \n]+)")
_VANTAGE: Final = re.compile(r'\{vantage="([\w.-]+)"[,}]')

Samples = dict[str, dict[str, float]]
"""By name, then by labels as the file has them: ``samples["edgeprobe_rows_total"]['{vantage="a"}']``."""


def write_metrics(path: Path, vantage: str, outcome: Outcome) -> None:
    """Bring the file up to date with one more outcome. It is whole at any moment.

    Raises OSError, also where it would take the place of another vantage's figures or of what is no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path.parent):
        text = metrics_text(vantage, outcome, _read(path, vantage))
        write_whole(path, text.encode(), mode=_MODE)


def add_lost_rows(path: Path, vantage: str, rows: int) -> None:
    """Count rows as lost that no outcome tells of. Raises OSError as :func:`write_metrics` does."""
    with _locked(path.parent):
        found: Samples = collections.defaultdict(dict, _read(path, vantage))
        key = _labels(vantage)
        found[_LOST][key] = found[_LOST].get(key, 0.0) + rows
        write_whole(path, _text(found).encode(), mode=_MODE)


def metrics_text(vantage: str, outcome: Outcome, earlier: Samples) -> str:
    """The whole file: what the outcome says, and what lasts carried on from ``earlier``.

    Where nothing was measured, what an earlier round measured stays.
    """
    found: Samples = collections.defaultdict(dict)
    for reading in readings(outcome):
        found[reading.name][_labels(vantage, reading.labels)] = reading.value
    measured = outcome.measuring_s is not None
    for name, samples in earlier.items():
        stays = not measured or name in (_SUM, _COUNT) or not FAMILIES[_family(name)].of_round
        if name not in found and stays:
            found[name] = dict(samples)
    succeeded = outcome.code == 0 and outcome.stored
    found[_SUCCESS].setdefault(_labels(vantage), 0.0)
    if succeeded:
        found[_SUCCESS][_labels(vantage)] = outcome.ended_s
    _count(found, vantage, outcome)
    return _text(found)


def _count(found: Samples, vantage: str, outcome: Outcome) -> None:
    def add(name: str, more: float, labels: Labels = ()) -> str:
        key = _labels(vantage, labels)
        found[name][key] = found[name].get(key, 0.0) + more
        return key

    add("edgeprobe_runs_total", 1, (("code", str(outcome.code)),))
    add("edgeprobe_rows_total", len(outcome.rows))
    add("edgeprobe_shipped_rows_total", outcome.shipped_rows)
    add(_LOST, outcome.lost_rows)
    add("edgeprobe_conflict_rows_total", outcome.conflict_rows)
    failures = outcome.failures
    for failure in FAILURES:
        add("edgeprobe_failures_total", failures.get(failure, 0), (("failure", failure),))
    probed = set()
    for labels, series in by_site(outcome).items():
        answered_ms = series.answered_ms
        add(_SUM, math.fsum(answered_ms) / 1e3, labels)
        probed.add(add(_COUNT, len(answered_ms), labels))
    # A whole round has a row of everything that is still probed; one that was cut short has not.
    if outcome.measuring_s is not None and outcome.code == 0:
        for name in (_SUM, _COUNT):
            found[name] = {key: value for key, value in found[name].items() if key in probed}


def _text(found: Samples) -> str:
    return "".join(_written(name, family.kind, family.meaning, found) for name, family in FAMILIES.items())


def _written(name: str, kind: str, meaning: str, found: Samples) -> str:
    lines = [
        f"{part}{labels} {_number(value)}\n"
        for part in ((name, _SUM, _COUNT) if kind == "summary" else (name,))
        for labels, value in found.get(part, {}).items()
    ]
    return "".join((f"# HELP {name} {meaning}\n", f"# TYPE {name} {kind}\n", *lines)) if lines else ""


def _labels(vantage: str, labels: Labels = ()) -> str:
    """Labels as the file has them. Each sample says its vantage: a host may have several, a file each."""
    inner = ",".join(f'{name}="{_escaped(value)}"' for name, value in (("vantage", vantage), *labels))
    return f"{{{inner}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(value)


def _read(path: Path, vantage: str) -> Samples:
    """What the file held of this vantage; nothing where there is none or it is not ours. Raises OSError."""
    samples: Samples = {}
    try:
        # Reading a pipe would wait for ever, and writing would put a file in its place.
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("not a regular file")
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return samples
    for line in text.split("\n"):
        found = _SAMPLE.fullmatch(line)
        if found is None or _family(found[1]) not in FAMILIES:
            continue
        whose = _VANTAGE.match(found[2])
        if whose is None:
            continue
        if whose[1] != vantage:
            raise OSError(
                f"the figures of vantage {whose[1]} are there; each vantage needs a file of its own"
            )
        with contextlib.suppress(ValueError):
            value = float(found[3])
            if value >= 0:
                samples.setdefault(found[1], {})[found[2]] = value
    return samples


def _family(name: str) -> str:
    return RTT if name in (_SUM, _COUNT) else name


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Have the directory's metrics to oneself, waiting a moment for it. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(_NAP_S)
        yield
    finally:
        os.close(descriptor)
