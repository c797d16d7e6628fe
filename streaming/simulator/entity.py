"""What every part of the system has in common: a name, metrics, and a reading once a second."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from headwater.streaming.records import Direction

from .events import Agenda, Average, Draw, draws
from .station import Nic, Station

__all__ = ["Dice", "Entity", "Metric", "Service"]


class Metric(NamedTuple):
    """One metric of an entity: `noise` is the relative error of a scrape, one sigma."""

    name: str
    unit: str
    direction: Direction
    noise: float = 0.0


class Entity(Protocol):
    """One part of the system."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it tells about itself."""
        ...

    def read(self) -> list[float]:
        """The values of `metrics` over the second that ends now; the next second begins."""
        ...


class Dice:
    """The random streams of one run, each with a seed of its own, so that a fault does not shift the others."""

    def __init__(self, seed: int) -> None:
        self._seeds = np.random.SeedSequence(seed)

    def rng(self) -> np.random.Generator:
        """The next generator; the order of calls is part of the run's identity."""
        return np.random.default_rng(self._seeds.spawn(1)[0])

    def lognormal(self, sigma: float) -> Draw:
        """Log-normal numbers with mean 1."""
        return draws(self.rng(), lambda rng, n: rng.lognormal(-sigma * sigma / 2, sigma, n))

    def uniform(self) -> Draw:
        """Numbers in [0, 1)."""
        return draws(self.rng(), lambda rng, n: rng.random(n))

    def normal(self) -> Draw:
        """Standard normal numbers."""
        return draws(self.rng(), lambda rng, n: rng.standard_normal(n))

    def exponential(self) -> Draw:
        """Exponential numbers with mean 1."""
        return draws(self.rng(), lambda rng, n: rng.exponential(size=n))

    def nic(self) -> Nic:
        """A card with half a millisecond of round trip and one retransmission of 200 ms in 300 calls."""

        def trips(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
            trip = 0.0005 * rng.lognormal(0.0, 0.4, n)
            return np.where(rng.random(n) < 1 / 300, trip + 0.2, trip)

        return Nic(draws(self.rng(), trips), self.lognormal(0.5))


class Service:
    """An entity with one station, a network card, and a service time with a log-normal tail."""

    def __init__(self, name: str, agenda: Agenda, dice: Dice, *, servers: int, tail: float) -> None:
        self.name = name
        self.agenda = agenda
        self.station = Station(agenda, servers=servers)
        self.nic = dice.nic()
        self._tail = dice.lognormal(tail)
        self._busy = Average(lambda: self.station.busy_area)
        self._queued = Average(lambda: self.station.queue_area)

    def read_station(self) -> tuple[float, float, float, float]:
        """Arrivals per second, p95 of the latency, mean queue length, share of busy servers; a second begins."""
        station = self.station
        station.settle()
        values = (
            station.arrivals.rate,
            station.latency.read(0.95)[0],
            self._queued.read(),
            self._busy.read() / station.servers,
        )
        station.arrivals.tick()
        station.latency.tick()
        return values

    def read_nic(self) -> float:
        """Mean round trip of the calls of the last seconds; a second begins."""
        value = self.nic.measured.mean
        self.nic.measured.tick()
        return value
