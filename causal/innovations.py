"""What an SVAR leaves unexplained of rows it has not learned, and which metrics explain the rest."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .svar import Svar, contributions, predict

__all__ = ["Account", "Residuals", "account", "residuals"]

Floats = NDArray[np.float64]

EARLY = 10.0  # rows after which evidence counts half: w_t = 1 / (1 + t / 10)
LEVEL = 0.1  # rate of the level that deviations are counted from


class Residuals(NamedTuple):
    """One-step residuals in standard deviations of the metric; NaN where it is missing or was never learned."""

    own: Floats  # [T, d], of the model with own lags only
    full: Floats  # [T, d], of the invariant model
    own_scale: Floats  # [d], their usual size
    full_scale: Floats  # [d]


class Account(NamedTuple):
    """What the invariant graph accounts for in rows that it has not learned."""

    explained: Floats  # [d], 0..1: energy of the own-lags residual that the full model saves
    shares: Floats  # [d, d], part of the explanation of j that comes from i; columns sum to 1, or 0
    inside: Floats  # [d], 0..1: part of it that comes from deviations in these rows, not in their context


def residuals(Z: Floats, own: Svar, full: Svar, p: int) -> Residuals:
    """Residuals of rows p.. of standardised rows ``Z[p + T, d]``; the first p are their context."""
    left = [Z[p:] - predict(Z, model, p) for model in (own, full)]
    return Residuals(left[0], left[1], own.scale.copy(), full.scale.copy())


def account(Z: Floats, own: Svar, full: Svar, p: int) -> Account:
    """Account for rows p.. of standardised rows ``Z[p + T, d]``; the first p are their context.

    With ``w_t = 1 / (1 + t / 10)``::

        explained_j = 1 - min(1, sum_t (w_t e_full)^2 / sum_t (w_t e_own)^2)
        shares_ij  ~  max(0, sum_t w_t^2 e_own,j  sum_l theta_jli (z_{t-l, i} - level_i))        i != j

    `level` is a running mean that starts at the historic one and stands still from the first of the T rows on.
    """
    e = residuals(Z, own, full, p)
    both = np.isfinite(e.own) & np.isfinite(e.full)
    weight = 1.0 / (1.0 + np.arange(len(e.own)) / EARLY)
    energy = [np.sum(np.where(both, weight[:, None] * part, 0.0) ** 2, axis=0) for part in (e.own, e.full)]
    saved = 1.0 - np.divide(energy[1], energy[0], out=np.ones_like(energy[0]), where=energy[0] > 0)
    level = np.zeros(Z.shape[1])
    for row in Z[:p]:
        level += LEVEL * np.where(np.isnan(row), 0.0, row - level)
    parts = contributions(Z, weight[:, None] ** 2 * e.own, level, full, p)
    shares, late = np.maximum(parts.sum(axis=0), 0.0), np.maximum(parts[1], 0.0)
    total = shares.sum(axis=0)
    some = total > 0
    inside = np.divide(np.minimum(late, shares).sum(axis=0), total, out=np.zeros_like(total), where=some)
    return Account(np.clip(saved, 0.0, 1.0), np.divide(shares, total, out=shares, where=some), inside)
