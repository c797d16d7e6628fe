"""The whole system, wired together, and read once a second."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from headwater.streaming.records import Series
from .entity import Dice, Entity, Service
from .events import Agenda
from .gateway import Gateway
from .neighbours import NEIGHBOURS, Neighbour
from .replica import Replica
from .router import Router
from .services import Auth, Cache, Database, Session, Store, Tokenizer
from .station import Link, Request
from .traffic import Traffic

__all__ = ["EDGES", "KPI", "System"]

REPLICAS = tuple(f"replica-{k}" for k in range(4))
EDGES: tuple[tuple[str, str], ...] = (
    ("gateway", "auth"),
    ("gateway", "session"),
    ("gateway", "tokenizer"),
    ("gateway", "router"),
    ("session", "cache"),
    ("session", "database"),
    *(("router", replica) for replica in REPLICAS),
    *((replica, "store") for replica in REPLICAS),
)
"""Who calls whom: caller, callee. Neighbours call nobody and nobody waits for them."""
KPI = ("gateway|ttft_p95_s", "gateway|error_ratio")


class System:
    """A simulated LLM-serving system; everything in it is decided by `seed` and by what is done to it."""

    def __init__(self, seed: int, *, rate: float = 10.0, name: str = "demo") -> None:
        dice = Dice(seed)
        self.agenda = agenda = Agenda()
        self.pick = int(dice.rng().integers(len(REPLICAS)))  # whom a router's imbalance hits
        self.store = Store(agenda, dice)
        self.replicas = {name: Replica(name, agenda, dice, Link(agenda, self.store, limit=3)) for name in REPLICAS}
        self.router = Router(agenda, dice, list(self.replicas.values()))
        self.tokenizer = Tokenizer(agenda, dice)
        self.database = Database(agenda, dice)
        self.auth = Auth(agenda, dice)
        self.traffic = Traffic(agenda, dice, self._arrive, rate=rate)
        self.cache = Cache(agenda, dice, self.traffic.recent_sessions(dice.rng(), 6000))
        self.session = Session(agenda, dice, self.cache, self.database)
        self.gateway = Gateway(agenda, dice, self.auth, self.session, self.tokenizer, self.router)
        self.neighbours = {name: Neighbour(name, agenda, dice) for name in NEIGHBOURS}
        on_path = (self.auth, self.session, self.cache, self.database, self.tokenizer, self.router, self.store)
        self.services: dict[str, Service] = {service.name: service for service in on_path}
        self.entities: tuple[Entity, ...] = (
            self.gateway,
            *on_path,
            *self.replicas.values(),
            *self.neighbours.values(),
        )
        metrics = [(entity.name, metric) for entity in self.entities for metric in entity.metrics]
        self.series = tuple(
            Series(name, entity, metric.name, unit=metric.unit, direction=metric.direction)
            for entity, metric in metrics
        )
        self._noise = np.array([metric.noise for _, metric in metrics])
        self._ceiling = np.array([1.0 if metric.unit == "ratio" else np.inf for _, metric in metrics])
        self._rng = dice.rng()

    def _arrive(self, request: Request) -> None:
        self.gateway.arrive(request)

    def second(self) -> NDArray[np.float64]:
        """Let one second pass and scrape all metrics: a row, ``float64[d]``."""
        self.agenda.run(until=self.agenda.now + 1.0)
        row = np.array([value for entity in self.entities for value in entity.read()])
        row *= 1.0 + self._noise * self._rng.standard_normal(row.shape[0])
        clipped: NDArray[np.float64] = np.minimum(row, self._ceiling)
        return clipped

    def rows(self) -> Iterator[NDArray[np.float64]]:
        """The rows, without end."""
        while True:
            yield self.second()
