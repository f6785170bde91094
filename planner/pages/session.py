"""What one browser tab remembers: its choices (in the URL), its edited study, its stores."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import streamlit as st

from planner.datadir import data_dir
from planner.pages.choices import DEFAULT_STUDY, EDITED, Choices, from_query, settled, to_query
from planner.pages.theme import Palette, palette
from planner.plan import Plan
from planner.study import Study, StudyError, load_study, parse_study, shipped_studies

_CHOICES: Final = "edgeplan.choices"
_EDITED: Final = "edgeplan.edited"
_STORE: Final = "edgeplan.store"
_PLAN: Final = "edgeplan.plan"
_WIDGETS: Final = "edgeplan.widgets"
_SHOWN: Final = "edgeplan.shown"
_NAME: Final = "edgeplan.session"


@dataclass(frozen=True, slots=True)
class Edited:
    """A study written or uploaded in this session; relative files in it are taken from ``directory``."""

    text: str
    name: str
    directory: Path


def choices() -> Choices:
    """The choices in force; at the first look of a session, those of its URL."""
    if _CHOICES not in st.session_state:
        asked = from_query(st.query_params.to_dict())
        if asked.study not in study_names():
            st.session_state[_WIDGETS] = 0
            asked = Choices()
        st.session_state[_CHOICES] = asked
    found: Choices = st.session_state[_CHOICES]
    return found


def choose(new: Choices, *, redraw: bool = False) -> None:
    """Make ``new`` the choices in force. ``redraw`` gives every widget a fresh start from them."""
    st.session_state[_CHOICES] = new
    if redraw:
        st.session_state[_WIDGETS] = st.session_state.get(_WIDGETS, 0) + 1


def widget_key(name: str) -> str:
    """A widget's key; it changes when the widgets must start afresh from the choices."""
    return f"edgeplan.{name}.{st.session_state.get(_WIDGETS, 0)}"


def limit_key(name: str, limit: float | None) -> str:
    """As :func:`widget_key`, with ``limit`` in the field at first.

    A number field is one that can be emptied again only if it is not given a value of its own.
    """
    key = widget_key(name)
    if key not in st.session_state:
        st.session_state[key] = limit
    return key


def write_url(base: Study) -> None:
    """Bring the address in line with the choices; ``base`` is the study without them."""
    short = settled(choices(), base)
    choose(short)
    wanted = to_query(short)
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def study_names() -> dict[str, str]:
    """Short name to title: the shipped studies, the worldwide one first, and this session's own."""
    names = {path.stem: _title(path) for path in shipped_studies()}
    ordered = {name: names[name] for name in sorted(names, key=lambda name: (name != DEFAULT_STUDY, name))}
    own = edited()
    return ordered | ({EDITED: f"Edited: {own.name}"} if own is not None else {})


def _title(path: Path) -> str:
    try:
        return load_study(path).title or path.stem
    except StudyError:  # said on the page of that study, and no obstacle to the others
        return path.stem


def is_gone() -> bool:
    """Whether the chosen study has been removed since it was chosen."""
    return choices().study not in study_names()


def base_study() -> Study:
    """The chosen study as it was written. Raises :class:`~planner.study.StudyError`."""
    own = edited()
    if choices().study == EDITED and own is not None:
        return parse_study(own.text, name=own.name, directory=own.directory)
    return load_study(data_dir() / "studies" / f"{choices().study}.toml")


def study_text() -> tuple[str, str, Path]:
    """The chosen study's text as its author wrote it, its name, and the directory of its files."""
    own = edited()
    if choices().study == EDITED and own is not None:
        return own.text, own.name, own.directory
    path = data_dir() / "studies" / f"{choices().study}.toml"
    return path.read_text("utf-8"), path.name, path.parent


def edited() -> Edited | None:
    """The study edited in this session, if any."""
    found: Edited | None = st.session_state.get(_EDITED)
    return found


def edit(study: Edited) -> None:
    """Plan with an edited study from now on; earlier choices were about another one."""
    st.session_state[_EDITED] = study
    choose(Choices(study=EDITED), redraw=True)


def stores() -> tuple[str, ...]:
    """Where the reader's own measurements stand; not in the URL, since a link should not make a reader's
    machine open what its sender likes."""
    text: str = st.session_state.get(_STORE, "")
    return (text.strip(),) if text.strip() else ()


def set_store(text: str) -> None:
    """Take measurements from ``text``, a path or URL; empty for the shipped ones only."""
    st.session_state[_STORE] = text


def plan_directory() -> str:
    """Where the plan stands that is checked; like a store, it is not in the URL."""
    text: str = st.session_state.get(_PLAN, "")
    return text.strip()


def set_plan_directory(text: str) -> None:
    """Check the plan in ``text``, a directory; empty for none."""
    st.session_state[_PLAN] = text


def load_point(at: int | None) -> None:
    """Show point ``at`` of the front on the Plan page, or the study's own plan."""
    choose(replace(choices(), point=at))


def name() -> str:
    """This session's own name, for those that keep several apart."""
    if _NAME not in st.session_state:
        st.session_state[_NAME] = secrets.token_hex(8)
    found: str = st.session_state[_NAME]
    return found


def last_plan() -> Plan | None:
    """The plan this session was shown last, of the study it is looking at: where the next may start from."""
    study, plan = st.session_state.get(_SHOWN, ("", None))
    return plan if study == choices().study else None


def remember(plan: Plan) -> None:
    """Take ``plan`` as the one shown last."""
    st.session_state[_SHOWN] = (choices().study, plan)


def colours() -> Palette:
    """The colours of the mode the reader's browser shows."""
    theme: Any = st.context.theme
    return palette(theme.type == "dark")
