"""Our triggers, to be measured: the shipped default, its settings, and the trade-off between its channels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from headwater.detectors import TriggerPoint
from headwater.detectors.trigger import TriggerInfo

from .protocol import Detector, Method

__all__ = ["DEFAULT", "SETTINGS", "Ours", "Shared"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
DAY = 86400.0  # seconds
SCORED_AT = 1.0  # false alarms a day of the run whose score is swept


class Ours:
    """`TriggerPoint`, told nothing but the seconds between rows and the accepted rate.

    Parameters
    ----------
    interval
        Seconds between rows.
    setting
        Of `TriggerPoint`, where not the default.
    """

    def __init__(self, interval: float, **setting: Any) -> None:
        self.interval, self.setting = interval, setting
        self.base: Floats = np.empty((0, 0))
        self.warm: Floats = np.empty(0)

    def fit(self, X: Floats) -> None:
        """Keep the warm-up: the detector learns it once the rate is known."""
        self.base = X

    def score(self, X: Floats) -> Floats:
        """Return -ln of the false alarms per row expected at the present height."""
        return self.run(X, SCORED_AT * self.interval / DAY).score

    def alarms(self, X: Floats, rate: float) -> Mask:
        """Return the rows in which it alarms, set to `rate` false alarms per row."""
        return np.asarray(self.run(X, rate).alarm > 0)

    def run(self, X: Floats, rate: float) -> TriggerInfo:
        """Learn the warm-up, then watch ``float64[T, d]``."""
        trigger = TriggerPoint(interval=self.interval, false_alarms_per_day=rate * DAY / self.interval, **self.setting)
        trigger.fit(self.base)
        return trigger.step(X)


class Shared:
    """Both channels on their own, the accepted rate shared unequally: a point of the trade-off curve.

    Parameters
    ----------
    sparse
        Share of the accepted rate that the channel of single metrics gets, more than 0 and less than 1.
    """

    def __init__(self, interval: float, sparse: float) -> None:
        self.parts = (
            (1.0 - sparse, Ours(interval, channels=("joint",))),
            (sparse, Ours(interval, channels=("metric",))),
        )
        self.warm: Floats = np.empty(0)

    def fit(self, X: Floats) -> None:
        """Keep the warm-up."""
        for _, part in self.parts:
            part.fit(X)

    def score(self, X: Floats) -> Floats:
        """Return the larger score, each as surprising as its share makes it."""
        return np.asarray(np.fmax.reduce([part.score(X) + np.log(share) for share, part in self.parts]))

    def alarms(self, X: Floats, rate: float) -> Mask:
        """Return the rows in which either alarms."""
        return np.asarray(np.logical_or.reduce([part.alarms(X, share * rate) for share, part in self.parts]))


def _default(interval: float) -> Detector:
    return Ours(interval)


def _mssa(interval: float) -> Detector:
    return Ours(interval, mode="mssa")


def _joint(interval: float) -> Detector:
    return Ours(interval, channels=("joint",))


def _metric(interval: float) -> Detector:
    return Ours(interval, channels=("metric",))


def _sparse10(interval: float) -> Detector:
    return Shared(interval, 0.1)


def _sparse25(interval: float) -> Detector:
    return Shared(interval, 0.25)


def _sparse75(interval: float) -> Detector:
    return Shared(interval, 0.75)


DEFAULT = Method("headwater", _default)
SETTINGS = (
    Method("headwater/mssa", _mssa),
    Method("headwater/joint", _joint),
    Method("headwater/sparse10", _sparse10),
    Method("headwater/sparse25", _sparse25),
    Method("headwater/sparse75", _sparse75),
    Method("headwater/metric", _metric),
)
