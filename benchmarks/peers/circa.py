"""CIRCA (Li et al., KDD 2022): regression residuals on causal parents, with descendant adjustment. From its formulas.

The package ``circa-clue`` wants an older Python. Parents come from the call graph as its structural graph draws them:
workload of callers, then own workload, then own internals, then own latency and availability, and these again from
callees, metric type by metric type. A ridge regression replaces least squares, since a metric here may have more
parents than rows; its residuals in history are left-one-out ones, so that few rows do not look like certainty.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import SYMPTOMS, Columns, Role

from .zscores import zscores

__all__ = ["circa", "parents_of"]

Floats = NDArray[np.float64]
RIDGE = 1.0  # on standardised columns
ABNORMAL = 3.0  # residual standard deviations from which on a metric passes its score up
FARTHEST = 1e6
ORDER = (Role.WORKLOAD, Role.SATURATION, Role.INTERNAL, *SYMPTOMS)  # what may drive what inside a service


def circa(columns: Columns, history: Floats, window: Floats) -> Floats:
    """Score columns, ``float64[d]``: largest residual over its standard deviation, plus that of abnormal children."""
    z = np.clip(np.nan_to_num(zscores(history, np.vstack([history, window]))), -FARTHEST, FARTHEST)
    quiet, faulty = z[: len(history)], z[len(history) :]
    parents = parents_of(columns)
    residual = np.array([_residual(quiet, faulty, j, parents[j]) for j in range(z.shape[1])])
    return _adjusted(residual, parents)


def parents_of(columns: Columns) -> list[NDArray[np.int64]]:
    """Return for each column the columns that may drive it."""
    stage = np.array([ORDER.index(Role(role)) if role in ORDER else -1 for role in columns.roles])
    last = ORDER.index(SYMPTOMS[0])  # latency and availability do not drive each other
    known = columns.owner >= 0
    found = []
    for j, (owner, role) in enumerate(zip(columns.owner.tolist(), columns.roles.tolist(), strict=True)):
        drives = known & (columns.owner == owner) & (stage >= 0) & (stage < min(stage[j], last))
        if owner >= 0 and role in (*SYMPTOMS, Role.WORKLOAD):
            calls = columns.calls[:, owner] if role == Role.WORKLOAD else columns.calls[owner]
            drives |= known & calls[columns.owner] & (columns.types == columns.types[j])
        found.append(np.flatnonzero(drives))
    return found


def _residual(quiet: Floats, faulty: Floats, j: int, parents: NDArray[np.int64]) -> float:
    """Largest absolute residual of a column in the faulty rows, in standard deviations of its quiet residuals."""
    A = np.column_stack([np.ones(len(quiet)), quiet[:, parents]])
    inverse = np.linalg.inv(A.T @ A + np.diag([1e-9] + [RIDGE] * len(parents)))
    weights = inverse @ (A.T @ quiet[:, j])
    leverage = np.minimum(((A @ inverse) * A).sum(axis=1), 0.99)
    left_out = (quiet[:, j] - A @ weights) / (1.0 - leverage)
    spread = max(float(left_out.std()), 1e-3)
    B = np.column_stack([np.ones(len(faulty)), faulty[:, parents]])
    return float(np.abs(faulty[:, j] - B @ weights).max(initial=0.0)) / spread


def _adjusted(score: Floats, parents: list[NDArray[np.int64]]) -> Floats:
    """Add to each abnormal score the largest one that its abnormal descendants bring, children first.

    A child that is not abnormal passes on what its own children bring. Cycles are cut after as many steps as columns.
    """
    causes = np.concatenate(parents) if parents else np.zeros(0, np.int64)
    effects = np.repeat(np.arange(len(score)), [len(p) for p in parents])
    brought = np.zeros_like(score)
    for _ in range(len(ORDER) + 12):  # the longest path: within a service, and 12 calls
        passed = np.where(score >= ABNORMAL, score, brought)
        new = np.zeros_like(score)
        np.maximum.at(new, causes, passed[effects])
        if np.array_equal(new, brought):
            break
        brought = new
    return np.where(score >= ABNORMAL, score + brought, score)
