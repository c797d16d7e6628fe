"""From the numbers of a batch to the words that are stored and published. Pure."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, Role
from headwater.causal.diagnosis import Findings

from .case import Batch, Case
from .incidents import rca_after
from .records import Incident, Ranked
from .suspects import Edge, Hop, ServiceSuspect, Suspect

__all__ = ["judged", "ranked", "settled", "shares"]

HEAD = 5  # entries of the lists that an incident itself holds
LISTED = 20  # metrics of a ranking that are written down
CONTRIBUTIONS = 10  # metrics of a trigger that are written down
EDGES = 60  # edges of a graph that are written down, strongest first


def settled(incident: Incident, case: Case, batch: Batch, time: float) -> Incident:
    """The incident after a batch: its cause, its path, and how settled they are."""
    f, names = batch.findings, case.diagnosis.columns.names
    services = _services(case.diagnosis.columns, f)
    best = services[0] if services else None
    second = services[1].score if len(services) > 1 else 0.0
    changed = np.flatnonzero(case.changed)
    changed = changed[np.argsort(-f.abnormal[changed], kind="stable")]
    now = msgspec.structs.replace(
        incident,
        rca=rca_after(rca_after(incident.rca, "rank"), "settle") if batch.settled else rca_after(incident.rca, "rank"),
        updated=time,
        cause=best.metric if best else names[int(f.order[0])],
        service=best.entity if best else "",
        margin=best.score / second if best and second > 0 else 0.0,
        confidence=f.confidence,
        answer=f.answer,
        ratio=f.ratio,
        batches=batch.number + 1,
        changed=tuple(names[int(j)] for j in changed[:LISTED]),
        path=tuple(names[j] for j in f.path),
        services=tuple(one.entity for one in services[:HEAD]),
        suspects=tuple(names[int(j)] for j in f.order[:HEAD]),
    )
    return judged(now)


def judged(incident: Incident) -> Incident:
    """The incident with the place that its true cause, as somebody told it, has in its list."""
    heads = incident.suspects if "|" in incident.verdict else incident.services
    place = heads.index(incident.verdict) + 1 if incident.verdict in heads else 0
    return msgspec.structs.replace(incident, place=place)


def ranked(incident: Incident, case: Case, batch: Batch, time: float) -> Ranked:
    """Write down one batch."""
    f, columns = batch.findings, case.diagnosis.columns
    return Ranked(
        system=incident.system,
        time=time,
        n=0,
        incident=incident.id,
        batch=batch.number,
        metrics=tuple(_suspect(columns, f, int(j)) for j in f.order[:LISTED]),
        services=_services(columns, f),
        edges=_edges(columns, f),
        path=tuple(columns.names[j] for j in f.path),
        similarity=batch.similarity,
        graph_similarity=batch.graph_similarity,
        rca=incident.rca,
        confidence=f.confidence,
        answer=f.answer,
        ratio=f.ratio,
        hops=tuple(Hop(columns.names[hop.cause], columns.names[hop.effect], *hop[2:]) for hop in f.hops),
        added=f.added,
    )


def shares(contributions: NDArray[np.float64], names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """The largest contributions (``float64[d]``) to a trigger, by name, as shares of their sum."""
    known = np.nan_to_num(contributions)
    total = float(known.sum())
    largest = np.argsort(-known, kind="stable")[:CONTRIBUTIONS]
    return tuple((names[j], float(known[j]) / total) for j in largest.tolist() if known[j] > 0)


def _suspect(columns: Columns, f: Findings, j: int) -> Suspect:
    entity, _, metric = columns.names[j].partition("|")
    return Suspect(
        entity=entity,
        metric=metric,
        score=float(f.score[j]),
        abnormal=float(f.abnormal[j]),
        explained=float(f.explained[j]),
        by=columns.names[int(f.by[j])] if f.by[j] >= 0 else "",
        walk=float(f.walk[j]),
        value=float(f.value[j]),
        usual=float(f.usual[j]),
        sustained=float(f.sustained[j]),
        sharp=float(f.sharp[j]),
        silent=float(f.silent[j]),
        suspicion=float(f.suspicion[j]),
        role=Role(int(columns.roles[j])).name.lower(),
    )


def _services(columns: Columns, f: Findings) -> tuple[ServiceSuspect, ...]:
    """All services, most suspect first; each with its first metric in the order of metrics."""
    first: dict[int, int] = {}
    for j in f.order:
        first.setdefault(int(columns.owner[j]), int(j))
    s = f.services
    return tuple(
        ServiceSuspect(
            entity=columns.services[i],
            score=float(s.score[i]),
            metric=columns.names[first[i]],
            internal=float(s.internal[i]),
            external=float(s.external[i]),
            flow=float(s.flow[i]),
        )
        for i in np.argsort(-s.score, kind="stable").tolist()
    )


def _edges(columns: Columns, f: Findings) -> tuple[Edge, ...]:
    """The strongest edges between the metrics that are written down, and those of the path."""
    listed = set(f.order[:LISTED].tolist()) | set(f.path)
    cause, effect = np.nonzero(f.graph.W)
    strongest = np.argsort(-f.graph.W[cause, effect], kind="stable")
    pairs = [(int(cause[e]), int(effect[e])) for e in strongest]
    return tuple(
        Edge(
            cause=columns.names[i],
            effect=columns.names[j],
            weight=float(f.graph.W[i, j]),
            lag=int(f.graph.lag[i, j]),
            part="dependent" if f.graph.part[i, j] else "invariant",
        )
        for i, j in [pair for pair in pairs if pair[0] in listed and pair[1] in listed][:EDGES]
    )
