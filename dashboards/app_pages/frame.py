"""What every page begins with: the store it reads, the pickers of its bar, and what it says when it cannot."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from headwater.dashboards import charts, queries
from headwater.dashboards.words import plain
from headwater.streaming.errors import HeadwaterError, StoreMissing
from headwater.streaming.store.reader import Reader

__all__ = ["chart", "empty", "now", "reading", "refresh_picker", "store_address", "system_picker"]

REFRESH = {"2 s": 2.0, "5 s": 5.0, "10 s": 10.0, "30 s": 30.0, "paused": None}


def now() -> float:
    """Wall clock, epoch seconds. Views take it as an argument."""
    return time.time()


def store_address() -> str:
    """URL of the store that this server shows."""
    return queries.store_url(sys.argv[1:], os.environ)


@contextmanager
def reading() -> Iterator[Reader]:
    """A reader whose calls all see one state of the store. A store that cannot be read ends the page with the mend."""
    try:
        reader = Reader(store_address())
        with reader.at_once() as view:
            yield view
    except StoreMissing as error:
        st.info(f"**Nothing to show yet.** {plain(f'{error.what}: {error.why}')}.")
        _first_steps()
        st.stop()
    except HeadwaterError as error:
        st.error("  \n".join(plain(line) for line in (error.what, error.why, error.mend) if line))
        st.stop()


def _first_steps() -> None:
    st.markdown("Start with one of these; the page fills by itself.")
    st.markdown("A demonstration that needs nothing else:")
    st.code("headwater demo", language="bash")
    st.markdown("A recording of your own, one row a time, one column a metric:")
    st.code("headwater replay metrics.csv", language="bash")
    st.markdown("A running system:")
    st.code("headwater run --topic metrics", language="bash")


def empty(text: str, command: str) -> None:
    """Say what is missing, and the exact command that brings it."""
    st.info(text)
    st.code(command, language="bash")


def system_picker(systems: list[str]) -> str:
    """The system to show. With one there is nothing to pick."""
    if len(systems) == 1:
        return systems[0]
    return st.selectbox("System", systems, key="system", bind="query-params", width=180)


def refresh_picker(default: str = "5 s") -> float | None:
    """Seconds between two refreshes, None: paused."""
    chosen = st.segmented_control(
        "Refresh", list(REFRESH), default=default, required=True, key="refresh", bind="query-params"
    )
    return REFRESH[str(chosen)]


def chart(option: charts.Option, alt: str, key: str, height: int) -> None:
    """Draw a chart; `alt` says what it shows to those who cannot see it."""
    st.echarts_chart(option, alt=alt, key=key, height=height)
