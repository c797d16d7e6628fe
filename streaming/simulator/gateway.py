"""The gateway: takes the users' requests, walks each through the services, and measures what the users see."""

from collections import deque
from typing import ClassVar

from .entity import Dice, Metric
from .events import Agenda, Average, Percentiles, Tally
from .router import Router
from .services import Auth, Session, Tokenizer
from .station import Link, Request, Station, Then

__all__ = ["Gateway"]


class Gateway:
    """Holds one slot a request from its acceptance to its last token; what finds no slot waits to be accepted."""

    name = "gateway"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("inflight", "requests", "up"),
        Metric("slots_util", "ratio", "up"),
        Metric("accept_queue_len", "requests", "up"),
        Metric("upstream_wait_len", "calls", "up"),
        Metric("ttft_p50_s", "s", "up"),
        Metric("ttft_p95_s", "s", "up"),
        Metric("latency_p95_s", "s", "up"),
        Metric("latency_mean_s", "s", "up"),
        Metric("errors_per_s", "1/s", "up"),
        Metric("error_ratio", "ratio", "up"),
        Metric("cpu_util", "ratio", "up", 0.02),
        Metric("memory_bytes", "bytes", "up", 0.003),
    )

    def __init__(self, agenda: Agenda, dice: Dice, auth: Auth, session: Session, tokenizer: Tokenizer, router: Router):
        self.agenda = agenda
        self.auth = Link(agenda, auth, limit=3)
        self.session = Link(agenda, session, limit=6)
        self.tokenizer = Link(agenda, tokenizer, limit=4)
        self.router = Link(agenda, router, limit=10_000)  # the slots are the limit
        self.links = (self.auth, self.session, self.tokenizer, self.router)
        self.cpu = Station(agenda, servers=2)
        self.slots = 256
        self.lost_slots = 0  # held by connections that nobody uses and nobody closes
        self.open = 0
        self.accepting: deque[Request] = deque()
        self.arrived = self.completed = self.failed = 0
        self._tail = dice.lognormal(0.5)
        self._arrivals, self._errors, self._ends = Tally(5), Tally(15), Tally(15)
        self._ttft, self._latency, self._mean = Percentiles(15), Percentiles(15), Tally(15)
        self._busy = Average(lambda: self.cpu.busy_area)
        self._waits = Average(lambda: sum(link.wait_area for link in self.links))

    def arrive(self, request: Request) -> None:
        """Take a new request."""
        request.on_first_token = self._stream
        self.arrived += 1
        self._arrivals.add()
        if self.open + self.lost_slots < self.slots:
            self._accept(request)
        elif len(self.accepting) < 300:
            self.accepting.append(request)
        else:
            self.failed += 1
            self._ends.add()
            self._errors.add()

    def _accept(self, request: Request) -> None:
        self.open += 1
        self.cpu.submit(0.008 * self._tail(), self._authenticate, request)

    def _authenticate(self, request: Request) -> None:
        self.auth.call(request, self._assemble)

    def _assemble(self, request: Request) -> None:
        self._go_on(request, self.session, self._tokenize)

    def _tokenize(self, request: Request) -> None:
        self._go_on(request, self.tokenizer, self._infer)

    def _infer(self, request: Request) -> None:
        self._go_on(request, self.router, self._finish)

    def _go_on(self, request: Request, link: Link, then: Then) -> None:
        if request.failed or self.agenda.now > request.deadline:
            request.failed = True
            self._finish(request)
        else:
            link.call(request, then)

    def _stream(self, request: Request) -> None:
        self._ttft.add(self.agenda.now - request.arrived)

    def _finish(self, request: Request) -> None:
        self.open -= 1
        self._ends.add()
        if request.failed:
            self.failed += 1
            self._errors.add()
        else:
            self.completed += 1
            self._latency.add(self.agenda.now - request.arrived)
            self._mean.add(self.agenda.now - request.arrived)
        while self.accepting and self.open + self.lost_slots < self.slots:
            self._accept(self.accepting.popleft())

    def read(self) -> list[float]:
        """The values of `metrics`."""
        self.cpu.settle()
        for link in self.links:
            link.settle()
        held = self.open + self.lost_slots
        values = [
            self._arrivals.rate,
            float(self.open),
            held / self.slots,
            float(len(self.accepting)),
            self._waits.read(),
            *self._ttft.read(0.5, 0.95),
            *self._latency.read(0.95),
            self._mean.mean,
            self._errors.rate,
            self._errors.count / max(1, self._ends.count),
            self._busy.read() / self.cpu.servers,
            4e8 + 1.5e6 * held + 2e5 * len(self.accepting),
        ]
        for meter in (self._arrivals, self._errors, self._ends, self._ttft, self._latency, self._mean):
            meter.tick()
        return values
