"""An incident as people and programs read it: one object for JSON; sections, which become Markdown or plain tables.

Reads the store only.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from headwater.streaming import wording
from headwater.streaming.records import Changed, Incident, Ranked, Triggered
from headwater.streaming.suspects import ServiceSuspect, Suspect

from .terminal import span, utc

if TYPE_CHECKING:
    from headwater.streaming.store.reader import Reader

__all__ = ["REPORT_VERSION", "Section", "facts", "headline", "markdown", "sections"]

REPORT_VERSION = 1
"""Version of the JSON of `incidents show` and `export`. Fields are only ever added to a version."""

TOP = 10


class Section(NamedTuple):
    """A part of the report: a title, a table, and what the columns say that need a word."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    legend: dict[str, str] = {}  # noqa: RUF012  (never written to)


def facts(reader: "Reader", incident: Incident, evidence: bool = False) -> dict[str, Any]:
    """Return everything the store knows of an incident, ready for JSON.

    Parameters
    ----------
    reader
        The store.
    incident
        Which one.
    evidence
        Also the raw window round the onset: ``{names, times, values}``.
    """
    system, name = incident.system, incident.id
    events = reader.events(system=system, incident=name)
    whole: dict[str, Any] = {
        "schema": REPORT_VERSION,
        "incident": incident,
        "late": (system, name) in reader.late(),
        "rankings": reader.rankings(system, name),
        "events": [
            {"type": type(event).__name__.lower(), **{f: getattr(event, f) for f in event.__struct_fields__}}
            for event in events
            if not isinstance(event, Ranked)
        ],
    }
    if evidence:
        window = reader.evidence(system, name)
        kept = window and {"names": window.names, "times": window.times.tolist(), "values": window.values.tolist()}
        whole["evidence"] = kept
    return whole


def graph(whole: dict[str, Any]) -> str:
    """Return the causal graph of the last ranking as GraphML."""
    from headwater.causal.graph import graphml  # noqa: PLC0415

    edges = whole["rankings"][-1].edges if whole["rankings"] else ()
    return graphml((edge.cause, edge.effect, edge.weight, edge.lag, edge.part) for edge in edges)


def headline(incident: Incident) -> str:
    """Say in one line what the incident's cause is, as firmly as the evidence allows, and how sure that is.

    Examples
    --------
    >>> likely = {"cause": "db|wait", "answer": "named", "confidence": 0.83}
    >>> headline(Incident("shop", "INC-7", "open", "converged", 0.0, 5.0, 9.0, **likely))
    'INC-7 open: likely cause db|wait (converged, margin -, confidence 83 %)'
    >>> guess = {"cause": "db|wait", "answer": "nothing", "confidence": 0.1}
    >>> headline(Incident("shop", "INC-8", "open", "provisional", 0.0, 5.0, 9.0, **guess))
    'INC-8 open: best guess db|wait (provisional, margin -, confidence 10 %: nothing unusual in what is measured)'
    """
    if not incident.cause:
        return f"{incident.id} {incident.state}: no cause named yet"
    doubt = wording.doubt(incident.answer)
    sure = f"confidence {wording.sure(incident.confidence)}" + f": {doubt}" * bool(doubt)
    known = f"{incident.rca}, margin {wording.margin(incident.margin)}, {sure}"
    return f"{incident.id} {incident.state}: {wording.firmness(incident.answer)} {incident.cause} ({known})"


def sections(whole: dict[str, Any]) -> list[Section]:
    """Put what `facts` returned into sections; the first one's title is the headline."""
    incident: Incident = whole["incident"]
    rankings: list[Ranked] = whole["rankings"]
    found = [Section(headline(incident), ("", ""), _summary(incident, rankings, whole["late"]))]
    if rankings:
        last = rankings[-1]
        found += [_path(last)] * bool(last.hops)
        found += [_services(last.batch, last.services), _metrics(last.batch, last.metrics), _batches(rankings)]
    return [*found, Section("Timeline", ("time", "what", ""), _timeline(whole["events"]))]


def markdown(whole: dict[str, Any]) -> str:
    """Write what `facts` returned as Markdown that also reads well as plain text."""
    first, *others = sections(whole)
    parts = [f"# {_escaped(first.title)}", "\n".join(f"- {_escaped(name)}: {_escaped(v)}" for name, v in first.rows)]
    for section in others:
        parts += [f"## {section.title}", _grid(section.heads, section.rows)]
        parts += ["\n".join(f"- *{column}*: {says}" for column, says in section.legend.items())] * bool(section.legend)
    return "\n\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    r"""Text that Markdown shows as it is.

    >>> print(_escaped("__front__|p50"))
    \_\_front\_\_\|p50
    """
    return re.sub(r"([\\`*_\[\]<|~$])", r"\\\1", text)


def _summary(incident: Incident, rankings: Sequence[Ranked], late: bool) -> list[tuple[str, str]]:
    end = incident.closed if incident.closed is not None else incident.updated
    stable = next((ranked.batch for ranked in rankings if ranked.rca == "converged"), None)
    changed = ", ".join([*incident.changed[:TOP], *["…"] * (len(incident.changed) > TOP)])
    lines = [
        ("system", incident.system),
        ("service", incident.service or "-"),
        ("onset", utc(incident.onset)),
        ("opened", f"{utc(incident.opened)}, {span(incident.opened - incident.onset)} after the onset"),
        ("closed", utc(incident.closed) if incident.closed is not None else "still open"),
        ("lasted", f"{span(end - incident.onset)} from the onset" + ", so far" * (incident.closed is None)),
        ("path", " → ".join(incident.path) or "-"),
        ("walk starts at", incident.kpi or "the joint anomaly (no KPI is configured)"),
        ("changed metrics", f"{len(incident.changed)}: {changed or '-'}"),
        ("confidence", f"{wording.sure(incident.confidence)}: how probable it is that the first place is right"),
        ("ratio", f"{incident.ratio:.1f}: {wording.RATIO}"),
    ]
    if incident.linked:
        lines.append(("linked to", f"{incident.linked}, which was open when other metrics changed"))
    if rankings and rankings[-1].added:
        calls = ", ".join(f"{caller} → {callee}" for caller, callee in rankings[-1].added)
        lines.append(("calls added", f"{calls}: in no call graph, but the data show them"))
    if incident.verdict:
        lines.append(("verdict", f"{incident.verdict}, {wording.placed(incident.place)}"))
    if incident.rca == "converged" and stable is not None:
        lines.append(("ranking", wording.still(stable, rankings[-1].similarity)))
    return [*lines, ("found", "in a backlog, not live")] if late else lines


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up."""
    cells = [[_escaped(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _path(ranked: Ranked) -> Section:
    rows = [(f"{hop.cause} → {hop.effect}", wording.ground(hop), f"{hop.share:.0%}") for hop in ranked.hops]
    return Section("Path, step by step", ["from → to", *wording.STEPS], rows, wording.STEPS)


def _services(batch: int, services: Sequence[ServiceSuspect]) -> Section:
    rows = [
        (str(i), s.entity, f"{s.score:.3g}", s.metric, f"{s.internal:.3g}", f"{s.external:.3g}", f"{s.flow:.3g}")
        for i, s in enumerate(services[:TOP], 1)
    ]
    heads = ["", "service", "score", "first metric", *wording.SERVICES]
    return Section(f"Services after batch {batch}", heads, rows, wording.SERVICES)


def _metrics(batch: int, metrics: Sequence[Suspect]) -> Section:
    rows = []
    for i, m in enumerate(metrics[:TOP], 1):
        now = wording.present(m)
        level, explained = f"{m.usual:.4g} → {now}", f"{m.explained:.0%}" + f" by {m.by}" * bool(m.by)
        parts = (f"{part:.3g}" for part in (m.abnormal, m.sustained, m.sharp, m.silent))
        rows.append((str(i), m.name, f"{m.score:.3g}", level, *parts, explained, f"{m.walk:.2f}"))
    heads = ["", "metric", "score", "usual → now", *wording.METRICS]
    return Section(f"Metrics after batch {batch}", heads, rows, wording.METRICS)


def _batches(rankings: Sequence[Ranked]) -> Section:
    rows = []
    for ranked in rankings:
        first = ranked.services[0] if ranked.services else None
        named = (first.entity, f"{first.score:.3g}") if first else ("-", "-")
        alike = (f"{ranked.similarity:.2f}", f"{ranked.graph_similarity:.2f}")
        rows.append((str(ranked.batch), utc(ranked.time), *named, *alike, ranked.rca))
    heads = ["batch", "time", "first service", "score", "list like before", "graph like before", "cause"]
    return Section("Batch by batch", heads, rows)


def _timeline(events: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    lines = []
    for event in events:
        if event["type"] == Triggered.__name__.lower():
            metrics = ", ".join(name for name, _ in event["metrics"][:3])
            lines.append((utc(event["time"]), "trigger", f"{wording.CHANNELS[event['channel']]}: {metrics}"))
        elif event["type"] == Changed.__name__.lower() and event["action"] != "ranked":
            told = [f"by {event['by']}"] * bool(event["by"]) + [event["note"]] * bool(event["note"])
            lines.append((utc(event["time"]), event["action"], ": ".join(told)))
    return lines or [("-", "nothing is recorded", "")]
