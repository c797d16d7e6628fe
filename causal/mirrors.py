"""Calls that nobody told of: a leaf of the call graph that only mirrors what is behind it, a load balancer, say."""

import numpy as np
from numpy.typing import NDArray

from .columns import Columns, with_calls

__all__ = ["mirrored"]


def mirrored(columns: Columns, travelling: NDArray[np.bool_]) -> tuple[Columns, tuple[tuple[str, str], ...]]:
    """Add the calls of opaque leaves for one incident.

    A leaf m (it has callers and calls nobody) gets a call to v, which calls others, where they share a caller, no call
    connects them, and both show a symptom of one type: a balancer shows what is behind it.

    Parameters
    ----------
    columns
        Owners, roles and calls.
    travelling
        ``bool[d]``, symptoms that are asked about, abnormal, and move the bad way.

    Returns
    -------
    tuple
        The columns with the calls, and the calls added, as (caller, callee).

    Examples
    --------
    The balancer is a leaf as far as the graph knows; the shop behind it calls the database:

    >>> from headwater.causal.columns import describe
    >>> names = ["front|latency", "balancer|latency", "shop|latency", "db|latency"]
    >>> columns = describe(names, edges=[("front", "balancer"), ("front", "shop"), ("shop", "db")])
    >>> mirrored(columns, np.array([True, True, True, False]))[1]
    (('balancer', 'shop'),)
    """
    calls = columns.calls
    shown = np.zeros((len(calls), int(columns.types.max(initial=-1)) + 1), np.float32)
    shown[columns.owner[travelling], columns.types[travelling]] = 1
    siblings = (np.matmul(calls.T, calls, dtype=np.float32) > 0) & ~(calls | calls.T)
    inner = calls.any(axis=1)
    behind: NDArray[np.bool_] = siblings & (shown @ shown.T > 0) & np.outer(~inner, inner)
    added = tuple((columns.services[m], columns.services[v]) for m, v in np.argwhere(behind).tolist())
    return with_calls(columns, added), added
