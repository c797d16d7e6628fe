"""The neighbours: what runs on the same hosts, with limits of its own, off the path of the users' requests."""

from typing import ClassVar

from .entity import Dice, Metric, Service
from .events import Agenda, Tally

__all__ = ["NEIGHBOURS", "Neighbour"]

# name: jobs a second, servers, seconds a job, tail, MB a waiting job; throughput: its name, unit, units a job
NEIGHBOURS = {
    "embedder": (1.5, 2, 0.45, 0.7, 12.0, "docs_per_s", "1/s", 32.0),
    "logagent": (2.0, 1, 0.15, 0.6, 6.0, "bytes_per_s", "B/s", 9e4),
    "vectordb": (4.0, 2, 0.12, 0.9, 3.0, "queries_per_s", "1/s", 1.0),
}


class Neighbour(Service):
    """Works off jobs of its own. When it is noisy it gets many more jobs, and they take longer."""

    metrics: ClassVar[tuple[Metric, ...]] = ()

    def __init__(self, name: str, agenda: Agenda, dice: Dice) -> None:
        self._rate, servers, self._work, tail, self._weight, throughput, unit, self._units = NEIGHBOURS[name]
        super().__init__(name, agenda, dice, servers=servers, tail=tail)
        self.noise = 1.0  # how many times as many jobs as usual
        self._gap = dice.exponential()
        self._size = dice.lognormal(0.5)
        self._done = Tally(5)
        self.metrics = (  # type: ignore[misc]
            Metric(throughput, unit, "both"),
            Metric("latency_p95_s", "s", "up"),
            Metric("queue_len", "jobs", "up"),
            Metric("cpu_util", "ratio", "up", 0.03),
            Metric("memory_bytes", "bytes", "up", 0.01),
        )
        agenda.after(self._gap() / self._rate, self._come, None)

    def _come(self, _: object) -> None:
        size = self._size()
        if self.station.waiting < 500:  # its source is told to wait
            self.station.submit(self._work * size * self._tail(), self._done.add, size * self._units)
        self.agenda.after(self._gap() / (self._rate * self.noise), self._come, None)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        _, latency, queued, util = self.read_station()
        memory = 3e8 + 1e6 * self._weight * (self.station.waiting + self.station.busy)
        values = [self._done.rate, latency, queued, util, memory]
        self._done.tick()
        return values
