"""The page: ``streamlit run app.py``."""

from pathlib import Path

import streamlit as st

from planner import pages
from planner.pages.menu import page_list

ICON = Path(pages.__file__).with_name("edgeplan.svg")

st.set_page_config(page_title="edgeplan", page_icon=str(ICON), layout="wide")
st.navigation(page_list(), position="top").run()
