"""What a causal learner can be told of edges, at any time, instead of learning it."""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from .coral_state import CoralState

__all__ = ["Informed"]


class Informed:
    """A learner that takes a topology and people's verdicts on edges; both are part of its snapshot.

    Metrics are numbered by column. What is said holds at once, in an incident too: the models are fitted again to the
    moments that they were fitted to before.

    Examples
    --------
    >>> from headwater.causal.coral import Coral
    >>> rows = np.random.default_rng(7).normal(size=(900, 3))
    >>> rows[1:, 1] += 0.8 * rows[:-1, 0]
    >>> coral = Coral()
    >>> coral.step(rows)
    >>> coral.forbid(0, 1)
    >>> coral.confirm(2, 1)
    >>> coral.weights().W[:, 1].round(1).tolist(), coral.verdicts
    ([0.0, 0.0, 0.1], ((0, 1, False), (2, 1, True)))
    """

    _state: CoralState

    @abstractmethod
    def _grow(self, d: int) -> None: ...

    @abstractmethod
    def _refit(self) -> None: ...

    @property
    def learns_topology(self) -> bool:
        """Whether edges may be anywhere, since nobody has said what the topology is."""
        return not self._state.informed

    def expect(self, edges: NDArray[np.bool_] | None) -> None:
        """Take a topology, ``bool[n, n]``: whether metric i may drive metric j. None: there is none, it is learned.

        Columns beyond it, and columns that appear later, are expected nowhere until a topology names them.
        """
        self._grow(0 if edges is None else len(edges))
        self._state.expect(edges)
        self._refit()

    def confirm(self, cause: int, effect: int) -> None:
        """Know from now on that metric `cause` drives metric `effect`: the edge is in every graph.

        Raises
        ------
        ValueError
            If it would close a cycle of confirmed edges, or either is no column.
        """
        self._state.judge(cause, effect, 1)
        self._refit()

    def forbid(self, cause: int, effect: int) -> None:
        """Know from now on that metric `cause` does not drive metric `effect`: no part learns the edge."""
        self._state.judge(cause, effect, -1)
        self._refit()

    def release(self, cause: int, effect: int) -> None:
        """Forget what was confirmed or forbidden of an edge."""
        self._state.judge(cause, effect, 0)
        self._refit()

    @property
    def verdicts(self) -> tuple[tuple[int, int, bool], ...]:
        """Edges that people have judged: cause, effect, and whether it was confirmed (else forbidden)."""
        found = self._state.verdicts
        return tuple((int(i), int(j), bool(found[i, j] > 0)) for i, j in zip(*np.nonzero(found), strict=True))
