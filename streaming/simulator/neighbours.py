"""The neighbours: what runs on the same hosts, with limits of its own, off the path of the users' requests."""

from typing import NamedTuple

from .entity import Dice, Metric, Service
from .events import Agenda, Tally

__all__ = ["NEIGHBOURS", "Neighbour", "Trade"]


class Trade(NamedTuple):
    """What a neighbour does for a living."""

    jobs: float  # a second
    servers: int
    work: float  # seconds a job
    tail: float  # of the work, log-normal
    weight: float  # bytes that a job holds while it waits
    output: Metric
    units: float  # of the output, a job


NEIGHBOURS = {
    "embedder": Trade(1.5, 2, 0.45, 0.7, 1.2e7, Metric("docs_per_s", "1/s", "both"), 32.0),
    "logagent": Trade(2.0, 1, 0.15, 0.6, 6e6, Metric("bytes_per_s", "B/s", "both"), 9e4),
    "vectordb": Trade(4.0, 2, 0.12, 0.9, 3e6, Metric("queries_per_s", "1/s", "both"), 1.0),
}
"""A batch-embedding job, an agent that ships logs, and the vector index of another product."""


class Neighbour(Service):
    """Works off jobs of its own. A noisy one gets many times as many, and its queue fills up."""

    def __init__(self, name: str, agenda: Agenda, dice: Dice) -> None:
        self.trade = trade = NEIGHBOURS[name]
        super().__init__(name, agenda, dice, servers=trade.servers, tail=trade.tail)
        self.noise = 1.0  # how many times as many jobs as usual
        self.metrics = (
            trade.output,
            Metric("latency_p95_s", "s", "up"),
            Metric("queue_len", "jobs", "up"),
            Metric("cpu_util", "ratio", "up", 0.03),
            Metric("memory_bytes", "bytes", "up", 0.01),
        )
        self._gap = dice.exponential()
        self._size = dice.lognormal(0.5)
        self._done = Tally(5)
        self._plan()

    def _plan(self) -> None:
        self.agenda.after(self._gap() / (self.trade.jobs * self.noise), self._come, None)

    def _come(self, _: object) -> None:
        size = self._size()
        if self.station.waiting < 500:  # beyond that its source has to wait
            self.station.submit(self.trade.work * size * self._tail(), self._done.add, size * self.trade.units)
        self._plan()

    def read(self) -> list[float]:
        """The values of `metrics`."""
        _, latency, queued, util = self.read_station()
        memory = 3e8 + self.trade.weight * (self.station.waiting + self.station.busy)
        values = [self._done.rate, latency, queued, util, memory]
        self._done.tick()
        return values
