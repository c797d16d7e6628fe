"""Slow, obvious twins of the causal room's kernels."""

from collections.abc import Iterator
from itertools import pairwise

import networkx as nx
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def svar_rows(rng: np.random.Generator, A: Floats, T: int, *, push: tuple[int, int, float] | None = None) -> Floats:
    """Rows of ``x_t = x_{t-1} A + noise``; `push` = (metric, first row, size) is added to one metric."""
    X = np.zeros((T, len(A)))
    for t in range(1, T):
        X[t] = X[t - 1] @ A + rng.standard_t(5, size=len(A))
        if push and t >= push[1]:
            X[t, push[0]] += push[2]
    return X


def tree(rng: np.random.Generator, d: int, gain: float) -> Floats:
    """A random tree ``A[i, j]``, i before j, whose metrics forget by half."""
    A = 0.5 * np.eye(d)
    for j in range(1, d):
        A[rng.integers(0, j), j] = gain
    return A


def toeplitz(gamma: Floats) -> Floats:
    """The moment matrix of (x_t, x_{t-1}, .., x_{t-p}), laid out in full."""
    n = len(gamma)
    return np.block([[gamma[b - a] if b >= a else gamma[a - b].T for b in range(n)] for a in range(n)])


def tapered_moments(Z: Floats, p: int, forget: float, *, balance: bool = True) -> Floats:
    """Gamma_l as sums over all rows of weighted products, straight from its definition."""
    T, d = Z.shape
    gamma = np.zeros((p + 1, d, d))
    for lag in range(p + 1):
        for t in range(lag, T):
            gamma[lag] += forget ** (T - 1 - t) * np.outer(Z[t], Z[t - lag])
        gamma[lag] *= forget ** (lag / 2) if balance else 1.0
    return gamma


def padded_moments(X: Floats, p: int) -> Floats:
    """Gamma_l of rows that are 0 outside the window, so that it equals a regression's moments exactly."""
    T = len(X)
    return np.array([X[lag:].T @ X[: T - lag] for lag in range(p + 1)]) / (T + p)


def lagged(X: Floats, p: int) -> tuple[Floats, Floats]:
    """The regression of `padded_moments`: targets ``[n, d]``, regressors ``[n, d * p]`` in the order i * p + l - 1."""
    d = X.shape[1]
    Xp = np.vstack([np.zeros((p, d)), X, np.zeros((p, d))])
    R = np.array([[Xp[t - lag, i] for i in range(d) for lag in range(1, p + 1)] for t in range(p, len(Xp))])
    return Xp[p:], R


def acyclic(W: Floats) -> Floats:
    """Add edges from the strongest to the weakest unless networkx finds a way back."""
    G: nx.DiGraph = nx.empty_graph(len(W), create_using=nx.DiGraph)
    kept = np.zeros_like(W)
    for i, j in sorted(zip(*np.nonzero(W), strict=True), key=lambda e: (-W[e], e)):
        if i != j and not nx.has_path(G, j, i):
            G.add_edge(i, j)
            kept[i, j] = W[i, j]
    return kept


def paths(W: Floats, cause: int, effect: int) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Every simple path with the probability of walking it backwards."""
    for nodes in nx.all_simple_paths(nx.from_numpy_array(W, create_using=nx.DiGraph), cause, effect):
        steps = pairwise(nodes)
        yield float(np.prod([W[i, j] / W[:, j].sum() for i, j in steps])), tuple(nodes)
