"""Effects stand below their causes, and nothing else is touched."""

import numpy as np
import pytest

from headwater.causal.explaining import explain_away
from headwater.causal.innovations import Account

ABNORMAL = np.array([6.0, 9.0, 20.0, 4.0])
CHAIN = Account(
    explained=np.array([0.0, 0.5, 0.3, 0.0]),
    exactly=np.array([0.0, 0.8, 0.7, 0.0]),
    shares=np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0.0]]),
    inside=np.array([0.0, 1.0, 1.0, 0.0]),
    moved=np.array([0, 2, 3, 9]),
    rise=np.zeros(4, np.int64),
)
"""0 -> 1 -> 2, each louder than the one before; 3 is a stranger."""


def test_effects_that_outgrow_their_causes_stand_below_them() -> None:
    found = explain_away(ABNORMAL, CHAIN)
    np.testing.assert_allclose(found.suspicion, [6.0, 0.95 * 6.0, 0.95**2 * 6.0, 4.0])
    assert found.share.tolist() == [0.0, 0.5, 0.3, 0.0]
    assert found.by.tolist() == [-1, 0, 1, -1]


def test_an_effect_as_loud_as_its_cause_keeps_what_is_not_explained() -> None:
    found = explain_away(np.array([6.0, 5.0, 1.0, 4.0]), CHAIN)
    assert found.suspicion[1] == pytest.approx(5.0 * np.sqrt(0.5))


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("explained", np.full(4, 0.09)),
        ("inside", np.full(4, 0.5)),
        ("moved", np.array([2, 2, 2, 9])),  # all in the same row: nothing says who was first
        ("moved", np.array([3, 2, 1, 9])),  # the causes after their effects
        ("shares", np.outer([0, 0, 0, 1.0], np.ones(4))),  # a stranger explains them that moved last
    ],
)
def test_each_gate_shuts_to_the_bit(part: str, value: np.ndarray) -> None:
    found = explain_away(ABNORMAL, CHAIN._replace(**{part: value}))
    assert found.suspicion.tobytes() == ABNORMAL.tobytes()
    assert not found.share.any()
    assert (found.by == -1).all()


def test_noise_does_not_decide_who_was_first_of_slow_metrics() -> None:
    late = CHAIN._replace(moved=np.array([5, 4, 3, 9]))
    assert not explain_away(ABNORMAL, late).share.any()
    assert not explain_away(ABNORMAL, late._replace(rise=np.full(4, 7))).share.any()
    assert explain_away(ABNORMAL, late._replace(rise=np.full(4, 8))).share.tolist() == [0.0, 0.5, 0.0, 0.0]


def test_a_calm_metric_explains_none_that_is_loud() -> None:
    calm = np.array([1.9, 9.0, 20.0, 4.0])
    assert explain_away(calm, CHAIN).suspicion[1] == 9.0
    quiet = np.array([1.9, 3.0, 1.0, 1.0])  # half of what it explains is enough
    assert explain_away(quiet, CHAIN).suspicion[1] < 1.9


def test_the_cause_that_moved_too_late_takes_no_part() -> None:
    mixed = CHAIN._replace(shares=np.array([[0, 0.4, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0.6, 0, 0.0]]))
    found = explain_away(ABNORMAL, mixed)
    assert found.by[1] == 0
    assert found.suspicion[1] == pytest.approx(0.95 * 6.0)


def test_of_no_metrics_nothing_is_said() -> None:
    empty = Account(np.zeros(0), np.zeros(0), np.zeros((0, 0)), np.zeros(0), *[np.zeros(0, np.int64)] * 2)
    assert not len(explain_away(np.zeros(0), empty).suspicion)
