"""CORAL's incremental disentangled causal graph, as a sparse linear SVAR on lagged moments. See docs/coral.md."""

from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from river import base

from headwater.online import Block, Snapshot, restore, take

from .constraints import Prior
from .coral_state import CoralState
from .graph import Graph
from .informed import Informed
from .innovations import Account, Residuals, account, residuals
from .moments import LaggedMoments, pooled
from .parts import Fusion, fit_dependent, fit_invariant, fit_own, fuse

__all__ = ["Coral"]

INCIDENT_HALF_LIFE = 300.0  # rows; an incident's dynamics are those of its last minutes
_SEPARATOR = "\x1f"


class Coral(Informed, base.Estimator):
    """Learn which metrics drive which, in quiet times, and how that changes during an incident.

    The invariant part ``theta`` is a sparse SVAR fitted to quiet rows, with every row held back until it is clear
    that no incident had begun. An incident freezes it. The dependent part ``delta`` is fitted to the incident's rows
    around theta, so only what theta does not explain makes new edges; their sum is the causal graph of this moment.

    The protocol: `step` in quiet times, `begin`, `adapt` as often as rows come, `end`, `step` again. At any time
    `expect` tells it a topology, `confirm` and `forbid` single edges.

    Parameters
    ----------
    lags
        p, largest lag in rows.
    candidates
        K, screened causes of each metric (its own past comes on top).
    penalty
        Price of a unit coefficient of variables with unit variance.
    half_life
        Rows after which a quiet row counts half.
    hold_back
        Newest rows that are not learned yet.
    block
        Rows learned at a time.
    refit
        Blocks between two fits in quiet times. An incident begins with a fit.
    fusion
        ``additive``: ``|theta + delta|`` without cycles. ``commutator``: the two graphs and the layer of the paper
        (eq. 9-17), for comparison only: one model of both states, one of the incident alone.
    prior
        What a topology (`expect`) does: ``soft`` prefers its edges, ``hard`` learns no others.

    Examples
    --------
    >>> noise = np.random.default_rng(7).normal(size=(900, 3))
    >>> rows = noise.copy()
    >>> rows[1:, 1] += 0.8 * noise[:-1, 0]  # metric 0 drives metric 1, one row later
    >>> coral = Coral()
    >>> coral.step(rows[:800])
    >>> coral.begin(discard=0)
    >>> coral.weights().W.argmax(), coral.weights().lag[0, 1]
    (np.int64(1), np.int64(1))
    >>> rows[801:, 2] += 0.8 * noise[800:-1, 0]  # in the incident it drives metric 2, too
    >>> coral.adapt(rows[800:])
    >>> coral.weights().part[0].tolist()
    [0, 0, 1]

    References
    ----------
    Wang et al., "Incremental Causal Graph Learning for Online Root Cause Analysis" (KDD 2023), eq. 5-19. What differs,
    and the errata, are listed in docs/coral.md.
    """

    def __init__(
        self,
        *,
        lags: int = 3,
        candidates: int = 30,
        penalty: float = 0.01,
        half_life: float = 20_000,
        hold_back: int = 30,
        block: int = 32,
        refit: int = 8,
        fusion: Fusion = "additive",
        prior: Prior = "soft",
    ) -> None:
        for name, value, least in (("candidates", candidates, 0), ("hold_back", hold_back, 0), ("refit", refit, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if not penalty > 0:
            raise ValueError(f"penalty must be positive, not {penalty}")
        if fusion not in get_args(Fusion):
            raise ValueError(f"fusion must be 'additive' or 'commutator', not {fusion!r}")
        if prior not in get_args(Prior):
            raise ValueError(f"prior must be 'soft' or 'hard', not {prior!r}")
        self.lags = lags
        self.candidates = candidates
        self.penalty = penalty
        self.half_life = half_life
        self.hold_back = hold_back
        self.block = block
        self.refit = refit
        self.fusion = fusion
        self.prior = prior
        self._quiet = LaggedMoments(lags=lags, half_life=half_life, block=block)
        self._incident = _incident(lags)
        self._state = CoralState.empty(hold_back + block, lags, candidates)

    @property
    def _supervised(self) -> bool:
        return False

    def step(self, X: Block) -> None:
        """Take quiet rows ``float64[T, d]``; what is older than the newest `hold_back` rows is learned in blocks.

        Raises
        ------
        RuntimeError
            During an incident, whose rows go to `adapt`.
        """
        s = self._state
        if s.incident:
            raise RuntimeError("an incident has begun: its rows go to adapt(), until end()")
        self._grow(X.shape[1])
        start = 0
        while start < len(X):
            rows = X[start : start + len(s.held) - s.filled]
            s.held[s.filled : s.filled + len(rows)] = self._widened(rows)
            s.filled += len(rows)
            start += len(rows)
            if s.filled == len(s.held):
                self._learn(self.block)
                s.blocks += 1
                if s.blocks >= self.refit:
                    self._fit()

    def learn_one(self, x: Mapping[Any, float]) -> None:
        """Take one quiet row as a dict (river); a name not seen before gets a new column, a missing one is NaN."""
        known = {name: slot for slot, name in enumerate(self.columns)}
        for name in x:
            known.setdefault(str(name), len(known))
        row = np.full((1, len(known)), np.nan)
        for name, value in x.items():
            row[0, known[str(name)]] = value
        self.step(row)
        self._state.names = _SEPARATOR.join(known)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that came as dicts, in the order in which they appeared."""
        return tuple(self._state.names.split(_SEPARATOR)) if self._state.names else ()

    def begin(self, discard: int) -> None:
        """Begin an incident whose first row lies `discard` rows back: forget these rows, learn the others, freeze.

        Of rows that lie further back than `hold_back` some may have been learned; they stay learned.
        """
        s = self._state
        if s.incident:
            raise RuntimeError("an incident has begun already; end() it first")
        if discard < 0:
            raise ValueError(f"discard must be a number of rows, not {discard}")
        self._learn(max(0, s.filled - discard))
        s.held[:], s.filled = np.nan, 0
        self._quiet.gap()
        self._fit()
        self._incident = _incident(self.lags)
        s.incident = True

    def adapt(self, X: Block) -> None:
        """Take rows ``float64[T, d]`` of the incident and fit the dependent part to what theta leaves of them."""
        if not self._state.incident:
            raise RuntimeError("no incident has begun: quiet rows go to step()")
        self._grow(X.shape[1])
        Z = self._standardised(X)
        while len(Z):
            rows, Z = np.split(Z, [self._incident.room])
            self._incident.step(rows)
            if self._incident.room == self._incident.block:
                self._fit_change()

    def end(self, *, learn: bool) -> None:
        """End the incident; with `learn` its level and its dynamics are the new normal, else they are forgotten."""
        s = self._state
        if not s.incident:
            raise RuntimeError("no incident has begun")
        if learn:
            self._incident.flush()
            self._quiet.absorb(self._incident, self._quiet.sd)
            self._fit()
        self._incident = _incident(self.lags)
        s.incident = False
        s.changes[:], s.delta[:] = -1, 0.0

    def weights(self) -> Graph:
        """Fuse the two parts into the causal graph of this moment, without cycles."""
        s, theta = self._state, self._state.invariant
        standing = s.standing(self.prior)
        if self.fusion == "commutator" and s.delta.any():
            both = pooled(self._quiet, self._incident)  # eq. 12: one model for the rows of both states
            theta = fit_invariant(both, theta, self.candidates, self.penalty, standing, s.own_scale)
        return fuse(theta, s.dependent, self.lags, self.fusion, standing)

    def residuals(self, X: Block) -> Residuals:
        """Residuals of rows lags.. of ``X[lags + T, d]`` under the two models; the first rows are their context."""
        return residuals(self._standardised(X), self._state.own_model, self._state.invariant, self.lags)

    def account(self, X: Block, level: Block | None = None) -> Account:
        """Account by the invariant graph for rows lags.. of ``X[lags + T, d]``; the first rows are their context.

        `level` (``float64[d]``) is where each metric stood before them; else the context has to tell.
        """
        s, known = self._state, None if level is None else self._standardised(level[None])[0]
        return account(self._standardised(X), s.own_model, s.invariant, self.lags, known)

    def snapshot(self) -> Snapshot:
        """Copy all that has been learned."""
        parts = {"quiet.": self._quiet.snapshot(), "incident.": self._incident.snapshot(), "": take(self._state)}
        return {prefix + name: value for prefix, part in parts.items() for name, value in part.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Take a snapshot back.

        Raises
        ------
        SnapshotError
            If it is of another form, or of a learner with other `lags`, `candidates`, `hold_back` or `block`.
        """
        parts: dict[str, Snapshot] = {"quiet": {}, "incident": {}, "": {}}
        for name, value in snapshot.items():
            prefix, _, field = name.rpartition(".")
            parts.get(prefix, parts[""])[field if prefix in parts else name] = value
        state = restore(CoralState, parts[""])
        quiet = LaggedMoments(lags=self.lags, half_life=self.half_life, block=self.block)
        incident = _incident(self.lags)
        quiet.restore(parts["quiet"])
        incident.restore(parts["incident"])
        state.check(self._state, quiet.width)
        self._state, self._quiet, self._incident = state, quiet, incident

    def _learn(self, n: int) -> None:
        """Move the oldest n held rows into the quiet moments."""
        s = self._state
        self._quiet.step(s.held[:n])
        s.held[: s.filled - n] = s.held[n : s.filled]
        s.filled -= n

    def _fit(self) -> None:
        """Fit the two quiet models, starting from the last ones."""
        s, gamma = self._state, self._quiet.covariances()
        standing = s.standing(self.prior)
        _, s.own, s.own_scale = fit_own(gamma, s.own_model, self.penalty)
        s.causes, s.theta, s.theta_scale = fit_invariant(
            gamma, s.invariant, self.candidates, self.penalty, standing, s.own_scale
        )
        s.blocks = 0

    def _fit_change(self) -> None:
        """Fit the dependent part, around the invariant one unless two graphs are to be fused."""
        s, last, slots, around = self._state, self._state.dependent, 2 * self.candidates, self.fusion == "additive"
        gamma, n, known = self._incident.covariances(), self._incident.weight, s.standing(self.prior)
        s.changes, s.delta, _ = fit_dependent(gamma, n, s.invariant, last, slots, self.penalty, known, around=around)

    def _refit(self) -> None:
        self._fit()  # the moments of quiet times are what they were
        if self._incident.weight > 0:
            self._fit_change()

    def _standardised(self, X: Block) -> Block:
        """Rows in standard deviations of quiet times; NaN for what is missing and for metrics hardly ever seen."""
        known = self._quiet.seen >= 2 * (self.lags + 1)
        return np.where(known, (self._widened(X) - self._quiet.mean) / self._quiet.sd, np.nan)

    def _widened(self, X: Block) -> Block:
        """Add missing columns at the right."""
        more = len(self._state.own) - X.shape[1]
        if more < 0:
            raise ValueError(f"X has {X.shape[1]} columns, but only {len(self._state.own)} have been learned")
        return np.pad(X, ((0, 0), (0, more)), constant_values=np.nan) if more else X

    def _grow(self, d: int) -> None:
        if d > len(self._state.own):
            for part in (self._state, self._quiet, self._incident):
                part.grow(d)


def _incident(lags: int) -> LaggedMoments:
    """Moments of an incident, centred block by block.

    Short blocks, since an answer is due within rows; but centring n rows of an autocorrelated metric biases its
    coefficients by about 2 / n, which must stay below the price that `fit_dependent` puts on chance.
    """
    return LaggedMoments(lags=lags, half_life=INCIDENT_HALF_LIFE, block=max(16, 2 * (lags + 1)), local=True)
