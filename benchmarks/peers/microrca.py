"""MicroRCA (Wu et al., NOMS 2020): personalised PageRank on the anomalous part of the call graph. From its formulas.

An edge is anomalous where its response time is; the paper clusters response times (BIRCH), here one is anomalous
from `ANOMALOUS` on. Edges into anomalous services weigh `ALPHA`, other edges of theirs the correlation with the
anomalous response time. The personalisation of a service is the mean weight of its edges times the largest
correlation of one of its internal metrics with that response time. PageRank runs from caller to callee; the other way
round, as its released code has it, is worse on each of our sets.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, Role

from .zscores import largest, zscores

__all__ = ["microrca"]

Floats = NDArray[np.float64]
ALPHA = 0.55
DAMPING = 0.85
ANOMALOUS = 2.0  # standard deviations; chosen by looking: best mean over Nezha and PetShop among 1, 2, 3
ROWS = 10  # of history that correlations see beside the window
STEPS = 200


def microrca(columns: Columns, history: Floats, window: Floats) -> Floats:
    """Score services, ``float64[s]``, from ``float64[n, d]`` quiet rows and ``float64[W, d]`` rows of the fault."""
    z = np.nan_to_num(zscores(history, np.vstack([history[-ROWS:], window])))
    s = len(columns.services)
    times = np.zeros((s, len(z)))  # response time of each service, mean of its latencies
    for service in range(s):
        own = (columns.owner == service) & (columns.roles == Role.LATENCY)
        times[service] = z[:, own].mean(axis=1) if own.any() else 0.0
    anomalous = largest(times[:, -len(window) :].T) > ANOMALOUS
    calls = columns.calls | np.diag(~columns.calls.any(axis=0))  # an entry is called by itself
    near = np.abs(_correlations(times, times))
    into = calls & anomalous[None, :]
    weights = np.where(into, ALPHA, np.where(calls & anomalous[:, None], near, 0.0))
    inside = np.zeros(s)
    for j in np.flatnonzero((columns.roles == Role.INTERNAL) & (columns.owner >= 0)):
        service = columns.owner[j]
        inside[service] = max(inside[service], abs(_correlations(z[:, [j]].T, times[[service]])[0, 0]))
    degree = (weights > 0).sum(axis=0) + (weights > 0).sum(axis=1)
    inside[~np.isin(np.arange(s), columns.owner[columns.roles == Role.INTERNAL])] = 1.0  # nothing inside is measured
    mean_weight = (weights.sum(axis=0) + weights.sum(axis=1)) / np.maximum(degree, 1)
    return _pagerank(weights, mean_weight * inside)


def _correlations(a: Floats, b: Floats) -> Floats:
    """Pearson correlations of the rows of `a` with those of `b`; 0 for what stands still."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    lengths = np.sqrt((a**2).sum(axis=1))[:, None] * np.sqrt((b**2).sum(axis=1))[None, :]
    return np.asarray(np.divide(a @ b.T, lengths, out=np.zeros_like(lengths), where=lengths > 0))


def _pagerank(W: Floats, personal: Floats) -> Floats:
    """Return the stationary visits of a walk along `W` that restarts by `personal`."""
    if not personal.any():
        return np.zeros_like(personal)
    start = personal / personal.sum()
    reach = W.sum(axis=1)
    T = np.where(reach[:, None] > 0, W / np.where(reach > 0, reach, 1.0)[:, None], start[None, :])
    visits = start
    for _ in range(STEPS):
        visits = DAMPING * visits @ T + (1.0 - DAMPING) * start
    return np.asarray(visits)
