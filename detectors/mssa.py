"""Multivariate singular spectrum analysis: the temporal subspace that all metrics of a base window share.

Each metric is cut into windows of length L that do not overlap (its Page matrix), and the Page matrices are put
side by side. The left singular vectors live in R^L however many metrics there are, so the L x L Gram matrix is
all that is needed, and leaving a fold out is subtracting its Gram.
"""

import numpy as np
from numpy.typing import NDArray

from headwater.online import Block, kernel

__all__ = [
    "choose_rank",
    "complement",
    "energies",
    "energy",
    "page_grams",
    "predictor",
    "push",
    "settling",
    "subspace",
]

Array = NDArray[np.float64]


def page_grams(Z: Block, window: int) -> Array:
    """Gram matrix of each time block of the stacked Page matrix: ``float64[T // L, L, L]``, to be summed.

    `Z` is centred and scaled, so a missing value counts as 0, the mean.
    """
    blocks = len(Z) // window
    page = np.nan_to_num(Z[: blocks * window]).reshape(blocks, window, -1)
    return page @ page.transpose(0, 2, 1)


def subspace(gram: Array, rank: int) -> Array:
    """Signal subspace ``U[L, rank]``: the local level first, then the leading left singular vectors beside it.

    On a centred base the level is often not among the leading directions, yet it is what wanders when load
    comes and goes; with it inside, a slow cycle is signal and only what departs from the recent level is not.
    """
    level = np.full((len(gram), 1), len(gram) ** -0.5)
    beside = np.eye(len(gram)) - level @ level.T
    _, vectors = np.linalg.eigh(beside @ gram @ beside)
    return np.hstack([level, vectors[:, ::-1][:, : rank - 1]])


def complement(U: Array) -> Array:
    """Rows that span what `U` leaves: ``float64[L - r, L]``, so that ``e_n^2 = |complement @ x_n|^2``."""
    return np.linalg.svd(U, full_matrices=True)[0][:, U.shape[1] :].T.copy()


def predictor(U: Array) -> Array:
    """Recurrence of the subspace: the ``a[L - 1]`` with ``x_L = a . x_past`` for every window inside it.

    With ``pi`` the last row of `U` and ``nu^2 = |pi|^2``, ``a = U_past pi / (1 - nu^2)``. The error ``x_L - a x_past``
    is the last entry of the window's residual ``x - U U' x`` over ``1 - nu^2``: the newest sample's own share of the
    distance to the subspace, where the distance of the whole window shows one change L times.
    """
    last = U[-1]
    a: Array = U[:-1] @ last / max(1.0 - float(last @ last), 0.02)
    return a


def choose_rank(Z: Block, window: int, folds: int = 5) -> int:
    """Rank with the smallest error one step ahead on held-out blocks of the base."""
    grams = page_grams(Z, window)
    if len(grams) < folds:
        return 1
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(Z), window, axis=0)[::window]
    fold = np.arange(len(grams)) * folds // len(grams)
    errors = np.zeros(max(1, window // 2))
    for k in range(folds):
        gram, held_out = grams[fold != k].sum(axis=0), windows[: len(grams)][fold == k]
        for r in range(len(errors)):
            error = held_out[..., -1] - held_out[..., :-1] @ predictor(subspace(gram, r + 1))
            errors[r] += np.minimum(error**2, 25.0).sum()
    return int(np.argmin(errors)) + 1


@kernel
def settling(ahead: Array) -> int:
    """Samples that a new window takes without judging them: one if only the level is predicted, else all."""
    return 1 if np.ptp(ahead) < 1e-9 else len(ahead) + 1


@kernel
def push(window: Array, x: float, mean: float, ahead: Array, limit: float) -> float:
    """Move `x` into `window` (in place, oldest first) and return what was predicted for it.

    A sample further than `limit` from its prediction enters the window as prediction ± limit, so that one
    wild sample does not echo through the next L predictions.
    """
    last = len(window) - 1
    predicted = mean
    for i in range(last):
        window[i] = window[i + 1]
        predicted += ahead[i] * (window[i] - mean)
    window[last] = min(max(x, predicted - limit), predicted + limit)
    return predicted


@kernel
def energy(window: Array, error: float, mean: float, scale: float, filters: Array) -> float:
    """Squared distance of a window to the subspace that `filters` complements; of no filters, `error` squared."""
    if len(filters) == 0:
        return error * error
    total = 0.0
    for k in range(len(filters)):
        residual = 0.0
        for i in range(len(window)):
            residual += filters[k, i] * (window[i] - mean)
        total += residual * residual
    return total / (scale * scale)


@kernel
def energies(
    X: Block, breaks: NDArray[np.bool_], mean: Array, scale: Array, limit: Array, ahead: Array, filters: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Energy of every row and metric, NaN while missing or settling; and which samples repeat the one before.

    Where ``breaks[T, d]`` is set, a metric's window begins anew: what lies between was not quiet.
    """
    T, d = X.shape
    result = np.full((T, d), np.nan)
    repeats = np.zeros((T, d), np.bool_)
    window = np.empty(len(ahead) + 1)
    settled = settling(ahead)
    for n in range(d):
        held, last = 0, np.nan
        for t in range(T):
            x = X[t, n]
            if breaks[t, n]:
                held = 0
            if not np.isfinite(x):
                continue
            if held == 0:
                window[:] = x
            predicted = push(window, x, mean[n], ahead, limit[n] if held >= settled else np.inf)
            if held >= settled:
                result[t, n] = energy(window, (x - predicted) / scale[n], mean[n], scale[n], filters)
            repeats[t, n] = x == last
            held, last = min(held + 1, settled), x
    return result, repeats
