"""A change on trial: it counts for how long a KPI has been unwell, and says when one suffers."""

import numpy as np
import pytest

from headwater.streaming.candidate import Candidate


def candidate(sign=(1,), seed=0):
    history = np.random.default_rng(seed).normal(size=(300, len(sign)))
    return Candidate(back=0, history=history, restarts=np.zeros(300, bool), sign=np.array(sign, np.int64), left=6)


def window(rows=6, width=1, shift=0.0):
    return np.random.default_rng(1).normal(size=(rows, width)) + shift


def test_a_kpi_that_gets_worse_suffers_and_one_that_gets_better_does_not():
    assert candidate().suffers(window(shift=25.0), 1)
    assert not candidate().suffers(window(shift=-25.0), 1)
    assert candidate(sign=(-1,)).suffers(window(shift=-25.0), 1)
    assert candidate(sign=(0,)).suffers(window(shift=-25.0), 1)


def test_it_is_unwell_before_it_suffers_and_a_healthy_row_ends_that():
    one = candidate()
    told = [(one.suffers(window(shift=shift), 1), one.ailing) for shift in (0.0, 5.0, 5.0, 0.0, 5.0)]
    assert told == [(False, 0), (False, 1), (False, 2), (False, 0), (False, 1)]


def test_it_must_suffer_for_a_while_and_still_do_so():
    one = candidate()
    assert [one.suffers(window(shift=25.0), 3) for _ in range(4)] == [False, False, True, True]
    well_again = window(rows=16, shift=25.0)
    well_again[-5:] -= 25.0
    assert not one.suffers(well_again, 1)
    assert one.held == 0


def test_without_a_kpi_nobody_suffers():
    none = Candidate(back=0, history=np.empty((50, 0)), restarts=np.zeros(50, bool), sign=np.zeros(0, np.int64))
    assert not none.suffers(np.empty((5, 0)), 1)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_kpi_without_values_does_not_suffer(broken):
    one = candidate(sign=(1, 1))
    rows = window(width=2)
    rows[:] = broken
    assert not one.suffers(rows, 1)


def test_a_snapshot_is_a_copy():
    one = candidate()
    taken = one.snapshot()
    one.history[:] = 7.0
    one.back += 1
    assert taken["back"] == 0
    assert not (taken["history"] == 7.0).any()
