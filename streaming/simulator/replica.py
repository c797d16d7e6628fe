"""An inference replica: continuous batching over a KV-cache, on a GPU that gets hot."""

import heapq
import math
from collections import deque
from typing import ClassVar, NamedTuple

from .entity import Dice, Metric
from .events import Agenda, Average, Percentiles, Tally
from .gpu import Gpu
from .station import Link, Request, Then

__all__ = ["Replica", "Sequence"]


class Sequence:
    """One request in a replica."""

    __slots__ = ("arrived", "context", "joined", "prefill", "reply", "request", "to_do")

    def __init__(self, request: Request, reply: Then, arrived: float) -> None:
        self.request = request
        self.reply = reply
        self.arrived = arrived
        self.context = request.prompt  # tokens in the KV-cache once it is prefilled
        self.prefill = request.new_tokens  # tokens to compute before it can decode
        self.to_do = request.output  # tokens to decode
        self.joined = 0  # decoding step at which it joined the batch


class Stretch(NamedTuple):
    """Decoding steps between two changes of the batch."""

    start: float  # time
    step: float  # seconds a step
    steps: int


class Replica:
    """Serves sequences in one batch: prefill when something can enter, else decode; one of them holds the GPU.

    Decoding goes step by step, each step one token for every sequence of the batch. Steps between two changes
    of the batch are alike, so they are planned as one event (a stretch), which an arrival cuts at a step's end.
    A sequence may enter if there is a slot (`limit`) and room for its context; if the cache fills up while
    decoding, the sequence that came last is thrown out and computed anew later. What has passed its deadline
    when its turn comes fails.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("requests_per_s", "1/s", "both"),
        Metric("running_len", "sequences", "both"),
        Metric("waiting_len", "sequences", "up"),
        Metric("kv_cache_usage", "ratio", "up"),
        Metric("gpu_util", "ratio", "both", 0.02),
        Metric("gpu_clock_hz", "Hz", "down", 0.004),
        Metric("gpu_temp_celsius", "°C", "up", 0.008),
        Metric("gpu_power_watts", "W", "both", 0.02),
        Metric("tokens_per_s", "1/s", "both"),
        Metric("prefill_tokens_per_s", "1/s", "both"),
        Metric("itl_mean_s", "s", "up"),
        Metric("ttft_p95_s", "s", "up"),
        Metric("fetch_wait_len", "calls", "up"),
    )
    capacity = 60_000  # tokens in the KV-cache

    def __init__(self, name: str, agenda: Agenda, dice: Dice, store: Link) -> None:
        self.name = name
        self.agenda = agenda
        self.nic = dice.nic()
        self.gpu = Gpu(dice)
        self.store = store
        self.limit = 32  # sequences in the batch
        self.leaked = 0  # tokens of the KV-cache that nobody uses and nobody frees
        self.used = 0
        self.waiting: deque[Sequence] = deque()
        self.entering: list[Sequence] = []  # in prefill
        self.running: list[tuple[int, int, Sequence]] = []  # heap by the step at which each ends
        self._steps = 0  # decoding steps done since the beginning
        self._entered = 0
        self._busy = False
        self._stretch: Stretch | None = None  # None: not decoding
        self._plan = 0  # number of the newest stretch: the ends of older ones are void
        self._arrivals, self._tokens, self._prefilled = Tally(5), Tally(3), Tally(3)
        self._gaps = Tally(3)  # seconds between tokens, summed over sequences
        self._ttft = Percentiles(15)
        self._fetch_waits = Average(lambda: self.store.wait_area)

    def serve(self, request: Request, reply: Then) -> None:
        """Take a request; what it needs from the object store is fetched first."""
        self._arrivals.add()
        sequence = Sequence(request, reply, self.agenda.now)
        if request.blob:
            self.store.call(request, lambda _: self._enqueue(sequence))
        else:
            self._enqueue(sequence)

    def _enqueue(self, sequence: Sequence) -> None:
        if sequence.request.failed:
            sequence.reply(sequence.request)
            return
        self.waiting.append(sequence)
        if not self._busy:
            self._next(None)
        elif self._stretch and self._fits(sequence):
            start, step, steps = self._stretch
            cut = max(1, math.ceil((self.agenda.now - start) / step))
            if cut < steps:
                self._decode(start, step, cut)

    def _fits(self, sequence: Sequence) -> bool:
        """Whether there is a slot and room for the sequence and a little growth; an empty batch takes anything."""
        batch = len(self.running) + len(self.entering)
        room = self.capacity - self.leaked - self.used
        return not batch or (batch < self.limit and sequence.context + 64 <= room)

    def _next(self, _: object) -> None:
        """Decide what the GPU does now."""
        self._busy, self._stretch = True, None
        budget = 4096
        while self.waiting and budget > 0 and self._fits(self.waiting[0]):
            sequence = self.waiting.popleft()
            if self.agenda.now > sequence.request.deadline:
                sequence.request.failed = True
                sequence.reply(sequence.request)
                continue
            budget -= sequence.prefill
            self.used += sequence.context
            self.entering.append(sequence)
        if self.entering:
            self._prefill()
        elif self.running:
            self._plan_stretch()
        else:
            self._busy = False

    def _prefill(self) -> None:
        tokens = sum(sequence.prefill for sequence in self.entering)
        seconds = (0.012 + tokens / 7500.0) / self.gpu.clock
        self.gpu.work(seconds, 0.95)
        self._prefilled.add(tokens)
        self._gaps.add(seconds * len(self.running))
        self.agenda.after(seconds, self._end_prefill, None)

    def _end_prefill(self, _: object) -> None:
        for sequence in self.entering:
            self._entered += 1
            sequence.joined = self._steps
            heapq.heappush(self.running, (self._steps + sequence.to_do, self._entered, sequence))
            request = sequence.request
            if request.on_first_token is not None:
                self._ttft.add(self.agenda.now - sequence.arrived)
                request.on_first_token(request)
                request.on_first_token = None
        self.entering = []
        self._next(None)

    def _plan_stretch(self) -> None:
        room = self.capacity - self.leaked - self.used
        while room < len(self.running) and len(self.running) > 1:
            self._preempt()
            room = self.capacity - self.leaked - self.used
        steps = min(self.running[0][0] - self._steps, room // len(self.running))
        self._decode(self.agenda.now, self._step_time(), max(1, steps))

    def _step_time(self) -> float:
        return (0.015 + 0.00025 * len(self.running)) / self.gpu.clock

    def _decode(self, start: float, step: float, steps: int) -> None:
        self._plan += 1
        self._stretch = Stretch(start, step, steps)
        self.agenda.after(max(0.0, start + step * steps - self.agenda.now), self._end_stretch, self._plan)

    def _end_stretch(self, plan: int) -> None:
        if plan == self._plan and self._stretch is not None:
            self._advance(self._stretch, self._stretch.steps)
            self._next(None)

    def _advance(self, stretch: Stretch, steps: int) -> None:
        """Do `steps` steps of `stretch`; sequences that end leave."""
        n = len(self.running)
        seconds = stretch.step * steps
        self._steps += steps
        self.used += n * steps
        self._tokens.add(n * steps)
        self._gaps.add(seconds * n)
        self.gpu.work(seconds, min(0.9, 0.3 + 0.04 * n))
        self._stretch = Stretch(stretch.start + seconds, stretch.step, stretch.steps - steps)
        while self.running and self.running[0][0] <= self._steps:
            sequence = heapq.heappop(self.running)[2]
            self.used -= sequence.context + sequence.to_do
            sequence.reply(sequence.request)

    def _preempt(self) -> None:
        """Throw the newest sequence out; its context has to be computed again."""
        newest = max(self.running, key=lambda entry: entry[1])
        self.running.remove(newest)
        heapq.heapify(self.running)
        sequence = newest[2]
        done = self._steps - sequence.joined
        sequence.context += done
        sequence.prefill = sequence.context
        sequence.to_do -= done
        self.used -= sequence.context
        self.waiting.appendleft(sequence)

    def _change_clock(self) -> None:
        """Account for the steps that are done, let the GPU's clock move, and plan the rest at the new speed."""
        if self._stretch is not None:
            done = min(self._stretch.steps - 1, int((self.agenda.now - self._stretch.start) / self._stretch.step))
            self._advance(self._stretch, max(0, done))
        self.gpu.tick()
        if self._stretch is not None:
            self._decode(self._stretch.start, self._step_time(), self._stretch.steps)

    def read(self) -> list[float]:
        """The values of `metrics` over the second that ends now; the next second begins."""
        self._change_clock()
        self.store.settle()
        values = [
            self._arrivals.rate,
            float(len(self.running) + len(self.entering)),
            float(len(self.waiting)),
            min(1.0, (self.used + self.leaked) / self.capacity),
            self.gpu.util,
            self.gpu.clock * 1.98e9,
            self.gpu.temperature,
            self.gpu.power,
            self._tokens.rate,
            self._prefilled.rate,
            self._gaps.total / self._tokens.total if self._tokens.total else math.nan,
            self._ttft.read(0.95)[0],
            self._fetch_waits.read(),
        ]
        for meter in (self._arrivals, self._tokens, self._prefilled, self._gaps, self._ttft):
            meter.tick()
        self.nic.measured.tick()
        return values
