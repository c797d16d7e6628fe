"""One open incident's working set: a window that grows to its cap, batches when they are due, quiet that is counted."""

import numpy as np
import pytest

from headwater.causal.columns import describe
from headwater.causal.coral import Coral
from headwater.causal.diagnosis import Diagnosis
from headwater.online import decode, encode
from headwater.streaming.case import ABNORMAL, LONGEST, Case, CaseConfig
from headwater.streaming.past import Past
from headwater.streaming.records import Incident

from .shop import NAMES, rows

HISTORY = rows(140, onset=140).astype(np.float32)
FAULT = rows(200, onset=5, until=200, seed=5).astype(np.float32)
INCIDENT = Incident("shop", "INC-1", "open", "collecting", 0.0, 1.0, 1.0)


def case(window=8, *, late=0, kpi=(0,), batch_rows=4, close_rows=3):
    past = Past(HISTORY, np.zeros(140, bool), FAULT[:window].copy(), np.empty(0, np.float32), late=late)
    diagnosis = Diagnosis(
        columns=describe(NAMES, (("front", "cart"), ("cart", "db"))),
        history=HISTORY.astype(np.float64),
        restarts=past.restarts,
        kpi=np.array(kpi, np.int64),
        kpi_sign=np.ones(len(kpi), np.int64),
        late=late,
    )
    coral = Coral(hold_back=0)
    coral.step(HISTORY.astype(np.float64))
    coral.begin(0)
    return Case(CaseConfig(batch_rows, close_rows), INCIDENT, past, diagnosis, coral, np.arange(6))


def fed(one, rows_):
    return [(k, batch) for k, row in enumerate(rows_, 1) if (batch := one.feed(row))]


def test_batches_come_every_few_rows_until_the_window_is_full():
    one = case()
    one.rank()
    batches = fed(one, FAULT[8:100])
    due = [k for k, _ in batches]
    assert due == list(range(4, 33, 4))
    assert [batch.number for _, batch in batches] == list(range(1, len(due) + 1))
    assert len(one.window) == LONGEST
    np.testing.assert_array_equal(one.window, FAULT[:LONGEST])


@pytest.mark.parametrize("window", [1, 8, 39, 40, 41, 90])
@pytest.mark.parametrize("batch_rows", [1, 4, 7, 60])
def test_however_long_it_took_to_open_there_are_batches_enough_to_converge(window, batch_rows):
    one = case(window, batch_rows=batch_rows)
    first = one.rank()
    batches = [first, *(batch for _, batch in fed(one, np.vstack([FAULT, FAULT, FAULT])[window : window + 400]))]
    assert len(batches) >= 3
    assert batches[-1].settled
    assert not one.growing


def test_the_graph_learns_each_row_of_the_window_once(monkeypatch):
    seen = []
    monkeypatch.setattr(Coral, "adapt", lambda self, X: seen.extend(X.copy()))
    one = case(7)
    one.rank()
    fed(one, FAULT[7:90])
    np.testing.assert_array_equal(np.array(seen).astype(np.float32), one.window)


def test_columns_that_appear_later_are_left_out():
    one = case()
    one.rank()
    wide = np.column_stack([FAULT, np.full(len(FAULT), 7.0, np.float32)])
    fed(one, wide[8:20])
    assert one.window.shape == (20, 6)
    assert one.recent.shape == (5, 6)


def test_it_is_over_when_the_kpi_has_been_usual_for_long_enough():
    one = case(close_rows=3)
    one.rank()
    fed(one, FAULT[8:12])
    assert (one.quiet, one.over) == (0, False)
    good = HISTORY[100:]
    over = [k for k in range(12) if one.feed(good[k]) is None or True if one.over]
    assert over[0] == 4  # the median of five rows is usual with the third, and stays so for three
    fed(one, FAULT[12:16])
    assert (one.quiet, one.over) == (0, False)


def test_without_a_kpi_half_of_what_changed_must_be_back():
    one = case(kpi=(), close_rows=1)
    one.rank()
    fed(one, FAULT[8:16])
    changed = np.flatnonzero(one.changed)
    assert set(changed) >= {0, 2, 4, 5}
    half_back = FAULT[16:21].copy()
    back = changed[: (len(changed) + 1) // 2]
    half_back[:, back] = HISTORY[100:105][:, back]
    fed(one, half_back)
    assert one.over
    fewer = FAULT[21:26].copy()
    fewer[:, changed[0]] = HISTORY[105:110, changed[0]]
    fed(one, fewer)
    assert not one.over


def test_what_changed_once_stays_in_the_list():
    one = case(kpi=())
    abnormal = one.rank().findings.abnormal
    for _, batch in fed(one, HISTORY[:40]):
        abnormal = np.maximum(abnormal, batch.findings.abnormal)
    np.testing.assert_array_equal(one.changed, abnormal >= ABNORMAL)


@pytest.mark.parametrize("rows_before", [0, 5, 31, 32, 60])
def test_a_case_taken_back_goes_on_alike(rows_before):
    one = case()
    one.rank()
    fed(one, FAULT[8 : 8 + rows_before])
    data = encode(one.snapshot(), kind="case", version=1)
    snapshot = decode(data, kind="case", version=1)
    two = case()
    two.restore(snapshot)
    for row in FAULT[8 + rows_before : 60 + rows_before]:
        a, b = one.feed(row), two.feed(row)
        assert (a is None) == (b is None)
        if a and b:
            assert (a.number, a.similarity, a.settled) == (b.number, b.similarity, b.settled)
            np.testing.assert_equal(a.findings._asdict(), b.findings._asdict())
        assert encode(two.snapshot(), kind="case", version=1) == encode(one.snapshot(), kind="case", version=1)
