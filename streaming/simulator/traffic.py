"""The users: when requests come, and how long they are."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .entity import Dice
from .events import Agenda, draws
from .station import Request

__all__ = ["Traffic"]


class Traffic:
    """A Poisson stream whose rate runs in two cycles of a few minutes, with heavy-tailed prompts and outputs.

    Sessions are drawn by a Zipf law: few are asked for often, many rarely.
    """

    def __init__(self, agenda: Agenda, dice: Dice, arrive: Callable[[Request], None], *, rate: float) -> None:
        self.agenda = agenda
        self.rate = rate
        self.surge = 1.0
        self._arrive = arrive
        rng = dice.rng()
        self._cycles = [
            (share, 2 * math.pi / rng.uniform(low, high), rng.uniform(0, 2 * math.pi))
            for share, low, high in ((0.13, 130.0, 220.0), (0.06, 240.0, 380.0))
        ]
        popularity = 1.0 / np.arange(1, 1501) ** 0.8
        self._popularity = np.cumsum(popularity / popularity.sum())
        self._gap = dice.exponential()
        self._session = draws(dice.rng(), self._sessions)
        self._prompt = dice.lognormal(0.6)
        self._output = dice.lognormal(0.6)
        self._blob = dice.uniform()
        self._size = dice.lognormal(0.7)
        agenda.after(self._gap() / rate, self._come, None)

    def _sessions(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        return np.searchsorted(self._popularity, rng.random(n)).astype(np.float64)

    def earlier_sessions(self, n: int) -> list[int]:
        """`n` sessions that came before the start."""
        return [int(self._session()) for _ in range(n)]

    def expected(self) -> float:
        """Requests per second that are expected now."""
        waves = sum(share * math.sin(speed * self.agenda.now + phase) for share, speed, phase in self._cycles)
        return self.rate * self.surge * (1.0 + waves)

    def _come(self, _: object) -> None:
        now = self.agenda.now
        request = Request(
            arrived=now,
            deadline=now + 20.0,
            prompt=int(min(6000.0, 30.0 + 950.0 * self._prompt())),
            output=int(min(900.0, 8.0 + 150.0 * self._output())),
            session=int(self._session()),
            blob=min(100.0, 20.0 * self._size()) if self._blob() < 0.2 else 0.0,
        )
        self.agenda.after(self._gap() / self.expected(), self._come, None)
        self._arrive(request)
