"""Slow, obvious twins of how abnormal a metric is and of how suspicion flows: docs/ranking.md, sections 1 and 2."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def finite(x: Floats) -> Floats:
    return x[np.isfinite(x)]


def level_before(
    x: Floats, start: float, bound: float, rate: float, restarts: NDArray[np.bool_], apart: float
) -> Floats:
    """The EWMA level before each row and, last, after all of them; steps are clipped.

    Where time jumped it is the median of the next five rows, if that is further off than `apart`.
    """
    level, levels = start, []
    for t, (value, restart) in enumerate(zip(x, restarts, strict=True)):
        first = finite(x[t : t + 5])
        if restart and first.size and abs(np.median(first) - level) > apart:
            level = float(np.median(first))
        levels.append(level)
        if np.isfinite(value):
            level += rate * np.clip(value - level, -bound, bound)
    return np.array([*levels, level])


def residual(x: Floats, ar: Floats, bound: float) -> Floats:
    """What an AR(3) does not forecast; a missing or absent past counts as 0."""
    past = np.nan_to_num(np.clip(np.concatenate([np.zeros(3), x]), -bound, bound), posinf=bound, neginf=-bound)
    past[:3] = 0.0
    return np.array([x[t] - ar @ past[t : t + 3][::-1] for t in range(len(x))])


def clip_of(D: Floats) -> float:
    return float(np.quantile(np.abs(finite(D)), 0.98)) if finite(D).size else 0.0


def prior_of(D: list[Floats]) -> float:
    """Variance of a type: geometric mean over its columns that vary."""
    powers = [np.mean(finite(d) ** 2) for d in D if finite(d).size]
    varied = [power for power in powers if power > 0]
    if varied:
        return float(np.exp(np.mean(np.log(varied))))
    largest = max((np.abs(finite(d)).max() for d in D if finite(d).size), default=0.0)
    return 1e-4 * max(largest, 1.0) ** 2


def scale(D: Floats, clip: float, prior: float, without: slice = slice(0, 0)) -> float:
    """Root of the clipped variance, shrunk to the type's with ten rows; the rows `without` are left out."""
    kept = finite(np.delete(D, without))
    return float(np.sqrt((np.sum(np.minimum(kept**2, clip**2)) + 10 * prior) / (len(kept) + 10)))


def sustained(y: Floats, e: Floats, s_level: float, s_ar: float) -> float:
    def prefix_median(z: Floats) -> float:
        lengths, length = {len(z)}, 4
        while length < len(z):
            lengths.add(length)
            length *= 2
        prefixes = [(rows, finite(z[:rows])) for rows in sorted(lengths)]
        return max((abs(np.median(p)) / (1 + max(rows - 4, 0) / 10) for rows, p in prefixes if p.size), default=0.0)

    return float(np.sqrt(prefix_median(y) / s_level * prefix_median(e) / s_ar))


def sharp(y: Floats, e: Floats, s_level: float, s_ar: float) -> float:
    def scan(z: Floats) -> float:
        sums = [(t, finite(z[: t + 1])) for t in range(len(z)) if np.isfinite(z[t])]
        return max((abs(p.sum()) / np.sqrt(len(p)) / (1 + t / 10) for t, p in sums), default=0.0)

    def peak(z: Floats) -> float:
        return max((abs(v) / (1 + t / 10) for t, v in enumerate(z) if np.isfinite(v)), default=0.0)

    return float(np.sqrt(scan(y) / s_level * peak(e) / s_ar))


def lasting(z: Floats, s_slow: float) -> float:
    return float(abs(np.median(finite(z)))) / s_slow if finite(z).size else 0.0


def silence(history: Floats, window: Floats) -> Floats:
    """How many times longer than any gap in its history each metric has been missing; not what fails for most."""

    def runs(x: Floats) -> list[int]:
        return [len(run) for run in "".join("1" if np.isfinite(v) else "0" for v in x).split("1")]

    known = np.isfinite(history).sum(axis=0) >= 30
    times = np.array([runs(w)[-1] / (max(runs(h)) + 1) for h, w in zip(history.T, window.T, strict=True)])
    times[(times < 1) | ~known] = 0
    silent = int((times >= 2).sum())
    return np.zeros(len(times)) if silent >= max(4, 0.5 * known.sum()) else times


def autoregression(Z: Floats, members: list[NDArray[np.int64]]) -> Floats:
    """Yule-Walker of order three, autocorrelations shrunk to those of the type with thirty rows."""
    ar = np.zeros((Z.shape[1], 3))
    r, n = np.zeros((Z.shape[1], 3)), np.isfinite(Z).sum(axis=0)
    for j, z in enumerate(Z.T):
        power = np.nansum(z**2)
        for lag in (1, 2, 3):
            r[j, lag - 1] = np.nansum(z[lag:] * z[:-lag]) / power if power > 0 else 0.0
    for columns in members:
        pooled = np.average(r[columns], axis=0, weights=n[columns]) if n[columns].sum() else np.zeros(3)
        for j in columns:
            rho = (n[j] * r[j] + 30 * pooled) / (n[j] + 30)
            R = np.array([[1, rho[0], rho[1]], [rho[0], 1, rho[0]], [rho[1], rho[0], 1]])
            ar[j] = np.linalg.solve(R + 1e-6 * np.eye(3), rho)
    return ar


def abnormality(
    history: Floats, window: Floats, types: NDArray[np.int64], restarts: NDArray[np.bool_], lengths: tuple[int, ...]
) -> tuple[Floats, float]:
    """Abnormality of each metric in a window that follows the history, and the ratio, from the formulas."""
    n, d = history.shape
    whole, window = window, window[: max(n // 3, 8)]
    W = len(window)
    members = [np.flatnonzero(types == t) for t in np.unique(types)]
    loc = np.array([np.median(finite(x)) if finite(x).size else 0.0 for x in history.T])
    Z = history - loc
    coarse = np.zeros(d)
    for columns in members:
        prior = prior_of([Z[:, j] for j in columns])
        coarse[columns] = [scale(Z[:, j], clip_of(Z[:, j]), prior) for j in columns]
    trust = n / (n + 50)
    fast, slow = np.zeros((n + 1, d)), np.zeros((n + 1, d))
    for j in range(d):
        slow[:, j] = level_before(history[:, j], loc[j], coarse[j], 0.01, restarts, 4 * coarse[j])
        moved = level_before(history[:, j], loc[j], 10 * coarse[j], 0.1, restarts, 0.0)
        fast[:, j] = slow[:, j] + trust * (moved - slow[:, j])
    Z = history - slow[:-1]
    ar = trust * autoregression(Z, members)
    E = np.column_stack([residual(Z[:, j], ar[j], 30 * coarse[j]) for j in range(d)])
    series = (history - fast[:-1], E, Z)
    priors = np.zeros((3, d))
    for columns in members:
        priors[:, columns] = [[prior_of([X[:, j] for j in columns])] * len(columns) for X in series]
    clips = np.array([[clip_of(X[:, j]) for j in range(d)] for X in series])

    def statistics(rows: Floats, e: Floats, before: tuple[float, float], j: int, without: slice = slice(0, 0)) -> list:
        s = [scale(series[k][:, j], clips[k, j], priors[k, j], without) for k in range(3)]
        y, z = rows - before[0], rows - before[1]
        return [sustained(y, e, s[0], s[1]), sharp(y, e, s[0], s[1]), lasting(z, s[2])]

    def weights(rows: int) -> Floats:
        return np.array([1.0, 0.65, rows / (rows + 16)])

    length = next((rows for rows in lengths if rows >= W), W)
    places = range(0, n - length + 1, max(1, n // 150))
    starts = [s for s in places if not restarts[max(s - 2, 0) : s + length].any()]
    quiet = np.zeros((3, len(starts), d))
    for k, s in enumerate(starts):
        rows = slice(s, s + length)
        for j in range(d):
            if finite(history[rows, j]).size:
                quiet[:, k, j] = statistics(history[rows, j], E[rows, j], (fast[s, j], slow[s, j]), j, rows)
    tails = np.ones((3, d))
    for q in range(3):
        for columns in members:
            pool = quiet[q][:, columns] if len(columns) > 1 else quiet[q]
            tails[q, columns] = max(1.0, np.quantile(pool, 0.99)) if pool.size else 1.0

    abnormal = np.zeros(d)
    for j in range(d):
        both = np.concatenate([history[-3:, j], window[:, j]]) - slow[-1, j]
        e = residual(both, ar[j], 30 * scale(series[0][:, j], clips[0, j], priors[0, j]))[3:]
        abnormal[j] = (weights(W) * statistics(window[:, j], e, (fast[-1, j], slow[-1, j]), j) / tails[:, j]).max()
    times = silence(history, whole)
    abnormal = np.where(times >= 2, times + abnormal.max(), np.maximum(abnormal, times))
    largest = (weights(length)[:, None, None] * quiet / tails[:, None]).max(axis=(0, 2)) if starts else np.ones(1)
    return abnormal, float(abnormal.max() / max(1.0, np.quantile(largest, 0.95)))


def absorbed(P: Floats, start: Floats) -> Floats:
    """Where a walk that moves along P, and stays with what is left of each row, ends: by the matrix inverse."""
    stay = np.diag(1.0 - P.sum(axis=1))
    return start @ np.linalg.inv(np.eye(len(P)) - P) @ stay
