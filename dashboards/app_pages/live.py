"""The live page: is the worker at work, what does the system do, what changed, how near is an incident."""

from collections.abc import Sequence

import polars as pl
import streamlit as st

from headwater.dashboards import queries, views_live, views_status
from headwater.dashboards.app_pages import frame
from headwater.dashboards.views_live import Chosen, Overlay
from headwater.dashboards.words import moment, number, plain
from headwater.streaming.incidents import LIVE
from headwater.streaming.records import Incident, Triggered
from headwater.streaming.store.reader import Reader
from headwater.streaming.wording import firmness

__all__: list[str] = []

RANGES = {"5 min": 300.0, "15 min": 900.0, "1 h": 3600.0, "6 h": 21_600.0, "24 h": 86_400.0}
DEVIATION, RAW = "distance from usual", "own units"


def _bar(systems: list[str]) -> tuple[str, float, float | None, str]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        system = frame.system_picker(systems)
        span = st.segmented_control(
            "Range", list(RANGES), default="15 min", required=True, key="range", bind="query-params"
        )
        refresh = frame.refresh_picker()
        values = st.segmented_control(
            "Values as", [DEVIATION, RAW], default=DEVIATION, required=True, key="values", bind="query-params",
            help="Distance from usual counts in spreads, so that metrics of any unit share one axis.",
        )  # fmt: skip
    seconds = RANGES[str(span)]
    return system, seconds, None if refresh is None else max(refresh, seconds / 1800), str(values)


def _pickers(names: Sequence[str]) -> tuple[list[str], list[str]]:
    left, right = st.columns(2)
    known = sorted({name.split("|", 1)[0] for name in names})
    entities = left.multiselect("Services", known, key="entity", bind="query-params", placeholder="all")
    wanted = [n for n in names if not entities or n.split("|", 1)[0] in entities]
    picked = right.multiselect(
        "Metrics", wanted, key="metric", bind="query-params", max_selections=views_live.BRIGHT,
        placeholder="what changed, or is nearest to its threshold",
    )  # fmt: skip
    return entities, picked


def _status(reader: Reader, system: str, live: Sequence[Incident]) -> None:
    status, now = reader.status(), frame.now()
    quiet = views_status.silence(status, now)
    if quiet is not None:
        {"bad": st.error, "warn": st.warning}.get(quiet[0], st.info)(quiet[1])
    with st.grid(7, min_column_width=132, gap="small"):
        for cell in views_status.strip(status, system, len(live), now):
            st.metric(
                cell.label, cell.value, cell.note, delta_color=cell.colour, delta_arrow="off",
                help=cell.help, border=True, height="stretch",
            )  # fmt: skip
    for alarm in (status["input"].value.get("alarms") or ()) if "input" in status else ():
        st.warning(plain(str(alarm)))


def _open_incidents(live: Sequence[Incident]) -> None:
    st.set_page_config(page_title=f"({len(live)}) {live[0].id} · Headwater" if live else "Headwater")
    seen: set[tuple[str, str]] = st.session_state.setdefault("seen", {(i.system, i.id) for i in live})
    for incident in live:
        key = (incident.system, incident.id)
        if key not in seen:
            seen.add(key)
            st.toast(f"{incident.id} was opened")
        words = firmness(incident.answer)
        cause = f"{words} {plain(incident.service)}" if incident.service else "no cause named yet"
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.badge(incident.state, color="red" if incident.state == "open" else "orange")
            st.markdown(f"**{incident.id}** since {moment(incident.onset)}: {cause}, {incident.rca}.")
            st.page_link(
                "app_pages/incident.py",
                label=f"Look at {incident.id} →",
                query_params={"incident": incident.id, "system": incident.system},
            )


def _charts(window: queries.Window, chosen: Chosen, overlay: Overlay, values: str, units: dict[str, str]) -> None:
    table, unit = window.values.select("time", *chosen.bright, *chosen.grey), None
    if values == DEVIATION:
        onset = min((i.onset for i in overlay.incidents), default=None)
        table = views_live.scaled(table, queries.deviation(table, onset), chosen.bright)
    else:
        unit = ", ".join(sorted({units[name] for name in chosen.bright} - {""}))
    scores = queries.thin(window.scores.select("time", "joint", *chosen.bright))
    changed = ", ".join(chosen.bright[:5])
    with st.container(border=True):
        st.header("Metrics", anchor=False)
        st.markdown(f"{values.capitalize()}. Bold: {len(chosen.bright)}; behind them in grey: {len(chosen.grey)}.")
        option = views_live.main_chart(queries.thin(table), chosen, overlay, unit)
        frame.chart(option, f"Metrics over time; those that stand out: {changed}", "values-chart", 380)
    with st.container(border=True):
        st.header("Scores", anchor=False)
        st.markdown("How unusual each metric is, over the threshold at which it triggers.")
        alt = f"Scores over threshold; highest joint score {number(_peak(window.scores))}"
        frame.chart(views_live.score_chart(scores, chosen, overlay), alt, "score-chart", 300)
        st.markdown(
            "▼ a trigger that belongs to an incident · ▽ one that does not, the reason is in the table · "
            "shaded: the incident. Times are UTC."
        )


def _peak(scores: pl.DataFrame) -> float:
    peak = scores["joint"].max()
    return float(peak) if isinstance(peak, float) else float("nan")


def _answers(
    standing: pl.DataFrame, window: queries.Window, live: Sequence[Incident], overlay: Overlay, last: Triggered | None
) -> None:
    with st.container(border=True):
        st.header("How far is each metric from its threshold?" if live else "Why is there no incident?", anchor=False)
        for sentence in views_live.why(standing, [i.id for i in live], last, window.learning):
            st.markdown(plain(sentence))
        st.dataframe(
            views_live.nearness(standing), hide_index=True, alt="Metrics nearest to their threshold",
            column_config={
                "now": st.column_config.ProgressColumn("now", format="%.0f %%", min_value=0, max_value=100),
                "peak in range": st.column_config.NumberColumn(format="%.0f %%"),
            },
        )  # fmt: skip
    with st.expander(f"Triggers in this range ({len(overlay.triggers)})"):
        if overlay.triggers:
            st.dataframe(
                views_live.trigger_rows(overlay.triggers), hide_index=True, alt="Triggers and what became of them"
            )
        else:
            st.markdown("None: nothing changed enough.")


def _body(system: str, seconds: float, values: str, entities: list[str], picked: list[str]) -> None:
    with frame.reading() as reader:
        incidents = reader.incidents(system)
        live = [i for i in incidents if i.state in LIVE]
        _status(reader, system, live)
        _open_incidents(live)
        until = queries.newest(reader, frame.now())
        since = until - seconds
        window = queries.window(reader, system, since, until)
        units = {s.name: s.unit for s in reader.series(system)}
        overlay = Overlay(queries.overlapping(incidents, since, until), queries.triggers(reader, system, since, until))
        last = queries.last_trigger(reader, system, until)
    if window.values.is_empty():
        frame.empty(
            f"No rows of {system} in this range. Take a longer range, or see what the input holds:", "headwater doctor"
        )
        return
    standing = queries.standing(window.scores)
    changed = [name for i in overlay.incidents for name in i.changed]
    chosen = views_live.choose(standing, changed, picked, entities)
    _charts(window, chosen, overlay, values, units)
    _answers(standing, window, live, overlay, last)
    with st.expander("The values as a table"):
        table = queries.thin(window.values.select("time", *chosen.bright, *chosen.grey), 100)
        st.dataframe(table.reverse(), hide_index=True, alt="Values of the metrics in the chart, newest first")
    st.markdown(f"Rows {moment(since)} to {moment(until)} · page refreshed {moment(frame.now())}")


def _page() -> None:
    st.title("Live", anchor=False)
    with frame.reading() as reader:
        systems = reader.systems()
    if not systems:
        frame.empty(
            "The store is there, but no row has reached it yet. Give the worker something to read:", "headwater doctor"
        )
        st.stop()
    system, seconds, refresh, values = _bar(systems)
    with frame.reading() as reader:
        names = [s.name for s in reader.series(system)]
    entities, picked = _pickers(names)
    st.fragment(_body, run_every=refresh)(system, seconds, values, entities, picked)


_page()
