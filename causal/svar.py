"""Sparse structural VAR on lagged moments: one lasso per target, by coordinate descent over screened candidates.

The candidates of target j are numbered ``c = i * p + (l - 1)``: metric i, l rows before; -1 is an empty slot. The
number does not depend on d, so a fit stays valid when columns appear. Own lags come first.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from headwater.online import kernel

from .constraints import CONFIRMED, EXPECTED, FORBIDDEN, Standing

__all__ = ["Svar", "carry", "contributions", "dense", "fit", "own_lags", "predict", "respond", "screen"]

Floats: TypeAlias = NDArray[np.float64]
Slots: TypeAlias = NDArray[np.int64]

CLIP = 30.0  # standard deviations; a regressor beyond them would dwarf every other term of a prediction
LEAST = 0.01  # smallest residual scale: an exact prediction is luck
PREFERRED = 4.0  # screening: a correlation half as strong is enough where the topology expects an edge
SWEEPS = 200  # a warm start needs 2 to 10; the cap only guards against a nearly singular block


class Svar(NamedTuple):
    """Coefficients of every target on its candidates, in units of standard deviations."""

    candidates: Slots  # [d, M], -1 = empty
    theta: Floats  # [d, M]
    scale: Floats  # [d], sd that the model leaves, in units of the target's sd; 1 = it says nothing


def own_lags(d: int, p: int) -> Slots:
    """Candidates ``int64[d, p]`` of the model in which every metric follows from its own past only."""
    return np.arange(d * p, dtype=np.int64).reshape(d, p)


def fit(
    gamma: Floats,
    scale: Floats,
    start: Svar,
    price: Floats,
    base: Floats | None = None,
    tolerance: float = 1e-5,
) -> Svar:
    """Minimise ``1/2 (b + t)' S (b + t) - (b + t)' s + sum_k price_k |t_k|`` for every target.

    S and s are gathers from `gamma`; the objective is that of variables divided by `scale`, so that a price means
    the same for each of them.

    Parameters
    ----------
    gamma
        ``float64[p + 1, d, d]``, ``[l, j, i] = E[z_{t, j} z_{t-l, i}]``, positive semi-definite as a block matrix.
    scale
        ``float64[d]``; 0 leaves a metric out.
    start
        Candidates and a first guess; a good one saves sweeps and does not change the result.
    price
        ``float64[d, M]``, cost of a unit of each (scaled) coefficient.
    base
        ``float64[d, M]``, b, the part that is given and free of cost; none means 0.
    tolerance
        Largest change of a scaled coefficient in the last sweep.
    """
    theta = start.theta.copy()
    left = np.ones(len(theta))
    given = np.zeros_like(theta) if base is None else base
    _descend(gamma, scale, start.candidates, given, price, tolerance, theta, left)
    return Svar(start.candidates, theta, np.maximum(np.sqrt(left), LEAST))


def screen(gamma: Floats, scale: Floats, keep: Svar, slots: int, standing: Standing | None = None) -> Slots:
    """Choose candidates ``int64[d, p + slots]``: own lags, those with weight in `keep`, then by Gamma^2 / variance.

    By `standing` (``int8[d, d]``) confirmed edges come first, expected ones count four times, forbidden ones never.
    """
    p, d = len(gamma) - 1, gamma.shape[1]
    chosen = np.full((d, p + slots), -1, np.int64)
    chosen[:, :p] = own_lags(d, p)
    known = np.zeros((d, d), np.int8) if standing is None else standing
    _choose(gamma, scale, keep.candidates, keep.theta, known, chosen)
    return chosen


def carry(svar: Svar, candidates: Slots) -> Floats:
    """Coefficients of `svar` on other candidates ``int64[d, M]``; 0 where it has none."""
    theta = np.zeros(candidates.shape)
    known = svar.candidates[:, :, None]
    same = (known == candidates[:, None, :]) & (known >= 0)
    np.einsum("jk,jkm->jm", svar.theta, same, out=theta)
    return theta


def dense(svar: Svar, p: int) -> Floats:
    """Coefficients as ``float64[p, d, d]``: ``[l - 1, i, j]`` is the effect of i on j, l rows later."""
    d = len(svar.theta)
    full = np.zeros((p, d, d))
    target, slot = np.nonzero(svar.candidates >= 0)
    candidate = svar.candidates[target, slot]
    full[candidate % p, candidate // p, target] = svar.theta[target, slot]
    return full


def predict(Z: Floats, svar: Svar, p: int) -> Floats:
    """Predict rows p.. of ``Z[p + T, d]`` one step ahead: ``float64[T, d]``; a missing regressor is its mean, 0."""
    ahead = np.zeros((len(Z) - p, Z.shape[1]))
    _predict(_regressors(Z), svar.candidates, svar.theta, p, ahead)
    return ahead


def respond(Z: Floats, svar: Svar, p: int) -> Floats:
    """What rows p.. of deviations ``Z[p + T, d]`` would be if metrics only responded to each other: ``float64[T, d]``.

    The others' pasts are those in Z, a metric's own past is its response so far. Unlike a forecast, it cannot be right
    by following the metric that it is compared with.
    """
    out = np.zeros((len(Z) - p, Z.shape[1]))
    _respond(np.nan_to_num(Z, nan=0.0, posinf=0.0, neginf=0.0), svar.candidates, svar.theta, p, out)
    return out


def contributions(Z: Floats, e: Floats, level: Floats, svar: Svar, p: int) -> Floats:
    """Sum what each metric's past adds to the explanation of each target's residual.

    Returns ``float64[2, d, d]``, ``[:, i, j] = sum_t e[t, j] sum_l theta_jli (z_{t-l, i} - level_i)`` for targets j
    and other metrics i: by deviations in the p rows before those of e, and by later ones.
    """
    parts = np.zeros((2, Z.shape[1], Z.shape[1]))
    _contribute(_regressors(Z) - level, np.nan_to_num(e), svar.candidates, svar.theta, p, parts)
    return parts


def _regressors(Z: Floats) -> Floats:
    return np.clip(np.nan_to_num(Z, nan=0.0, posinf=CLIP, neginf=-CLIP), -CLIP, CLIP)


@kernel
def _choose(gamma: Floats, scale: Floats, kept: Slots, theta: Floats, standing: Standing, chosen: Slots) -> None:
    """In place: chosen[d, p + slots] gets the best cross candidates behind the own lags."""
    p = len(gamma) - 1
    d, slots = len(chosen), chosen.shape[1] - p
    score = np.empty(d * p)
    best = np.empty(slots)
    for j in range(d):
        for i in range(d):
            weight = 1.0 / (scale[i] * scale[i]) if scale[i] > 0.0 and i != j else 0.0
            if standing[i, j] == FORBIDDEN:
                weight = 0.0
            elif standing[i, j] == EXPECTED:
                weight *= PREFERRED
            for lag in range(p):
                value = gamma[lag + 1, j, i]
                score[i * p + lag] = value * value * weight
                if standing[i, j] == CONFIRMED and weight > 0.0:
                    score[i * p + lag] = np.inf
        for k in range(kept.shape[1]):
            i = max(kept[j, k], 0) // p
            if kept[j, k] >= 0 and theta[j, k] != 0.0 and i != j and standing[i, j] != FORBIDDEN:
                score[kept[j, k]] = np.inf
        best[:] = 0.0
        weakest = 0
        for c in range(d * p):
            if slots > 0 and score[c] > best[weakest]:
                best[weakest] = score[c]
                chosen[j, p + weakest] = c
                weakest = int(np.argmin(best))


@kernel
def _gather(gamma: Floats, scale: Floats, candidates: Slots, j: int, S: Floats, s: Floats) -> None:
    """In place: S[M, M] and s[M] become the scaled moments of target j's candidates; empty slots get zeros."""
    p, M = len(gamma) - 1, len(candidates)
    metric, lag = np.maximum(candidates, 0) // p, np.maximum(candidates, 0) % p
    inverse = np.zeros(M)  # of the scale; 0 takes a candidate out
    for a in range(M):
        if candidates[a] >= 0 and scale[metric[a]] > 0.0:
            inverse[a] = 1.0 / scale[metric[a]]
        s[a] = gamma[lag[a] + 1, j, metric[a]] * inverse[a] / scale[j]
        for b in range(a + 1):
            behind = lag[b] - lag[a]
            first, second = (a, b) if behind >= 0 else (b, a)
            pair = gamma[abs(behind), metric[first], metric[second]]
            S[a, b] = S[b, a] = pair * inverse[a] * inverse[b]


@kernel
def _descend(
    gamma: Floats,
    scale: Floats,
    candidates: Slots,
    base: Floats,
    price: Floats,
    tolerance: float,
    theta: Floats,
    left: Floats,
) -> None:
    """In place: theta[d, M] becomes the minimiser, left[d] the share that it leaves of each target's moment."""
    p, (d, M) = len(gamma) - 1, candidates.shape
    S, s, g, t, ratio = np.empty((M, M)), np.empty(M), np.empty(M), np.empty(M), np.empty(M)
    for j in range(d):
        if scale[j] == 0.0:
            theta[j] = 0.0
            left[j] = 1.0
            continue
        _gather(gamma, scale, candidates[j], j, S, s)
        g[:] = s
        for k in range(M):
            ratio[k] = scale[candidates[j, k] // p] / scale[j]
            t[k] = theta[j, k] * ratio[k] if S[k, k] > 0.0 else 0.0
            full = t[k] + base[j, k] * ratio[k]
            if full != 0.0:
                for m in range(M):
                    g[m] -= S[k, m] * full
        _sweep(S, price[j], tolerance, g, t)
        moment = gamma[0, j, j] / (scale[j] * scale[j])
        saved = 0.0
        for k in range(M):
            theta[j, k] = t[k] / ratio[k] if t[k] != 0.0 else 0.0
            saved += (t[k] + base[j, k] * ratio[k]) * (s[k] + g[k])
        left[j] = max(1.0 - saved / moment, 0.0) if moment > 0.0 else 1.0


@kernel
def _sweep(S: Floats, price: Floats, tolerance: float, g: Floats, t: Floats) -> None:
    """In place: t[M] becomes the minimiser and g[M] the gradient s - S (b + t); sweeps all, then the active ones."""
    M = len(t)
    everything = True
    for _ in range(SWEEPS):
        moved = 0.0
        for k in range(M):
            if S[k, k] <= 0.0 or not (everything or t[k] != 0.0):
                continue
            pull = g[k] + S[k, k] * t[k]
            new = np.sign(pull) * max(abs(pull) - price[k], 0.0) / S[k, k]
            step = new - t[k]
            if step != 0.0:
                t[k] = new
                moved = max(moved, abs(step))
                for m in range(M):
                    g[m] -= S[k, m] * step
        if moved <= tolerance:
            if everything:
                return
            everything = True
        else:
            everything = False


@kernel
def _predict(R: Floats, candidates: Slots, theta: Floats, p: int, ahead: Floats) -> None:
    """In place: ahead[T, d] gains the predictions from regressors R[p + T, d]."""
    for j in range(candidates.shape[0]):
        for k in range(candidates.shape[1]):
            if theta[j, k] != 0.0:
                i, back = candidates[j, k] // p, candidates[j, k] % p + 1
                for t in range(len(ahead)):
                    ahead[t, j] += theta[j, k] * R[p + t - back, i]


@kernel
def _respond(Z: Floats, candidates: Slots, theta: Floats, p: int, out: Floats) -> None:
    """In place: out[T, d] becomes the response to Z[p + T, d]."""
    for j in range(candidates.shape[0]):
        for t in range(len(out)):
            for k in range(candidates.shape[1]):
                if theta[j, k] != 0.0:
                    i, back = candidates[j, k] // p, candidates[j, k] % p + 1
                    if i != j:
                        out[t, j] += theta[j, k] * Z[p + t - back, i]
                    elif t >= back:
                        out[t, j] += theta[j, k] * out[t - back, j]


@kernel
def _contribute(R: Floats, e: Floats, candidates: Slots, theta: Floats, p: int, parts: Floats) -> None:
    """In place: parts[2, i, j] gains theta * e * R by regressors in the first p rows of R[p + T, d], and later."""
    for j in range(candidates.shape[0]):
        for k in range(candidates.shape[1]):
            i, back = candidates[j, k] // p, candidates[j, k] % p + 1
            if theta[j, k] != 0.0 and i != j:
                for t in range(len(e)):
                    parts[int(t >= back), i, j] += theta[j, k] * e[t, j] * R[p + t - back, i]
