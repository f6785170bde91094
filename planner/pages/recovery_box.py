"""What a plan does about the loss of a Region: the home, the standby, and every strategy there is."""

from __future__ import annotations

import streamlit as st

from planner.pages.tables import recovery_table
from planner.pages.words import ms, plain, usd
from planner.plan import Plan


def recovery_box(plan: Plan) -> None:
    """Draw it, if the study has a home tier or asks for a recovery."""
    if plan.home is None and plan.recovery is None:
        return
    st.subheader("When a Region is lost" if plan.recovery else "The stateful tier", anchor=False)
    if plan.home is not None:
        st.markdown(
            f"**The home** of the stateful tier is {plain(plan.home.region)} ({plain(plan.home.country)});"
            f" {ms(plan.home.mean_ms)} of the mean latency is between site and home."
        )
    way = plan.recovery
    if way is None:
        return
    lost = "it is" if plan.home is not None else "a Region is"
    st.markdown(
        f"**When {lost} lost,** {plain(way.where)} takes over by {plain(way.strategy)},"
        f" for {usd(way.usd)} a month. {plain(way.words)}."
    )
    seconds = st.column_config.NumberColumn(format="%,.0f s")
    st.dataframe(
        recovery_table(plan),
        hide_index=True,
        width="stretch",
        height="content",
        column_config={
            "Monthly cost": st.column_config.NumberColumn(format="dollar", step=1),
            "Back after": seconds,
            "Loses at most": seconds,
        },
    )
    st.caption(
        "How long a fleet takes to start, and how late copies are, are assumptions: data/recovery.csv."
    )
