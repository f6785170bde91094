"""Pushing what the spool still holds, apart from any round [I/O]."""

from __future__ import annotations

import time

from probes import schedule
from probes.console import Console
from probes.inbox import open_inbox
from probes.redaction import without_secrets
from probes.sanity import Sanity
from probes.settings import Settings
from probes.spool import Shipped, Spool
from probes.watchdog import Watchdog, ending_on_signals


def ship(settings: Settings, console: Console, exit_code: int) -> list[Shipped]:
    """Put all that waits into the store; what became of each round, oldest first.

    A store that takes none for as long as a round's own shipping may last ends the process with
    ``exit_code``, and a signal ends it at once: what is not shipped by then stays. Raises StoreError,
    SpoolError and SpoolBusyError.
    """
    now_s = time.time()
    span_s = schedule.shipping_span(now_s, now_s, None)
    judge = Sanity(settings.targets, settings.carrier)
    spool = Spool(settings.spool, settings.vantage, max_mb=settings.spool_max_mb, judge=judge)
    done: list[Shipped] = []

    def give_up() -> None:
        console.say(
            f"store {without_secrets(settings.store)}: no answer within {span_s:.0f} s;"
            f" {len(done)} rounds shipped",
            event="store_failed",
            level="error",
            code=exit_code,
        )

    with ending_on_signals(), spool.locked(), Watchdog(span_s, exit_code, give_up) as watchdog:
        for one in spool.ship(open_inbox(settings.store, span_s)):
            done.append(console.shipped(one))
            watchdog.reset()
    return done
