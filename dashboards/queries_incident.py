"""One incident's records → small polars tables: suspects, edges, batches, timeline, evidence."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from headwater.streaming.records import Changed, Incident, Ranked, Series, Triggered
from headwater.streaming.store.reader import Reader
from headwater.streaming.wording import firmness, ground

from .queries import TIME, table
from .words import clock, number, percent

__all__ = ["batches", "edges", "evidence", "leaders", "metrics", "services", "steps", "timeline", "usual"]

ROWS = 20
BATCHES = 500


def services(ranked: Ranked) -> pl.DataFrame:
    """Suspected services, first place first; `share` is the score in percent of the first."""
    top = ranked.services[:ROWS]
    first = top[0].score if top and top[0].score > 0 else 1.0
    return pl.DataFrame(
        {
            "place": list(range(1, len(top) + 1)),
            "service": [s.entity for s in top],
            "score": [s.score for s in top],
            "share": [100 * s.score / first for s in top],
            "first metric": [s.metric.removeprefix(f"{s.entity}|") for s in top],
            "own": [s.internal for s in top],
            "from others": [s.external for s in top],
            "flow": [s.flow for s in top],
        },
        schema_overrides={"score": pl.Float64, "share": pl.Float64},
    )


def metrics(ranked: Ranked, series: Mapping[str, Series]) -> pl.DataFrame:
    """Suspected metrics, first place first, with the evidence that put each there."""
    top = ranked.metrics[:ROWS]
    units = [series[s.name].unit if s.name in series else "" for s in top]
    first = top[0].score if top and top[0].score > 0 else 1.0
    return pl.DataFrame(
        {
            "place": list(range(1, len(top) + 1)),
            "service": [s.entity for s in top],
            "metric": [s.metric for s in top],
            "role": [s.role for s in top],
            "score": [s.score for s in top],
            "share": [100 * s.score / first for s in top],
            "abnormal": [s.abnormal for s in top],
            "lasting": [s.sustained for s in top],
            "sharp": [s.sharp for s in top],
            "silent": [s.silent for s in top],
            "explained": [percent(s.explained) for s in top],
            "by": [s.by for s in top],
            "walk": [s.walk for s in top],
            "value": [number(s.value, u) for s, u in zip(top, units, strict=True)],
            "usual": [number(s.usual, u) for s, u in zip(top, units, strict=True)],
        },
        schema_overrides={"score": pl.Float64, "share": pl.Float64},
    )


def edges(ranked: Ranked) -> pl.DataFrame:
    """The causal graph as a table, strongest edge first."""
    strongest = sorted(ranked.edges, key=lambda e: -abs(e.weight))
    return pl.DataFrame(
        {
            "cause": [e.cause for e in strongest],
            "effect": [e.effect for e in strongest],
            "weight": [e.weight for e in strongest],
            "lag (rows)": [e.lag for e in strongest],
            "learned": ["in quiet time" if e.part == "invariant" else "in this incident" for e in strongest],
        },
        schema_overrides={"weight": pl.Float64},
    )


def steps(ranked: Ranked) -> pl.DataFrame:
    """The path from the cause to the symptom, step by step, with what each stands on."""
    return pl.DataFrame(
        {
            "from": [hop.cause for hop in ranked.hops],
            "to": [hop.effect for hop in ranked.hops],
            "evidence": [ground(hop) for hop in ranked.hops],
            "accounts for": [percent(hop.share) for hop in ranked.hops],
        }
    )


def batches(rankings: Sequence[Ranked]) -> pl.DataFrame:
    """How settled the ranking was, batch by batch: agreement with the batch before, and the first place."""
    kept = rankings[-BATCHES:]
    first = [r.services[0] if r.services else None for r in kept]
    return pl.DataFrame(
        {
            "batch": [r.batch for r in kept],
            "time": [r.time for r in kept],
            "same list": [r.similarity for r in kept],
            "same graph": [r.graph_similarity for r in kept],
            "first place": [s.entity if s else "" for s in first],
            "score": [s.score if s else None for s in first],
            "confidence": [r.confidence for r in kept],
            "state": [r.rca for r in kept],
        },
        schema_overrides={"score": pl.Float64, "same list": pl.Float64, "same graph": pl.Float64},
    ).with_columns((pl.col("time") * 1e3).round().cast(pl.Int64).cast(TIME))


def leaders(rankings: Sequence[Ranked], count: int = 3) -> pl.DataFrame:
    """Score by batch of the services that lead the newest ranking: ``batch`` and one column a service."""
    kept = rankings[-BATCHES:]
    names = [s.entity for s in kept[-1].services[:count]] if kept else []
    scores = [{s.entity: s.score for s in r.services} for r in kept]
    columns = {name: [found.get(name) for found in scores] for name in names}
    schema = {"batch": pl.Int64} | dict.fromkeys(names, pl.Float64)
    return pl.DataFrame({"batch": [r.batch for r in kept]} | columns, schema=schema)


def timeline(events: Sequence[Triggered | Ranked | Changed]) -> pl.DataFrame:
    """What happened, oldest first. A ranking is told only where its first place or its state changed."""
    rows: list[tuple[float, str, str, str]] = []
    told: tuple[str, str] | None = None
    for event in sorted(events, key=lambda e: (e.time, e.n)):
        if isinstance(event, Ranked):
            first = event.services[0].entity if event.services else "nobody"
            if (first, event.rca) != told:
                told = (first, event.rca)
                rows.append((event.time, f"batch {event.batch}", f"{first} ranks first, {event.rca}", ""))
        elif isinstance(event, Triggered):
            names = ", ".join(name for name, _ in event.metrics[:3])
            rows.append((event.time, "trigger", f"{event.channel}, strength {number(event.score)}: {names}", ""))
        elif event.action != "ranked":
            rows.append((event.time, event.action, event.note or _sentence(event.incident), event.by))
    times = np.array([row[0] for row in rows], dtype=np.float64)
    words = {name: [row[k] for row in rows] for k, name in enumerate(("event", "detail", "by"), start=1)}
    return table(times).with_columns(*(pl.Series(name, column, dtype=pl.String) for name, column in words.items()))


def _sentence(incident: Incident) -> str:
    if incident.cause:
        return f"{firmness(incident.answer)} {incident.cause.replace('|', ' ')}"
    return f"{len(incident.changed)} metrics changed" if incident.changed else f"onset {clock(incident.onset)} UTC"


def evidence(reader: Reader, system: str, incident: str) -> pl.DataFrame:
    """The raw window kept with the incident: ``time`` and one column a metric; no rows if none was kept."""
    kept = reader.evidence(system, incident)
    if kept is None:
        return table(np.empty(0))
    return table(kept.times, kept.values, kept.names)


def usual(ranked: Ranked | None) -> dict[str, float]:
    """Level before the onset of each ranked metric, the same that the table of metrics shows."""
    return {s.name: s.usual for s in (ranked.metrics if ranked is not None else ()) if np.isfinite(s.usual)}
