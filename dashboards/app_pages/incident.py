"""The incident page: one incident, its named cause first, then how sure, how settled, and on what evidence."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl
import streamlit as st

from headwater.dashboards import queries, queries_incident, views_graph, views_incident
from headwater.dashboards.app_pages import frame
from headwater.dashboards.words import legend, moment, number, plain
from headwater.streaming import wording
from headwater.streaming.incidents import LIVE
from headwater.streaming.records import Incident, Ranked, Series
from headwater.streaming.store.reader import Reader

__all__: list[str] = []

BATCHES = st.column_config.NumberColumn(format="%.2f")
BAR = st.column_config.ProgressColumn("score of the first", format="%.0f %%", min_value=0, max_value=100)
TIME = st.column_config.DatetimeColumn("time (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
BY = st.column_config.TextColumn(width="medium")
NUMBERS = ("score", "abnormal", "lasting", "sharp", "silent", "walk")
EVIDENCE = 9


class Facts(NamedTuple):
    """Everything the page shows, read from one state of the store."""

    incident: Incident
    end: float
    late: bool
    rankings: list[Ranked]
    series: dict[str, Series]
    timeline: pl.DataFrame
    evidence: pl.DataFrame
    systems: list[str]

    @property
    def ranked(self) -> Ranked | None:
        """The newest ranking."""
        return self.rankings[-1] if self.rankings else None


def _read(reader: Reader, system: str, name: str) -> Facts:
    incident = reader.incident(name, system)
    return Facts(
        incident=incident,
        end=queries.end(incident, reader.newest(system)),
        late=(system, name) in reader.late(),
        rankings=reader.rankings(system, name),
        series={s.name: s for s in reader.series(system)},
        timeline=queries_incident.timeline(reader.events(system, incident=name)),
        evidence=queries_incident.evidence(reader, system, name),
        systems=reader.systems(),
    )


def _pick(incidents: Sequence[Incident]) -> str:
    """The incident to show: the one of the link, else the newest that is open, else the newest."""
    about = {i.id: f"{i.id} · {i.state} · {i.service or 'no cause yet'} · {moment(i.onset)}" for i in incidents}
    wanted = st.query_params.get("incident")
    if wanted is not None and wanted not in about:
        st.warning(f"There is no incident {plain(wanted)} here; this is the newest one.")
    first = next((i.id for i in incidents if i.state in LIVE), incidents[0].id)
    return st.selectbox(
        "Incident",
        list(about),
        index=list(about).index(wanted if wanted in about else first),
        format_func=about.__getitem__,
        key="chosen",
        on_change=lambda: st.query_params.update(incident=st.session_state["chosen"]),
        width=520,
    )


def _card(facts: Facts) -> None:
    incident, ranked = facts.incident, facts.ranked
    headline, why = views_incident.verdict(incident, facts.rankings)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            for badge in views_incident.badges(incident, facts.rankings, facts.late):
                st.badge(badge.text, color=badge.color, help=badge.help)
        st.header(f":orange[◆] {incident.id} · {plain(headline)}", anchor=False)
        st.markdown(plain(why))
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            for place, chip in enumerate(views_incident.chips(incident, ranked)):
                if place:
                    st.markdown("→")
                st.badge(chip.text, color=chip.color)
        for sentence in [views_incident.origin(incident), *views_incident.additions(incident, ranked)]:
            st.markdown(plain(sentence))
        with st.grid(7, min_column_width=120, gap="small"):
            for fact in views_incident.facts(incident, ranked, facts.end):
                st.metric(fact.label, fact.value, help=fact.help, border=True)


def _ranking(facts: Facts) -> None:
    ranked = facts.ranked
    if ranked is None:
        st.info("No ranking yet: the first batch is computed a few rows after the onset.")
        return
    services, metrics = queries_incident.services(ranked), queries_incident.metrics(ranked, facts.series)
    with st.container(border=True):
        st.subheader("Services", anchor=False)
        st.dataframe(
            services, hide_index=True, alt="Suspected services, first place first",
            column_config={"share": BAR, **dict.fromkeys(("score", "own", "from others", "flow"), BATCHES)},
        )  # fmt: skip
        st.markdown(legend(wording.SERVICES))
    with st.container(border=True):
        st.subheader("Metrics", anchor=False)
        st.dataframe(
            metrics, hide_index=True, alt="Suspected metrics, first place first",
            column_config={"share": BAR, "by": BY, **dict.fromkeys(NUMBERS, BATCHES)},
        )  # fmt: skip
        st.markdown(legend(wording.METRICS))
        st.markdown(legend({role: wording.ROLES[role] for role in metrics["role"].unique().sort() if role}))


def _convergence(facts: Facts) -> None:
    table = queries_incident.batches(facts.rankings)
    with st.container(border=True):
        st.subheader("How settled it is", anchor=False)
        if table.height < 2:
            st.markdown("After two batches this shows whether the ranking stays the same.")
            return
        last = table.row(-1, named=True)
        left, right = st.columns(2)
        with left:
            alt = (
                f"Agreement with the batch before: list {number(last['same list'])}, graph {number(last['same graph'])}"
            )
            frame.chart(views_incident.agreement_chart(table), alt, "agreement-chart", 260)
        with right:
            leaders = queries_incident.leaders(facts.rankings)
            alt = f"Score by batch; {last['first place']} leads with {number(last['score'] or 0.0)}"
            frame.chart(views_incident.leaders_chart(leaders), alt, "leaders-chart", 260)
        with st.expander("Batches as a table"):
            st.dataframe(table, hide_index=True, column_config={"time": TIME}, alt="Every batch of the ranking")


def _graph(facts: Facts) -> None:
    ranked = facts.ranked
    if ranked is None:
        return
    with st.container(border=True):
        st.subheader("Causal graph", anchor=False)
        whole = st.toggle("All metrics", key="whole", bind="query-params", help="Else the path and its neighbourhood.")
        roles = views_incident.roles(facts.incident, ranked)
        drawing = views_graph.draw(ranked.edges, roles, ranked.path, whole=whole)
        frame.chart(drawing.option, views_graph.sentence(ranked.path, drawing), "graph-chart", drawing.height)
        st.markdown(
            "◆ cause · ● on the path · ■ symptom · small: other metrics. Arrows point from cause to effect, thicker "
            "when stronger; solid ones were learned in quiet time, dashed ones in this incident."
            + (f" {drawing.hidden} metrics are not drawn." if drawing.hidden else "")
        )
        steps, edges = queries_incident.steps(ranked), queries_incident.edges(ranked)
        if not steps.is_empty():
            st.dataframe(steps, hide_index=True, alt="The path, step by step, with what each stands on")
            st.markdown(legend(wording.STEPS))
        with st.expander(f"The graph as a table ({edges.height} edges)"):
            st.dataframe(edges, hide_index=True, column_config={"weight": BATCHES}, alt="Edges, strongest first")


def _evidence(facts: Facts) -> None:
    incident, ranked, window = facts.incident, facts.ranked, facts.evidence
    with st.container(border=True):
        st.subheader("Evidence", anchor=False)
        if window.is_empty():
            st.markdown("No window of raw values was kept with this incident.")
            return
        names = views_incident.shown(incident, ranked, window.columns)[:EVIDENCE]
        usual = queries_incident.usual(ranked)
        roles = views_incident.roles(incident, ranked)
        grid = st.grid(3, min_column_width=300)
        for name in names:
            with grid.cell():
                _small_chart(facts, name, usual.get(name), roles.get(name, "other"))


def _small_chart(facts: Facts, name: str, usual: float | None, role: views_incident.Role) -> None:
    unit = facts.series[name].unit if name in facts.series else ""
    title = views_incident.label(name)
    st.markdown(f"**{plain(title)}**" + plain(f" [{unit}]" if unit else "") + (f" · {role}" if role != "other" else ""))
    table = queries.thin(facts.evidence.select("time", name))
    option = views_incident.evidence_chart(table, name, onset=facts.incident.onset, usual=usual, role=role)
    before = number(float("nan") if usual is None else usual, unit)
    frame.chart(option, f"{title} round the onset; usually {before}", f"evidence-{name}", 190)


def _rest(facts: Facts) -> None:
    with st.container(border=True):
        st.subheader("Timeline", anchor=False)
        st.dataframe(facts.timeline, hide_index=True, column_config={"time": TIME}, alt="What happened, oldest first")
    with st.container(border=True):
        st.subheader("The same on the command line", anchor=False)
        lines = views_incident.commands(facts.incident, frame.store_address(), len(facts.systems) > 1)
        st.code("\n".join(lines), language="bash")


def _body(system: str, name: str) -> None:
    with frame.reading() as reader:
        facts = _read(reader, system, name)
    st.set_page_config(page_title=f"{name} · Headwater")
    _card(facts)
    _ranking(facts)
    _graph(facts)
    _convergence(facts)
    _evidence(facts)
    _rest(facts)


def _page() -> None:
    st.title("Incidents", anchor=False)
    with frame.reading() as reader:
        systems = reader.systems()
    if not systems:
        frame.empty("The store is there, but no row has reached it yet.", "headwater doctor")
        st.stop()
    bar = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    with bar:
        system = frame.system_picker(systems)
    with frame.reading() as reader:
        incidents, late, newest = reader.incidents(system), reader.late(), reader.newest(system)
    if not incidents:
        frame.empty(f"No incident of {plain(system)} so far. To see one from start to end:", "headwater demo")
        st.page_link("app_pages/live.py", label="Why is there no incident? See the live page →")
        st.stop()
    with bar:
        name = _pick(incidents)
        refresh = frame.refresh_picker()
    with st.expander(f"All incidents ({len(incidents)})"):
        table = queries.incident_table(incidents, late, newest)
        onset = st.column_config.DatetimeColumn("onset (UTC)", format="YYYY-MM-DD HH:mm:ss", timezone="UTC")
        st.dataframe(table, hide_index=True, column_config={"onset": onset}, alt="All incidents, newest first")
    st.fragment(_body, run_every=refresh)(system, name)


_page()
