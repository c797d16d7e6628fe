"""What is known of edges before they are learned: the topology, and what people confirmed or ruled out.

Everything comes down to the *standing* of each edge, ``int8[d, d]``, ``[i, j]`` for i -> j: `FORBIDDEN` is never a
candidate, `FREE` has to earn its place, `EXPECTED` is preferred, `CONFIRMED` is nearly free and always in the graph.
"""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .columns import Columns, Role

__all__ = ["CONFIRMED", "EXPECTED", "FORBIDDEN", "FREE", "Prior", "Standing", "expected_edges", "prices", "standing"]

Floats: TypeAlias = NDArray[np.float64]
Standing: TypeAlias = NDArray[np.int8]
Prior: TypeAlias = Literal["soft", "hard"]

FORBIDDEN, FREE, EXPECTED, CONFIRMED = -1, 0, 1, 2
OWN = 0.2  # price of an own lag over that of a cross edge (docs/coral.md, section 2)
EXPECTED_PRICE = 0.2  # of an edge that the topology expects, as cheap as an own lag
CONFIRMED_PRICE = 0.05  # of a confirmed one; not 0, since two twins as causes would have no unique weights


def standing(expected: NDArray[np.bool_], verdicts: Standing, *, informed: bool, prior: Prior) -> Standing:
    """Merge a topology and people's verdicts into the standing of every edge; verdicts come first.

    Parameters
    ----------
    expected
        ``bool[d, d]``, edges that the topology allows.
    verdicts
        ``int8[d, d]``: +1 confirmed, -1 forbidden, 0 none.
    informed
        Whether there is a topology at all; without one every edge is free.
    prior
        ``soft``: what the topology allows is preferred. ``hard``: nothing else may be learned.

    Examples
    --------
    >>> allowed, verdicts = np.array([[False, True], [False, False]]), np.zeros((2, 2), np.int8)
    >>> standing(allowed, verdicts, informed=True, prior="soft").tolist()
    [[0, 1], [0, 0]]
    >>> standing(allowed, verdicts, informed=True, prior="hard").tolist()
    [[-1, 1], [-1, -1]]
    """
    found = np.zeros(verdicts.shape, np.int8)
    if informed:
        found = np.where(expected, EXPECTED, FORBIDDEN if prior == "hard" else FREE).astype(np.int8)
    found[verdicts > 0], found[verdicts < 0] = CONFIRMED, FORBIDDEN
    return found


def prices(standing: Standing, candidates: NDArray[np.int64], p: int, penalty: float) -> Floats:
    """Prices ``float64[d, M]`` of the candidates ``int64[d, M]`` (``i * p + lag - 1``) of each target."""
    target = np.arange(len(candidates))[:, None]
    cause = np.maximum(candidates, 0) // p
    factor = np.array([1.0, EXPECTED_PRICE, CONFIRMED_PRICE, 1.0])[standing[cause, target]]  # the last place is -1
    factor[cause == target] = OWN
    return np.asarray(penalty * factor)


def expected_edges(columns: Columns) -> NDArray[np.bool_] | None:
    """Edges ``bool[d, d]`` that the call graph allows; None where no calls are known.

    Inside a service anything may drive anything. Between services trouble travels from a callee to its caller, and
    load from a caller to its callee. Metrics of a shared node, and columns that no service owns, are left free.

    Examples
    --------
    >>> from headwater.causal.columns import describe
    >>> columns = describe(["front|latency_s", "back|latency_s", "other|cpu"], edges=[("front", "back")])
    >>> expected_edges(columns)[1].tolist()  # of back: to its caller, and to itself
    [True, True, False]
    >>> expected_edges(describe(["a|cpu", "b|cpu"])) is None
    True
    """
    if not columns.calls.any():
        return None
    owner, owned = columns.owner, columns.owner >= 0
    free = ~owned | (columns.roles == Role.SHARED)
    same = owner[:, None] == owner[None, :]
    calls = columns.calls[owner][:, owner]  # of i to j; what no service owns is replaced below
    load = (columns.roles == Role.WORKLOAD)[:, None]
    allowed: NDArray[np.bool_] = same | calls.T | (calls & load) | free[:, None] | free[None, :]
    return allowed
