"""The router: spreads requests over the replicas by weight, and holds back what a full replica cannot take."""

from functools import partial
from typing import ClassVar

from .entity import Dice, Metric, Service
from .events import Agenda, Average, Tally
from .replica import Replica
from .station import Link, Request, Then

__all__ = ["Router"]


class Router(Service):
    """Sends each request to a replica drawn by weight (sessions are hashed, so load does not steer it)."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("latency_p95_s", "s", "up"),
        Metric("queue_len", "calls", "up"),
        Metric("cpu_util", "ratio", "up", 0.03),
        Metric("inflight", "calls", "both"),
        Metric("queue_time_p95_s", "s", "up"),
        Metric("share_max", "ratio", "up"),
        Metric("net_rtt_s", "s", "up"),
    )

    def __init__(self, agenda: Agenda, dice: Dice, replicas: list[Replica]) -> None:
        super().__init__("router", agenda, dice, servers=1, tail=0.4)
        self.links = [Link(agenda, replica, limit=34, backlog=70) for replica in replicas]
        self.bias = 1.0  # weight of its favourite; that of the others is 1
        self.favourite = int(dice.rng().integers(len(replicas)))
        self._sent = [Tally(10) for _ in replicas]
        self._luck = dice.uniform()
        self._held = Average(lambda: sum(link.wait_area for link in self.links))

    def serve(self, request: Request, reply: Then) -> None:
        """Choose a replica and pass the request on."""
        self.station.submit(0.003 * self._tail(), partial(self._route, reply), request)

    def _route(self, reply: Then, request: Request) -> None:
        others = len(self.links) - 1
        point = self._luck() * (self.bias + others) - self.bias
        chosen = self.favourite if point < 0 else (self.favourite + 1 + int(point)) % len(self.links)
        self._sent[chosen].add()
        self.links[chosen].call(request, reply)

    def read(self) -> list[float]:
        """The values of `metrics`."""
        for link in self.links:
            link.settle()
        rate, latency, _, util = self.read_station()
        sent = [tally.count for tally in self._sent]
        values = [
            rate,
            latency,
            self._held.read(),
            util,
            float(sum(link.in_use + link.waiting for link in self.links)),
            max(link.waits.read(0.95)[0] for link in self.links),
            max(sent) / max(1, sum(sent)),
            self.read_nic(),
        ]
        for link, tally in zip(self.links, self._sent, strict=True):
            link.waits.tick()
            tally.tick()
        return values
