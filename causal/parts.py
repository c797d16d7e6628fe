"""CORAL's two parts as pure functions of lagged moments: what is always so, what this incident changes, their sum."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, break_cycles, commutator
from .svar import Svar, carry, dense, fit, own_lags, screen

__all__ = ["Fusion", "fit_dependent", "fit_invariant", "fit_own", "fuse"]

Floats: TypeAlias = NDArray[np.float64]
Fusion: TypeAlias = Literal["additive", "commutator"]

OWN = 0.2  # price of an own lag over that of a cross edge (docs/coral.md, section 2)
RESISTANCE = 1.0  # eta: how much more a change costs where the invariant part has an edge of weight 1
VANISHING = 1e-6  # standard deviations: less is rounding, and no metric to learn from


def fit_own(gamma: Floats, last: Svar, penalty: float) -> Svar:
    """Fit every metric to its own lags only, starting from the fit before."""
    d, p = len(last.theta), len(gamma) - 1
    start = Svar(own_lags(d, p), last.theta, last.scale)
    return fit(gamma, _scale(gamma), start, np.full((d, p), OWN * penalty))


def fit_invariant(gamma: Floats, last: Svar, slots: int, penalty: float) -> Svar:
    """Fit ``theta``: own lags and `slots` screened causes of each metric, starting from the fit before.

    Variables are scaled to unit moments, so a metric that is young or often missing pays the same price.
    """
    p, scale = len(gamma) - 1, _scale(gamma)
    causes = screen(gamma, scale, last, slots)
    price = np.full(causes.shape, penalty)
    price[:, :p] *= OWN
    return fit(gamma, scale, Svar(causes, carry(last, causes), last.scale), price)


def fit_dependent(gamma: Floats, rows: float, theta: Svar, last: Svar, slots: int, penalty: float) -> Svar:
    """Fit ``delta`` around theta on moments of `rows` rows of an incident, starting from the fit before.

    A change costs ``max(penalty, sqrt(2 ln(p d) / rows)) * (1 + eta |theta|)``: the root is about the largest of p d
    correlations of pure noise, so what chance could do in so few rows makes no edge. Variables are scaled by quiet
    times, not by the incident, except that the noise of a metric gone wild must not buy edges.
    """
    p, d = len(gamma) - 1, len(theta.theta)
    scale = _scale(gamma)
    scale = np.where(scale > 0, np.maximum(scale, 1.0), 0.0)
    changes = screen(gamma, scale, theta, slots)
    base = carry(theta, changes)
    chance = np.sqrt(2 * np.log(max(2, p * d)) / rows)
    price = max(penalty, chance) * (1 + RESISTANCE * np.abs(base))
    return fit(gamma, scale, Svar(changes, carry(last, changes), last.scale), price, base)


def fuse(theta: Svar, delta: Svar, p: int, fusion: Fusion) -> Graph:
    """Fuse the two parts into one acyclic graph: ``W_ij = |theta_ij + delta_ij|`` over the lags, or eq. 17."""
    parts = [dense(part, p) for part in (theta, delta)]
    invariant, dependent = (np.sqrt(np.sum(part**2, axis=0)) for part in parts)
    strength = np.abs(parts[0] + parts[1])
    W = np.sqrt(np.sum(strength**2, axis=0))
    for weights in (invariant, W):
        np.fill_diagonal(weights, 0.0)
    if fusion == "commutator" and dependent.any():
        W = commutator(invariant, W)
    W = break_cycles(W)
    lag = np.where(W > 0, strength.argmax(axis=0) + 1, 0)
    return Graph(W, lag, ((W > 0) & (dependent > invariant)).astype(np.int8))


def _scale(gamma: Floats) -> Floats:
    root = np.sqrt(np.diagonal(gamma[0]))
    return np.where(root > VANISHING, root, 0.0)
