"""Faults planted into the metrics of one host: lagged edges of ours on noise that is not, and a known root.

``x_j(t) = n_j(t) + sum over edges i -> j of gain * s_j * g((x_i(t - lag) - m_i) / s_i)``, where n is the noise, m and s
are its mean and standard deviation in quiet rows, and g is the identity or steeper above two standard deviations.
Quiet noise travels the edges too: there is a graph to learn, and no effect is louder than its cause but by gain.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .noise import Noise, lively
from .planted import HISTORY, ROWS, Planted

__all__ = ["Host", "plant"]

Floats: TypeAlias = NDArray[np.float64]
LAGS = 3
MEMBERS = 6  # metrics of the graph
PULSE = 4  # rows of a short fault


class Edge(NamedTuple):
    """One effect; `when` it acts."""

    cause: int
    effect: int
    lag: int
    gain: float
    when: Literal["always", "before", "during"] = "always"


@dataclass(frozen=True, slots=True)
class Host:
    """What is planted; the defaults: a fault that travels lagged edges of unit gain."""

    gain: tuple[float, float] = (1.0, 1.0)  # range
    size: tuple[float, float] = (4.0, 8.0)  # range, of the fault, in the root's largest deviation but 1 % of quiet rows
    edges: bool = True
    lagged: bool = True  # else every effect falls into the row of its cause
    learnable: bool = True  # else the edges are there during the fault only
    rewired: bool = False  # the fault takes half of the edges away and makes as many new ones
    steep: float = 1.0  # slope of g above two standard deviations
    confounded: bool = False  # what moved the metrics together in the recording still does
    blur: float = 0.0  # measurement noise on the root's own metric, in its standard deviations
    fan_in: bool = False  # one metric is the effect of most others
    faulty: bool = True
    hidden: bool = False  # the root is not among the metrics
    silent: bool = False  # the root's metric goes silent; what it stands for moves in every second case
    drift: float = 0.0  # standard deviations by which metrics outside the graph rise over the last third of the rows
    missing: float = 0.0  # share of values that are missing, in blocks
    misdated: bool = False  # the start is given one row late (even seeds) or early


def plant(what: Host, seed: int, noise: Noise) -> Planted:
    """Plant one fault; the same seed plants the same."""
    rng = np.random.default_rng(seed)
    late = (1 if seed % 2 == 0 else -1) if what.misdated else 0
    cut = HISTORY + max(late, 0)  # rows from here on are the window
    start = cut - late
    N = noise(rng, cut + ROWS, what.confounded)
    members = rng.permutation(lively(N[:start]))[:MEMBERS]
    root = int(members[0])
    mean, sd = N[:start].mean(axis=0), N[:start].std(axis=0)
    Z = (N - mean) / np.where(sd > 0, sd, 1.0)
    if what.drift:
        _drift(rng, Z, members, what.drift)
    rare = float(np.quantile(np.abs(Z[:start, root] - np.median(Z[:start, root])), 0.99))
    fault = rare * _fault(rng, len(Z) - start, what.size)
    if what.faulty and not (what.silent and seed % 2):
        Z[start:, root] += fault
    _travel(Z, _graph(what, rng, members), start, what.steep)
    if what.blur:
        Z[:, root] += what.blur * rng.normal(size=len(Z))
    X = mean + Z * np.where(sd > 0, sd, 1.0)
    if what.missing:
        _lose(rng, X, what.missing)
    if what.silent:
        X[start:, root] = np.nan
    names = [f"host|m{j:02d}" for j in range(X.shape[1])]
    roots = (names[root],) if what.faulty and not what.hidden else ()
    if what.hidden:
        X, names = np.delete(X, root, axis=1), names[:root] + names[root + 1 :]
    return Planted(tuple(names), X[cut - HISTORY : cut], X[cut:], roots)


def _fault(rng: np.random.Generator, rows: int, size: tuple[float, float]) -> Floats:
    """Draw a step, a ramp over half of the rows, or a short pulse, up or down."""
    shape = np.ones(rows)
    kind = rng.integers(3)
    if kind == 1:
        shape = np.minimum(1.0, np.arange(1, rows + 1) / (rows / 2))
    elif kind == 2:
        shape[PULSE:] = 0.0
    return float(rng.choice([-1.0, 1.0]) * rng.uniform(*size)) * shape


def _graph(what: Host, rng: np.random.Generator, members: NDArray[np.int64]) -> list[Edge]:
    """Draw a tree below the root, an edge more here and there, in the order of travel."""
    if not what.edges:
        return []
    found = []
    for k in range(1, len(members)):
        causes = {int(rng.integers(k)), *np.flatnonzero(rng.random(k) < 0.1).tolist()}
        if what.fan_in and k == len(members) - 1:
            causes = set(range(k))
        for i in sorted(causes):
            lag = int(rng.integers(1, LAGS + 1)) if what.lagged else 0
            gain = float(rng.uniform(*what.gain)) / (np.sqrt(len(causes)) if what.fan_in else 1.0)
            edge = Edge(int(members[i]), int(members[k]), lag, gain, "always" if what.learnable else "during")
            if what.rewired and rng.random() < 0.5:
                found.append(edge._replace(when="before"))
                other = int(members[rng.integers(k)])
                edge = edge._replace(cause=other, when="during")
            found.append(edge)
    return found


def _travel(Z: Floats, edges: list[Edge], start: int, steep: float) -> None:
    """In place: every effect gains what its causes bring, causes first."""
    for cause, effect, lag, gain, when in edges:
        z = Z[: len(Z) - lag, cause]
        bent = np.where(np.abs(z) > 2.0, np.sign(z) * (2.0 + steep * (np.abs(z) - 2.0)), z)
        brought = np.concatenate([np.zeros(lag), gain * bent])
        if when != "always":
            brought[slice(start, None) if when == "before" else slice(0, start)] = 0.0
        Z[:, effect] += brought


def _drift(rng: np.random.Generator, Z: Floats, members: NDArray[np.int64], size: float) -> None:
    """In place: a third of the metrics outside the graph rise or fall."""
    others = np.setdiff1d(np.flatnonzero(Z.std(axis=0) > 0), members)
    ramp = np.maximum(np.arange(len(Z)) / len(Z) - 2 / 3, 0.0) * 3.0 * size
    for j in others[rng.random(len(others)) < 1 / 3]:
        Z[:, j] += rng.choice([-1.0, 1.0]) * ramp


def _lose(rng: np.random.Generator, X: Floats, share: float) -> None:
    """In place: blocks of 2 to 40 rows of single metrics go missing, two rows of every metric stay in the window."""
    blocks = int(share * X.size / 21)
    for j, t, length in zip(
        rng.integers(X.shape[1], size=blocks),
        rng.integers(len(X), size=blocks),
        rng.integers(2, 41, size=blocks),
        strict=True,
    ):
        kept = X[-2:, j].copy()
        X[t : t + length, j] = np.nan
        X[-2:, j] = kept
