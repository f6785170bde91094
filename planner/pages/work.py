"""Reading and deciding, kept for the life of the process and shown while it runs.

A result is a frozen value, so every session may share it. Its key is all it depends on: the study's text,
the place its files stand, and the content of every store.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar, cast

import streamlit as st

from planner.decide import Frontier, decide, decide_frontier
from planner.inputs import Inputs, load_inputs
from planner.latency.estimate import DistanceModel
from planner.latency.matrix import distance_model
from planner.measurements import PairStatistic, hash_sources, read_published, read_stores
from planner.plan import Plan
from planner.problem import build_problem
from planner.study import Study, study_toml

Value = TypeVar("Value")
KEPT = 48
FRONT_POINTS = 17
TIME_LIMIT_S = 120.0
FRONT_LIMIT_S = 90.0
STORE_LOOK_S = 30.0


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
        with self.lock:
            self.kept[key] = value
            while len(self.kept) > KEPT:
                self.kept.popitem(last=False)
        return value


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """The distance model of this study's measurements, and the pairs that taught it."""

    model: DistanceModel
    statistics: tuple[PairStatistic, ...]


@st.cache_resource
def _shelf() -> Shelf:
    return Shelf()


@st.cache_data(ttl=STORE_LOOK_S, show_spinner="Looking at the store …")
def _content(stores: tuple[str, ...]) -> str:
    """What the stores hold, as one hash; looked at again only after a while, since reading all of it may
    be slow. Raises :class:`~planner.measurements.MeasurementError`."""
    return repr(hash_sources(stores))


def _key(what: str, study: Study, stores: tuple[str, ...]) -> str:
    place = "" if study.path is None else str(study.path.parent)
    files = ""
    if study.demand.csv is not None and study.demand.csv.is_file():
        files = hashlib.sha256(study.demand.csv.read_bytes()).hexdigest()
    parts = (what, study_toml(study), place, str(study.demand.csv), files, _content(stores))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def inputs_of(study: Study, stores: tuple[str, ...]) -> Inputs:
    """The study's inputs. Raises an :class:`~probes.strict_toml.InputError`."""

    def make() -> Inputs:
        with st.spinner("Reading sites, prices, demand and measurements …"):
            return load_inputs(study, stores)

    return _shelf().get(_key("inputs", study, stores), make)


def plan_of(study: Study, stores: tuple[str, ...], what: str = "Deciding where to run") -> Plan:
    """The study's plan, with a bar of progress while it is being decided."""
    inputs = inputs_of(study, stores)
    return _shelf().get(
        _key("plan", study, stores),
        lambda: _watched(what, lambda say: decide(study, inputs, time_limit_s=TIME_LIMIT_S, progress=say)),
    )


def front_of(study: Study, stores: tuple[str, ...]) -> Frontier:
    """The study's latency/cost front, with a bar of progress while it is being traced."""
    inputs = inputs_of(study, stores)
    return _shelf().get(
        _key("front", study, stores),
        lambda: _watched(
            "Tracing the front",
            lambda say: decide_frontier(
                study, inputs, points=FRONT_POINTS, time_limit_s=FRONT_LIMIT_S, progress=say
            ),
        ),
    )


def model_of(study: Study, stores: tuple[str, ...]) -> ModelCheck:
    """The distance model that fills the pairs nobody measured, and what it was fitted to."""
    inputs = inputs_of(study, stores)

    def make() -> ModelCheck:
        quantile = study.latency.quantile
        reports = [read_published(quantile, provider) for provider in study.candidates.providers]
        if stores:
            reports.append(read_stores(stores, quantile, {site.id for site in inputs.sites}))
        statistics = tuple(each for report in reports for each in report.statistics)
        return ModelCheck(distance_model(inputs.sites, statistics), statistics)

    return _shelf().get(_key("model", study, stores), make)


def _watched(what: str, run: Callable[[Callable[[int, int, str], None]], Value]) -> Value:
    place = st.empty()
    bar = place.progress(0.0, text=f"{what} …")

    def say(done: int, total: int, words: str) -> None:
        bar.progress(min(1.0, done / max(1, total)), text=f"{what}: {words}")

    try:
        return run(say)
    finally:
        place.empty()


def rule_words(study: Study, inputs: Inputs) -> dict[str, str]:
    """The rules at work in the study, each in words."""
    return {effect.rule: effect.words for effect in build_problem(study, inputs).effects}
