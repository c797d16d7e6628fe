"""PRISM (arXiv 2601.21359): a root cause is abnormal inside and outside at once. Written from its formulas.

``S_I`` and ``S_E`` are the largest ``max_t |x - mean| / sd`` over a service's internal metrics (cpu, memory, disk,
network) and its external ones (latency, availability, workload). Its rule ``S_I + S_E - log(1 + S_I + S_E)`` orders
like the sum; with ``min`` and the product both sides must be there.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from headwater.causal.columns import Columns, Role

from .zscores import largest, zscores

__all__ = ["Rule", "prism"]

Floats = NDArray[np.float64]
Rule = Literal["sum", "min", "product"]


def prism(columns: Columns, history: Floats, window: Floats, rule: Rule = "product") -> Floats:
    """Score services, ``float64[s]``, from ``float64[n, d]`` quiet rows and ``float64[W, d]`` rows of the fault."""
    if rule not in get_args(Rule):
        raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}, not {rule!r}")
    z = largest(np.abs(zscores(history, window)))
    owned = columns.owner >= 0
    sides = np.zeros((2, len(columns.services)))
    for side, roles in zip(sides, ([Role.INTERNAL], [Role.LATENCY, Role.AVAILABILITY, Role.WORKLOAD]), strict=True):
        chosen = owned & np.isin(columns.roles, roles)
        np.maximum.at(side, columns.owner[chosen], z[chosen])
    if rule == "sum":
        together: Floats = sides.sum(axis=0)
        return together - np.log1p(together)
    return sides.min(axis=0) if rule == "min" else np.asarray(sides.prod(axis=0))
