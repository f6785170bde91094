"""Many scenarios at once, by any executor: processes of this machine, or a Dask cluster by its URL [I/O].

What comes back does not depend on who worked it out: each scenario carries all that it needs, its random
numbers included, and outcomes are put in the scenarios' order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Final, TypeVar

from planner.estate.live import Estate
from planner.estate.outcome import Outcome, outcome_of
from planner.estate.scenario import Scenario

CHUNKS_PER_WORKER: Final = 4
"""Enough that nobody waits long for the last, few enough that an estate is sent seldom."""

CONNECT_S: Final = 10.0

Report = Callable[[int, int, str], None]
Result = TypeVar("Result")


class ClusterError(OSError):
    """The cluster cannot be reached."""


@contextmanager
def executor_at(url: str | None, jobs: int | None = None) -> Iterator[tuple[Executor, int]]:
    """The executor and how many work for it: ``jobs`` processes (all cores for None), or the Dask cluster
    whose scheduler is at ``url`` (``tcp://host:8786``). Raises :class:`ClusterError` when nobody answers."""
    if url is None:
        workers = jobs or os.cpu_count() or 1
        # Not forked: a forked child has the solver's and NumPy's locks, and none of their threads.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool, workers
        return
    from distributed import Client

    try:
        client = Client(url, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as fault:
        raise ClusterError(f"{url}: no Dask scheduler answers ({fault})") from None
    with client:
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        if workers == 0:
            raise ClusterError(f"{url}: the scheduler has no workers")
        yield client.get_executor(), workers  # type: ignore[no-untyped-call]


def outcomes_of(estate: Estate, scenarios: Sequence[Scenario]) -> tuple[Outcome, ...]:
    """Here and now, one after the other."""
    return tuple(outcome_of(estate, scenario) for scenario in scenarios)


def sweep(
    work: Callable[[Sequence[Scenario]], tuple[Result, ...]],
    scenarios: Sequence[Scenario],
    executor: Executor,
    workers: int,
    progress: Report = lambda done, total, words: None,
) -> tuple[Result, ...]:
    """``work`` done on every scenario, results in their order; it must be fit to be sent (a function of a
    module, or a partial of one). ``progress`` hears (done, in all, what is done)."""
    size = max(1, -(-len(scenarios) // (workers * CHUNKS_PER_WORKER)))
    parts = [scenarios[start : start + size] for start in range(0, len(scenarios), size)]
    futures: list[Future[tuple[Result, ...]]] = [executor.submit(work, part) for part in parts]
    done = 0
    for future in as_completed(futures):
        done += len(future.result())
        progress(done, len(scenarios), "working out scenarios")
    return tuple(result for future in futures for result in future.result())
