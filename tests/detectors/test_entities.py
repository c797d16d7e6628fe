"""One trigger per entity, one budget, fused alarms: against each trigger on its own."""

from typing import Any

import numpy as np
import pytest

from headwater.detectors import TriggerPoint, entities
from headwater.detectors.entities import EntityInfo, EntityTriggers
from headwater.detectors.trigger_info import TriggerInfo
from headwater.online import Block, SnapshotError
from tests.detectors.naive_entities import alone, fused

NAMES = ["a", "b", "c"] * 4
GROUPS = [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]]
BUDGET = 86400.0 / 2000  # one in 2,000 rows
SETTING: dict[str, Any] = {"base": 300, "relearn": 400}


def noise(T: int = 1500, d: int = 12, seed: int = 5) -> Block:
    return np.random.default_rng(seed).normal(size=(T, d))


def restless(seed: int) -> Block:
    """Steps and bursts in one, two or all entities, some of them close to each other."""
    draw = np.random.default_rng(seed)
    rows = noise(2500, 12, seed)
    at = 350
    while at < 2400:
        for entity in draw.choice(3, draw.integers(1, 4), replace=False):
            start = at + int(draw.integers(0, 25))
            columns = draw.choice(GROUPS[entity], draw.integers(1, 4), replace=False)
            rows[start : start + int(draw.integers(5, 60)), columns] += draw.uniform(4.0, 15.0)
        at += int(draw.integers(10, 250))
    return rows


def system(refractory: int = 30, **setting: Any) -> EntityTriggers:
    made = EntityTriggers(trigger=SETTING | {"false_alarms_per_day": BUDGET} | setting, refractory=refractory)
    made.adopt(NAMES)
    return made


def rows_of(info: EntityInfo) -> list[int]:
    return np.flatnonzero(info.alarm).tolist()


def test_every_entity_is_watched_as_if_it_were_alone() -> None:
    rows = restless(1)
    info, infos = system().step(rows), alone(rows, GROUPS, BUDGET, **SETTING)
    for columns, own in zip(GROUPS, infos, strict=True):
        np.testing.assert_array_equal(info.scores[:, columns], own.scores)
    np.testing.assert_array_equal(info.joint, np.fmax.reduce([own.joint for own in infos]))
    np.testing.assert_array_equal(info.learning, infos[0].learning)
    np.testing.assert_array_equal(info.score, np.fmax.reduce([own.score for own in infos]) - np.log(3.0))


def test_a_budget_that_is_not_shared_is_told_apart() -> None:
    rows = restless(1)
    info, greedy = system().step(rows), alone(rows, GROUPS, 3.0 * BUDGET, **SETTING)
    assert not np.array_equal(info.scores[:, GROUPS[0]], greedy[0].scores, equal_nan=True)


class Scripted:
    """A trigger that alarms where a value is above 0: departures are the values, the onset is as many rows back."""

    false_alarms_per_day = 1.0

    def __init__(self, **_: object) -> None:
        """Take no notice of settings."""

    def step(self, X: Block) -> TriggerInfo:
        departed = np.nan_to_num(X)
        alarm = (departed > 0.0).any(axis=1)
        most = departed.max(axis=1)
        nothing = np.zeros(X.shape[0])
        onset = np.where(alarm, most.astype(np.int64) % 17, 0)
        return TriggerInfo(
            nothing, nothing, departed, alarm.astype(np.int8), onset, most, np.where(alarm[:, None], X, np.nan), nothing
        )

    def snapshot(self) -> dict[str, float]:
        return {}

    restore = __init__


def script(seed: int, often: float) -> Block:
    draw = np.random.default_rng(seed)
    return np.where(draw.random((400, 12)) < often, draw.uniform(1.0, 60.0, (400, 12)), 0.0)


@pytest.mark.parametrize("refractory", [0, 1, 5, 12])
@pytest.mark.parametrize("often", [0.002, 0.01, 0.05])
def test_alarms_are_fused_as_defined(monkeypatch: pytest.MonkeyPatch, often: float, refractory: int) -> None:
    monkeypatch.setattr(entities, "TriggerPoint", Scripted)
    rows = script(3, often)
    info, infos = system(refractory).step(rows), [Scripted().step(rows[:, columns]) for columns in GROUPS]
    expected = fused(infos, GROUPS, refractory)
    reported = [alarm for alarm in expected if alarm.reported]
    assert rows_of(info) == [alarm.row for alarm in reported] != []
    assert info.entity[rows_of(info)].tolist() == [alarm.group for alarm in reported]
    assert [row - info.onset[row] for row in rows_of(info)] == [alarm.onset for alarm in reported]
    assert info.fused.tolist() == np.bincount([a.row for a in expected if not a.reported], minlength=400).tolist()
    for alarm in expected:
        own = infos[alarm.group]
        np.testing.assert_array_equal(info.contributions[alarm.row, GROUPS[alarm.group]], own.contributions[alarm.row])
        if alarm.reported:
            assert info.strength[alarm.row] == own.strength[alarm.row] - np.log(3.0)


def test_what_spreads_is_one_alarm_and_a_new_onset_elsewhere_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entities, "TriggerPoint", Scripted)
    rows = np.zeros((400, 12))
    rows[100, 0] = 2.0  # an alarm of a that began two rows before
    rows[110, 1] = 3.0  # spreads to b
    rows[125, [1, 4, 10]] = 40.0, 21.0, 19.0  # b goes on, 40 % 17 = 6 rows old; the last departs less than half as far
    rows[140, 2] = 16.0  # an alarm of c that began 16 rows before, when a had just alarmed: it belongs to it
    rows[150, 2] = 1.0  # c again
    rows[153, 4] = 1.0  # anew, on one of b's metrics
    rows[155, 10] = 1.0  # a new onset on another metric of b, though the others have only just alarmed
    rows[250, 2] = 2.0  # long after
    info = system(refractory=30).step(rows)
    assert rows_of(info) == [100, 155, 250]
    assert [NAMES[k] for k in info.entity[rows_of(info)]] == ["a", "b", "c"]
    assert np.flatnonzero(info.fused).tolist() == [110, 125, 140, 150, 153]


def test_real_alarms_are_fused_too() -> None:
    rows = noise()
    rows[800:, 0] += 12.0
    rows[802:, 1] += 12.0  # another entity, two rows later
    info = system().step(rows)
    assert 800 <= rows_of(info)[0] < 812
    assert info.entity[rows_of(info)[0]] == 0
    assert rows_of(info)[1:] == []
    assert info.fused[802:820].sum() >= 1


def test_one_entity_is_one_trigger() -> None:
    rows = restless(2)
    made = EntityTriggers(trigger=SETTING, refractory=0)
    info, own = made.step(rows), TriggerPoint(**SETTING).step(rows)
    for name in ("learning", "joint", "scores", "score", "contributions"):
        np.testing.assert_array_equal(getattr(info, name), getattr(own, name))
    assert set(rows_of(info)) <= set(np.flatnonzero(own.alarm).tolist())
    assert made.entities == ("",)


def test_the_budget_is_divided_by_the_entities_that_have_shown_a_value() -> None:
    made = system()
    shares = []
    rows = noise(50)
    rows[:20, [1, 4, 7, 10]] = np.nan
    rows[:, [2, 5, 8, 11]] = np.nan
    for row in rows:
        made.step(row[None])
        shares.append({trigger.false_alarms_per_day for trigger in made._triggers.values()})
    assert shares[:20] == [{BUDGET}] * 20
    assert shares[20:] == [{BUDGET / 2.0}] * 30


def test_an_entity_that_appears_later_learns_while_the_others_watch() -> None:
    rows = noise()
    rows[:700, GROUPS[2]] = np.nan
    rows[900:, 0] += 12.0
    info = system().step(rows)
    assert (info.learning[299:] == 1.0).all()
    assert 900 <= rows_of(info)[0] < 910
    assert np.isnan(info.scores[:999, GROUPS[2]]).all()
    assert np.isfinite(info.scores[1000:, GROUPS[2]]).all()


def test_columns_may_be_adopted_before_they_come_and_come_before_they_are_adopted() -> None:
    rows = noise(700)
    early = system()
    info = early.step(rows[:, :7])
    assert info.scores.shape == info.contributions.shape == (700, 7)
    made = EntityTriggers(trigger=SETTING)
    made.adopt(["a"] * 3)
    made.step(np.hstack([rows[:, :3], rows[:, 3:6]]))
    assert made.entities == ("a", "")
    with pytest.raises(ValueError, match="only ever added"):
        early.step(rows[:, :6])
    with pytest.raises(ValueError, match="only ever added"):
        early.adopt(NAMES[:5])


def test_edges_and_small_entities_do_not_stand_alone() -> None:
    made = EntityTriggers(trigger=SETTING)
    made.adopt(["web"] * 3 + ["edge:web>db"] * 2 + ["db", "disk", "fan"])
    rows = noise(700, 8)
    rows[500:, 6] += 12.0
    info = made.step(rows)
    assert made.entities == ("web", "db", "disk", "fan")
    assert len(made._triggers) == 3  # web, db with its edge, and a pool
    assert made.entities[info.entity[rows_of(info)[0]]] == "disk"


def test_fit_is_stepping_and_forgets() -> None:
    rows = noise()
    stepped, fitted = system(), system()
    stepped.step(rows[:300])
    fitted.step(restless(3)[:900])
    fitted.fit(rows[:300])
    one, other = (made.step(restless(4)[:600] * 1.0) for made in (stepped, fitted))
    np.testing.assert_array_equal(one.scores, other.scores)
    assert rows_of(one) == rows_of(other) != []


def test_rebase_is_that_of_every_trigger() -> None:
    rows = noise()
    made = system()
    made.step(rows[:900])
    made.rebase(rows[900:] + 20.0)
    info = made.step(rows[900:] + 20.0)
    assert rows_of(info) == []
    assert np.nanmax(info.joint) < 1.0


def test_a_snapshot_of_other_triggers_is_refused() -> None:
    made = system()
    made.step(noise(400))
    good = made.snapshot()
    for wrong in (
        {name: value for name, value in good.items() if not name.startswith("1.")},
        good | {"7.mean": np.zeros(3)},
        good | {"owner": np.full(12, 9)},
        good | {"touched": np.zeros(3, np.int64)},
    ):
        with pytest.raises(SnapshotError):
            made.restore(wrong)
    with pytest.raises(SnapshotError):
        EntityTriggers(trigger={"base": 200}).restore(good)


def test_river_names_tell_the_entity() -> None:
    made = EntityTriggers(trigger={"base": 100, "window": 5})
    for a, b, c in noise(150, 3).tolist():
        made.learn_one({"web|cpu": a, "web|mem": b, "db|cpu": c})
    assert made.entities == ("db", "web")
    calm, wild = ({"web|cpu": x, "web|mem": 0.0, "db|cpu": 0.0} for x in (0.0, 90.0))
    assert made.score_one(calm) < made.score_one(wild)
    assert made.score_one({"mail|cpu": 1.0} | calm) == made.score_one(calm)  # a metric that it has not learned


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"refractory": -1}, "refractory"),
        ({"least": 0}, "least"),
        ({"least": 9, "most": 8}, "most"),
        ({"trigger": {"interval": 0.0}}, "positive"),
    ],
)
def test_bad_settings_are_named(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        EntityTriggers(**setting)
