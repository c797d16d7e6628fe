"""The incident page as data: the card that names a cause, the chips of the path, the charts. Pure."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import polars as pl

from headwater.streaming.records import Incident, Ranked
from headwater.streaming.suspects import Suspect
from headwater.streaming.wording import RATIO, doubt, firmness, placed, still, sure

from .charts import CAUSE, MUTED, Option, base, line, millis, time_axis
from .words import clock, moment, number, plain, span

__all__ = [
    "Badge",
    "Fact",
    "Role",
    "additions",
    "agreement_chart",
    "badges",
    "chips",
    "commands",
    "evidence_chart",
    "facts",
    "kpis",
    "label",
    "leaders_chart",
    "origin",
    "roles",
    "settled",
    "shown",
    "verdict",
]  # fmt: skip

Role: TypeAlias = Literal["cause", "path", "symptom", "other"]
Colour: TypeAlias = Literal["red", "orange", "green", "blue", "violet", "gray"]

CLOSED = ("resolved", "dismissed", "shifted")
SETTLED = {
    "collecting": "The first rows after the onset are still coming in: there is no ranking yet.",
    "provisional": "The ranking may still change with the next batches.",
    "converged": "The ranking has settled.",
    "inconclusive": "The ranking never settled, or nothing stood out. Read the table, not only its first row.",
}
"""What each state of the root cause means, in a sentence."""


class Fact(NamedTuple):
    """One number of the card."""

    label: str
    value: str
    help: str


class Badge(NamedTuple):
    """A word on a coloured ground, as Markdown; `help` says what it means."""

    text: str
    color: Colour
    help: str | None = None


def label(name: str) -> str:
    """``entity|metric`` as people read it."""
    return name.replace("|", " · ", 1)


def settled(incident: Incident, rankings: Sequence[Ranked]) -> str:
    """How settled the cause is. A cause that has converged stays so, but later batches may have moved away from it."""
    stable = next((r.batch for r in rankings if r.rca == "converged"), None)
    if incident.rca != "converged" or stable is None:
        return SETTLED[incident.rca]
    return still(stable, rankings[-1].similarity)


def verdict(incident: Incident, rankings: Sequence[Ranked]) -> tuple[str, str]:
    """Headline and explanation of the card: names a service only as firmly as the evidence allows."""
    ranked = rankings[-1] if rankings else None
    if not incident.service or ranked is None or not ranked.metrics:
        return "No cause named yet", SETTLED[incident.rca]
    first = next((m for m in ranked.metrics if m.name == incident.cause), ranked.metrics[0])
    why = f"{label(first.name)} is {number(first.value)}, usually {number(first.usual)}"
    share = _origin(first)
    reason = doubt(incident.answer)
    doubtful = f" There is {reason}, so this may be nobody's fault." if incident.answer == "nothing" else ""
    doubtful = f" But {reason}: the cause may lie outside." if incident.answer == "outside" else doubtful
    headline = f"{firmness(incident.answer).capitalize()}: {incident.service}"
    return headline, f"{why}{share}.{doubtful} {settled(incident, rankings)}"


def _origin(suspect: Suspect) -> str:
    if suspect.by and suspect.explained >= 0.5:
        return f"; {label(suspect.by)} explains {100 * suspect.explained:.0f} % of that"
    return "; no other metric explains most of that"


def facts(incident: Incident, ranked: Ranked | None, end: float) -> list[Fact]:
    """The numbers beside the verdict; `end` is where the incident ended, or the newest row while it lasts."""
    services = ranked.services if ranked is not None else ()
    runner_up = services[1].entity if len(services) > 1 else ""
    margin = f"{number(incident.margin)} ×" if runner_up else "–"
    return [
        Fact("Margin", margin, f"Score of the first service over the runner-up's ({runner_up or 'there is none'})."),
        Fact("Confidence", sure(incident.confidence), "How probable it is that the first place is right."),
        Fact("Ratio", number(incident.ratio), f"{RATIO[0].upper()}{RATIO[1:]}."),
        Fact("Onset", clock(incident.onset), f"First changed row: {moment(incident.onset)}."),
        Fact("Opened after", span(incident.opened - incident.onset), f"At the row of {moment(incident.opened)}."),
        Fact("Lasted" if incident.closed is not None else "Lasting", span(end - incident.onset),
             f"To {moment(end)}." if incident.closed is not None else f"To the newest row, {moment(end)}."),
        Fact("Batches", str(incident.batches), "How often the ranking was computed again on new rows."),
    ]  # fmt: skip


def shown(incident: Incident, ranked: Ranked | None, kept: Sequence[str]) -> list[str]:
    """Metrics to show the evidence of: the path from cause to symptom, then what else ranks high or changed most."""
    path = ranked.path if ranked is not None and ranked.path else incident.path
    suspects = [m.name for m in ranked.metrics[:6]] if ranked is not None else []
    wanted = dict.fromkeys([*([incident.cause] if incident.cause else []), *path, *suspects, *incident.changed])
    return [name for name in wanted if name in kept]


def badges(incident: Incident, rankings: Sequence[Ranked], late: bool) -> list[Badge]:
    """The state of the incident and of its cause, which are two things, and whether it was found in a backlog."""
    life: dict[str, Colour] = {"open": "red", "acknowledged": "orange"}
    cause: dict[str, Colour] = {"converged": "green", "inconclusive": "gray"}
    found = [
        Badge(incident.state, life.get(incident.state, "gray"), "What people and time did with the incident."),
        Badge(incident.rca, cause.get(incident.rca, "blue"), settled(incident, rankings)),
    ]
    return found + ([Badge("found late", "gray", "Found while a backlog was worked off.")] if late else [])


def kpis(incident: Incident) -> list[str]:
    """Names of the KPIs that the walk started from; none: it started from the joint anomaly."""
    return [name.strip() for name in incident.kpi.split(",") if name.strip()]


def origin(incident: Incident) -> str:
    """Where the walk to the cause started."""
    if not incident.kpi:
        return "No KPI configured: the walk started from the joint anomaly. Name one with [system] kpi."
    return f"The walk started from {' and '.join(label(name) for name in kpis(incident))}."


def additions(incident: Incident, ranked: Ranked | None) -> list[str]:
    """What else there is to say of where the cause was looked for: linked incidents, added calls, a verdict."""
    said = [f"Linked to {incident.linked}, which was open when other metrics changed."] * bool(incident.linked)
    if ranked is not None and ranked.added:
        calls = ", ".join(f"{caller} → {callee}" for caller, callee in ranked.added)
        said.append(f"Calls that no call graph names, but the data show: {calls}.")
    if incident.verdict:
        said.append(f"Told to be {label(incident.verdict)}, {placed(incident.place)}.")
    return said


def roles(incident: Incident, ranked: Ranked | None) -> dict[str, Role]:
    """Part that each named metric plays. Whatever is not here is ``other``."""
    path = ranked.path if ranked is not None and ranked.path else incident.path
    found: dict[str, Role] = dict.fromkeys(path, "path")
    found |= dict.fromkeys([*path[-1:], *kpis(incident)], "symptom")
    if incident.cause:
        found[incident.cause] = "cause"
    return found


def chips(incident: Incident, ranked: Ranked | None) -> list[Badge]:
    """The path from the cause to the symptom, one badge a metric; the ends say what they are."""
    path = ranked.path if ranked is not None and ranked.path else incident.path
    found = roles(incident, ranked)
    colours: dict[Role, Colour] = {"cause": "orange", "path": "blue", "symptom": "violet", "other": "gray"}
    named = {name: f"**{role}** {plain(label(name))}" for name, role in found.items() if role in ("cause", "symptom")}
    return [Badge(named.get(name, plain(label(name))), colours[found.get(name, "other")]) for name in path]


def agreement_chart(batches: pl.DataFrame) -> Option:
    """How much each batch agreed with the one before: ranked list and causal graph, 1 = the same."""
    return base(
        batches.select("batch", "same list", "same graph"),
        legend={"top": 0, "left": 0},
        xAxis=_batch_axis(),
        yAxis={"type": "value", "min": 0, "max": 1, "name": "agreement", "nameTextStyle": {"align": "left"}},
        series=[
            line("same list", "batch", showSymbol=True, symbol="circle", symbolSize=6, lineStyle={"width": 2}),
            line("same graph", "batch", showSymbol=True, symbol="rect", symbolSize=6,
                 lineStyle={"width": 2, "type": "dashed"}),
        ],
        grid={"left": 8, "right": 16, "top": 58, "bottom": 24, "containLabel": True},
    )  # fmt: skip


def leaders_chart(leaders: pl.DataFrame) -> Option:
    """Score by batch of the services that lead now: the first thick, so that a change of leader is seen."""
    names = [name for name in leaders.columns if name != "batch"]
    symbols = ("diamond", "circle", "rect")
    series = []
    for k, name in enumerate(names):
        accent: Option = {"color": CAUSE} if k == 0 else {}
        style = {"width": 3 if k == 0 else 1.5} | accent
        size = 8 if k == 0 else 6
        series.append(
            line(
                name,
                "batch",
                showSymbol=True,
                symbol=symbols[k % 3],
                symbolSize=size,
                lineStyle=style,
                itemStyle=accent,
            )
        )
    return base(
        leaders,
        legend={"top": 0, "left": 0, "type": "scroll"},
        xAxis=_batch_axis(),
        yAxis={"type": "value", "name": "score", "nameTextStyle": {"align": "left"}},
        series=series,
        grid={"left": 8, "right": 16, "top": 58, "bottom": 24, "containLabel": True},
    )


def _batch_axis() -> Option:
    return {
        "type": "value",
        "name": "batch",
        "nameLocation": "middle",
        "nameGap": 26,
        "minInterval": 1,
        "min": "dataMin",
        "max": "dataMax",
        "splitLine": {"show": False},
    }


def evidence_chart(window: pl.DataFrame, name: str, *, onset: float, usual: float | None, role: Role) -> Option:
    """One metric's raw values round the onset: a line at the onset, a dashed one at its usual value."""
    accent: Option = {"color": CAUSE} if role == "cause" else {}
    marks: list[Option] = [
        {"xAxis": millis(onset), "label": {"formatter": "onset", "position": "end", "distance": 2}},
    ]
    if usual is not None:
        marks.append(
            {
                "yAxis": usual,
                "label": {"formatter": "usual", "position": "insideEndTop"},
                "lineStyle": {"type": "dashed"},
            }
        )
    shown = line(name, lineStyle={"width": 2} | accent, itemStyle=accent)
    shown["markLine"] = {
        "symbol": "none",
        "silent": True,
        "lineStyle": {"color": MUTED, "type": "solid", "width": 1},
        "label": {"color": MUTED},
        "data": marks,
    }
    return base(
        window.select("time", name),
        grid={"left": 4, "right": 26, "top": 22, "bottom": 4, "containLabel": True},
        xAxis=time_axis(splitNumber=3),
        yAxis={"type": "value", "scale": True, "splitNumber": 3},
        series=[shown],
    )


def commands(incident: Incident, store: str, several_systems: bool) -> list[str]:
    """The commands that say the same as the page, or change what it shows."""
    where = f" --system {incident.system}" if several_systems else ""
    place = f"{incident.id}{where} --store {store}"
    reading = [f"headwater incidents show {place} --json", f"headwater incidents export {place}"]
    writing = ["resolve", "dismiss"] if incident.state == "acknowledged" else ["ack", "resolve", "dismiss"]
    return reading + ([] if incident.state in CLOSED else [f"headwater incidents {verb} {place}" for verb in writing])
