"""What every page stands in: the sidebar, the address, the study and its inputs, or one clear complaint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from planner.catalog import Site
from planner.demand import Client
from planner.inputs import Inputs
from planner.measurements import StoreError
from planner.pages import session, sidebar, work
from planner.pages.choices import applied
from planner.pages.site_names import site_names
from planner.pages.theme import Palette
from planner.pages.words import plain
from planner.pages.work import Decided
from planner.plan import Plan
from planner.remedies import NO_VALUE, NOT_ALONE, NOT_EXAMINED
from planner.study import Study
from probes.strict_toml import InputError

ICON = Path(__file__).with_name("edgeplan.svg")
WORDMARK = Path(__file__).with_name("edgeplan-wide.svg")


@dataclass(frozen=True, slots=True)
class Setting:
    """What a page draws from. ``base`` is the study as written, ``study`` with the sidebar's choices."""

    base: Study
    study: Study
    inputs: Inputs
    stores: tuple[str, ...]
    colours: Palette

    def clients(self) -> dict[str, Client]:
        """Clients by id."""
        return {client.id: client for client in self.inputs.demand.clients}

    def sites(self) -> dict[str, Site]:
        """Candidates by id."""
        return {site.id: site for site in self.inputs.sites}

    def mixed(self) -> bool:
        """Whether the candidates are several providers'; whatever names a site then says whose it is."""
        return len({site.provider for site in self.inputs.sites}) > 1

    def names(self, *plans: Plan) -> dict[str, str]:
        """What each candidate is called, and each site that ``plans`` open."""
        return site_names(self.inputs.sites, *plans)


def open_frame() -> Setting:
    """Draw the sidebar and read the inputs. Where they cannot be read, say why and end the run."""
    st.logo(str(WORDMARK), size="large", icon_image=str(ICON))
    work.attend()
    session.choices()
    sidebar.study_picker()
    try:
        base = session.base_study()
    except (InputError, StoreError) as fault:
        chosen = session.choices().study
        heading(session.study_names().get(chosen, chosen), "")
        _unreadable(fault)
        st.stop()
    session.write_url(base)
    study = applied(base, session.choices())
    sidebar.sliders(base, study)
    sidebar.store_box()
    try:
        inputs = work.inputs_of(study, session.stores())
    except (InputError, StoreError) as fault:
        heading(study.title or study.name, study.summary)
        complain("This cannot be planned", fault)
        st.stop()
    for note in inputs.notes:
        if note.startswith(session.stores()):
            st.sidebar.caption(plain(note))
    return Setting(base, study, inputs, session.stores(), session.colours())


def open_study_only() -> Study | None:
    """The sidebar of a page that must work even when the study does not: no inputs, no sliders."""
    st.logo(str(WORDMARK), size="large", icon_image=str(ICON))
    session.choices()
    sidebar.study_picker()
    try:
        base = session.base_study()
    except (InputError, StoreError) as fault:
        _unreadable(fault)
        return None
    session.write_url(base)
    sidebar.sliders(base, applied(base, session.choices()))
    sidebar.store_box()
    return base


def plan_of(setting: Setting) -> Decided:
    """The plan of the page's study, or the first there is; a reading error that only shows now ends the run
    with one message."""
    try:
        decided = work.plan_of(setting.study, setting.stores, session.last_plan())
    except (InputError, StoreError) as fault:
        complain("This cannot be planned", fault)
        st.stop()
    if decided.plan.kpi is not None:
        session.remember(decided.plan)
    return decided


def _unreadable(fault: InputError | StoreError) -> None:
    if session.is_gone():
        name = session.choices().study
        st.error(
            f"**The study {plain(name)} is gone.** Its file has been removed since it was chosen. Choose "
            "another study in the sidebar, or put the file back.",
            icon=":material/error:",
        )
    else:
        complain("This study cannot be read", fault)


def complain(head: str, fault: InputError | StoreError) -> None:
    """One clear message: where, what, and the name that was probably meant."""
    st.error(f"**{head}.** {plain(str(fault))}", icon=":material/error:")


def heading(title: str, words: str) -> None:
    """A page's title with one line under it."""
    st.title(title, anchor=False)
    if words:
        st.caption(plain(words))


def show_conflict(plan: Plan, rule_words: dict[str, str]) -> None:
    """Why there is no plan: the rules that cannot hold together, and what would help."""
    if plan.conflict is None:
        st.error(
            "**No plan was found in the time allowed**, and none was proven impossible. Loosen a rule, or "
            "use the command line, which may take longer.",
            icon=":material/hourglass_empty:",
        )
        return
    remedies = plan.conflict.remedies
    rules = "\n".join(
        f"- **{plain(rule)}**"
        + (f": {plain(rule_words[rule])}" if rule in rule_words else "")
        + f". {_remedy(remedies.get(rule))}"
        for rule in plan.conflict.rules
    )
    alone = len(plan.conflict.rules) == 1
    head = "This rule leaves no plan" if alone else "No plan keeps all of these rules"
    # The reason repeats the rules in words; only what it adds is shown beside the list.
    _, _, more = plan.conflict.reason.partition("these cannot hold together: ")
    known = "; ".join(rule_words.get(rule, rule) for rule in plan.conflict.rules)
    more = more.removeprefix(known).lstrip("; ") if more else plan.conflict.reason
    told = f"\n\n{plain(more[:1].upper() + more[1:])}." if more else ""
    st.error(f"**{head}.**\n\n{rules}{told}", icon=":material/block:")
    each_is_enough = all(_is_enough(remedies.get(rule)) for rule in plan.conflict.rules)
    st.markdown(
        "Loosen it in the sidebar or on the Study page."
        if alone
        else "Loosen one of them in the sidebar or on the Study page; any one is enough."
        if each_is_enough
        else "Loosen one that would leave a plan, or several together, in the sidebar or on the Study page."
    )


def _remedy(words: str | None) -> str:
    """What a rule of a conflict would have to become."""
    if words is None:
        return "It would have to go."
    said = plain(words[:1].upper() + words[1:])
    return f"*{said}* would leave a plan." if _is_enough(words) else f"*{said}.*"


def _is_enough(words: str | None) -> bool:
    """Whether a rule's remedy by itself leaves a plan; without one the rule has to go, which does."""
    return words not in (NOT_ALONE, NOT_EXAMINED) and not (words or "").startswith(NO_VALUE)
