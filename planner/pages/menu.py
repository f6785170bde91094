"""The pages in the order of the menu. A new page is one file and one line here."""

from __future__ import annotations

from typing import Final

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from planner.pages import (
    drift_page,
    latency_page,
    plan_page,
    study_page,
    survey_page,
    tradeoffs_page,
    whatif_page,
    why_page,
)

# The first is the default: Streamlit serves it at "/" and not under its own path.
PAGES: Final = (
    ("Plan", "plan", plan_page.render),
    ("Why", "why", why_page.render),
    ("Tradeoffs", "tradeoffs", tradeoffs_page.render),
    ("Latency", "latency", latency_page.render),
    ("Drift", "drift", drift_page.render),
    ("Next measurements", "next-measurements", survey_page.render),
    ("What if", "what-if", whatif_page.render),
    ("Study", "study", study_page.render),
)


def page_list() -> list[StreamlitPage]:
    """The pages for ``st.navigation``."""
    return [
        st.Page(render, title=title, url_path=path, default=at == 0)
        for at, (title, path, render) in enumerate(PAGES)
    ]
