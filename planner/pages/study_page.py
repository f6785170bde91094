"""*Study*: read, edit or upload the question itself, as the TOML the command line takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import streamlit as st

from planner.catalog import load_catalog, shipped_providers
from planner.inputs import load_inputs
from planner.jurisdictions import load_countries
from planner.pages import frame, session
from planner.pages.session import Edited
from planner.pages.study_form import study_form
from planner.pages.words import ms, plain, share, usd
from planner.study import Study, parse_study, study_document, study_from_document, study_toml
from planner.wording import counted
from probes.strict_toml import InputError
from probes.toml_lines import located


def render() -> None:
    """Draw the page."""
    base = frame.open_study_only()
    frame.heading(
        "Study",
        "The question as a file: who asks, which sites may serve, what is promised and what it may cost. "
        "The same file works on the command line.",
    )
    if base is not None:
        _summary(base)
    if base is None and session.is_gone():
        return
    text, name, directory = session.study_text()
    form, file = st.tabs(["Form", "File"])
    with form:
        if base is None:
            st.info("The file does not hold together, so there is no form of it: mend the file.")
        else:
            _form(base, name, directory)
    with file:
        _file(text, name, directory)


def _form(base: Study, name: str, directory: Path) -> None:
    """Every key as a field. What comes back is written as a file, so comments of the old one are lost."""
    try:
        document = study_form(study_document(replace(base, path=directory / name)), _offered(base))
        if document is None:
            return
        study = study_from_document(document, name=name, directory=directory)
    except InputError as fault:
        frame.complain("This study was not taken", fault)
        return
    _take(study_toml(replace(study, path=directory / name)), name, directory)


def _offered(base: Study) -> dict[str, tuple[str, ...]]:
    """Names to choose from, where the catalog or a list of countries knows them."""
    try:
        catalogs = [load_catalog(provider) for provider in base.candidates.providers]
    except InputError:
        return {}
    sites = tuple(site.id for catalog in catalogs for site in catalog.sites)
    services = frozenset[str]().union(*(site.services for catalog in catalogs for site in catalog.sites))
    return {
        "demand.cities.countries": ("*", *load_countries()),
        "candidates.provider": tuple(shipped_providers()),
        "candidates.include": ("*", *sites),
        "candidates.exclude": sites,
        "current.open": sites,
        "workload.services": tuple(sorted(services)),
        "network.direct_connect": sites,
    }


def _file(text: str, name: str, directory: Path) -> None:
    # Configuration is read letter by letter: the editor takes the bundled fixed-width face.
    st.html("<style>.stTextArea textarea {font-family: 'Source Code', monospace; font-size: 13.5px}</style>")
    left, right = st.columns([3, 1], gap="medium")
    with left:
        _editor(text, name, directory)
    with right:
        _upload()
        st.download_button(
            "Download this file",
            text,
            file_name=name if name.endswith(".toml") else f"{name}.toml",
            mime="application/toml",
            on_click="ignore",
            width="stretch",
        )
        st.caption(
            "Every key is described in docs/study.md. Unknown keys are refused, with the nearest valid name; "
            "nothing you paste here is written to disk or leaves this machine."
        )


def _summary(study: Study) -> None:
    latency, demand = study.latency, study.demand
    who = (
        f"clients of {demand.csv.name}"
        if demand.csv is not None
        else f"{counted(demand.top, 'largest city', 'largest cities')}"
    )
    promise = (
        "none"
        if latency.slo_ms is None
        else f"{share(latency.coverage)} within {ms(latency.slo_ms)} ({latency.statistic})"
    )
    budget = study.budget_usd_per_month
    facts = (
        ("Demand", f"{who}, {demand.peak_rps:,.0f} requests a second at peak"),
        ("Promise", promise),
        ("Budget", "none" if budget is None else f"{usd(budget)} a month"),
        ("Further rules", str(len(study.rules)) if study.rules else "none"),
    )
    for cell, (label, words) in zip(st.columns(len(facts)), facts, strict=True):
        with cell.container(border=True, height="stretch"):
            st.caption(label)
            st.markdown(plain(words))


def _editor(text: str, name: str, directory: Path) -> None:
    with st.form("editor", border=False):
        written = st.text_area(
            f"`{name}`", text, height=560, key=session.widget_key(f"editor.{name}"), max_chars=2_000_000
        )
        if st.form_submit_button("Plan with this", type="primary"):
            _take(written, name, directory)


def _upload() -> None:
    given = st.file_uploader(
        "Upload a study",
        type=["toml"],
        key=session.widget_key("upload"),
        help="TOML, up to 2 MB; a clients CSV is named by its absolute path on this machine",
    )
    if given is None or not st.button("Plan with the upload", type="primary", width="stretch"):
        return
    name = Path(given.name).name
    try:
        text = given.getvalue().decode("utf-8")
    except UnicodeDecodeError as fault:
        st.error(
            f"**This file was not taken.** {plain(name)}: is not UTF-8 (byte {fault.start})",
            icon=":material/error:",
        )
        return
    _take(text, name, Path.cwd())


def _take(text: str, name: str, directory: Path) -> None:
    """Plan with ``text`` from now on, if it holds together with the catalog and its demand; else say why."""
    try:
        study = parse_study(text, name=name, directory=directory)
        load_inputs(study, session.stores())
    except InputError as fault:
        named = fault.file in (name, str(directory / name))
        frame.complain("This study was not taken", located(fault, text) if named else fault)
        return
    session.edit(Edited(text, name, directory))
    st.toast(f"Planning with {study.title or study.name}")
    st.rerun()
