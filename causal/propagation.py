"""Random walk with restart from the KPI against the direction of the edges, exactly, by power iteration.

CORAL, section 3.3. Three slips of the printed equations are mended here (errata 1 and 2 of docs/coral.md): eq. 23
multiplies the moves by (1 - phi) where its text moves with probability phi, so its rows sum to 1 - phi; its factor came
from a walk with a second level that CORAL does not have; and eq. 24 leaves the transition matrix out, so that the walk
would never see the graph. The *plain* walk is CORAL's; the one led by *evidence* looks at how abnormal the nodes are.
"""

import math
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

__all__ = ["Walk", "evidence_transitions", "propagate", "transitions", "walk"]

Floats: TypeAlias = NDArray[np.float64]
Walk: TypeAlias = Literal["plain", "evidence"]


def propagate(W: Floats, start: Floats, strength: Floats, *, kind: Walk, restart: float = 0.15) -> Floats:
    """Walk from the KPIs on a graph, plainly or led by evidence: `transitions` or `evidence_transitions`, and `walk`.

    Parameters
    ----------
    W
        ``float64[d, d]``, weights of i -> j.
    start
        ``float64[d]``, weight of each KPI.
    strength
        ``float64[d]``, how abnormal each metric is; a plain walk does not use it.

    Examples
    --------
    Two causes of the KPI, of which the weaker edge leads to the abnormal one:

    >>> W = np.array([[0.0, 0.0, 0.9], [0.0, 0.0, 0.3], [0.0, 0.0, 0.0]])
    >>> start, strength = np.array([0.0, 0.0, 1.0]), np.array([0.5, 9.0, 4.0])
    >>> [int(propagate(W, start, strength, kind=kind).argmax()) for kind in ("plain", "evidence")]
    [0, 1]
    """
    steps = transitions(W) if kind == "plain" else evidence_transitions(W, strength)
    return walk(steps, start, restart=restart)


def transitions(W: Floats, *, move: float = 0.9) -> Floats:
    """Build the plain transition matrix ``T = move * rownorm(W') + (1 - move) * I`` (eq. 23, mended).

    ``T[j, i]`` is the probability of going from effect j to its cause i. A node without a cause keeps its mass.

    >>> transitions(np.array([[0.0, 2.0], [0.0, 0.0]]), move=0.75).tolist()
    [[1.0, 0.0], [0.75, 0.25]]
    """
    if not 0 < move <= 1:
        raise ValueError(f"move must be a probability above 0, not {move}")
    back = _without_loops(W)
    total = back.sum(axis=1)
    rooted = total > 0
    T = np.divide(move * back, total[:, None], out=np.zeros_like(back), where=rooted[:, None])
    return np.asarray(T + np.diag(np.where(rooted, 1 - move, 1.0)))


def evidence_transitions(W: Floats, innovation: Floats) -> Floats:
    """Build transitions that look at how abnormal the nodes are (not in CORAL).

    From effect j to cause i with weight ``W[i, j] * I_i``; j itself weighs what its innovation exceeds its best
    cause by, ``max(0, I_j - max_i W[i, j] I_i)``, so that a walk rests where a deviation is not explained.

    Parameters
    ----------
    W
        ``float64[d, d]``.
    innovation
        ``float64[d]``, how far each metric departs from what the graph predicts, in standard deviations; NaN is 0.
    """
    strength = np.nan_to_num(innovation)
    T = _without_loops(W) * strength
    stay = np.maximum(strength - T.max(axis=1, initial=0.0), 0.0)
    stay[(T.sum(axis=1) + stay) == 0] = 1.0
    T += np.diag(stay)
    return np.asarray(T / T.sum(axis=1, keepdims=True))


def walk(T: Floats, start: Floats, *, restart: float = 0.15, tolerance: float = 1e-10) -> Floats:
    """Find the stationary distribution of ``q <- (1 - restart) T' q + restart * q0`` (eq. 24, mended).

    Each step shrinks the error by ``1 - restart``, whatever the graph, so the number of steps is known beforehand.

    Parameters
    ----------
    T
        ``float64[d, d]``, transition probabilities, rows sum to 1.
    start
        ``float64[d]``, weight of each KPI, 0 elsewhere; it is normalised.
    restart
        Probability of jumping back to a KPI at each step.
    tolerance
        Largest error of the distribution, in total.

    Returns
    -------
    Floats
        ``float64[d]``, sums to 1.

    Examples
    --------
    >>> chain = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    >>> walk(transitions(chain), np.array([0.0, 0.0, 1.0])).argmax()  # the cause of the cause of the KPI
    np.int64(0)
    """
    if not 0 < restart <= 1:
        raise ValueError(f"restart must be a probability above 0, not {restart}")
    if not start.sum() > 0:
        raise ValueError("a walk needs at least one KPI to start from")
    source, target = np.nonzero(T)
    steps = 1 if restart == 1 else math.ceil(math.log(tolerance) / math.log1p(-restart))
    return _iterate(source, target, T[source, target], start / start.sum(), restart, steps)


def _without_loops(W: Floats) -> Floats:
    back = W.T.copy()
    np.fill_diagonal(back, 0.0)
    return back


@kernel
def _iterate(
    source: NDArray[np.int64], target: NDArray[np.int64], probability: Floats, q0: Floats, restart: float, steps: int
) -> Floats:
    """Walk `steps` steps over a list of edges; returns q[d]."""
    q = q0.copy()
    for _ in range(steps):
        new = restart * q0
        for e in range(len(source)):
            new[target[e]] += (1.0 - restart) * probability[e] * q[source[e]]
        q = new
    return q
