"""An incident as people and programs read it: one object for JSON, one Markdown text. Reads the store only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from headwater.streaming.records import Changed, Incident, Ranked, ServiceSuspect, Suspect, Triggered

from .terminal import span, utc

if TYPE_CHECKING:
    from headwater.streaming.store.reader import Reader

__all__ = ["REPORT_VERSION", "facts", "headline", "markdown"]

REPORT_VERSION = 1
"""Version of the JSON of `incidents show` and `export`. Fields are only ever added to a version."""

TOP = 10


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


def headline(incident: Incident) -> str:
    """Say in one line what the incident's likely cause is, and how sure that is.

    Examples
    --------
    >>> headline(Incident("shop", "INC-7", "open", "converged", 0.0, 5.0, 9.0, cause="db|wait", confidence=2.3))
    'INC-7 open: likely cause db|wait (converged, margin 0.00, confidence 2.3)'
    """
    if not incident.cause:
        return f"{incident.id} {incident.state}: no cause named yet"
    sure = f"{incident.rca}, margin {incident.margin:.2f}, confidence {incident.confidence:.1f}"
    return f"{incident.id} {incident.state}: likely cause {incident.cause} ({sure})"


def markdown(whole: dict[str, Any]) -> str:
    """Write what `facts` returned as Markdown that also reads well as plain text."""
    incident: Incident = whole["incident"]
    rankings: list[Ranked] = whole["rankings"]
    parts = [f"# {headline(incident)}", _summary(incident, whole["late"])]
    if rankings:
        last = rankings[-1]
        parts += [f"## Suspects after batch {last.batch}", _services(last.services), _metrics(last.metrics)]
        parts += ["## Batch by batch", _batches(rankings)]
    parts += ["## Timeline", _timeline(whole["events"])]
    return "\n\n".join(parts) + "\n"


def _summary(incident: Incident, late: bool) -> str:
    end = utc(incident.closed) if incident.closed else "still open"
    lines = [
        f"- system: {incident.system}; service: {incident.service or '-'}",
        f"- onset: {utc(incident.onset)}; opened {span(incident.opened - incident.onset)} after it; closed: {end}",
        f"- path: {' → '.join(incident.path) or '-'}",
        f"- walk starts at: {incident.kpi or 'the joint anomaly (no KPI is configured)'}",
        f"- changed metrics: {len(incident.changed)}: {', '.join(incident.changed[:TOP]) or '-'}",
        "- confidence: below 1 nothing is unusual, from 2 on a cause is named",
    ]
    return "\n".join([*lines, "- found in a backlog, not live"] if late else lines)


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; the bars of ``entity|metric`` are escaped."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [heads, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def _services(services: Sequence[ServiceSuspect]) -> str:
    rows = [
        (str(i), s.entity, f"{s.score:.3g}", s.metric, f"{s.internal:.3g}", f"{s.external:.3g}", f"{s.flow:.3g}")
        for i, s in enumerate(services[:TOP], 1)
    ]
    return _grid(["", "service", "score", "first metric", "internal", "external", "flow"], rows)


def _metrics(metrics: Sequence[Suspect]) -> str:
    rows = [
        (str(i), m.name, f"{m.score:.3g}", f"{m.abnormal:.3g}", f"{m.usual:.4g} → {m.value:.4g}", _explained(m))
        for i, m in enumerate(metrics[:TOP], 1)
    ]
    return _grid(["", "metric", "score", "abnormal", "usual → now", "explained"], rows)


def _explained(suspect: Suspect) -> str:
    by = f" by {suspect.by}" if suspect.by else ""
    return f"{suspect.explained:.0%}{by}"


def _batches(rankings: Sequence[Ranked]) -> str:
    rows = []
    for ranked in rankings:
        first = ranked.services[0] if ranked.services else None
        named = (first.entity, f"{first.score:.3g}") if first else ("-", "-")
        alike = (f"{ranked.similarity:.2f}", f"{ranked.graph_similarity:.2f}")
        rows.append((str(ranked.batch), utc(ranked.time), *named, *alike, ranked.rca))
    return _grid(["batch", "time", "first service", "score", "list like before", "graph like before", "cause"], rows)


def _timeline(events: Sequence[dict[str, Any]]) -> str:
    lines = []
    for event in events:
        if event["type"] == Triggered.__name__.lower():
            metrics = ", ".join(name for name, _ in event["metrics"][:3])
            lines.append(f"- {utc(event['time'])} trigger on the {event['channel']} channel: {metrics}")
        elif event["type"] == Changed.__name__.lower() and event["action"] != "ranked":
            told = f" by {event['by']}" * bool(event["by"]) + f": {event['note']}" * bool(event["note"])
            lines.append(f"- {utc(event['time'])} {event['action']}{told}")
    return "\n".join(lines) or "- nothing is recorded"
