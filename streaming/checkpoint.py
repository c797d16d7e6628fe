"""A pipeline to bytes and back, part by part, so that an edit of the settings costs only what it touches.

Parts: ``ring`` (history), ``trigger``, ``graph``, ``case`` (the candidate or the open incident and its evidence).
Each is versioned bytes without pickle and travels with the hash of the settings that shaped it. A part whose hash
no longer fits learns again from what the ring holds.
"""

import hashlib
from collections.abc import Mapping

import msgspec
import numpy as np

from headwater.online import Snapshot, decode, encode

from .candidate import Candidate
from .pipeline import Pipeline
from .pipeline_config import PipelineConfig
from .records import Incident, Series

__all__ = ["PARTS", "freeze", "hashes", "thaw"]

VERSION = 1
PARTS = ("ring", "trigger", "graph", "case")
_SHAPED_BY = {
    "ring": ("step", "history_rows"),
    "trigger": ("step", "base_rows", "window", "rank", "false_alarms_per_day"),
    "graph": ("step", "lags", "candidates", "penalty", "half_life", "fusion", "window", "patience_rows"),
    "case": ("step", "kpi", "edges", "on_kpi", "patience_rows"),
}


def hashes(config: PipelineConfig) -> dict[str, str]:
    """Hash, for each part, of the settings that shape it."""
    fields = msgspec.structs.asdict(config)
    return {
        part: hashlib.sha256(msgspec.json.encode([fields[name] for name in names])).hexdigest()[:16]
        for part, names in _SHAPED_BY.items()
    }


def freeze(pipeline: Pipeline) -> dict[str, bytes]:
    """All that a pipeline has learned, by part."""
    parts = {
        "ring": pipeline.ring.snapshot() | _self(pipeline),
        "trigger": pipeline.trigger.snapshot(),
        "graph": pipeline.work.coral.snapshot(),
        "case": _case(pipeline),
    }
    return {part: encode(snapshot, kind=part, version=VERSION) for part, snapshot in parts.items()}


def thaw(pipeline: Pipeline, parts: Mapping[str, tuple[str, bytes]]) -> list[str]:
    """Give a new pipeline what an older one had learned; returns sentences on what has to learn again.

    Raises
    ------
    SnapshotError
        If bytes are damaged or were written by a newer version.
    """
    wanted = hashes(pipeline.config)
    fits = {part: part in parts and parts[part][0] == wanted[part] for part in PARTS}
    snapshots = {part: decode(parts[part][1], kind=part, version=VERSION) for part in PARTS if fits[part]}
    system = pipeline.config.system
    if not fits["ring"]:
        return [f"{system}: the step or the length of the history has changed, everything learns again"]
    again = []
    ring = snapshots["ring"]
    _restore_self(pipeline, {k: ring.pop(k) for k in list(ring) if k.startswith("self.")})
    pipeline.ring.restore(ring)
    quiet = pipeline.ring.values()[pipeline.ring.quiet()].astype(np.float64)
    if fits["trigger"]:
        pipeline.trigger.restore(snapshots["trigger"])
    else:
        pipeline.trigger.step(quiet)
        again.append(f"{system}: [detector] has changed, the trigger learned again from {len(quiet)} quiet rows")
    if fits["graph"]:
        pipeline.work.relearn(quiet[:0])  # with the lag order that was chosen
        pipeline.work.coral.restore(snapshots["graph"])
    else:
        pipeline.work.relearn(quiet)
        again.append(f"{system}: [causal] has changed, the graph learned again from {len(quiet)} quiet rows")
    if fits["case"]:
        _restore_case(pipeline, snapshots["case"], graph=fits["graph"])
    else:
        again.append(f"{system}: kpi, topology or incident settings have changed, an incident that was open is left")
    return again


def _self(pipeline: Pipeline) -> Snapshot:
    return {
        "self.series": msgspec.json.encode(pipeline.series).decode(),
        "self.incidents": pipeline.work.incidents,
        "self.time": pipeline.time,
        "self.n": pipeline.n,
        "self.calm": pipeline.calm,
        "self.lags": pipeline.work.lags,
        "self.learned": pipeline.learning[0],
    }


def _restore_self(pipeline: Pipeline, fields: Snapshot) -> None:
    pipeline.adopt(msgspec.json.decode(str(fields["self.series"]), type=tuple[Series, ...]))
    pipeline.work.incidents, pipeline.n = int(fields["self.incidents"]), int(fields["self.n"])
    pipeline.work.lags = int(fields["self.lags"])
    pipeline.calm = int(fields["self.calm"])
    pipeline.time = float(fields["self.time"])
    pipeline.learning = (int(fields["self.learned"]), pipeline.config.base_rows)


def _case(pipeline: Pipeline) -> Snapshot:
    if pipeline.work.case:
        return pipeline.work.case.snapshot() | {"kind": "case"}
    if pipeline.candidate:
        return pipeline.candidate.snapshot() | {"kind": "candidate"}
    return {"kind": "none"}


def _restore_case(pipeline: Pipeline, snapshot: Snapshot, *, graph: bool) -> None:
    kind = snapshot.pop("kind")
    if kind == "candidate":
        pipeline.candidate = Candidate.from_snapshot(snapshot)
    if kind == "case":
        incident = msgspec.json.decode(str(snapshot["incident"]), type=Incident)
        pipeline.work.reopen(incident, snapshot, pipeline.series, graph=graph)
