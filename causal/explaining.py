"""Explaining away: a metric that only followed others is less suspect than they are.

The graph may lower a metric, and never raises one. It does so where its gate is open; with all gates shut the list is
the graph-free one, to the bit.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .innovations import Account

__all__ = ["Explained", "explain_away"]

Floats: TypeAlias = NDArray[np.float64]
# Chosen by looking at synthetic faults (docs/synthetic.md); on SMD, ASD and Nezha no choice nearby made a difference.
EXPLAINED = 0.1  # so large a share of a metric's deviation must be a response to others
EARLIER = 0.2  # and so much of the explanation must come from metrics that had moved before it
INSIDE = 0.5  # and so much of it from deviations inside the window
ABNORMAL = 2.0  # and these must be abnormal, by this number
HALF = 0.5  # or by half of the metric's own
BELOW = 0.95  # an effect stands so far below its causes, however loud it is
HOPS = 4  # of a chain of effects
SLACK = 4  # where a metric takes n rows to rise, noise decides within a quarter of them which moved first;
EXACTLY = 0.75  # there so large a share must be the response just as it was learned,
ALIKE = 0.05  # and not clearly less than of the cause


class Explained(NamedTuple):
    """What is left of a list when effects are explained by their causes; arrays are ``[d]``."""

    suspicion: Floats
    share: Floats  # 0..1, of the metric's deviation that others explain; 0: its gate is shut
    by: NDArray[np.int64]  # the one that explains most of it, -1: none


def explain_away(abnormal: Floats, account: Account) -> Explained:
    """Lower what was abnormal by what the graph explains.

    With an open gate ``F_j = min(S_j sqrt(1 - explained_j), .95 sum_i share_ij F_i)``, where i are the causes that had
    clearly moved in an earlier row than j (or, where j rises slowly, at about the same time, and j follows what was
    learned no worse than i does); else ``F_j = S_j``. The second term matters where effects outgrow their causes:
    what is left of such an effect is as loud as ever, but it is no start.

    Parameters
    ----------
    abnormal
        ``float64[d]``, S.
    account
        Of the same metrics.
    """
    moved, exactly = account.moved, account.exactly
    slack = account.rise // SLACK
    first = moved[:, None] < moved - slack
    level = (moved[:, None] < moved + slack) & (exactly > np.maximum(EXACTLY, exactly[:, None] - ALIKE))
    shares = account.shares * (first | level)
    earlier = shares.sum(axis=0)
    shares = np.divide(shares, earlier, out=shares, where=earlier > 0)
    support = abnormal @ shares
    gate = (account.explained > EXPLAINED) & (earlier > EARLIER) & (account.inside > INSIDE)
    gate &= (support >= ABNORMAL) | (support >= HALF * abnormal)
    left = np.where(gate, abnormal * np.sqrt(1.0 - account.explained), abnormal)
    suspicion = left
    for _ in range(HOPS):
        suspicion = np.where(gate, np.minimum(left, BELOW * (suspicion @ shares)), left)
    by = np.where(gate, shares.argmax(axis=0) if len(shares) else -1, -1)
    return Explained(suspicion, np.where(gate, account.explained, 0.0), by)
