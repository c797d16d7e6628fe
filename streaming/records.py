"""The words that flow: what comes in, what the pipeline works on, what comes out. All immutable.

In: `Sample` and `Wide` (measurements), `Command` (what a person or a program asks for), `DeadLetter` (what
could not be read). Inside: `Series`, `Frame`. Out: the events `Tick`, `Triggered`, `Ranked`, `Changed`.
Times are epoch seconds, UTC. `system` is the key of one monitored thing and is part of every word.
"""

from typing import Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from .suspects import Answer, Edge, Hop, ServiceSuspect, Suspect

__all__ = [
    "Arrival",
    "Changed",
    "Command",
    "CommandKind",
    "DeadLetter",
    "Direction",
    "Event",
    "EvidenceWindow",
    "Frame",
    "Incident",
    "Kind",
    "Position",
    "Ranked",
    "RcaState",
    "Sample",
    "Series",
    "State",
    "Tick",
    "Triggered",
    "Wide",
    "identity",
]

Kind: TypeAlias = Literal["gauge", "counter", "delta"]
"""``gauge``: the value itself. ``counter``: a growing total, read as a rate per second. ``delta``: summed."""
Direction: TypeAlias = Literal["up", "down", "both"]
"""Which way is bad."""
State: TypeAlias = Literal["open", "acknowledged", "resolved", "dismissed", "shifted"]
RcaState: TypeAlias = Literal["collecting", "provisional", "converged", "inconclusive"]
CommandKind: TypeAlias = Literal[
    "acknowledge", "resolve", "dismiss", "baseline", "verdict", "confirm_edge", "forbid_edge"
]


class Position(NamedTuple):
    """Where a record stood in the input. For a file: its name, 0, and the row number."""

    topic: str
    partition: int
    offset: int


class Series(msgspec.Struct, frozen=True):
    """One column: a metric of an entity (host, pod, service) of a system."""

    system: str
    entity: str
    metric: str
    kind: Kind = "gauge"
    unit: str = ""
    direction: Direction = "both"

    @property
    def name(self) -> str:
        """``entity|metric``, as columns are called in files and on pages."""
        return f"{self.entity}|{self.metric}"


class Sample(msgspec.Struct, frozen=True):
    """One measurement. A `value` of NaN says that the metric was looked at and had no value."""

    system: str
    entity: str
    metric: str
    time: float
    value: float
    kind: Kind | None = None  # None: as the settings or the metric's name say
    unit: str = ""


class Wide(msgspec.Struct, frozen=True):
    """Many gauges or counters of one system at one time; `names` are ``entity|metric``.

    Sources hand the *same* `names` tuple again for rows with the same columns, so that the aligner can look
    it up by identity.
    """

    system: str
    time: float
    names: tuple[str, ...]
    values: NDArray[np.float64]  # [len(names)], NaN where nothing was measured


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that could not be used: where it stood, why, and its first 64 kB."""

    position: Position
    reason: str
    length: int
    sha256: str
    head: bytes


class Arrival(NamedTuple):
    """One thing a source delivers, with its place in the input."""

    position: Position
    word: Sample | Wide | DeadLetter


class Frame(msgspec.Struct, frozen=True):
    """A block of aligned rows of one system. Columns are only ever appended.

    `X` is ``float64[T, d]``, NaN where nothing fresh is known; `age` is ``float64[T, d]``, seconds since the
    sample that `X` shows was taken (NaN with it). `times` lie on the epoch grid of the system's step.
    """

    system: str
    times: NDArray[np.float64]
    X: NDArray[np.float64]
    age: NDArray[np.float64]
    series: tuple[Series, ...]


class Command(msgspec.Struct, frozen=True):
    """What someone asks of a running worker. It enters the pipeline like data and is stored with its place.

    `cause` is what a verdict names (an entity, or entity|metric), and with `effect` the ends of an edge.
    """

    id: int
    system: str
    kind: CommandKind
    incident: str = ""
    by: str = ""
    note: str = ""
    cause: str = ""
    effect: str = ""


class Incident(msgspec.Struct, frozen=True):
    """One incident as it stands. `state` is its life, `rca` is how settled its cause is; never mix the two."""

    system: str
    id: str  # "INC-7", unique within the system
    state: State
    rca: RcaState
    onset: float  # time of the first changed row
    opened: float  # time of the row at which it was opened
    updated: float  # time of the last row that changed it
    closed: float | None = None
    kpi: str = ""  # the KPI the walk starts from; empty: the joint anomaly
    cause: str = ""  # entity|metric that ranks first
    service: str = ""  # entity that ranks first
    margin: float = 0.0  # score of the first service over that of the second
    confidence: float = 0.0  # 0..1, probability that the first service (without services: metric) is right
    batches: int = 0
    triggers: int = 1
    changed: tuple[str, ...] = ()  # names of the metrics that changed, strongest first
    path: tuple[str, ...] = ()  # from the cause to the KPI
    answer: Answer = ""  # how firmly the cause is named
    ratio: float = 0.0  # strength of the evidence over that of quiet windows: < 1 nothing unusual
    services: tuple[str, ...] = ()  # the first ones, most suspect first
    suspects: tuple[str, ...] = ()  # the first metrics, most suspect first
    linked: str = ""  # id of an incident that was open when this one began, on other metrics
    entity: str = ""  # whose detector raised the alarm
    topology: Literal["", "hard", "soft"] = ""  # how the known call graph is used; empty: none is known
    verdict: str = ""  # the true cause, as somebody told it: an entity, or entity|metric
    place: int = 0  # of the verdict among `services` or `suspects`, from 1; 0: it is not among them


class Tick(msgspec.Struct, frozen=True):
    """One aligned row as the store keeps it."""

    system: str
    time: float
    values: NDArray[np.float32]
    scores: NDArray[np.float32]  # per metric: statistic over its threshold, 1 = alarm
    joint: float  # the joint statistic over its threshold
    learning: float  # share of the base window that is filled, 1 = watching


class Triggered(msgspec.Struct, frozen=True):
    """The detector's decision that the system changed. Not every trigger opens an incident."""

    system: str
    time: float
    n: int
    onset: float
    channel: Literal["joint", "metric", "frozen"]  # many metrics together, one by itself, or some that stand still
    score: float  # -ln of the false alarms expected per sample at this level
    metrics: tuple[tuple[str, float], ...]  # names and shares of the largest contributions
    incident: str = ""  # empty: no incident was opened or extended
    reason: str = ""  # why there is no incident
    entity: str = ""  # whose detector raised it


class Ranked(msgspec.Struct, frozen=True):
    """One batch of an incident's ranking."""

    system: str
    time: float
    n: int
    incident: str
    batch: int
    metrics: tuple[Suspect, ...]
    services: tuple[ServiceSuspect, ...]
    edges: tuple[Edge, ...]
    path: tuple[str, ...]
    similarity: float  # rank-biased overlap with the list before, 0..1
    graph_similarity: float  # 1 - Jensen-Shannon divergence of the edge weights, 0..1
    rca: RcaState
    confidence: float
    answer: Answer = ""
    ratio: float = 0.0
    hops: tuple[Hop, ...] = ()  # the steps of the path, one fewer than its names
    added: tuple[tuple[str, str], ...] = ()  # (caller, callee), calls that no topology named but the data show


class Changed(msgspec.Struct, frozen=True):
    """An incident was opened, or something about it changed. `action` names what."""

    system: str
    time: float
    n: int
    action: str  # opened | ranked | converged | acknowledged | resolved | dismissed | shifted | verdict
    incident: Incident
    by: str = ""
    note: str = ""


class EvidenceWindow(NamedTuple):
    """The raw rows round an incident's onset, to be kept for as long as the incident.

    `names` are d times ``entity|metric``; `times` is ``float64[T]``; `values` is ``float32[T, d]``, NaN where
    nothing was known.
    """

    system: str
    incident: str
    names: tuple[str, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float32]


Event: TypeAlias = Tick | Triggered | Ranked | Changed


def identity(event: "Triggered | Ranked | Changed") -> str:
    """The event's id, ``system/row time/n``: the same whenever the same input is worked on again."""
    return f"{event.system}/{event.time:.3f}/{event.n}"
