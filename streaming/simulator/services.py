"""The services between the gateway and the replicas: each a station, with what is its own."""

from collections import OrderedDict
from functools import partial
from typing import ClassVar

from .entity import Dice, Metric, Service
from .events import Agenda, Average, Tally
from .station import Link, Request, Then

__all__ = ["Auth", "Cache", "Database", "Session", "Store", "Tokenizer"]


class Auth(Service):
    """Checks tokens and quotas, on a garbage-collected heap.

    Every request leaves garbage; when the heap is full a collection stops the world for as long as it takes to
    walk what lives. More that lives means longer pauses, and more of them.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "jobs", "up"),
        Metric("cpu_util", "ratio", "up", 0.03),
        Metric("heap_bytes", "bytes", "up", 0.01),
        Metric("heap_live_bytes", "bytes", "up", 0.01),
        Metric("gc_pause_ratio", "ratio", "up"),
        Metric("net_rtt_s", "s", "up"),
    )
    heap = 1000.0  # MB

    def __init__(self, agenda: Agenda, dice: Dice) -> None:
        super().__init__("auth", agenda, dice, servers=2, tail=0.8)
        self.live = 300.0  # MB that a collection cannot free
        self._garbage = 0.0
        self._waste = dice.lognormal(0.6)
        self._walk = dice.lognormal(0.1)
        self._survived = self.live
        self._pauses = Tally(10)

    def serve(self, request: Request, reply: Then) -> None:
        """Check the request's token."""
        self._garbage += 8.0 * self._waste()
        if self.live + self._garbage > self.heap:
            self._garbage = 0.0
            self._survived = self.live * self._walk()
            pause = (0.03 + 0.35 * (self.live / self.heap) ** 2) * self._walk()
            self._pauses.add(pause)
            self.station.pause(pause)
        self.station.submit(0.03 * self._tail(), reply, request)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        used = min(self.heap, self.live + self._garbage)
        paused = min(1.0, self._pauses.rate)
        values = [*self.read_station(), used * 1e6, self._survived * 1e6, paused, self.read_nic()]
        self._pauses.tick()
        return values


class Cache(Service):
    """Keeps the newest sessions, least recently used out first; what it holds spares a read and a prefill."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "jobs", "up"),
        Metric("cpu_util", "ratio", "up", 0.03),
        Metric("hit_ratio", "ratio", "down"),
        Metric("evictions_per_s", "1/s", "up"),
        Metric("memory_bytes", "bytes", "up", 0.004),
        Metric("net_rtt_s", "s", "up"),
    )
    capacity = 1200  # entries

    def __init__(self, agenda: Agenda, dice: Dice, earlier: list[int]) -> None:
        super().__init__("cache", agenda, dice, servers=2, tail=0.5)
        self.others = 2.0  # entries that other tenants put in each second, on the whole
        self._foreign = 0
        self._burst = dice.lognormal(1.2)
        self._entries: OrderedDict[int, None] = OrderedDict()
        self._hits, self._evictions = Tally(10), Tally(5)
        for session in earlier:  # not cold at the start
            self.lookup(session)
        self._hits, self._evictions = Tally(10), Tally(5)

    def lookup(self, session: int) -> bool:
        """Whether the session was there; it is now."""
        hit = session in self._entries
        self._entries[session] = None
        self._entries.move_to_end(session)
        if len(self._entries) > self.capacity:
            self._entries.popitem(last=False)
            self._evictions.add()
        return hit

    def serve(self, request: Request, reply: Then) -> None:
        """Look the request's session up; a hit leaves an eighth of the prompt to compute."""
        hit = self.lookup(request.session)
        self._hits.add(float(hit))
        request.new_tokens = max(1, request.prompt // 8) if hit else request.prompt
        self.station.submit(0.004 * self._tail(), reply, request)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        for _ in range(round(self.others * self._burst())):
            self._foreign -= 1
            self.lookup(self._foreign)
        values = [
            *self.read_station(),
            self._hits.mean,
            self._evictions.rate,
            2e8 + 2.5e6 * len(self._entries),
            self.read_nic(),
        ]
        self._hits.tick()
        self._evictions.tick()
        return values


class Database(Service):
    """Sessions and prompt templates on a disk with a few channels."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("queries_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "jobs", "up"),
        Metric("disk_util", "ratio", "up", 0.02),
        Metric("disk_latency_s", "s", "up"),
        Metric("net_rtt_s", "s", "up"),
    )

    def __init__(self, agenda: Agenda, dice: Dice) -> None:
        super().__init__("database", agenda, dice, servers=2, tail=0.6)
        self._disk = Tally(3)

    def serve(self, request: Request, reply: Then) -> None:
        """Read the request's session."""
        work = 0.3 * self._tail()
        self._disk.add(work / self.station.speed)
        self.station.submit(work, reply, request)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        values = [*self.read_station(), self._disk.mean, self.read_nic()]
        self._disk.tick()
        return values


class Session(Service):
    """Puts the prompt together: looks in the cache, and on a miss in the database, over a pool of connections."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "jobs", "up"),
        Metric("cpu_util", "ratio", "up", 0.03),
        Metric("cache_wait_len", "calls", "up"),
        Metric("db_wait_len", "calls", "up"),
        Metric("net_rtt_s", "s", "up"),
    )

    def __init__(self, agenda: Agenda, dice: Dice, cache: Cache, database: Database) -> None:
        super().__init__("session", agenda, dice, servers=2, tail=0.6)
        self.cache = Link(agenda, cache, limit=2)
        self.database = Link(agenda, database, limit=4)
        self._waits = [Average(lambda: self.cache.wait_area), Average(lambda: self.database.wait_area)]

    def serve(self, request: Request, reply: Then) -> None:
        """Find the request's session."""
        self.station.submit(0.012 * self._tail(), partial(self._look, reply), request)

    def _look(self, reply: Then, request: Request) -> None:
        self.cache.call(request, partial(self._found, reply))

    def _found(self, reply: Then, request: Request) -> None:
        if request.failed or request.new_tokens < request.prompt:
            reply(request)
        else:
            self.database.call(request, reply)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        self.cache.settle()
        self.database.settle()
        return [*self.read_station(), *(wait.read() for wait in self._waits), self.read_nic()]


class Tokenizer(Service):
    """Tokenizes and screens prompts on the CPU of a virtual machine; the time goes with the prompt's length."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "jobs", "up"),
        Metric("cpu_util", "ratio", "up", 0.02),
        Metric("cpu_steal_ratio", "ratio", "up"),
        Metric("tokens_per_s", "1/s", "both"),
        Metric("net_rtt_s", "s", "up"),
    )

    def __init__(self, agenda: Agenda, dice: Dice) -> None:
        super().__init__("tokenizer", agenda, dice, servers=3, tail=0.4)
        self.stolen = 0.0  # share of the CPU that the hypervisor gives to another tenant
        self._tokens = Tally(5)
        self._steal = dice.lognormal(0.5)
        self._luck = dice.uniform()

    def serve(self, request: Request, reply: Then) -> None:
        """Tokenize and screen the prompt; one in eighty is refused."""
        self._tokens.add(request.prompt)
        request.failed = self._luck() < 0.0125
        self.station.submit((0.02 + 5e-5 * request.prompt) * self._tail(), reply, request)

    def read(self) -> list[float]:
        """The values of `metrics`; the hypervisor shares the CPU out anew each second."""
        values = [*self.read_station(), 1.0 - self.station.speed, self._tokens.rate, self.read_nic()]
        self._tokens.tick()
        self.station.speed = (1.0 - self.stolen) * (1.0 - min(0.5, 0.02 * self._steal()))
        return values


class Store(Service):
    """Blobs (images, adapters) that some prompts need."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "jobs", "up"),
        Metric("channels_util", "ratio", "up", 0.02),
        Metric("bytes_per_s", "B/s", "both"),
        Metric("first_byte_s", "s", "up"),
        Metric("net_rtt_s", "s", "up"),
    )

    def __init__(self, agenda: Agenda, dice: Dice) -> None:
        super().__init__("store", agenda, dice, servers=6, tail=0.5)
        self._bytes = Tally(5)
        self._first_byte = Tally(5)

    def serve(self, request: Request, reply: Then) -> None:
        """Send the request's blob."""
        seek = 0.06 * self._tail()
        self._bytes.add(request.blob * 1e6)
        self._first_byte.add(seek / self.station.speed)
        self.station.submit(seek + request.blob / 100.0, reply, request)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        values = [*self.read_station(), self._bytes.rate, self._first_byte.mean, self.read_nic()]
        self._bytes.tick()
        self._first_byte.tick()
        return values
