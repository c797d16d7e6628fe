"""An inference replica: continuous batching over a KV-cache, on a GPU that gets hot."""

import heapq
import math
from collections import deque
from typing import ClassVar

from .entity import Dice, Metric
from .events import Agenda, Average, Percentiles, Tally
from .gpu import Gpu
from .station import Link, Request, Then

__all__ = ["Replica", "Sequence"]


class Sequence:
    """One request in a replica: what it waits for, and at which decoding step it ends."""

    __slots__ = ("arrived", "context", "ends_at", "prefill", "reply", "request", "started_at", "to_do")

    def __init__(self, request: Request, reply: Then, arrived: float) -> None:
        self.request = request
        self.reply = reply
        self.arrived = arrived
        self.context = request.prompt  # tokens in the KV-cache once it is prefilled
        self.prefill = request.new_tokens  # tokens to compute before it can decode
        self.to_do = request.output  # tokens to decode
        self.started_at = 0  # decoding step at which it joined the batch
        self.ends_at = 0


class Replica:
    """Serves sequences in one batch: prefill when there is room, else decode; both hold the GPU.

    Decoding goes step by step, each step one token for every sequence of the batch. Steps between two changes
    of the batch are alike, so they are planned as one event (a stretch), which an arrival cuts at a step's end.
    A sequence may enter if there is a slot (`limit`) and room for its context; if the cache fills up while
    decoding, the sequence that came last is thrown out, and later computed anew.
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

    def __init__(self, name: str, agenda: Agenda, dice: Dice, store: Link) -> None:
        self.name = name
        self.agenda = agenda
        self.nic = dice.nic()
        self.gpu = Gpu(dice)
        self.store = store
        self.limit = 16  # sequences in the batch
        self.capacity = 14_000  # tokens in the KV-cache
        self.leaked = 0  # tokens of it that nobody uses and nobody frees
        self.used = 0
        self.waiting: deque[Sequence] = deque()
        self.running: list[tuple[int, int, Sequence]] = []  # heap by the step at which each ends
        self._steps = 0  # decoding steps done since the beginning
        self._stretch: tuple[float, float, int] | None = None  # start, seconds a step, steps; None: not decoding
        self._plan = 0  # number of the newest plan: events of older ones are void
        self._entered = 0
        self._busy = False
        self._admitted: list[Sequence] = []
        self._arrivals, self._tokens, self._prefilled, self._gaps = Tally(5), Tally(3), Tally(3), Tally(3)
        self._gap_tokens = Tally(3)
        self._ttft = Percentiles(15)
        self._fetch_waits = Average(lambda: self.store.wait_area)
        self._areas = [0.0, 0.0, 0.0]  # of running, waiting, used + leaked
        self._since = 0.0

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
        self._settle()
        self.waiting.append(sequence)
        if not self._busy:
            self._next(None)
        elif self._stretch and self._fits(sequence):
            start, step, steps = self._stretch
            cut = max(1, math.ceil((self.agenda.now - start) / step))
            if cut < steps:
                self._decode_for(start, step, cut)

    def _fits(self, sequence: Sequence) -> bool:
        """Whether there is a slot and room for the sequence and a little growth; an empty batch takes anything."""
        if not self.running and not self._admitted:
            return True
        room = self.capacity - self.leaked - self.used
        return len(self.running) + len(self._admitted) < self.limit and sequence.context + 64 <= room

    def _next(self, _: object) -> None:
        """Decide what the GPU does now."""
        budget = 4096
        while self.waiting and budget > 0 and self._fits(self.waiting[0]):
            sequence = self.waiting.popleft()
            budget -= sequence.prefill
            self.used += sequence.context
            self._admitted.append(sequence)
        self._busy = True
        self._stretch = None
        if self._admitted:
            tokens = sum(s.prefill for s in self._admitted)
            seconds = (0.012 + tokens / 9000.0) / self.gpu.clock
            self.gpu.work(seconds, 0.95)
            self._prefilled.add(tokens)
            self._gaps.add(seconds * len(self.running))
            self.agenda.after(seconds, self._end_prefill, None)
        elif self.running:
            self._plan_stretch()
        else:
            self._busy = False

    def _plan_stretch(self) -> None:
        n = len(self.running)
        steps = self.running[0][0] - self._steps
        room = (self.capacity - self.leaked - self.used) // n
        if room < 1 and n > 1:
            self._preempt()
            self._plan_stretch()
            return
        self._decode_for(self.agenda.now, (0.012 + 0.00035 * n) / self.gpu.clock, max(1, min(steps, room)))

    def _decode_for(self, start: float, step: float, steps: int) -> None:
        self._plan += 1
        self._stretch = (start, step, steps)
        self.agenda.after(max(0.0, start + step * steps - self.agenda.now), self._end_stretch, self._plan)

    def _preempt(self) -> None:
        """Throw the newest sequence out; its context has to be computed again."""
        newest = max(self.running, key=lambda entry: entry[1])
        self.running.remove(newest)
        heapq.heapify(self.running)
        sequence = newest[2]
        done = self._steps - sequence.started_at
        self.used -= sequence.context + done
        sequence.context += done
        sequence.prefill = sequence.context
        sequence.to_do -= done
        self.waiting.appendleft(sequence)

    def _end_prefill(self, _: object) -> None:
        self._settle()
        now = self.agenda.now
        admitted, self._admitted = self._admitted, []
        for sequence in admitted:
            self._entered += 1
            sequence.started_at = self._steps
            sequence.ends_at = self._steps + sequence.to_do
            heapq.heappush(self.running, (sequence.ends_at, self._entered, sequence))
            request = sequence.request
            if request.on_first_token is not None:
                self._ttft.add(now - sequence.arrived)
                request.on_first_token(request)
                request.on_first_token = None
        self._next(None)

    def _end_stretch(self, plan: int) -> None:
        if plan != self._plan or self._stretch is None:
            return
        self._settle()
        self._advance(self._stretch, self._stretch[2])
        self._next(None)

    def _advance(self, stretch: tuple[float, float, int], steps: int) -> None:
        """Do `steps` steps of `stretch`; sequences that end leave."""
        start, step, planned = stretch
        n = len(self.running)
        self._steps += steps
        self.used += n * steps
        self._tokens.add(n * steps)
        self._gaps.add(step * steps * n)
        self._gap_tokens.add(n * steps)
        self.gpu.work(step * steps, min(0.9, 0.3 + 0.04 * n))
        self._stretch = (start + step * steps, step, planned - steps)
        while self.running and self.running[0][0] <= self._steps:
            sequence = heapq.heappop(self.running)[2]
            self.used -= sequence.context + sequence.to_do
            sequence.reply(sequence.request)

    def _settle(self) -> None:
        now = self.agenda.now
        passed = now - self._since
        self._since = now
        self._areas[0] += (len(self.running) + len(self._admitted)) * passed
        self._areas[1] += len(self.waiting) * passed
        self._areas[2] += min(self.capacity, self.used + self.leaked) * passed

    def read(self) -> list[float]:
        """The values of `metrics` over the second that ends now; the GPU's clock moves with its heat."""
        self._settle()
        self.store.settle()
        if self._stretch is not None:
            start, step, steps = self._stretch
            done = min(steps - 1, int((self.agenda.now - start) / step))
            if done > 0:
                self._advance(self._stretch, done)
        self.gpu.tick()
        if self._stretch is not None:
            start, _, steps = self._stretch
            self._decode_for(start, (0.012 + 0.00035 * len(self.running)) / self.gpu.clock, steps)
        values = [
            self._arrivals.rate,
            self._areas[0],
            self._areas[1],
            self._areas[2] / self.capacity,
            self.gpu.util,
            self.gpu.clock * 1.98e9,
            self.gpu.temperature,
            self.gpu.power,
            self._tokens.rate,
            self._prefilled.rate,
            self._gaps.total / self._gap_tokens.total if self._gap_tokens.total else math.nan,
            self._ttft.read(0.95)[0],
            self._fetch_waits.read(),
        ]
        self._areas = [0.0, 0.0, 0.0]
        for meter in (self._arrivals, self._tokens, self._prefilled, self._gaps, self._gap_tokens, self._ttft):
            meter.tick()
        self.nic.measured.tick()
        return values
