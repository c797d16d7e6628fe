"""The heat of a GPU: power from work, temperature from power, clock from temperature."""

import math

from .entity import Dice

__all__ = ["Gpu"]


class Gpu:
    """One GPU; `resistance` is its thermal resistance: 1 as built, several times that when its fan has failed.

    The firmware takes 5 % off the clock in every second above 87 °C and gives 2 % back below 83 °C.
    """

    def __init__(self, dice: Dice) -> None:
        self.resistance = 1.0
        self.clock = 1.0  # of the nominal clock; decides how long work takes
        self.temperature = 58.0  # °C
        self.power = 300.0  # W
        self.util = 0.5  # how full the multiprocessors were in the last second
        self._throttle = 1.0
        self._work = 0.0
        self._normal = dice.normal()
        self._ambient = 28.0 + 4.0 * dice.uniform()()

    def work(self, seconds: float, occupancy: float) -> None:
        """Note work of `seconds` that fills the share `occupancy` of the multiprocessors."""
        self._work += seconds * occupancy

    def tick(self) -> None:
        """One second passes."""
        # Work is noted when it is planned or done, so a second may get more than its share: smooth it.
        self.util += 0.5 * (min(1.0, self._work) - self.util)
        self._work = 0.0
        self.power = 90.0 + 420.0 * self.util * self.clock**2.5
        goal = self._ambient + 0.075 * self.resistance * self.power
        self.temperature += (goal - self.temperature) * (1.0 - math.exp(-1.0 / 14.0)) + 0.25 * self._normal()
        if self.temperature > 87.0:
            self._throttle = max(0.25, self._throttle - 0.05)
        elif self.temperature < 83.0:
            self._throttle = min(1.0, self._throttle + 0.02)
        # The boost clock dithers a little with the load.
        self.clock = self._throttle * (1.0 - 0.03 * self.util + 0.02 * self._normal())
