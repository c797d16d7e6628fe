"""Anomaly traversal on the true call graph, PetShop's strongest baseline (Hardt et al., 2023). Written from its rule.

A node is anomalous whose symptom is far from its mean; a root cause is an anomalous node none of whose callees is
anomalous. Root causes come first, by their z, then all others by theirs.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns

__all__ = ["FAR", "traversal"]

Floats = NDArray[np.float64]
FAR = 10.0  # standard deviations


def traversal(columns: Columns, z: Floats, entry: int | None = None) -> tuple[Floats, bool]:
    """Score services, ``float64[s]``, and say whether any is anomalous at all.

    Parameters
    ----------
    columns
        Whose `calls` are known.
    z
        ``float64[s]``, how many standard deviations each service's symptom is away.
    entry
        Service of the KPI: a root cause must be reached from it by anomalous services alone; None: from anywhere.
    """
    anomalous = z > FAR
    causes = anomalous & ~(columns.calls & anomalous[None, :]).any(axis=1)
    if entry is not None:
        reached = np.zeros(len(z), np.bool_)
        reached[entry] = True
        for _ in range(len(z)):
            reached |= (columns.calls & reached[:, None]).any(axis=0) & anomalous
        causes &= reached
    return np.where(causes, 1.0 + z.max(initial=0.0), 0.0) + z, bool(causes.any())
