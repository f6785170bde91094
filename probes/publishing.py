"""Telling what watches the agent how a round went: a metrics file, an OTLP endpoint [I/O].

Nothing that goes wrong with that is the round's fault, and it is waited for a few seconds at most.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probes.console import Console
from probes.outcome import Outcome
from probes.settings import Settings

if TYPE_CHECKING:
    import threading

# A network filesystem may never answer.
_LONGEST_S: Final = 2.0


class Publisher:
    """Where the figures of one vantage's rounds go; what goes wrong is said on the console."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings, self._console = settings, console
        self._writer: threading.Thread | None = None

    @property
    def export_s(self) -> float:
        """What an export may take of the time for shipping."""
        if self._settings.otlp is None:
            return 0.0
        from probes.otlp import LONGEST_S

        return LONGEST_S

    def publish(self, outcome: Outcome) -> None:
        """Tell of a round that is over."""
        settings = self._settings
        if settings.metrics is not None:
            from probes.metrics import write_metrics

            self._write(settings.metrics, lambda path: write_metrics(path, settings.vantage, outcome))
        if settings.otlp is not None:
            from probes import otlp

            try:
                otlp.export(settings.otlp, settings.vantage, outcome)
            except otlp.ExportError as fault:
                self._console.say(str(fault), event="otlp_failed")

    def lost(self, rows: int) -> None:
        """Tell of rows that were lost after their round was told of."""
        vantage = self._settings.vantage
        if self._settings.metrics is not None:
            from probes.metrics import add_lost_rows

            self._write(self._settings.metrics, lambda path: add_lost_rows(path, vantage, rows))

    def _write(self, path: Path, write: Callable[[Path], None]) -> None:
        import threading

        faults: list[OSError] = []

        def attempt() -> None:
            try:
                write(path)
            except OSError as fault:
                faults.append(fault)

        # What hangs still would hang again.
        if self._writer is None or not self._writer.is_alive():
            self._writer = threading.Thread(target=attempt, name="metrics", daemon=True)
            self._writer.start()
            self._writer.join(_LONGEST_S)
        if self._writer.is_alive():
            reason = f"no answer within {_LONGEST_S:g} s"
        elif faults:
            reason = faults[0].strerror or str(faults[0])
        else:
            return
        self._console.say(f"metrics {path}: {reason}", event="metrics_failed")
