"""The I/O-free whole: arrivals of any number of systems in, events out. One aligner and one pipeline a system."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from headwater.online import decode, encode

from .align import Aligner, Clocks, Partition
from .checkpoint import VERSION, freeze, hashes, thaw
from .errors import CommandRefused
from .pipeline import Pipeline
from .pipeline_config import PipelineConfig
from .records import Arrival, Changed, Command, DeadLetter, Event, EvidenceWindow, Frame, Series
from .standing import remarks, standing
from .wording import placed

__all__ = ["AlignConfig", "Monitor"]

_CLOCKS = "*"  # the clocks belong to the input, not to one system
_NAMED = 20  # refused names that are told


class AlignConfig(NamedTuple):
    """How samples become rows; see `Aligner`."""

    step: float
    lateness: float = 0.0
    staleness: float = 2.5
    max_columns: int = 10_000
    counters: tuple[str, ...] = ()
    kpi: tuple[str, ...] = ()


class Monitor:
    """Watch all systems of an input.

    Parameters
    ----------
    align
        How samples become rows.
    pipeline
        Settings of every system's pipeline; its `system` is filled in.
    max_systems
        Cap on the systems: a record's key is the input's to choose, and each one costs a pipeline. Words of further
        systems are refused and counted.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(self, align: AlignConfig, pipeline: PipelineConfig, *, max_systems: int = 64) -> None:
        if max_systems < 1:
            raise ValueError(f"max_systems is {max_systems}; it must be at least 1")
        self.align = align
        self.config = pipeline
        self.max_systems = max_systems
        # What is wrong with the settings shows here, not at the first row.
        self._aligner(pipeline.system)
        Pipeline(pipeline)
        self._hash = str(hash_of(align))
        self._clocks = Clocks()
        self._aligners: dict[str, Aligner] = {}
        self._pipelines: dict[str, Pipeline] = {}
        self._baseline: tuple[Clocks, dict[str, Aligner]] = (Clocks(), {})
        self._frozen: dict[tuple[str, str], bytes] = {}  # digests
        self._refused: dict[str, int] = {}  # words of the first few systems above the cap
        self._left: list[Event] = []  # what restoring has brought about
        self._rows = 0

    # ── input ───────────────────────────────────────────────────────────────────────────────────────────────

    def assign(self, partitions: Iterable[Partition]) -> None:
        """Wait for these partitions: a row is complete when all of them have passed it."""
        self._clocks.assign(partitions)

    def push(self, arrivals: Sequence[Arrival]) -> list[Event]:
        """Take measurements and return what follows from the rows that they complete."""
        self._accept(arrivals, self._clocks, self._aligners)
        return self._work()

    def idle(self, partitions: Iterable[Partition]) -> list[Event]:
        """Stop waiting for partitions that are read to their end and silent, until they deliver again."""
        self._clocks.idle(partitions)
        return self._work()

    def flush(self) -> list[Event]:
        """Work on all that is there: the input has ended."""
        return self._work(final=True)

    def learn(self, arrivals: Sequence[Arrival]) -> None:
        """Take rows of a baseline, which may lie at any time; `learned` ends it."""
        clocks, aligners = self._baseline
        self._accept(arrivals, clocks, aligners)
        for system, aligner in aligners.items():
            while (frame := aligner.rows(clocks.watermark(self.align.lateness))) is not None:
                self._learn(system, frame)

    def learned(self) -> None:
        """End the baseline: the systems in it are watched from their first row on; a short one only begins to learn."""
        clocks, aligners = self._baseline
        for system, aligner in aligners.items():
            while (frame := aligner.flush(clocks.newest())) is not None:
                self._learn(system, frame)
            self._pipeline(system).learned()
        self._baseline = (Clocks(), {})

    def command(self, command: Command) -> tuple[list[Event], str]:
        """Apply a command; returns its events and an answer for the one who asked.

        Raises
        ------
        CommandRefused
            If there is no such system, or the pipeline refuses.
        """
        pipeline = self._pipelines.get(command.system)
        if pipeline is None:
            known = ", ".join(self._pipelines) or "none so far"
            raise CommandRefused(
                f"there is no system {command.system!r}", f"systems: {known}", "name one with --system"
            )
        events = pipeline.command(command)
        about = [event.incident.id for event in events if isinstance(event, Changed)]
        about += [" → ".join(filter(None, (command.cause, command.effect)))] * bool(command.cause)
        place = [
            f", {placed(event.incident.place)}" for event in events if isinstance(event, Changed) and command.cause
        ]
        return events, f"{command.kind}: {', '.join(about)}{''.join(place)} at row {pipeline.time:.3f}"

    def _learn(self, system: str, frame: Frame) -> None:
        pipeline = self._pipeline(system)
        pipeline.learn(_conform(frame, pipeline.series))

    def _accept(self, arrivals: Sequence[Arrival], clocks: Clocks, aligners: dict[str, Aligner]) -> None:
        for position, word in arrivals:
            if isinstance(word, DeadLetter):
                continue
            partition = (position.topic, position.partition)
            before = clocks.advance(partition, word.time)
            aligner = aligners.get(word.system)
            if aligner is None:
                if word.system not in self._pipelines and len(aligners.keys() | self._pipelines) >= self.max_systems:
                    self._refuse(word.system)
                    continue
                aligner = aligners[word.system] = self._aligner(word.system)
            aligner.push(partition, word, before)

    def _refuse(self, system: str) -> None:
        name = system if system in self._refused or len(self._refused) < _NAMED else ""
        self._refused[name] = self._refused.get(name, 0) + 1

    def _work(self, *, final: bool = False) -> list[Event]:
        watermark = self._clocks.watermark(self.align.lateness)
        events, self._left = self._left, []
        for system, aligner in self._aligners.items():
            while (frame := aligner.flush(self._clocks.newest()) if final else aligner.rows(watermark)) is not None:
                pipeline = self._pipeline(system)
                self._rows += len(frame.times)
                events += pipeline.step(_conform(frame, pipeline.series))
        return events

    def _aligner(self, system: str) -> Aligner:
        return Aligner(system=system, **self.align._asdict())

    def _pipeline(self, system: str) -> Pipeline:
        if system not in self._pipelines:
            self._pipelines[system] = Pipeline(msgspec.structs.replace(self.config, system=system))
        return self._pipelines[system]

    # ── what is known ───────────────────────────────────────────────────────────────────────────────────────

    def series(self) -> dict[str, tuple[Series, ...]]:
        """The columns of each system."""
        return {system: pipeline.series for system, pipeline in self._pipelines.items()}

    def remarks(self) -> list[str]:
        """Sentences on what each system's graph rests on and what could be better."""
        return [f"{system}: {text}" for system, one in self._pipelines.items() for text in remarks(one)]

    def evidence(self) -> list[EvidenceWindow]:
        """Raw windows of incidents to keep, since the last look."""
        found = [window for pipeline in self._pipelines.values() for window in pipeline.evidence.values()]
        for pipeline in self._pipelines.values():
            pipeline.evidence.clear()
        return found

    def counters(self) -> dict[str, Any]:
        """Counts of what was late or refused, rows worked on, and how far the learning is.

        ``refused_systems`` counts words by system, under ``""`` those of systems beyond the first few; ``learning``
        is what `standing` says, by system.
        """
        refused = sorted({name for aligner in self._aligners.values() for name in aligner.refused})
        return {
            "rows": self._rows,
            "late_samples": sum(aligner.late for aligner in self._aligners.values()),
            "refused_columns": len(refused),
            "refused_names": refused[:_NAMED],
            "refused_systems": dict(self._refused),
            "learning": {system: standing(one) for system, one in self._pipelines.items()},
        }

    def snapshots(self) -> dict[tuple[str, str], tuple[str, bytes]]:
        """Parts that have changed since the last call, with the hash of the settings that shaped them."""
        parts = {(_CLOCKS, "clocks"): ("", encode(self._clocks.snapshot(), kind="clocks", version=VERSION))}
        for system, aligner in self._aligners.items():
            parts[system, "align"] = (self._hash, encode(aligner.snapshot(), kind="align", version=VERSION))
        for system, pipeline in self._pipelines.items():
            marks = hashes(pipeline.config)
            parts |= {(system, part): (marks[part], data) for part, data in freeze(pipeline).items()}
        digests = {key: hashlib.sha256(data).digest() for key, (_, data) in parts.items()}
        new = {key: part for key, part in parts.items() if self._frozen.get(key) != digests[key]}
        self._frozen = digests
        return new

    def restore(self, snapshots: Mapping[tuple[str, str], tuple[str, bytes]]) -> list[str]:
        """Take back what `snapshots` gave; returns sentences on what has to learn again.

        Raises
        ------
        SnapshotError
            If bytes are damaged or were written by a newer version.
        """
        again: list[str] = []
        for system in dict.fromkeys(system for system, _ in snapshots if system != _CLOCKS):
            parts = {part: value for (owner, part), value in snapshots.items() if owner == system}
            aligned = parts.pop("align", None)
            if parts:
                thawed = thaw(self._pipeline(system), parts)
                again += thawed.again
                self._left += thawed.events
            if aligned:
                aligner = self._aligners[system] = self._aligner(system)
                if aligned[0] == self._hash:
                    aligner.restore(decode(aligned[1], kind="align", version=VERSION))
                else:
                    again.append(f"{system}: [align] has changed, samples that waited for their row are left")
                    self._go_on(aligner)
        if (_CLOCKS, "clocks") in snapshots:
            self._clocks.restore(decode(snapshots[_CLOCKS, "clocks"][1], kind="clocks", version=VERSION))
        return again

    def _go_on(self, aligner: Aligner) -> None:
        """Let a new aligner begin after the newest row, so that no row is given out twice."""
        pipeline = self._pipelines.get(aligner.system)
        if pipeline and pipeline.series:
            emitted = math.floor(pipeline.time / self.align.step + 1e-4)
            aligner.restore(aligner.snapshot() | {"emitted": emitted})


def hash_of(align: AlignConfig) -> str:
    """Identify the settings that shape an aligner's state."""
    return msgspec.json.encode(align._asdict()).decode()


def _conform(frame: Frame, known: tuple[Series, ...]) -> Frame:
    """Put the columns into the order in which the pipeline knows them; new ones go to the right."""
    if frame.series[: len(known)] == known:
        return frame
    slot = {one.name: j for j, one in enumerate(known)}
    series = list(known)
    for one in frame.series:
        if one.name not in slot:
            slot[one.name] = len(series)
            series.append(one)
    X = np.full((len(frame.times), len(series)), np.nan)
    age = X.copy()
    place = [slot[one.name] for one in frame.series]
    X[:, place], age[:, place] = frame.X, frame.age
    return Frame(system=frame.system, times=frame.times, X=X, age=age, series=tuple(series))
