"""Each peer notices what it is made to notice, scores a row before it sees the next, and equals its formulas."""

import copy
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import gammaln
from sklearn.decomposition import PCA

from headwater.benchmarks.detection.protocol import threshold
from headwater.benchmarks.detection.registry import PEERS, methods
from headwater.benchmarks.peers import bocpd, focus, ocd
from headwater.benchmarks.peers.blind import Blind
from headwater.benchmarks.peers.t2q import T2Q
from headwater.benchmarks.peers.vote import Vote

Floats = NDArray[np.float64]
LOOK = [name for name in PEERS if name not in {"random", "blind"}]
D = 6


def rows(seed: int, n: int) -> Floats:
    return np.random.default_rng(seed).normal(size=(n, D)) * np.arange(1, D + 1)


@pytest.mark.parametrize("name", LOOK)
def test_a_change_is_noticed(name: str) -> None:
    """All metrics shift by 6 sd: the score passes the threshold within fifty rows, and hardly before.

    KSWIN tests every row at 0.5 %, and a vote of it lasts for twenty: two in 450 rows are no surprise.
    """
    X = rows(1, 650)
    X[600:] += 6.0 * np.arange(1, D + 1)
    detector = methods((name,))[name].make(1.0)
    detector.fit(X[:450])
    over = detector.score(X[450:]) >= threshold(detector.warm, 1e-3)
    assert over[150:].any()
    assert over[:150].sum() < 75


@pytest.mark.parametrize("name", LOOK)
def test_a_score_uses_no_later_row(name: str) -> None:
    X = rows(2, 600)
    X[520:] += 5.0
    detector = methods((name,))[name].make(1.0)
    detector.fit(X[:450])
    whole = copy.deepcopy(detector).score(X[450:])
    np.testing.assert_allclose(detector.score(X[450:540]), whole[:90], rtol=1e-9)


def test_the_blind_one_looks_at_nothing() -> None:
    assert Blind().score(np.zeros((8, 1))).tolist() == [0, 1, 0, 2, 0, 1, 0, 3]
    assert Blind().alarms(np.zeros((10, 1)), 0.4).sum() == 4


def test_t2_and_q_are_those_of_a_pca() -> None:
    X = rows(3, 800) @ np.random.default_rng(4).normal(size=(D, D))
    detector = T2Q(0.9)
    detector.fit(X[:600])
    Z = (X - X[:600].mean(axis=0)) / X[:600].std(axis=0)
    pca = PCA(0.9, svd_solver="full").fit(Z[:600])
    P = pca.transform(Z[600:])
    t2, q = detector.statistics(X[600:])
    np.testing.assert_allclose(t2, (P**2 / pca.explained_variance_).sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(q, ((Z[600:] - pca.inverse_transform(P)) ** 2).sum(axis=1), rtol=1e-6)


def test_focus_finds_the_best_of_all_changes() -> None:
    Z = np.random.default_rng(5).normal(size=(120, 3))
    Z[60:, 1] += 1.5
    Z[80:, 2] -= 1.5
    found = focus.likelihood_ratios(Z, focus.Hulls.empty(3), np.full(3, np.inf))
    for n in range(3):
        for t in range(1, 120):
            x = Z[: t + 1, n]
            cuts = range(1, t + 1)
            ratios = [k * (t + 1 - k) / (t + 1) * (x[k:].mean() - x[:k].mean()) ** 2 for k in cuts]
            assert found[t, n] == pytest.approx(max(ratios), rel=1e-9)


def test_bocpd_weighs_run_lengths_as_the_paper_does() -> None:
    """While fewer runs than are kept have begun, nothing is dropped and the posterior is exact."""
    Z = np.random.default_rng(6).normal(size=(60, 2))
    Z[30:] += 4.0
    detector = bocpd.Bocpd()
    detector.fit(np.vstack([np.full((1, 2), -1.0), np.full((1, 2), 1.0)]))  # mean 0, sd 1
    runs = bocpd.Runs(
        np.full(bocpd.KEPT, -np.inf), np.zeros(bocpd.KEPT), np.zeros((bocpd.KEPT, 2)), np.ones((bocpd.KEPT, 2))
    )
    runs.weight[0] = 0.0
    detector.runs = runs
    np.testing.assert_allclose(detector.score(Z), naive_bocpd(Z), rtol=1e-6, atol=1e-9)


def naive_bocpd(Z: Floats) -> list[float]:
    """Log odds of a run shorter than ten rows, by the recursion over all run lengths."""
    logs, out = {0: 0.0}, []
    for t in range(len(Z)):
        joint = {r: w + sum(student(Z[t - r : t, n], Z[t, n]) for n in range(2)) for r, w in logs.items()}
        total = np.logaddexp.reduce(list(joint.values()))
        grown = {r + 1: w - total + math.log(1 - bocpd.HAZARD) for r, w in joint.items()}
        short = [w for r, w in grown.items() if r < bocpd.YOUNG]
        long = [w for r, w in grown.items() if r >= bocpd.YOUNG]
        odds = np.logaddexp.reduce(short or [-np.inf]) - np.logaddexp.reduce(long or [-np.inf])
        out.append(float(np.clip(odds, -1e6, 1e6)))
        logs = grown | {0: math.log(bocpd.HAZARD)}
    return out


def student(seen: Floats, z: float) -> float:
    """Log predictive density under a normal-inverse-gamma prior, from the batch formulas."""
    n = len(seen)
    mean = seen.mean() if n else 0.0
    kappa, alpha, mu = 1.0 + n, 1.0 + n / 2, n * mean / (1.0 + n)
    beta = 1.0 + 0.5 * ((seen - mean) ** 2).sum() + n * mean**2 / (2 * (1.0 + n))
    variance = max(beta * (kappa + 1) / (alpha * kappa), bocpd.LEAST)
    return float(
        gammaln(alpha + 0.5)
        - gammaln(alpha)
        - 0.5 * math.log(2 * math.pi * alpha * variance)
        - (alpha + 0.5) * math.log1p((z - mu) ** 2 / (2 * alpha * variance))
    )


def test_ocd_keeps_the_tails_of_the_paper() -> None:
    Z = np.random.default_rng(7).normal(size=(80, 4))
    Z[40:, :3] += 1.0
    detector = ocd.Ocd()
    detector.fit(np.vstack([np.full((1, 4), -1.0), np.full((1, 4), 1.0)]))
    detector.units, detector.restart = np.ones(3), math.inf
    detector.sums.tail[:], detector.sums.sums[:] = 0.0, 0.0
    np.testing.assert_allclose(detector.statistics(Z), naive_ocd(Z, ocd.grid(4)), rtol=1e-9, atol=1e-12)


def naive_ocd(Z: Floats, sizes: Floats) -> Floats:
    """Sums over the longest tail with the largest ``b A - b^2 t / 2``, found anew in each row."""
    T, d = Z.shape
    out, a2 = np.zeros((T, 3)), 8.0 * math.log(max(d - 1, 2))
    starts = np.zeros((len(sizes), d), np.int64)
    for t in range(T):
        for b, size in enumerate(sizes):
            for j in range(d):
                tail = Z[starts[b, j] : t + 1]
                alone = size * tail[:, j].sum() - size**2 * len(tail) / 2
                if alone <= 0:
                    starts[b, j] = t + 1
                    continue
                energy = np.delete(tail.sum(axis=0), j) ** 2 / len(tail)
                off = (energy.sum(), energy[energy >= a2].sum()) if b >= 2 else (0.0, 0.0)
                out[t] = np.maximum(out[t], (alone, *off))
    return out


def test_the_grid_of_ocd_falls_by_the_square_root_of_two() -> None:
    sizes = ocd.grid(8, beta=1.0)
    assert sizes[::2].tolist() == pytest.approx([1 / math.sqrt(2**k * 4) for k in (4, 3, 2, 1, 0)])
    assert sizes[1::2].tolist() == (-sizes[::2]).tolist()


class AtFives:
    """A drift in the fifth number and every five after it."""

    def __init__(self) -> None:
        self.seen, self.drift_detected = 0, False

    def update(self, x: float) -> None:
        self.seen += 1
        self.drift_detected = self.seen % 50 == 5


def test_a_vote_lasts_for_twenty_rows() -> None:
    vote = Vote(AtFives)
    vote.fit(rows(8, 40))
    assert vote.warm.tolist() == [0] * 4 + [D] * 20 + [0] * 16
    assert vote.score(rows(9, 20)).tolist() == [0] * 14 + [D] * 6
