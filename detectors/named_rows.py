"""Detectors of rows, as river calls them: one row as a dict, its metrics known by name."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from river.base import AnomalyDetector

from headwater.online import Block

__all__ = ["NamedRows"]


class NamedRows(AnomalyDetector):
    """A detector that learns rows by ``step(X[T, d])``, and keeps the names of its columns in its state."""

    _state: Any  # a dataclass with `names`

    def learn_one(self, x: Mapping[Hashable, Any]) -> None:
        """Take one row as a dict (river): metrics are known by name, and one that is not there is missing."""
        known = self._state.names.tolist()
        new = sorted({str(name) for name in x} - set(known))
        if new:
            self._state.names = np.array([*known, *new])
            self._appeared(new)
        self.step(self._row(x))

    def _appeared(self, names: Sequence[str]) -> None:
        """Take note of new names, of the columns at the right; by default there is nothing to note."""

    def _row(self, x: Mapping[Hashable, Any]) -> Block:
        values = {str(name): value for name, value in x.items()}
        return np.array([[float(values.get(name, np.nan)) for name in self._state.names.tolist()]])
