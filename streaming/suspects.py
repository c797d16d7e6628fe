"""The words inside a ranking: who is suspected, on what evidence, and by which edges. All immutable."""

from typing import Literal, TypeAlias

import msgspec

__all__ = ["Answer", "Edge", "Hop", "ServiceSuspect", "Suspect"]

Answer: TypeAlias = Literal["", "named", "weak", "nothing", "outside"]
"""``named``: a culprit may be named. ``weak``: a guess. ``nothing``: nothing is unusual in what is measured.
``outside``: the KPIs suffer, and nothing else that is measured is unusual. Empty: nothing is ranked yet."""


class Suspect(msgspec.Struct, frozen=True):
    """One metric in a ranking, with the evidence that put it there."""

    entity: str
    metric: str
    score: float  # where it started: the order of the list
    abnormal: float  # how abnormal: 1 = the one-in-a-hundred event of this type of metric in quiet time
    explained: float = 0.0  # share that the invariant graph explains by other metrics, 0..1
    by: str = ""  # name of the metric that explains most of it
    walk: float = 0.0  # probability of the random walk with restart from the KPI
    value: float = 0.0  # typical value in the incident's window, in the metric's unit
    usual: float = 0.0  # typical value before the onset
    sustained: float = 0.0  # `abnormal` is the largest of three: of a change that lasts,
    sharp: float = 0.0  # of one of a row or two,
    silent: float = 0.0  # and of having gone silent
    suspicion: float = 0.0  # `abnormal`, lowered by the share that is explained
    role: str = ""  # internal, latency, availability, workload, saturation or shared

    @property
    def name(self) -> str:
        """``entity|metric``."""
        return f"{self.entity}|{self.metric}"


class ServiceSuspect(msgspec.Struct, frozen=True):
    """One service in a ranking: its own abnormality, and the part of others' that flows to it."""

    entity: str
    score: float
    metric: str  # its first metric
    internal: float = 0.0
    external: float = 0.0
    flow: float = 0.0


class Edge(msgspec.Struct, frozen=True):
    """``cause → effect`` between two series names, with its fused weight and the lag that carries most of it."""

    cause: str
    effect: str
    weight: float
    lag: int
    part: Literal["invariant", "dependent"] = "invariant"


class Hop(msgspec.Struct, frozen=True):
    """One step of a path, with the evidence on it."""

    cause: str
    effect: str
    weight: float  # of the learned edge, 0 where only the call graph leads here
    lag: int  # rows; 0 where nothing was learned
    share: float  # 0..1, part of the effect that the cause accounts for
    kind: Literal["learned", "call"]
