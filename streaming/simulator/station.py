"""The bricks of the system: a request, a station that serves, and the link over which a caller reaches it."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeAlias

from .events import Agenda, Draw, Percentiles, Tally

__all__ = ["Link", "Nic", "Request", "Server", "Station", "Then"]


class Request:
    """One user's request on its way through the system."""

    __slots__ = ("arrived", "blob", "deadline", "failed", "new_tokens", "on_first_token", "output", "prompt", "session")

    def __init__(self, arrived: float, deadline: float, prompt: int, output: int, session: int, blob: float) -> None:
        self.arrived = arrived
        self.deadline = deadline
        self.prompt = prompt  # tokens
        self.new_tokens = prompt  # tokens of the prompt that are not in the prefix cache
        self.output = output  # tokens
        self.session = session
        self.blob = blob  # megabytes to fetch from the object store; 0: none
        self.failed = False
        self.on_first_token: Then | None = None  # called once


Then: TypeAlias = Callable[[Request], None]


class Nic:
    """The network card of one entity: the round trip of every call it takes, as the callers measure it."""

    __slots__ = ("_jitter", "_trip", "extra", "measured")

    def __init__(self, trip: Draw, jitter: Draw) -> None:
        self._trip = trip
        self._jitter = jitter
        self.extra = 0.0  # seconds that a sick card adds to a call, on the whole
        self.measured = Tally(3)

    def delay(self) -> float:
        """The round trip of the next call."""
        trip = self._trip() + (self.extra * self._jitter() if self.extra else 0.0)
        self.measured.add(trip)
        return trip


class Server(Protocol):
    """What a link leads to."""

    nic: Nic

    def serve(self, request: Request, reply: Then) -> None:
        """Work on `request`; call ``reply(request)`` when done. A request that failed has `failed` set."""
        ...


class Station:
    """A first-come-first-served queue in front of `servers` equal servers; the time-averages come from its areas.

    A job that has begun is finished even if the speed changes or the station pauses meanwhile.

    Examples
    --------
    >>> agenda, ends = Agenda(), []
    >>> station = Station(agenda, servers=1)
    >>> for job in "ab":
    ...     station.submit(1.5, lambda job: ends.append((job, agenda.now)), job)
    >>> agenda.run(until=10.0)
    >>> ends
    [('a', 1.5), ('b', 3.0)]
    """

    def __init__(self, agenda: Agenda, *, servers: int) -> None:
        self.agenda = agenda
        self.servers = servers
        self.speed = 1.0  # 1 = as built; a job of `work` seconds takes work / speed
        self.busy = 0
        self.busy_area = 0.0  # server-seconds
        self.queue_area = 0.0  # job-seconds
        self.latency = Percentiles(15)
        self.arrivals = Tally(5)
        self.paused_until = 0.0
        self._queue: deque[tuple[float, float, Callable[..., None], object]] = deque()
        self._since = 0.0

    def submit(self, work: float, then: Callable[..., None], argument: object) -> None:
        """Take a job of `work` seconds at full speed and call ``then(argument)`` when it is done."""
        self.arrivals.add()
        now = self.agenda.now
        if self.busy < self.servers and now >= self.paused_until:
            self._begin((now, work, then, argument))
        else:
            self.settle()
            self._queue.append((now, work, then, argument))

    def pause(self, seconds: float) -> None:
        """Begin no job for `seconds`."""
        self.paused_until = max(self.paused_until, self.agenda.now + seconds)
        self.agenda.after(self.paused_until - self.agenda.now, self._resume, None)

    def settle(self) -> None:
        """Bring the areas up to now."""
        passed = self.agenda.now - self._since
        self.busy_area += self.busy * passed
        self.queue_area += len(self._queue) * passed
        self._since = self.agenda.now

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._queue)

    def _begin(self, job: tuple[float, float, Callable[..., None], object]) -> None:
        self.settle()
        self.busy += 1
        self.agenda.after(job[1] / self.speed, self._end, job)

    def _end(self, job: tuple[float, float, Callable[..., None], object]) -> None:
        self.settle()
        self.busy -= 1
        self.latency.add(self.agenda.now - job[0])
        self._resume(None)
        job[2](job[3])

    def _resume(self, _: object) -> None:
        while self._queue and self.busy < self.servers and self.agenda.now >= self.paused_until:
            self.settle()
            self._begin(self._queue.popleft())


class Link:
    """A caller's pool of `limit` connections to one server; calls beyond it wait at the caller.

    The queue of a slow server therefore stands mostly at its callers. A call that finds `backlog` others waiting
    fails at once, one whose deadline passed while it waited fails when its turn comes.
    """

    def __init__(self, agenda: Agenda, server: Server, *, limit: int, backlog: int = 80) -> None:
        self.agenda = agenda
        self.server = server
        self.limit = limit
        self.backlog = backlog
        self.in_use = 0
        self.wait_area = 0.0  # call-seconds
        self.waits = Percentiles(15)
        self._waiting: deque[tuple[float, Request, Then]] = deque()
        self._since = 0.0

    def call(self, request: Request, then: Then) -> None:
        """Send `request` and go on with ``then(request)`` when the reply is there."""
        if self.in_use < self.limit:
            self.waits.add(0.0)
            self._send(request, then)
        elif len(self._waiting) < self.backlog:
            self.settle()
            self._waiting.append((self.agenda.now, request, then))
        else:
            request.failed = True
            then(request)

    def settle(self) -> None:
        """Bring the area up to now."""
        self.wait_area += len(self._waiting) * (self.agenda.now - self._since)
        self._since = self.agenda.now

    @property
    def waiting(self) -> int:
        """Calls that wait for a connection."""
        return len(self._waiting)

    def _send(self, request: Request, then: Then) -> None:
        self.in_use += 1
        self.agenda.after(self.server.nic.delay(), self._arrive, (request, then))

    def _arrive(self, call: tuple[Request, Then]) -> None:
        self.server.serve(call[0], partial(self._reply, call[1]))

    def _reply(self, then: Then, request: Request) -> None:
        self.in_use -= 1
        while self._waiting and self.in_use < self.limit:
            self.settle()
            since, other, go_on = self._waiting.popleft()
            self.waits.add(self.agenda.now - since)
            if self.agenda.now > other.deadline:
                other.failed = True
                go_on(other)
            else:
                self._send(other, go_on)
        then(request)
