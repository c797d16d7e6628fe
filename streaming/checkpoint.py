"""A pipeline to bytes and back, part by part, so that an edit of the settings costs only what it touches.

Parts: ``known`` (what people said of edges, and incidents that are over), ``self`` (columns, counts, the place in
time), ``ring`` (history), ``trigger``, ``graph``, ``candidate`` and ``case`` (the open incidents and their evidence).
Each is versioned bytes without pickle and travels with the hash of the settings that shaped it. A part whose hash no
longer fits learns again from what the ring holds.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from headwater.online import Snapshot, decode, encode

from .candidate import Candidate
from .incidents import progress
from .pipeline import Pipeline
from .pipeline_config import PipelineConfig
from .records import Changed, Incident, Series

__all__ = ["PARTS", "Thawed", "freeze", "hashes", "thaw"]

VERSION = 2
_SHAPED_BY: dict[str, tuple[str, ...]] = {
    "known": (),
    "self": (),
    "ring": ("step",),
    "trigger": ("step", "mode", "base_rows", "window", "rank", "false_alarms_per_day", "refractory_rows", "entities"),
    "graph": ("step", "lags", "candidates", "penalty", "half_life", "fusion", "patience_rows", "edges", "topology"),
    "candidate": ("step", "kpi", "on_kpi"),
    "case": ("step",),
}
PARTS = tuple(_SHAPED_BY)


class Thawed(NamedTuple):
    """What could not be taken back as it was."""

    again: list[str]  # sentences on what has to learn again
    events: list[Changed]  # an incident that nobody can go on with ends here


def hashes(config: PipelineConfig) -> dict[str, str]:
    """Hash, for each part, of the settings that shape it, and of the form in which it is kept."""
    fields = msgspec.structs.asdict(config)
    return {
        part: hashlib.sha256(msgspec.json.encode([VERSION, *(fields[name] for name in names)])).hexdigest()[:16]
        for part, names in _SHAPED_BY.items()
    }


def freeze(pipeline: Pipeline) -> dict[str, bytes]:
    """All that a pipeline has learned, by part."""
    cases = pipeline.work.cases
    parts: dict[str, Callable[[], Snapshot]] = {
        "known": lambda: _known(pipeline),
        "self": lambda: _self(pipeline),
        "ring": pipeline.ring.snapshot,
        "trigger": pipeline.trigger.snapshot,
        "graph": pipeline.work.graphs.snapshot,
        "candidate": lambda: pipeline.candidate.snapshot() if pipeline.candidate else {},
        "case": lambda: {f"{case.incident.id}.{k}": v for case in cases for k, v in case.snapshot().items()},
    }
    # One after the other, since each may be large.
    return {part: encode(snapshot(), kind=part, version=VERSION) for part, snapshot in parts.items()}


def thaw(pipeline: Pipeline, parts: Mapping[str, tuple[str, bytes]]) -> Thawed:
    """Give a new pipeline what an older one had learned, as far as the settings still fit.

    Raises
    ------
    SnapshotError
        If bytes are damaged or were written by a newer version.
    """
    wanted, system = hashes(pipeline.config), pipeline.config.system
    found = {part: decode(data, kind=part, version=VERSION) for part, (_, data) in parts.items()}
    fits = {part: part in parts and parts[part][0] == wanted[part] for part in PARTS}
    if fits["known"]:
        _restore_known(pipeline, found["known"])
    if fits["self"]:
        _restore_self(pipeline, found["self"])
    if not fits["ring"]:
        again = [f"{system}: the step, or the form of what is kept, has changed: everything learns again"]
        return Thawed(again, [_left(pipeline, case) for case in _cases(found.get("case", {}))])
    pipeline.ring.restore(found["ring"])
    again = _restore_learners(pipeline, found, fits)
    if fits["candidate"] and found["candidate"]:
        pipeline.candidate = Candidate.from_snapshot(found["candidate"])
    if fits["case"]:
        for case in _cases(found["case"]):
            pipeline.work.reopen(msgspec.json.decode(str(case["incident"]), type=Incident), case)
    return Thawed(again, [])


def _cases(fields: Snapshot) -> list[Snapshot]:
    """The snapshots of the open incidents, oldest first."""
    cases: dict[str, Snapshot] = {}
    for name, value in fields.items():
        incident, _, field = name.partition(".")
        cases.setdefault(incident, {})[field] = value
    return [case for case in cases.values() if "incident" in case]


def _restore_learners(pipeline: Pipeline, found: Mapping[str, Snapshot], fits: Mapping[str, bool]) -> list[str]:
    again, system = [], pipeline.config.system
    quiet = np.empty((0, len(pipeline.series)))
    if not (fits["trigger"] and fits["graph"]):
        quiet = pipeline.ring.values()[pipeline.ring.quiet()].astype(np.float64)
    if fits["trigger"]:
        pipeline.trigger.restore(found["trigger"])
    else:
        pipeline.trigger.step(quiet)
        again.append(f"{system}: [detector] has changed, the trigger learned again from {len(quiet)} quiet rows")
    if fits["graph"]:
        pipeline.work.graphs.restore(found["graph"])
    else:
        pipeline.work.graphs.relearn(quiet)
        what = "[causal] or [topology] has changed"
        again.append(f"{system}: {what}, the graph learned again from {len(quiet)} quiet rows")
    return again


def _left(pipeline: Pipeline, case: Snapshot) -> Changed:
    """End an incident whose rows mean nothing on the new grid."""
    incident = msgspec.json.decode(str(case["incident"]), type=Incident)
    n, pipeline.n = pipeline.n, pipeline.n + 1
    return Changed(
        system=incident.system,
        time=pipeline.time,
        n=n,
        action="resolved",
        incident=progress(incident, "resolve", pipeline.time),
        by="headwater",
        note="the step has changed: its rows cannot be gone on with",
    )


def _known(pipeline: Pipeline) -> Snapshot:
    edges = [[*edge, confirmed] for edge, confirmed in pipeline.work.graphs.judged.items()]
    closed = list(pipeline.work.closed.values())
    return {"judged": msgspec.json.encode(edges).decode(), "closed": msgspec.json.encode(closed).decode()}


def _restore_known(pipeline: Pipeline, fields: Snapshot) -> None:
    for cause, effect, confirmed in msgspec.json.decode(str(fields["judged"]), type=list[tuple[str, str, bool]]):
        pipeline.work.graphs.judged[cause, effect] = confirmed
    closed = msgspec.json.decode(str(fields["closed"]), type=list[Incident])
    pipeline.work.closed.update({incident.id: incident for incident in closed})


def _self(pipeline: Pipeline) -> Snapshot:
    return {
        "series": msgspec.json.encode(pipeline.series).decode(),
        "incidents": pipeline.work.incidents,
        "time": pipeline.time,
        "n": pipeline.n,
        "calm": pipeline.calm,
        "over": pipeline.over,
        "shifted": pipeline.shifted,
        "learned": pipeline.learning[0],
    }


def _restore_self(pipeline: Pipeline, fields: Snapshot) -> None:
    pipeline.adopt(msgspec.json.decode(str(fields["series"]), type=tuple[Series, ...]))
    pipeline.work.incidents, pipeline.n = int(fields["incidents"]), int(fields["n"])
    pipeline.calm, pipeline.shifted = int(fields["calm"]), bool(fields["shifted"])
    pipeline.over = np.asarray(fields["over"])
    pipeline.time, base = float(fields["time"]), pipeline.config.base_rows
    pipeline.learning = (min(int(fields["learned"]), base), base)
