"""CORAL's two parts as pure functions of lagged moments: what is always so, what this incident changes, their sum."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .constraints import CONFIRMED, EXPECTED, FORBIDDEN, OWN, Standing, prices
from .graph import Graph, break_cycles, commutator
from .svar import Svar, carry, dense, fit, own_lags, screen

__all__ = ["Fusion", "fit_dependent", "fit_invariant", "fit_own", "fuse"]

Floats: TypeAlias = NDArray[np.float64]
Fusion: TypeAlias = Literal["additive", "commutator"]

RESISTANCE = 1.0  # eta: how much more a change costs where the invariant part has an edge of weight 1
VANISHING = 1e-6  # standard deviations: less is rounding, and no metric to learn from
KNOWN = 0.1  # least weight of a confirmed edge: weak, but it can be walked


def fit_own(gamma: Floats, last: Svar, penalty: float) -> Svar:
    """Fit every metric to its own lags only, starting from the fit before."""
    d, p = len(last.theta), len(gamma) - 1
    start = Svar(own_lags(d, p), last.theta, last.scale)
    return fit(gamma, _scale(gamma), start, np.full((d, p), OWN * penalty))


def fit_invariant(gamma: Floats, last: Svar, slots: int, penalty: float, standing: Standing, left: Floats) -> Svar:
    """Fit ``theta``: own lags and `slots` screened causes of each metric, starting from the fit before.

    Variables are scaled to unit moments, so a metric that is young or often missing pays the same price. A cross edge
    costs `penalty` times `left` (``float64[d]``), what the target's own lags leave of it: that is the noise in which
    an edge must be found, and a slow metric, of which they leave little, could never pay the price of a whole one.
    """
    scale = _scale(gamma)
    causes = screen(gamma, scale, last, slots, standing)
    p = len(gamma) - 1
    price = prices(standing, causes, p, penalty)
    price[:, p:] *= left[:, None]
    return fit(gamma, scale, Svar(causes, carry(last, causes), last.scale), price)


def fit_dependent(
    gamma: Floats,
    rows: float,
    theta: Svar,
    last: Svar,
    slots: int,
    penalty: float,
    standing: Standing,
    *,
    around: bool = True,
) -> Svar:
    """Fit ``delta`` on moments of `rows` rows of an incident, starting from the fit before.

    `around` theta, delta is what the incident adds to it; else it is a model of the incident alone, as the paper has
    it (eq. 15, 16). A change costs ``max(penalty, sqrt(2 ln(p d) / rows)) * (1 + eta |theta|)``: the root is about
    the largest of p d correlations of pure noise, so what chance could do in so few rows makes no edge, and the
    factor prefers edges where there was none (eq. 14, erratum 7: as printed, the target is a dense graph). Variables
    are scaled by quiet times, not by the incident, but the noise of a metric gone wild must not buy edges.
    """
    p, d = len(gamma) - 1, len(theta.theta)
    scale = _scale(gamma)
    scale = np.where(scale > 0, np.maximum(scale, 1.0), 0.0)
    changes = screen(gamma, scale, theta, slots, standing)
    known = carry(theta, changes)
    chance = np.sqrt(2 * np.log(max(2, p * d)) / rows)
    price = prices(np.minimum(standing, EXPECTED), changes, p, max(penalty, chance))
    cause, target = np.maximum(changes, 0) // p, np.arange(d)[:, None]
    price[cause == target] /= OWN  # a change of an own lag is a change like any other
    price *= 1 + RESISTANCE * np.abs(known)
    return fit(gamma, scale, Svar(changes, carry(last, changes), last.scale), price, known if around else None)


def fuse(theta: Svar, delta: Svar, p: int, fusion: Fusion, standing: Standing) -> Graph:
    """Fuse the two parts into one acyclic graph.

    ``additive``: ``W_ij = |theta_ij + delta_ij|`` over the lags. ``commutator``: eq. 17 on the two graphs of lag
    norms, without diagonals (erratum 3); as long as an incident has none, the graph is the invariant one. Cycles are
    cut at their weakest edge instead of being priced by eq. 18. Forbidden edges are left out, since a commutator
    makes edges of its own, and confirmed ones weigh at least `KNOWN`.
    """
    parts = [dense(part, p) for part in (theta, delta)]
    invariant, dependent = (np.sqrt(np.sum(part**2, axis=0)) for part in parts)
    strength = np.abs(parts[0] + parts[1])
    W = np.sqrt(np.sum(strength**2, axis=0))
    for weights in (invariant, dependent, W):
        np.fill_diagonal(weights, 0.0)
    if fusion == "commutator":
        W = commutator(invariant, dependent) if dependent.any() else invariant.copy()
    W[standing == FORBIDDEN] = 0.0
    W = np.where(standing == CONFIRMED, np.maximum(W, KNOWN), W)
    W = break_cycles(W, standing == CONFIRMED)
    lag = np.where(W > 0, strength.argmax(axis=0) + 1, 0)
    return Graph(W, lag, ((W > 0) & (dependent > invariant)).astype(np.int8))


def _scale(gamma: Floats) -> Floats:
    root = np.sqrt(np.diagonal(gamma[0]))
    return np.where(root > VANISHING, root, 0.0)
