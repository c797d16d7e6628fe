"""CORAL's incremental disentangled causal graph, as a sparse linear SVAR on lagged moments. See docs/coral.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from river import base

from headwater.online import Block, Snapshot, SnapshotError, restore, take

from .graph import Graph, break_cycles, commutator
from .innovations import Account, Residuals, account, residuals
from .moments import LaggedMoments
from .svar import Svar, carry, dense, fit, own_lags, screen

__all__ = ["Coral", "CoralState"]

Floats = NDArray[np.float64]

OWN = 0.2  # price of an own lag over that of a cross edge (ranking.md A4)
RESISTANCE = 1.0  # eta: how much more a change costs where the invariant part has an edge (research, 6.2)
VANISHING = 1e-6  # standard deviations: less is rounding, and no metric to learn from
INCIDENT_HALF_LIFE = 300.0  # rows; an incident's dynamics are those of its last minutes
_SEPARATOR = "\x1f"


@dataclass(slots=True)
class CoralState:
    """The rows held back, and the coefficients; the moments have states of their own."""

    held: NDArray[np.float64]  # [hold_back + block, d], oldest first
    filled: int
    blocks: int  # learned since the last fit
    incident: bool
    names: str  # of the columns that came as dicts, joined by the unit separator
    own: NDArray[np.float64]  # [d, p], own-lags model
    own_scale: NDArray[np.float64]  # [d], what it leaves
    causes: NDArray[np.int64]  # [d, p + K], candidates of the invariant part
    theta: NDArray[np.float64]  # [d, p + K], the invariant part
    theta_scale: NDArray[np.float64]  # [d], what it leaves
    changes: NDArray[np.int64]  # [d, p + 2 K], candidates of the dependent part
    delta: NDArray[np.float64]  # [d, p + 2 K], the dependent part


class Coral(base.Estimator):
    """Learn which metrics drive which, in quiet times, and how that changes during an incident.

    The invariant part ``theta`` is a sparse SVAR fitted to quiet rows, with every row held back until it is clear
    that no incident had begun. An incident freezes it. The dependent part ``delta`` is fitted to the incident's rows
    around theta, so only what theta does not explain makes new edges; their sum is the causal graph of this moment.

    The protocol: `step` in quiet times, `begin`, `adapt` as often as rows come, `end`, `step` again.

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
        ``additive``: ``|theta + delta|`` without cycles. ``commutator``: the layer of the paper (eq. 17), for
        comparison only.

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
        fusion: Literal["additive", "commutator"] = "additive",
    ) -> None:
        for name, value, least in (("candidates", candidates, 0), ("hold_back", hold_back, 0), ("refit", refit, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if not penalty > 0:
            raise ValueError(f"penalty must be positive, not {penalty}")
        if fusion not in ("additive", "commutator"):
            raise ValueError(f"fusion must be 'additive' or 'commutator', not {fusion!r}")
        self.lags = lags
        self.candidates = candidates
        self.penalty = penalty
        self.half_life = half_life
        self.hold_back = hold_back
        self.block = block
        self.refit = refit
        self.fusion = fusion
        self._quiet = LaggedMoments(lags=lags, half_life=half_life, block=block)
        self._incident = _incident(lags)
        self._state = CoralState(
            held=np.full((hold_back + block, 0), np.nan),
            filled=0,
            blocks=0,
            incident=False,
            names="",
            own=np.zeros((0, lags)),
            own_scale=np.ones(0),
            causes=np.full((0, lags + candidates), -1, np.int64),
            theta=np.zeros((0, lags + candidates)),
            theta_scale=np.ones(0),
            changes=np.full((0, lags + 2 * candidates), -1, np.int64),
            delta=np.zeros((0, lags + 2 * candidates)),
        )

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
        columns = self.columns
        known = {name: slot for slot, name in enumerate(columns)}
        for name in x:
            known.setdefault(str(name), len(known))
        row = np.full((1, len(known)), np.nan)
        for name, value in x.items():
            row[0, known[str(name)]] = value
        self._state.names = _SEPARATOR.join(known)
        self.step(row)

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
        s.filled = 0
        self._quiet.gap()
        self._fit()
        self._incident = _incident(self.lags)
        s.incident = True

    def adapt(self, X: Block) -> None:
        """Take rows ``float64[T, d]`` of the incident and fit the dependent part to what theta leaves of them."""
        if not self._state.incident:
            raise RuntimeError("no incident has begun: quiet rows go to step()")
        self._grow(X.shape[1])
        before = self._incident.weight
        self._incident.step(self._standardised(X))
        if self._incident.weight != before:
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
        """Fuse the two parts into the causal graph of this moment (eq. 17, or the sum)."""
        parts = [dense(svar, self.lags) for svar in (self._invariant, self._dependent)]
        invariant, dependent = (np.sqrt(np.sum(part**2, axis=0)) for part in parts)
        strength = np.abs(parts[0] + parts[1])
        W = np.sqrt(np.sum(strength**2, axis=0))
        np.fill_diagonal(W, 0.0)
        if self.fusion == "commutator" and dependent.any():
            W = commutator(invariant, W)
        W = break_cycles(W)
        lag = np.where(W > 0, strength.argmax(axis=0) + 1, 0)
        return Graph(W, lag, ((W > 0) & (dependent > invariant)).astype(np.int8))

    def residuals(self, X: Block) -> Residuals:
        """Residuals of rows lags.. of ``X[lags + T, d]`` under the two models; the first rows are their context."""
        return residuals(self._standardised(X), self._own, self._invariant, self.lags)

    def account(self, X: Block) -> Account:
        """Account by the invariant graph for rows lags.. of ``X[lags + T, d]``; the first rows are their context."""
        return account(self._standardised(X), self._own, self._invariant, self.lags)

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
        quiet, incident = (
            LaggedMoments(lags=self.lags, half_life=self.half_life, block=self.block),
            _incident(self.lags),
        )
        quiet.restore(parts["quiet"])
        incident.restore(parts["incident"])
        d = quiet.width
        for name, mine in take(self._state).items():
            if isinstance(mine, np.ndarray):
                wanted = (len(mine), d) if name == "held" else (d, *mine.shape[1:])
                if (found := getattr(state, name).shape) != wanted:
                    raise SnapshotError(f"Coral.{name}: expected shape {wanted}, found {found}")
        self._state, self._quiet, self._incident = state, quiet, incident

    @property
    def _own(self) -> Svar:
        s = self._state
        return Svar(own_lags(len(s.own), self.lags), s.own, s.own_scale)

    @property
    def _invariant(self) -> Svar:
        s = self._state
        return Svar(s.causes, s.theta, s.theta_scale)

    @property
    def _dependent(self) -> Svar:
        s = self._state
        return Svar(s.changes, s.delta, np.ones(len(s.delta)))

    def _learn(self, n: int) -> None:
        """Move the oldest n held rows into the quiet moments."""
        s = self._state
        self._quiet.step(s.held[:n])
        s.held[: s.filled - n] = s.held[n : s.filled]
        s.filled -= n

    def _fit(self) -> None:
        """Fit the two quiet models, starting from the last ones."""
        s, gamma = self._state, self._quiet.covariances()
        scale = np.sqrt(np.diagonal(gamma[0]))
        scale = np.where(scale > VANISHING, scale, 0.0)
        causes = screen(gamma, scale, self._invariant, self.candidates)
        price = np.full(causes.shape, self.penalty)
        price[:, : self.lags] *= OWN
        start = Svar(causes, carry(self._invariant, causes), s.theta_scale)
        s.causes, s.theta, s.theta_scale = fit(gamma, scale, start, price)
        _, s.own, s.own_scale = fit(gamma, scale, self._own, price[:, : self.lags].copy())
        s.blocks = 0

    def _fit_change(self) -> None:
        """Fit the dependent part around the invariant one."""
        s, gamma = self._state, self._incident.covariances()
        spread = np.sqrt(np.diagonal(gamma[0]))
        # Scaled by history, not by the incident; but the noise of a metric gone wild must not buy edges.
        scale = np.where(spread > VANISHING, np.maximum(spread, 1.0), 0.0)
        changes = screen(gamma, scale, self._invariant, 2 * self.candidates)
        base = carry(self._invariant, changes)
        # The largest of m correlations of n rows of pure noise is about sqrt(2 ln m / n).
        chance = np.sqrt(2 * np.log(max(2, self.lags * len(base))) / self._incident.weight)
        price = max(self.penalty, chance) * (1 + RESISTANCE * np.abs(base))
        start = Svar(changes, carry(self._dependent, changes), s.theta_scale)
        s.changes, s.delta, _ = fit(gamma, scale, start, price, base)

    def _standardised(self, X: Block) -> Floats:
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
        """Make room for columns that appear at the right."""
        s, more = self._state, d - len(self._state.own)
        if more <= 0:
            return
        s.held = np.pad(s.held, ((0, 0), (0, more)), constant_values=np.nan)
        for name, fill in (("own", 0.0), ("causes", -1), ("theta", 0.0), ("changes", -1), ("delta", 0.0)):
            setattr(s, name, np.pad(getattr(s, name), ((0, more), (0, 0)), constant_values=fill))
        s.own_scale = np.pad(s.own_scale, (0, more), constant_values=1.0)
        s.theta_scale = np.pad(s.theta_scale, (0, more), constant_values=1.0)
        self._quiet.grow(d)
        self._incident.grow(d)


def _incident(lags: int) -> LaggedMoments:
    """Moments of an incident: short blocks, as an answer is due within rows, but enough to keep after centring."""
    return LaggedMoments(lags=lags, half_life=INCIDENT_HALF_LIFE, block=2 * (lags + 1), local=True)
