"""Reading and deciding, kept for the life of the process and shown while it runs.

Plans come twice: the first that breaks no rule as soon as there is one, for the page to draw, then the proven
one (:func:`follow`). Both come from a job beside the script, so that the next slider never waits.

A result is a frozen value, so every session may share it. Its key is all it depends on: the study's text,
the place its files stand, and the content of every store.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final, TypeVar, cast

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from planner.decide import Explanation, Frontier, decide, decide_frontier, explain, traded
from planner.drift.checking import Asked, check_plan
from planner.drift.saved_plan import SavedPlan, SavedPlanError
from planner.drift.verdict import Check
from planner.inputs import Inputs, asking, load_inputs, restated
from planner.latency.networks import NetworkModels, network_models, networks_of
from planner.measurements import (
    PairStatistic,
    Rounds,
    hash_sources,
    read_published,
    read_rounds,
    read_stores,
)
from planner.pages import session
from planner.pages.job import Job, Jobs, Say, Tell
from planner.plan import Plan
from planner.problem import build_problem
from planner.study import Study, study_toml

Value = TypeVar("Value")
_ASKED: Final = "edgeplan.asked"
_BEFORE: Final = "edgeplan.asked-before"
KEPT = 48
FRONT_POINTS = 17
TIME_LIMIT_S = 120.0
FRONT_LIMIT_S = 90.0
EXPLAIN_LIMIT_S = 180.0
STORE_LOOK_S = 30.0
POLL_S = 0.15
QUIET_S = 0.3
"""A wait shorter than this shows no bar: it would only flash."""
REDRAW_S = 0.6
"""A better plan is drawn anew after this long at the soonest."""
ASKING: Final = "Asking why"
REDRAW_WHY_S = 2.0
"""What more is known of why is drawn after this long at the soonest."""
CLOSE = 0.03
LONGER_S = 0.5
"""A first plan this close to the best possible is shown at once; another has so long to get better."""


@dataclass(slots=True)
class Shelf:
    """The most recently used results; safe to share between sessions."""

    kept: OrderedDict[str, object] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def get(self, key: str, make: Callable[[], Value]) -> Value:
        """The value under ``key``, made if it is not there. What raises is not kept."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return cast(Value, self.kept[key])
        value = make()
        self.keep(key, value)
        return value

    def keep(self, key: str, value: object) -> None:
        """Put ``value`` under ``key``; what was used longest ago makes room."""
        with self.lock:
            self.kept[key] = value
            while len(self.kept) > KEPT:
                self.kept.popitem(last=False)

    def look(self, key: str) -> object | None:
        """What is kept under ``key``."""
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """The models of this study's networks, and by provider the pairs measured to its sites."""

    models: NetworkModels
    statistics: Mapping[str, tuple[PairStatistic, ...]]


@st.cache_resource
def shelf() -> Shelf:
    """Every session's results."""
    return Shelf()


@st.cache_resource
def _jobs() -> Jobs:
    return Jobs()


@st.cache_data(ttl=STORE_LOOK_S, show_spinner=False)
def _content(stores: tuple[str, ...]) -> str:
    """What the stores hold, as one hash; looked at again only after a while, since reading all of it may
    be slow. Raises :class:`~planner.measurements.MeasurementError`."""
    return repr(hash_sources(stores))


def key_of(what: str, study: Study, stores: tuple[str, ...]) -> str:
    """What a result of this kind is kept under."""
    place = "" if study.path is None else str(study.path.parent)
    files = ""
    if study.demand.csv is not None and study.demand.csv.is_file():
        files = hashlib.sha256(study.demand.csv.read_bytes()).hexdigest()
    if study.prices is not None and study.prices.is_file():
        files += hashlib.sha256(study.prices.read_bytes()).hexdigest()
    parts = (what, study_toml(study), place, str(study.demand.csv), files, _content(stores))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def inputs_of(study: Study, stores: tuple[str, ...]) -> Inputs:
    """The study's inputs. Raises an :class:`~probes.strict_toml.InputError`."""
    # The spinner's place is there whether or not anything is read: what follows must not change places.
    with st.spinner("Reading sites, prices, demand and measurements …"):
        ask = asking(study)
        inputs = shelf().get(key_of("inputs", ask, stores), lambda: load_inputs(ask, stores))
    return restated(inputs, study)


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan to be shown; ``job`` is at work on a better one, or on its proof, and None when it is final."""

    plan: Plan
    job: Job[Plan] | None = None


def plan_of(
    study: Study, stores: tuple[str, ...], start: Plan | None, what: str = "Deciding where to run"
) -> Decided:
    """The study's plan, or the first there is of it, with a bar of progress while there is none.

    ``start``: the plan of a study much like this one, whose sites are tried first.
    """
    inputs = inputs_of(study, stores)
    job = job_of(
        key_of("plan", study, stores),
        lambda say, tell: decide(
            study, inputs, time_limit_s=TIME_LIMIT_S, progress=say, start=start, on_plan=tell
        ),
    )
    place = st.empty()
    if not isinstance(job, Job):
        return Decided(job)
    plan = _first(job, what, place)
    return Decided(plan, None if job.done else job)


def front_of(study: Study, stores: tuple[str, ...]) -> Frontier:
    """The study's latency/cost front, with a bar of progress while it is being traced.

    It is traced once whatever the study's SLO, budget and objective are: the front leaves them out.
    """
    asked = traded(study)
    inputs = inputs_of(asked, stores)
    job = job_of(
        key_of("front", asked, stores),
        lambda say, tell: decide_frontier(
            asked, inputs, points=FRONT_POINTS, time_limit_s=FRONT_LIMIT_S, progress=say
        ),
    )
    place = st.empty()
    front = awaited(job, "Tracing the front", place) if isinstance(job, Job) else job
    hashes = restated(inputs, study).hashes
    return replace(front, plans=tuple(replace(plan, inputs=hashes) for plan in front.plans))


@dataclass(frozen=True, slots=True)
class Explained:
    """What is known of why; ``job`` finds out the rest, None when that is all. ``place`` is its bar's."""

    known: Explanation
    job: Job[Explanation] | None
    place: DeltaGenerator


def explained_of(study: Study, stores: tuple[str, ...]) -> Explained:
    """What each rule and each site is worth, as far as it is known."""
    inputs = inputs_of(study, stores)
    job = job_of(
        key_of("why", study, stores),
        lambda say, tell: explain(study, inputs, time_limit_s=EXPLAIN_LIMIT_S, progress=say, told=tell),
    )
    place = st.empty()
    if not isinstance(job, Job):
        return Explained(job, None, place)
    _wait(job, ASKING, place, lambda waited: job.done or job.latest is not None)
    known = job.latest
    if job.done or known is None:
        return Explained(awaited(job, ASKING, place), None, place)
    return Explained(known, job, place)


def follow_why(explained: Explained) -> None:
    """Wait for more to be known, and draw the page anew."""
    job = explained.job
    if job is None:
        return

    def enough(waited: float) -> bool:
        return job.done or (waited > REDRAW_WHY_S and job.latest is not explained.known)

    _wait(job, ASKING, explained.place, enough)
    if job.fault is not None:
        raise job.fault
    st.rerun()


def proven(decided: Decided) -> Plan:
    """The final plan, with a bar of progress until it is there."""
    place = st.empty()
    return decided.plan if decided.job is None else awaited(decided.job, "Deciding where to run", place)


def follow(*shown: tuple[Decided, Callable[[Plan], None]]) -> None:
    """Wait until every plan shown is final, and draw the page anew for each that gets better.

    With each plan what says its badges again, called with the same plan and a better bound.
    """
    here, drawn = st.empty(), time.monotonic()
    seen = [decided.plan for decided, _ in shown]
    while any(decided.job is not None for decided, _ in shown):
        for at, (decided, say_again) in enumerate(shown):
            job = decided.job
            if job is None:
                continue
            job.wait(session.name(), POLL_S, seen[at])
            here.empty()  # where Streamlit ends this run, should the reader have moved on
            if job.fault is not None:
                raise job.fault
            if job.done:
                st.rerun()
            if job.latest is None or job.latest is seen[at]:
                continue
            seen[at] = job.latest
            if seen[at].assignments is decided.plan.assignments:
                say_again(seen[at])
        moved = any(
            new.assignments is not decided.plan.assignments
            for new, (decided, _) in zip(seen, shown, strict=True)
        )
        if moved and time.monotonic() - drawn > REDRAW_S:
            st.rerun()


def checked_of(saved: SavedPlan, stores: tuple[str, ...], days: float) -> Check:
    """A plan held against what was measured in the last ``days``, all since it was made for inf."""
    if saved.study is None:
        raise SavedPlanError(saved.directory, "does not say which study it is of; the command takes --study")
    study, now = saved.study, datetime.now(UTC)
    since = datetime.fromtimestamp(0, UTC) if math.isinf(days) else now - timedelta(days=days)
    parts = ("check", repr(saved), f"{days}", f"{now:%Y-%m-%dT%H}")
    asked = Asked(stores, since, time_limit_s=TIME_LIMIT_S)
    job = job_of(
        key_of("\0".join(parts), study, stores),
        lambda say, tell: check_plan(saved, study, asked, progress=say),
    )
    place = st.empty()
    return awaited(job, "Checking the plan", place) if isinstance(job, Job) else job


def model_of(study: Study, stores: tuple[str, ...]) -> ModelCheck:
    """The models that fill the pairs nobody measured, and what they were fitted to."""
    inputs = inputs_of(study, stores)

    def make() -> ModelCheck:
        quantile = study.latency.quantile
        reports = [read_published(quantile, provider) for provider in study.candidates.providers]
        if stores:
            reports.append(read_stores(stores, quantile, {site.id for site in inputs.sites}))
        statistics = tuple(each for report in reports for each in report.statistics)
        network = networks_of(inputs.sites, statistics)
        return ModelCheck(
            network_models(inputs.sites, statistics),
            {
                provider: tuple(each for each in statistics if network.get(each.site_id) == provider)
                for provider in study.candidates.providers
            },
        )

    return shelf().get(key_of("model", study, stores), make)


def rounds_of(stores: tuple[str, ...], site: str) -> Rounds:
    """Every sample of a site in these stores, by round."""
    key = hashlib.sha256("\0".join(("rounds", site, _content(stores))).encode()).hexdigest()
    with st.spinner("Reading samples …"):
        return shelf().get(key, lambda: read_rounds(stores, sites=(site,)))


def attend() -> None:
    """A new run of the script begins: what it does not ask for again, nobody waits for."""
    st.session_state[_BEFORE] = st.session_state.get(_ASKED, ())
    st.session_state[_ASKED] = ()


def leave(key: str) -> None:
    """This session does not wait for the job under ``key`` any more."""
    job = _jobs().get(key)
    if job is not None:
        job.leave(session.name())


def job_of(key: str, work: Callable[[Say, Tell], Value]) -> Value | Job[Value]:
    """What is kept under ``key``, or the job at work on it."""
    st.session_state[_ASKED] = asked = (*st.session_state.get(_ASKED, ()), key)
    kept = shelf().look(key)
    if kept is not None:
        return cast(Value, kept)
    job: Job[Value] | None = _jobs().get(key)
    if job is None:
        for other in st.session_state.get(_BEFORE, ()):
            left = None if other in asked else _jobs().get(other)
            if left is not None:
                left.leave(session.name())
        job = _jobs().start(key, session.name(), work, lambda value: shelf().keep(key, value))
    return job


def awaited(job: Job[Value], what: str, place: DeltaGenerator) -> Value:
    """The job's result, with a bar of progress in ``place`` meanwhile. Raises what the job raised."""
    _wait(job, what, place, lambda waited: job.done)
    if job.fault is not None:
        raise job.fault
    if job.stopped:  # this session had left it; it is wanted again
        st.rerun()
    assert job.result is not None
    return job.result


def _first(job: Job[Plan], what: str, place: DeltaGenerator) -> Plan:
    """The job's result, or a first plan close to it."""

    def enough(waited: float) -> bool:
        plan = job.latest
        close = plan is not None and plan.gap is not None and plan.gap <= CLOSE
        return job.done or close or (plan is not None and waited > LONGER_S)

    _wait(job, what, place, enough)
    plan = job.latest
    return awaited(job, what, place) if job.done or plan is None else plan


def _wait(job: Job[Value], what: str, place: DeltaGenerator, enough: Callable[[float], bool]) -> None:
    started = time.monotonic()
    while not enough(waited := time.monotonic() - started):
        job.wait(session.name(), POLL_S, job.latest)
        if waited > QUIET_S:
            done, total, words = job.words
            text = f"{what}: {words}" if words else f"{what} …"
            place.progress(min(1.0, done / max(1, total)), text=text)
    place.empty()


def rule_words(study: Study, inputs: Inputs) -> dict[str, str]:
    """The rules at work in the study, each in words."""
    return {effect.rule: effect.words for effect in build_problem(study, inputs).effects}
