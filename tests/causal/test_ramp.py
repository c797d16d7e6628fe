"""A ramp slow enough to be learned does not poison the invariant part: it is ranked as a step is."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis, Findings
from headwater.causal.graph import Graph

D, QUIET, RAMP, ALARM = 8, 3000, 600, 300  # rows; at one a second the ramp takes ten minutes
NAMES = [f"host|m{j}" for j in range(D)]
HOLD_BACK = 30
SIZE = 30.0


def rows(seed: int, fault: np.ndarray) -> np.ndarray:
    """0 -> 1 -> 2 and 3 -> 4 with a row's lag, the others alone; `fault` is added to metric 0 from its first row on."""
    rng = np.random.default_rng(seed)
    X = np.zeros((QUIET + len(fault), D))
    own = rng.normal(size=X.shape)
    for t in range(1, len(X)):
        X[t] = 0.6 * X[t - 1] + own[t]
        X[t, 1] += 0.8 * X[t - 1, 0]
        X[t, 2] += 0.8 * X[t - 1, 1]
        X[t, 4] += 0.8 * X[t - 1, 3]
        if t >= QUIET:
            X[t, 0] += 0.4 * fault[t - QUIET]
    return X


def ranked(X: np.ndarray, alarm: int, half_life: float = 20_000) -> tuple[Findings, Graph]:
    """Do what the pipeline does: rows are learned until the alarm, and its onset lies further back than any is held."""
    coral = Coral(hold_back=HOLD_BACK, half_life=half_life)
    coral.step(X[:alarm])
    coral.begin(alarm - QUIET)
    coral.adapt(X[QUIET:])
    diagnosis = Diagnosis(
        columns=describe(NAMES),
        history=X[:QUIET],
        restarts=np.zeros(QUIET, bool),
        kpi=np.zeros(0, np.int64),
        kpi_sign=np.zeros(0, np.int64),
        late=max(0, alarm - QUIET - 20),
    )
    return diagnosis.examine(X[QUIET:], coral, np.arange(D)), coral.weights()


@pytest.mark.parametrize("seed", range(5))
def test_a_ramp_of_ten_minutes_is_ranked_as_a_step_is(seed: int) -> None:
    """Half of the ramp, its effects with it, has been learned as quiet when the alarm comes."""
    slow = np.linspace(0, SIZE, RAMP)[: ALARM + 40]
    step, before = ranked(rows(seed, np.full(40, SIZE)), QUIET + 2)
    ramp, after = ranked(rows(seed, slow), QUIET + ALARM)
    assert NAMES[ramp.order[0]] == NAMES[step.order[0]] == NAMES[0]
    assert set(ramp.order[:3]) == set(step.order[:3]) == {0, 1, 2}  # its effects, both explained, in either order
    np.testing.assert_allclose(after.W, before.W, atol=0.05)
    forgetful = ranked(rows(seed, slow), QUIET + ALARM, half_life=60.0)[1]  # to which the ramp is all there is
    assert np.abs(forgetful.W - before.W).max() > 0.1
