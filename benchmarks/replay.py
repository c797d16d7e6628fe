"""Bench ``replay``: real recordings through the same worker as ``headwater replay``, held against their labels."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from headwater.causal.columns import describe
from headwater.streaming import build, inputs, runner
from headwater.streaming.demo import Playback, setting
from headwater.streaming.records import Arrival, Incident, Ranked
from headwater.streaming.settings import Settings
from headwater.streaming.simulator import scenario
from headwater.streaming.source import Source
from headwater.streaming.store.writer import Store

from .peers.nsigma import nsigma
from .rootcause import nezha
from .rootcause.nezha import AFTERMATH, ONLINE_BOUTIQUE
from .rootcause.ours import largest
from .rootcause.scorers import accuracy, place
from .rootcause.windows import Fault, Recorded

__all__ = ["DESCRIPTION", "rows"]

DESCRIPTION = "recordings through the worker: faults hit, incidents without one, services ranked, all rows worked on"

SPAN = "08:10..23:59"  # of the Nezha recording: nothing was injected
SMD_STEP = "60s"
IN_MEMORY = "sqlite://"
SEED = 1  # of the simulated recording that stands in where there is no data
EVERY = 1_000_000  # incidents


class Played(NamedTuple):
    """What the worker made of a recording."""

    rows: int
    seconds: float
    incidents: list[Incident]  # in the order of their opening
    rankings: dict[str, list[Ranked]]  # by incident


def rows(quick: bool, data: Path | None, progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """Yield what was found in Nezha and SMD; without data, in a simulated recording."""
    if data is None:
        progress("no --data: a simulated recording")
        yield from _simulated()
        return
    progress("nezha")
    yield from _nezha(data)
    if quick:
        return
    worked_on = 0
    for path in sorted((data / "smd" / "streams").glob("*.parquet")):
        progress(f"smd {path.stem}")
        for row in _smd(data, path):
            worked_on += row["value"] if row["metric"] == "rows" else 0
            yield row
    yield _row("smd", "rows", worked_on, "rows")


def play(
    settings: Settings, source: Source, step: float | None, baseline: Iterable[Sequence[Arrival]] | None
) -> Played:
    """Run the worker over a recording, in a store that is kept nowhere."""
    started = time.perf_counter()
    with Store(IN_MEMORY) as store:
        monitor = build.monitor(settings, step=step)
        done = runner.run(source, monitor, store, None, settings=settings, stop=lambda: False, baseline=baseline)
        reader = store.reader()
        incidents = sorted(reader.incidents(limit=EVERY), key=lambda incident: incident.opened)
        rankings = {incident.id: reader.rankings(incident.system, incident.id) for incident in incidents}
    return Played(done.rows, time.perf_counter() - started, incidents, rankings)


def touches(incident: Incident, fault: Fault) -> bool:
    """Say whether an incident and a fault, with the minute after it, overlap."""
    return incident.onset <= fault.end + AFTERMATH and ended(incident) >= fault.start


def ended(incident: Incident) -> float:
    """Say when an incident was closed, or last changed."""
    return incident.closed if incident.closed is not None else incident.updated


def _opened(fault: Fault, incidents: Sequence[Incident]) -> bool:
    """Say whether an incident of its own was opened on a fault, not only one that was open already."""
    return any(fault.start <= incident.opened <= fault.end + AFTERMATH for incident in incidents)


def _nezha(data: Path) -> Iterator[dict[str, Any]]:
    settings = _settings()
    source = inputs.replay_source(settings, data / "nezha" / "streams" / f"{ONLINE_BOUTIQUE}.parquet", SPAN)
    played = play(settings, source, source.step, source.baseline())
    yield from _judged("nezha", played, nezha.faults(data, ONLINE_BOUTIQUE), nezha.recorded(data, ONLINE_BOUTIQUE))


def _settings(**system: str) -> Settings:
    """Return the defaults of ``headwater replay``."""
    sections: dict[str, Any] = {"source": {"kind": "file"}, "system": system}
    return Settings(**sections)


def _simulated() -> Iterator[dict[str, Any]]:
    made = scenario(SEED)
    played = play(setting(made), Playback(made), 1.0, None)
    faults = [Fault(made.truth.start, made.truth.end, made.truth.service, visible=True)] if made.truth else []
    columns = describe([series.name for series in made.series], made.edges)
    yield from _judged("simulated", played, faults, Recorded(columns, made.times, made.X, quiet=made.times < 0))


def _judged(group: str, played: Played, faults: Sequence[Fault], what: Recorded) -> Iterator[dict[str, Any]]:
    """Hold incidents against faults."""
    visible = [fault for fault in faults if fault.visible]
    hit = sum(any(touches(incident, fault) for incident in played.incidents) for fault in visible)
    alone = [i for i in played.incidents if not any(touches(i, fault) for fault in faults)]
    yield _row(group, "rows", played.rows, "rows")
    yield _row(group, "seconds", round(played.seconds, 3), "s")
    yield _row(group, "faults_visible", len(visible), "faults")
    yield _row(group, "faults_visible_hit", hit, "faults")
    yield _row(group, "faults_visible_opened", sum(_opened(fault, played.incidents) for fault in visible), "faults")
    yield _row(group, "incidents", len(played.incidents), "incidents")
    yield _row(group, "incidents_without_fault", len(alone), "incidents")
    times = what.times[~what.quiet].tolist()
    busy = sum(any(incident.onset <= time <= ended(incident) for incident in played.incidents) for time in times)
    yield _row(group, "share_of_rows_in_incidents", round(busy / len(times), 4))
    yield from _ranked(group, played, faults, what)


def _ranked(group: str, played: Played, faults: Sequence[Fault], what: Recorded) -> Iterator[dict[str, Any]]:
    """Rank the service of the first fault that each incident touches: ours, and N-Sigma on the same window."""
    ranks: dict[str, list[float]] = {"headwater": [], "n-sigma": []}
    for incident in played.incidents:
        fault = next((fault for fault in faults if touches(incident, fault)), None)
        if fault is not None:
            ranks["headwater"].append(_place(played.rankings[incident.id], fault.service))
            ranks["n-sigma"].append(_nsigma(what, incident, played, fault.service))
    for method, found in ranks.items():
        values = accuracy(found)
        for metric, printed in {"as1": "AS@1", "as3": "AS@3", "avg5": "Avg@5"}.items():
            yield _row(group, printed, values[metric], method=method)


def _place(rankings: Sequence[Ranked], service: str) -> float:
    """Return the place of a service in the last ranking; infinite where it is not in it."""
    names = [suspect.entity for suspect in rankings[-1].services] if rankings else []
    return float(names.index(service) + 1) if service in names else float("inf")


def _nsigma(what: Recorded, incident: Incident, played: Played, service: str) -> float:
    """Rank the service by N-Sigma on the same window: from the onset to the last batch of the ranking.

    Quiet is the baseline, and what was played before the onset outside of earlier incidents.
    """
    rankings = played.rankings[incident.id]
    until = rankings[-1].time if rankings else incident.updated
    before = what.times < incident.onset
    for earlier in played.incidents:
        if earlier.opened < incident.opened:
            before &= ~((what.times >= earlier.onset) & (what.times <= ended(earlier)))
    window = (what.times >= incident.onset) & (what.times <= until)
    scores = largest(what.columns, nsigma(what.X[before | what.quiet], what.X[window]))
    return place(scores, what.columns.services.index(service))


def _smd(data: Path, path: Path) -> Iterator[dict[str, Any]]:
    settings = _settings(step=SMD_STEP)
    source = inputs.replay_source(settings, path)
    played = play(settings, source, source.step, None)
    labels = pl.read_parquet(data / "smd" / "incidents.parquet").filter(pl.col("stream") == path.stem)
    segments = [
        Fault(start * source.step, end * source.step, "", visible=True)
        for start, end in labels["fault_start", "fault_end"].rows()
    ]
    touched = sum(any(touches(incident, segment) for incident in played.incidents) for segment in segments)
    alone = sum(not any(touches(incident, segment) for segment in segments) for incident in played.incidents)
    group = f"smd {path.stem}"
    yield _row(group, "rows", played.rows, "rows")
    yield _row(group, "seconds", round(played.seconds, 3), "s")
    yield _row(group, "segments", len(segments), "segments")
    yield _row(group, "segments_touched", touched, "segments")
    yield _row(group, "incidents", len(played.incidents), "incidents")
    yield _row(group, "incidents_without_segment", alone, "incidents")


def _row(group: str, metric: str, value: Any, unit: str = "", method: str = "headwater") -> dict[str, Any]:
    return {"bench": "replay", "set": group, "method": method, "metric": metric, "value": value, "unit": unit}
