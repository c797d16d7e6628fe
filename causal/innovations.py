"""What an SVAR leaves unexplained of rows it has not learned, and which metrics explain the rest."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .svar import Svar, contributions, predict, respond

__all__ = ["Account", "Residuals", "account", "residuals"]

Floats = NDArray[np.float64]

EARLY = 10.0  # rows after which evidence counts half: w_t = 1 / (1 + t / 10)
LEVEL = 0.1  # rate of the level that deviations are counted from
OUTGROWN = 3.0  # an effect may be so much larger than the model says
BEGUN, DONE = 0.3, 0.8  # of its largest deviation: a metric has begun to move, and nearly ended
CLEAR = 3.0  # and so many of its own-lags residuals


class Residuals(NamedTuple):
    """One-step residuals in standard deviations of the metric; NaN where it is missing or was never learned."""

    own: Floats  # [T, d], of the model with own lags only
    full: Floats  # [T, d], of the invariant model
    own_scale: Floats  # [d], their usual size
    full_scale: Floats  # [d]


class Account(NamedTuple):
    """What the invariant graph accounts for in rows that it has not learned."""

    explained: (
        Floats  # [d], 0..1: energy of the deviation that is a response to other metrics, which may outgrow the model
    )
    exactly: Floats  # [d], 0..1: the same of a response just as large as the model says
    shares: Floats  # [d, d], part of the explanation of j that comes from i; columns sum to 1, or 0
    inside: Floats  # [d], 0..1: part of it that comes from deviations in these rows, not in their context
    moved: NDArray[np.int64]  # [d], first row in which the metric had clearly left its level; the number of rows: never
    rise: NDArray[np.int64]  # [d], rows from there to nearly its largest deviation


def residuals(Z: Floats, own: Svar, full: Svar, p: int) -> Residuals:
    """Residuals of rows p.. of standardised rows ``Z[p + T, d]``; the first p are their context."""
    left = [Z[p:] - predict(Z, model, p) for model in (own, full)]
    return Residuals(left[0], left[1], own.scale.copy(), full.scale.copy())


def account(Z: Floats, own: Svar, full: Svar, p: int, level: Floats | None = None) -> Account:
    """Account for rows p.. of standardised rows ``Z[p + T, d]``; the first p are their context.

    With ``w_t = 1 / (1 + t / 10)``, y = z - level, and r the `respond` of the model to y::

        explained_j = 1 - min over 1 <= c <= 3 of  sum_t w_t^2 (y_j - c r_j)^2 / sum_t w_t^2 y_j^2        at least 0
        exactly_j   = the same with c = 1
        shares_ij  ~  max(0, sum_t w_t^2 e_own,j  sum_l theta_jli y_{t-l, i})        i != j

    c lets an effect outgrow what was learned in quiet times, where all deviations were small.
    `level` (``float64[d]``) is where each metric stood before the T rows; NaN is the historic mean. Without it, it is a
    running mean of the context that starts at the historic one, which takes an old offset for a new deviation.
    """
    weight = (1.0 / (1.0 + np.arange(len(Z) - p) / EARLY))[:, None]
    if level is None:
        level = np.zeros(Z.shape[1])
        for row in Z[:p]:
            level += LEVEL * np.where(np.isnan(row), 0.0, row - level)
    level = np.nan_to_num(level)
    Y = Z - level
    e = residuals(Z, own, full, p)
    parts = contributions(Z, weight**2 * e.own, level, full, p)
    shares, late = np.maximum(parts.sum(axis=0), 0.0), np.maximum(parts[1], 0.0)
    total = shares.sum(axis=0)
    some = total > 0
    inside = np.divide(np.minimum(late, shares).sum(axis=0), total, out=np.zeros_like(total), where=some)
    np.divide(shares, total, out=shares, where=some)
    y, r = weight * Y[p:], weight * respond(Y, full, p)
    return Account(_followed(y, r, OUTGROWN), _followed(y, r, 1.0), shares, inside, *_moved(Y[p:], own.scale))


def _followed(y: Floats, r: Floats, most: float) -> Floats:
    """Share of the energy of y (``float64[T, d]``) that r has, taken 1 to `most` times."""
    r, y = np.where(np.isfinite(y), r, 0.0), np.nan_to_num(y)
    energy, common, power = (y**2).sum(axis=0), (y * r).sum(axis=0), (r**2).sum(axis=0)
    times = np.clip(np.divide(common, power, out=np.ones_like(power), where=power > 0), 1.0, most)
    saved = times * (2.0 * common - times * power)
    share: Floats = np.divide(saved, energy, out=np.zeros_like(energy), where=energy > 0)
    return np.clip(share, 0.0, 1.0)


def _moved(y: Floats, scale: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First row of y (``float64[T, d]``) that is `BEGUN` of its largest, and `CLEAR` of its usual steps; T: none.

    And the rows from there to the first that is `DONE` of the largest.
    """
    size = np.abs(np.nan_to_num(y))
    largest = size.max(axis=0, initial=0.0)
    begun, done = size >= np.maximum(BEGUN * largest, CLEAR * scale), size >= DONE * largest
    moved = np.where(begun.any(axis=0), begun.argmax(axis=0), len(y)).astype(np.int64)
    ended = np.where(begun.any(axis=0), done.argmax(axis=0), len(y))
    return moved, np.maximum(ended - moved, 0).astype(np.int64)
