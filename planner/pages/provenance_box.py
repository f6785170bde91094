"""Where each client's latency comes from: who speaks for it, how much that widened it, what its line adds."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import streamlit as st

from planner.inputs import Inputs
from planner.latency.matrix import Grounds
from planner.pages.frame import Setting
from planner.pages.words import listed, share
from planner.plan import Plan

SHOWN: Final = 200
"""Of so many clients, the heaviest."""


def provenance_table(plan: Plan, inputs: Inputs) -> pd.DataFrame:
    """A row for each of the heaviest clients; the vantage's columns speak of the way from client to site."""
    matrix = inputs.matrix
    grounds = matrix.grounds or Grounds.none(matrix.estimate_ms.shape)
    row = {client: at for at, client in enumerate(matrix.client_ids)}
    column = {site: at for at, site in enumerate(matrix.site_ids)}
    names = {client.id: f"{client.name or client.id}, {client.country}" for client in inputs.demand.clients}
    heaviest = sorted(plan.assignments, key=lambda each: (-each.weight, each.client_id))[:SHOWN]
    rows = []
    for served in heaviest:
        i, j = row[served.client_id], column[served.site_id]
        who, loss = int(matrix.vantage[i, j]), float(matrix.loss_ratio[i, j])
        rows.append(
            {
                "Client": names[served.client_id],
                "Site": served.site_id,
                "Round trip": served.latency_ms,
                "At least": served.latency_lower_ms,
                "At most": served.latency_upper_ms if np.isfinite(served.latency_upper_ms) else None,
                "Figure": served.provenance,
                "Vantage": None if who < 0 else matrix.vantages[who],
                "Widened by": None if who < 0 else float(grounds.widened_ms[i, j]),
                "Access line": float(grounds.access_ms[i, j]),
                "Samples": int(matrix.samples[i, j]) if matrix.samples[i, j] > 0 else None,
                "Lost": None if np.isnan(loss) else 100.0 * loss,
            }
        )
    return pd.DataFrame(rows)


def provenance_box(plan: Plan, setting: Setting) -> None:
    """Draw the table and how far a vantage may speak."""
    latency = setting.study.latency
    with st.container(border=True):
        st.subheader("Who speaks for whom", anchor=False)
        st.caption(
            f"A vantage speaks for clients within {latency.metro_km:,.0f} km, and for those of its own "
            f"country within {latency.vantage_km:,.0f} km (latency.metro_km and latency.vantage_km of the "
            "study). The further away it stands, the more that widens both bounds. Where none speaks, the "
            f"figure is modelled. {access_words(setting)}"
        )
        milliseconds = {
            name: st.column_config.NumberColumn(name, format="%.1f ms")
            for name in ("Round trip", "At least", "At most", "Access line")
        }
        st.dataframe(
            provenance_table(plan, setting.inputs).dropna(axis="columns", how="all"),
            column_config={
                **milliseconds,
                "Widened by": st.column_config.NumberColumn("Widened by", format="± %.1f ms"),
                "Lost": st.column_config.NumberColumn("Lost", format="%.1f %%"),
            },
            hide_index=True,
            width="stretch",
            height=320,
        )


def access_words(setting: Setting) -> str:
    """What the study adds for the last mile."""
    access = setting.study.access
    if not access.adds:
        return "No access line is added: figures are those of well-connected places (access in the study)."
    mixes = [("", access.shares), *((f"{name}: ", shares) for name, shares in access.classes)]
    told = [f"{name}{listed(_parts(shares))}" for name, shares in mixes if shares]
    return (
        f"Access lines are added to estimate and bounds ({'; '.join(told)}), from data/access.csv"
        f"{' and the study itself' if access.lines else ''}; most of that file is assumption, and says so."
    )


def _parts(shares: tuple[tuple[str, float], ...]) -> list[str]:
    return [f"{kind} {share(part, 0)}" for kind, part in shares]
