"""When has a ranking settled? Rank-biased overlap of lists decides, Jensen-Shannon similarity of graphs is shown.

CORAL mixes the two: with the similarity of graphs s_G (eq. 20) and of lists s_l (eq. 21) it stops when
``s = alpha s_G + (1 - alpha) s_l`` exceeds a threshold (eq. 22). Neither alpha, nor the threshold, nor what an edge
distribution is, is printed; here it is |W| over its sum, with base-2 logarithms. Measured on public recordings, the
graph's term only delays the stop, because edge weights of small batches keep moving: by default it is reported, and
does not decide. ``stop="coral"`` stops as printed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from headwater.online import Snapshot, restore, take

__all__ = ["Convergence", "ConvergenceState", "Stop", "Verdict", "graph_similarity", "list_similarity"]

Stop: TypeAlias = Literal["lists", "coral"]

_SEPARATOR = "\x1f"


class Verdict(NamedTuple):
    """How much a batch changed the answer."""

    lists: float  # rank-biased overlap with the list before, 0..1; 0 for the first batch
    graphs: float  # 1 - Jensen-Shannon divergence from the edge weights before, 0..1; 0 for the first batch
    mixed: float  # alpha graphs + (1 - alpha) lists, CORAL's s
    converged: bool


@dataclass(slots=True)
class ConvergenceState:
    """The last answer, and how often in a row it stood."""

    ranking: str  # names, best first, joined by the unit separator
    W: NDArray[np.float64]  # [d, d]
    hits: int
    batches: int


class Convergence:
    """Say that a ranking is stable after `hits` batches in a row that agree with the one before.

    Parameters
    ----------
    threshold
        The rank-biased overlap of two lists that agree is larger. At .9 two lists with different heads never agree.
    hits
        How many agreements in a row it takes.
    depth
        How far down a list counts.
    stop
        ``lists``: the overlap of the lists alone must exceed the threshold. ``coral``: their mix with the graphs'.
    alpha
        Weight of the graphs in the mix.

    Examples
    --------
    >>> stop, W = Convergence(), np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> [stop.update(names, W).converged for names in (["a", "b"], ["b", "a"], ["b", "a"], ["b", "a"])]
    [False, False, False, True]
    """

    def __init__(
        self, *, threshold: float = 0.9, hits: int = 2, depth: int = 10, stop: Stop = "lists", alpha: float = 0.5
    ) -> None:
        if not 0 < threshold < 1:
            raise ValueError(f"threshold must lie between 0 and 1, not {threshold}")
        if hits < 1:
            raise ValueError(f"hits must be at least 1, not {hits}")
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        if stop not in get_args(Stop):
            raise ValueError(f"stop must be 'lists' or 'coral', not {stop!r}")
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie between 0 and 1, not {alpha}")
        self.threshold = threshold
        self.hits = hits
        self.depth = depth
        self.stop = stop
        self.alpha = alpha
        self._state = ConvergenceState(ranking="", W=np.zeros((0, 0)), hits=0, batches=0)

    def update(self, ranking: Sequence[str], W: NDArray[np.float64]) -> Verdict:
        """Compare a batch's names (best first) and edge weights ``float64[d, d]`` with those of the batch before."""
        s = self._state
        names = list(ranking[: self.depth])
        lists = graphs = 0.0
        if s.batches:
            lists = list_similarity(s.ranking.split(_SEPARATOR) if s.ranking else [], names, depth=self.depth)
            graphs = graph_similarity(s.W, W)
        mixed = self.alpha * graphs + (1 - self.alpha) * lists
        agreement = mixed if self.stop == "coral" else lists
        # A swap of the first two costs .1 exactly, and must not count as agreement by a rounding error.
        s.hits = s.hits + 1 if agreement > self.threshold + 1e-9 else 0
        s.ranking, s.W, s.batches = _SEPARATOR.join(names), W.copy(), s.batches + 1
        return Verdict(lists, graphs, mixed, s.hits >= self.hits)

    def snapshot(self) -> Snapshot:
        """Copy the state."""
        return take(self._state)

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back; raise `SnapshotError` for one that does not fit."""
        self._state = restore(ConvergenceState, snapshot)


def graph_similarity(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Compute 1 - Jensen-Shannon divergence (base 2) of two graphs' edge weights, each made to sum to 1 (eq. 20).

    Graphs of different size are compared over the larger one. Two empty graphs are equal; an empty one and one
    with edges have nothing in common.

    >>> graph_similarity(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])).__round__(3)
    0.689
    """
    d = max(len(before), len(after))
    P, Q = (np.pad(W, (0, d - len(W))).ravel() for W in (before, after))
    if P.sum() == 0 or Q.sum() == 0:
        return float(P.sum() == Q.sum())
    P, Q = P / P.sum(), Q / Q.sum()
    mean = (P + Q) / 2
    divergence = sum(float(np.sum(p[p > 0] * np.log2(p[p > 0] / mean[p > 0]))) for p in (P, Q)) / 2
    return min(1.0, max(0.0, 1.0 - divergence))


def list_similarity(a: Sequence[str], b: Sequence[str], *, p: float = 0.9, depth: int = 10) -> float:
    """Compute the extrapolated rank-biased overlap of two rankings without repeats (eq. 21).

    The overlap at each depth counts with weight ``p^depth``; what lies beyond the end of the lists is taken to
    agree as much as their ends do. Reference: Webber, Moffat, Zobel (2010), eq. 32, lists of unequal length included.

    >>> list_similarity(["a", "b", "c"], ["a", "c", "b"]).__round__(4)
    0.955
    """
    short, long = sorted((list(a[:depth]), list(b[:depth])), key=len)
    s, n = len(short), len(long)
    if s == 0:
        return float(n == 0)
    overlap = [len(set(short[:k]) & set(long[:k])) for k in range(1, n + 1)]
    total = sum(p**k * x / k for k, x in enumerate(overlap, 1))
    total += sum(p**k * overlap[s - 1] * (k - s) / (s * k) for k in range(s + 1, n + 1))
    rest = (overlap[-1] - overlap[s - 1]) / n + overlap[s - 1] / s
    return (1 - p) / p * total + rest * p**n
