"""The whole system, wired together, and scraped once a second."""

import numpy as np
from numpy.typing import NDArray

from headwater.streaming.records import Series

from .entity import Dice, Entity
from .events import Agenda
from .gateway import Gateway
from .neighbours import NEIGHBOURS, Neighbour
from .replica import Replica
from .router import Router
from .services import Auth, Cache, Database, Session, Store, Tokenizer
from .station import Link, Request
from .traffic import Traffic

__all__ = ["EDGES", "KPI", "REPLICAS", "System"]

REPLICAS = ("replica-0", "replica-1", "replica-2", "replica-3")
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
"""The call graph as its operator knows it: caller, callee. Neighbours call nobody, and nobody calls them."""
KPI = ("gateway|ttft_p95_s", "gateway|error_ratio")
"""What the users feel; up is bad."""


class System:
    """A simulated LLM-serving system. All it does is decided by `seed` and by what is done to it."""

    def __init__(self, seed: int, *, rate: float = 10.0, name: str = "demo") -> None:
        dice = Dice(seed)
        self.agenda = agenda = Agenda()
        store = Store(agenda, dice)
        replicas = [Replica(replica, agenda, dice, Link(agenda, store, limit=1)) for replica in REPLICAS]
        router = Router(agenda, dice, replicas)
        self.traffic = Traffic(agenda, dice, self._arrive, rate=rate)
        cache = Cache(agenda, dice, self.traffic.earlier_sessions(6000))
        database = Database(agenda, dice)
        session = Session(agenda, dice, cache, database)
        auth, tokenizer = Auth(agenda, dice), Tokenizer(agenda, dice)
        self.gateway = Gateway(agenda, dice, auth, session, tokenizer, router)
        self.neighbours = {neighbour: Neighbour(neighbour, agenda, dice) for neighbour in NEIGHBOURS}
        on_path: tuple[Entity, ...] = (
            self.gateway,
            auth,
            session,
            cache,
            database,
            tokenizer,
            router,
            *replicas,
            store,
        )
        everything = (*on_path, *self.neighbours.values())
        self.entities = {entity.name: entity for entity in everything}
        metrics = [(entity.name, metric) for entity in everything for metric in entity.metrics]
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
        row = np.array([value for entity in self.entities.values() for value in entity.read()])
        row *= 1.0 + self._noise * self._rng.standard_normal(row.shape[0])
        clipped: NDArray[np.float64] = np.minimum(row, self._ceiling)
        return clipped
