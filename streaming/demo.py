"""The demo: a simulated fault, found by the same worker that reads Kafka, and then held against the truth.

The simulator knows nothing of detectors or causes, and the worker is given nothing but the measurements.
"""

import time
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Protocol

import numpy as np

from . import build, runner, simulator
from .records import Arrival, Event, Incident, Position, Wide
from .settings import Settings
from .simulator import Recording, Truth
from .source import Poll
from .store.reader import Reader
from .store.writer import Store

__all__ = [
    "NAME",
    "Audience",
    "Playback",
    "Silent",
    "judge",
    "meant",
    "middle_rank",
    "nsigma",
    "perform",
    "place",
    "setting",
]

NAME = "demo"
PARTITION = (NAME, 0)
ROWS = 60  # handed over at once; results do not depend on it
BEFORE = 600.0  # seconds before an onset that are normal for N-Sigma


class Audience(Protocol):
    """Who is told while the demo runs."""

    def begin(self, recording: Recording) -> None:
        """The recording is made."""

    def watch(self, events: Sequence[Event]) -> None:
        """The worker has committed these events."""

    def pause(self) -> None:
        """The next minute of rows is about to be read; whoever wants time to look takes it here."""


class Silent:
    """An audience that says nothing."""

    def begin(self, recording: Recording) -> None:
        """Say nothing."""

    def watch(self, events: Sequence[Event]) -> None:
        """Say nothing."""

    def pause(self) -> None:
        """Take no time."""


class Playback:
    """A recording as a source: one wide row a second of simulated time.

    Parameters
    ----------
    recording
        What the simulator made.
    pause
        Called before each poll.
    """

    def __init__(self, recording: Recording, pause: Callable[[], None] = lambda: None) -> None:
        self._times = np.asarray(recording.times, np.float64)
        self._X = np.asarray(recording.X, np.float64)
        self._names = tuple(series.name for series in recording.series)
        self._pause = pause
        self._next = 0

    def partitions(self) -> list[tuple[str, int]]:
        """Return the only one."""
        return [PARTITION]

    def seek(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Go to a row."""
        self._next = offsets.get(PARTITION, 0)

    def poll(self, timeout: float) -> Poll:
        """Hand over the next rows."""
        del timeout
        self._pause()
        rows = range(self._next, min(self._next + ROWS, len(self._times)))
        self._next = rows.stop
        arrivals = [
            Arrival(Position(*PARTITION, row), Wide(NAME, float(self._times[row]), self._names, self._X[row]))
            for row in rows
        ]
        return Poll(arrivals, [], self._next >= len(self._times), [])

    def offsets(self) -> dict[tuple[str, int], int]:
        """Return the next row."""
        return {PARTITION: self._next}

    def lag(self) -> dict[str, Any]:
        """Return how many rows are left."""
        return {"records": len(self._times) - self._next, "stale_s": 0.0, "alarms": []}

    def close(self) -> None:
        """Nothing is open."""


def setting(recording: Recording) -> Settings:
    """Return the default settings with what is known of the simulated system: KPI, call graph and counters.

    The user's own file is not read: it is about another system.
    """
    counters = [series.name for series in recording.series if series.kind == "counter"]
    sections: dict[str, Any] = {
        "system": {"name": NAME, "kpi": recording.kpi, "step": 1.0},
        "source": {"kind": "file"},
        "columns": {"counters": counters},
        "topology": {"edges": [f"{caller}>{callee}" for caller, callee in recording.edges]},
        "store": {"commit_every": 1.0},
    }
    return Settings(**sections)


def perform(
    seed: int, url: str, *, quiet: float = 0.0, audience: Audience | None = None
) -> tuple[Recording, dict[str, Any]]:
    """Simulate, let the worker find out, and judge.

    Parameters
    ----------
    seed
        Which run.
    url
        A store that is not there yet.
    quiet
        Seconds of a run without a fault; 0: half an hour with one.
    audience
        Who is told meanwhile.

    Returns
    -------
    tuple
        The recording, and what `judge` says of it with the ``seconds`` it took.
    """
    started, audience = time.monotonic(), audience or Silent()
    recording = simulator.simulate(seed, fault=None, seconds=quiet) if quiet else simulator.scenario(seed)
    audience.begin(recording)
    settings = setting(recording)
    source = Playback(recording, audience.pause)
    with Store(url) as store:
        monitor = build.monitor(settings)
        runner.run(source, monitor, store, None, settings=settings, stop=lambda: False, watch=audience.watch)
        verdict = judge(recording, seed, store.reader())
    return recording, {**verdict, "seconds": round(time.monotonic() - started, 3)}


def judge(recording: Recording, seed: int, reader: Reader) -> dict[str, Any]:
    """Hold what was found against what was injected.

    Returns
    -------
    dict
        ``seed, fault, truth {service, metric}, incidents, rank, metric_rank, rank_nsigma, converged``. Ranks count
        from 1 and are None where nothing was ranked; those of N-Sigma are the middle ones among ties.
    """
    truth = recording.truth
    incidents = sorted(reader.incidents(NAME), key=lambda incident: incident.opened)
    incident = meant(incidents, truth) if truth else None
    rankings = reader.rankings(NAME, incident.id) if incident else []
    verdict: dict[str, Any] = {
        "seed": seed,
        "fault": truth.fault if truth else None,
        "truth": {"service": truth.service, "metric": truth.metric} if truth else None,
        "incidents": len(incidents),
        "rank": None,
        "metric_rank": None,
        "rank_nsigma": None,
        "converged": bool(incident and incident.rca == "converged"),
    }
    if truth and incident and rankings:
        last = rankings[-1]
        until = next((ranked.time for ranked in rankings if ranked.rca == "converged"), last.time)
        verdict["rank"] = place([suspect.entity for suspect in last.services], {truth.service})
        wanted = {f"{truth.service}|{metric}" for metric in truth.metrics}
        verdict["metric_rank"] = place([suspect.name for suspect in last.metrics], wanted)
        verdict["rank_nsigma"] = middle_rank(nsigma(recording, incident.onset, until), truth.service)
    return verdict


def meant(incidents: Sequence[Incident], truth: Truth) -> Incident | None:
    """Return the first incident that overlaps the fault, else the first one."""
    during = [i for i in incidents if i.onset <= truth.end and (i.closed or i.updated) >= truth.start]
    return next(iter([*during, *incidents]), None)


def place(ranked: Sequence[str], wanted: Set[str]) -> int | None:
    """Return the place of the first name that is wanted, from 1.

    Examples
    --------
    >>> place(["a", "b", "c"], {"c", "b"}), place(["a"], {"b"})
    (2, None)
    """
    return next((i for i, name in enumerate(ranked, 1) if name in wanted), None)


def middle_rank(scores: Mapping[str, float], name: str) -> float | None:
    """Return the rank of `name` by falling score, the middle one among ties.

    Examples
    --------
    >>> middle_rank({"a": 9.0, "b": 5.0, "c": 5.0}, "b"), middle_rank({"a": 9.0}, "z")
    (2.5, None)
    """
    if name not in scores:
        return None
    above = sum(score > scores[name] for score in scores.values())
    level = sum(score == scores[name] for score in scores.values())
    return above + (level + 1) / 2


def nsigma(recording: Recording, onset: float, until: float) -> dict[str, float]:
    """Score each service by plain N-Sigma: the largest ``max|x - mean| / sd`` of its metrics.

    Mean and standard deviation are those of the 10 minutes before the onset, x the rows from the onset to `until`.
    A metric that was constant before and moves afterwards scores infinity, one that does not move 0.
    """
    times = recording.times
    before = recording.X[(times >= onset - BEFORE) & (times < onset)]
    after = recording.X[(times >= onset) & (times <= until)]
    services: dict[str, float] = {}
    for series, quiet, then in zip(recording.series, before.T, after.T, strict=True):
        usual, now = quiet[np.isfinite(quiet)], then[np.isfinite(then)]
        far = float(np.abs(now - usual.mean()).max()) if usual.size and now.size else 0.0
        spread = float(usual.std()) if usual.size else 0.0
        z = far / spread if spread > 0 else (np.inf if far > 0 else 0.0)
        services[series.entity] = max(z, services.get(series.entity, 0.0))
    return services
