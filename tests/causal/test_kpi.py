"""Does a user notice: only the bad side of a KPI counts, and the KPI that is worst off decides."""

import numpy as np
import pytest

from headwater.causal.evidence import Surprise
from headwater.causal.kpi import KpiWatch


def watch(sign=(1, -1, 0)):
    history = np.random.default_rng(0).normal(size=(300, len(sign)))
    return KpiWatch(history=history, restarts=np.zeros(300, bool), sign=np.array(sign, np.int64)), history


def window(shift, rows=10):
    return np.random.default_rng(1).normal(size=(rows, len(shift))) + shift


@pytest.mark.parametrize(
    ("shift", "hurts"),
    [
        ((9, 0, 0), True),
        ((-9, 0, 0), False),
        ((0, -9, 0), True),
        ((0, 9, 0), False),
        ((0, 0, 9), True),
        ((0, 0, -9), True),
    ],
)
def test_only_the_bad_side_counts(shift, hurts):
    assert (watch()[0].suffering(window(shift)) > 2) == hurts


def test_it_is_the_abnormality_of_the_one_that_is_worst_off():
    one, history = watch()
    rows = window((5, -9, 7))
    surprise = Surprise(types=np.arange(3))
    abnormal = surprise.score(surprise.fit(history), rows).abnormal
    assert one.suffering(rows) == abnormal.max()


def test_a_kpi_that_falls_silent_does_not_suffer_and_others_still_do():
    one, _ = watch()
    rows = window((9, -9, 0))
    both = one.suffering(rows)
    rows[:, 1] = np.nan
    assert 2 < one.suffering(rows) <= both
    assert one.suffering(np.full((5, 3), np.nan)) == 0.0


@pytest.mark.parametrize("sign", [-1, 0])
def test_a_kpi_without_values_is_not_unwell(sign):
    history = np.random.default_rng(0).normal(size=(300, 1)) * 0.02 + 0.9
    one = KpiWatch(history=history, restarts=np.zeros(300, bool), sign=np.array([sign]))
    assert one.unwell(np.full((5, 1), 0.2))
    assert not one.unwell(np.full((5, 1), np.nan))
