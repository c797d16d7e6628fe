"""What TriggerPoint learns when, that it never looks ahead, and what it refuses."""

from collections.abc import Callable

import numpy as np
import pytest

from headwater.detectors import TriggerInfo, TriggerPoint
from headwater.online import Block, SnapshotError
from tests.detectors.trigger_rows import alarms, noise, same, shifted


def test_learning_is_told() -> None:
    info = TriggerPoint(base=200).step(noise(300))
    np.testing.assert_allclose(info.learning[:200], np.arange(1, 201) / 200)
    assert (info.learning[200:] == 1.0).all()
    assert np.isnan(info.joint[:200]).all()
    assert np.isnan(info.scores[:200]).all()
    assert np.isfinite(info.joint[200:]).all()
    assert np.isfinite(info.scores[200:]).all()


def test_fit_is_stepping_through_the_base() -> None:
    fitted, stepped = TriggerPoint(), TriggerPoint()
    fitted.fit(noise()[:600])
    stepped.step(noise()[:600])
    for name, value in stepped.snapshot().items():
        np.testing.assert_array_equal(fitted.snapshot()[name], value, err_msg=name)
    assert same(fitted.step(noise()[600:]), stepped.step(noise()[600:]))


def test_fit_uses_all_rows_and_forgets_what_was_before() -> None:
    trigger = TriggerPoint(base=200)
    trigger.step(noise(400) * 9.0)
    trigger.fit(noise(5000))
    np.testing.assert_allclose(trigger.snapshot()["scale"], 1.0, rtol=0.05)
    assert alarms(trigger.step(noise(500, seed=8))) == []


def test_a_few_rows_only_begin_the_base() -> None:
    trigger = TriggerPoint(base=200)
    trigger.fit(noise(50))
    assert trigger.step(noise(1)).learning.tolist() == [51 / 200]


def test_a_new_metric_learns_its_own_base_while_the_others_watch() -> None:
    rows = shifted(noise(2400, 4), 1, 900, 930)
    rows[:800, 3] = np.nan
    rows[2000:, 3] += 12.0
    info = TriggerPoint().step(rows)
    assert any(900 <= t < 920 for t in alarms(info))
    assert np.isnan(info.scores[:1300, 3]).all()
    assert np.isfinite(info.scores[1470:, 3]).all()
    assert any(2000 <= t < 2020 for t in alarms(info))


def test_a_metric_that_starts_a_little_late_is_in_the_first_base() -> None:
    rows = noise(700)
    rows[:40, 2] = np.nan
    assert np.isfinite(TriggerPoint().step(rows).scores[600:, 2]).all()


def test_score_one_tells_what_step_would() -> None:
    trigger = TriggerPoint(base=200)
    for row in noise(260, 3):
        trigger.learn_one(dict(zip("abc", row, strict=True)))
    wild = {"c": 25.0, "a": 0.0, "b": 0.0}
    told = trigger.score_one(wild)
    info = trigger.step(np.array([[0.0, 0.0, 25.0]]))
    assert told == max(info.joint[0], info.scores[0].max()) > 0.0


def test_metrics_are_known_by_name() -> None:
    trigger = TriggerPoint(base=100)
    trigger.learn_one({"b": 1.0, "a": 2.0})
    trigger.learn_one({"c": 3.0, "a": 4.0})
    snapshot = trigger.snapshot()
    assert snapshot["names"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(snapshot["rows"][:2], [[2.0, 1.0, np.nan], [4.0, np.nan, 3.0]])


# Honesty: nothing that comes later may change what was said


def says_the_same_without_the_future(build: Callable[[], TriggerPoint]) -> bool:
    rows = shifted(noise(), 3, 900, by=30.0)
    whole, before = build().step(rows), build().step(rows[:902])
    return all(np.array_equal(a[:902], b, equal_nan=True) for a, b in zip(whole, before, strict=True))


class SawTheTest(TriggerPoint):
    """Sabotage: thresholds from the rows that are to be judged."""

    def step(self, X: Block) -> TriggerInfo:
        if self._state.learned == 0:
            self.fit(X)
        return super().step(X)


class SmoothsBackwards(TriggerPoint):
    """Sabotage: a value that later rows have gone into."""

    def step(self, X: Block) -> TriggerInfo:
        return super().step((X + np.roll(X, -1, axis=0)) / 2.0)


def test_the_past_does_not_depend_on_the_future() -> None:
    assert says_the_same_without_the_future(TriggerPoint)


@pytest.mark.parametrize("sabotage", [SawTheTest, SmoothsBackwards])
def test_a_look_into_the_future_would_be_noticed(sabotage: type[TriggerPoint]) -> None:
    assert not says_the_same_without_the_future(sabotage)


# Refusals


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"mode": "pca"}, "mode must be 'level' or 'mssa', not 'pca'"),
        ({"base": 29}, "at least 30 rows, not 29"),
        ({"mode": "mssa", "window": 400}, "two windows"),
        ({"false_alarms_per_day": 0.0}, "false_alarms_per_day=0.0"),
        ({"interval": -1.0}, "interval=-1.0"),
        ({"channels": ()}, "channels must be"),
        ({"channels": ("dense",)}, "not .*dense"),
        ({"relearn": 0}, "relearn must be at least 1 row"),
    ],
)
def test_wrong_settings_are_refused(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TriggerPoint(**config)


def test_fewer_metrics_than_before_are_refused() -> None:
    trigger = TriggerPoint()
    trigger.step(noise(5))
    with pytest.raises(ValueError, match="rows of 5 metrics after rows of 6"):
        trigger.step(noise(5, 5))


def test_a_snapshot_of_another_base_is_refused() -> None:
    trigger = TriggerPoint()
    trigger.step(noise(700))
    with pytest.raises(SnapshotError, match=r"TriggerState\.rows"):
        TriggerPoint(base=300).restore(trigger.snapshot())


def test_only_channels_that_are_heard_raise_alarms() -> None:
    rows = shifted(noise(d=30), 3, 900)
    rows[1100:1120] *= 3.0
    joint, metric = (TriggerPoint(channels=(c,)).step(rows).alarm for c in ("joint", "metric"))
    assert set(joint[joint > 0]) == {1}
    assert set(metric[metric > 0]) == {2}
