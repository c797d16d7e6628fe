"""What Streamlit runs: ``streamlit run app.py -- [STORE_URL]``. `headwater dashboard` does it for you."""

from pathlib import Path

import streamlit as st

__all__: list[str] = []

ICON = Path(__file__).parent / "static" / "icon.svg"  # a named icon would be fetched from a font host

st.set_page_config(page_title="Headwater", page_icon=ICON, layout="wide")
st.logo(ICON, size="large")
st.navigation(
    [
        st.Page(
            "app_pages/live.py",
            title="Live",
            url_path="live",
            default=True,
            help="What the system does now, what changed in it, and how near it is to an incident.",
        ),
        st.Page(
            "app_pages/incident.py",
            title="Incidents",
            url_path="incident",
            help="One incident: its likely cause, the ranking, how settled it is, and the evidence.",
        ),
    ],
    position="top",
).run()
