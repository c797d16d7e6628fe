"""What TriggerPoint sees, what it lets pass, and what follows an alarm."""

import numpy as np

from headwater.detectors import TriggerPoint
from headwater.detectors.cusum import REARM
from headwater.online import Block
from tests.detectors.trigger_rows import alarms, noise, same, shifted

# What it sees


def test_a_shift_is_seen_with_its_onset_and_its_metric() -> None:
    info = TriggerPoint().step(shifted(noise(), 3, 900))
    first = alarms(info)[0]
    assert 900 <= first < 910
    assert first - info.onset[first] == 899
    assert info.contributions[first].argmax() == 3
    assert 9.0 < info.contributions[first, 3] < 16.0  # unclipped, in standard deviations
    assert info.strength[first] > -np.log(1 / 86400)


def test_evidence_is_given_where_there_is_an_alarm_and_nowhere_else() -> None:
    info = TriggerPoint().step(shifted(noise(), 3, 900))
    quiet = info.alarm == 0
    assert (info.onset[quiet] == 0).all()
    assert np.isnan(info.strength[quiet]).all()
    assert np.isnan(info.contributions[quiet]).all()
    for t in alarms(info):
        assert max(info.joint[t], np.nanmax(info.scores[t])) >= 1.0
        assert info.onset[t] >= 1


def test_many_small_changes_are_seen_together() -> None:
    rows = noise(d=30)
    rows[900:920] *= 2.5
    assert 900 <= alarms(TriggerPoint(channels=("joint",)).step(rows))[0] < 910


def test_one_metric_among_many_is_seen_by_its_own_cusum() -> None:
    rows = shifted(noise(d=80), 3, 900, by=9.0)
    info = TriggerPoint().step(rows)
    assert info.alarm[alarms(info)[0]] == 2


def test_a_constant_that_moves_and_stays_moved_is_an_alarm() -> None:
    rows = noise()
    rows[:, 2] = 40.0
    rows[900:, 2] = 41.0
    info = TriggerPoint().step(rows)
    assert 900 < alarms(info)[0] < 940  # held values are weak evidence, but they add up
    assert info.contributions[alarms(info)[0]].argmax() == 2


# What it lets pass


def test_quiet_rows_raise_no_alarm() -> None:
    assert alarms(TriggerPoint().step(noise(20_000, 20))) == []


def test_a_lone_wild_row_raises_no_alarm() -> None:
    rows = noise()
    rows[900, 2], rows[1000, 4] = 1e6, -1e3
    assert alarms(TriggerPoint().step(rows)) == []


def test_a_lone_blip_of_a_constant_raises_no_alarm() -> None:
    rows = noise()
    rows[:, 2] = 0.0
    rows[900, 2] = 3.0
    assert alarms(TriggerPoint().step(rows)) == []


def test_slow_cycles_of_load_raise_no_alarm_after_a_base_that_has_not_seen_them() -> None:
    t = np.arange(12_000)[:, None]
    load = 20.0 * np.sin(2 * np.pi * t / 6000)
    assert alarms(TriggerPoint().step(noise(12_000) + load)) == []


def test_a_metric_that_vanishes_is_no_alarm_and_has_no_score() -> None:
    rows = noise()
    rows[900:, 1] = np.nan
    info = TriggerPoint().step(rows)
    assert alarms(info) == []
    assert np.isnan(info.scores[900:, 1]).all()
    assert np.isfinite(info.scores[900:, [0, 2, 3, 4, 5]]).all()


def test_noise_that_doubles_slowly_is_followed() -> None:
    rows = noise(12_000) * np.linspace(1.0, 2.5, 12_000)[:, None]
    assert alarms(TriggerPoint().step(rows)) == []


def test_a_metric_that_is_restless_now_and_then_raises_its_threshold() -> None:
    rows = noise(6000)
    for start in range(700, 6000, 200):
        rows[start : start + 4, 2] += np.array([9.0, -9.0, 9.0, -9.0])
    trigger = TriggerPoint(channels=("metric",))
    trigger.step(rows[:700])
    before = float(trigger.snapshot()["tail"][2, 3] / trigger.snapshot()["tail"][1, 3])
    trigger.step(rows[700:])
    after = float(trigger.snapshot()["tail"][2, 3] / trigger.snapshot()["tail"][1, 3])
    assert after > 1.2 * before


# Metrics that stand still


def frozen(count: int, start: int = 900, stop: int | None = None) -> Block:
    rows = noise()
    rows[start:stop, :count] = rows[start - 1, :count]
    return rows


def test_two_metrics_that_stand_still_are_an_alarm_of_their_own() -> None:
    info = TriggerPoint().step(frozen(2))
    (at,) = alarms(info)
    assert info.alarm[at] == 3
    assert 900 < at < 930
    assert at - info.onset[at] == 899
    assert set(np.argsort(info.contributions[at])[-2:]) == {0, 1}
    assert info.score[at] >= -np.log(1 / 86400)


def test_one_metric_that_stands_still_is_none_nor_are_those_that_often_do() -> None:
    assert alarms(TriggerPoint().step(frozen(1))) == []
    rows = noise()
    rows[:, :3] = np.repeat(rows[::20, :3], 20, axis=0)  # scraped at every twentieth row
    rows[900:940, :3] = rows[899, :3]
    assert alarms(TriggerPoint().step(rows)) == []


def test_a_metric_that_is_missing_does_not_stand_still() -> None:
    rows = noise()
    rows[900:, :3] = np.nan
    assert alarms(TriggerPoint().step(rows)) == []


def test_metrics_freeze_anew_after_they_have_moved() -> None:
    rows = frozen(3, 900, 960)
    rows[1100:1160, :3] = rows[1099, :3]
    found = alarms(TriggerPoint().step(rows))
    assert [900 < t < 960 for t in found] == [True, False]
    assert 1100 < found[1] < 1160


# After an alarm


def test_a_change_that_stays_is_told_once_and_others_are_still_seen() -> None:
    rows = shifted(shifted(noise(), 3, 900), 5, 930)
    info = TriggerPoint(channels=("metric",)).step(rows)
    assert [int(info.scores[t].argmax()) for t in alarms(info)] == [3, 5]
    assert alarms(info)[1] >= 930


def test_a_latched_metric_fires_again_after_it_was_quiet() -> None:
    rows = shifted(shifted(noise(1800), 3, 900, 920), 3, 1300, by=20.0)
    hits = alarms(TriggerPoint(channels=("metric",)).step(rows))
    assert any(900 <= t < 920 for t in hits)
    assert any(1300 <= t < 1320 for t in hits)


def test_while_latched_the_score_tells_how_far_it_has_sunk() -> None:
    info = TriggerPoint(channels=("metric",)).step(shifted(noise(), 3, 900))
    first = alarms(info)[0]
    after = info.scores[first + 1 : first + 40, 3]
    assert after.max() <= 1.0
    assert (np.diff(after[:3]) >= -1.0 / REARM).all()
    assert after[-1] < 0.2


def test_what_was_under_way_at_an_alarm_belongs_to_it() -> None:
    rows = shifted(shifted(noise(), 3, 900), 5, 902)
    assert len(alarms(TriggerPoint(channels=("metric",)).step(rows))) == 1


def test_nothing_is_learned_in_the_wake_of_an_alarm() -> None:
    rows = noise()
    wild = rows.copy()
    wild[900:930, 3] = np.where(np.arange(30) % 2, 50.0, -50.0)
    calm, struck = TriggerPoint(), TriggerPoint()
    calm.step(rows[:960]), struck.step(wild[:960])
    np.testing.assert_allclose(struck.snapshot()["ease"], calm.snapshot()["ease"], atol=0.15)
    tails = struck.snapshot()["tail"][2] / struck.snapshot()["tail"][1], calm.snapshot()["tail"][2, 4]
    assert tails[0][4] < 30.0  # it rose to thousands, and was told


def test_a_refresh_after_a_step_does_not_make_deaf() -> None:
    rows = noise(2000)
    rows[900:, 3] += 100.0  # the scale of the next base spans both levels, the errors do not
    rows[1500:, 3] += 20.0
    assert any(1500 <= t < 1520 for t in alarms(TriggerPoint().step(rows)))


def test_a_new_base_takes_the_new_level_for_normal() -> None:
    trigger = TriggerPoint(base=300)
    rows = noise(1600)
    rows[600:] = 50.0 + 10.0 * rows[600:]
    assert alarms(trigger.step(rows[:1000]))
    trigger.rebase(rows[700:1000])
    assert alarms(trigger.step(rows[1000:])) == []
    back = trigger.step(noise(50, seed=9))
    assert alarms(back)


def test_a_new_base_of_few_rows_keeps_the_scales() -> None:
    trigger = TriggerPoint(base=300)
    trigger.step(noise(400))
    scale = trigger.snapshot()["scale"]
    trigger.rebase(noise(20, seed=3) + 30.0)
    np.testing.assert_array_equal(trigger.snapshot()["scale"], scale)
    assert alarms(trigger.step(noise(300, seed=4) + 30.0)) == []


def test_what_stays_wild_for_long_is_learned_untold() -> None:
    rows = noise(6000)
    rows[1000:, 3] *= 20.0
    patient, settled = TriggerPoint(base=300), TriggerPoint(base=300, relearn=200)
    patient.step(rows), settled.step(rows)
    assert settled.snapshot()["ease"][4] < 0.1 < patient.snapshot()["ease"][4]


# What is always told


def test_there_is_a_score_on_every_row_and_it_reaches_the_stated_rate_at_an_alarm() -> None:
    info = TriggerPoint().step(shifted(noise(), 3, 900))
    assert np.isnan(info.score[:600]).all()
    assert np.isfinite(info.score[600:]).all()
    first = alarms(info)[0]
    assert info.strength[first] >= -np.log(1 / 86400)
    assert info.score[first] > info.strength[first] - 3.1
    assert np.median(info.score[600:900]) < 0.5 * info.score[first]


def test_stated_rates_share_one_budget() -> None:
    """Of two channels each needs more than it would alone."""
    rows = shifted(noise(), 3, 900)
    both, alone = TriggerPoint().step(rows), TriggerPoint(channels=("metric",)).step(rows)
    assert np.nanmax(both.scores[600:905]) < np.nanmax(alone.scores[600:905])


def test_the_published_method_is_a_mode() -> None:
    rows = noise()
    rows[900:] += 6.0
    trigger = TriggerPoint(mode="mssa")
    info = trigger.step(rows)
    assert any(900 <= t < 960 for t in alarms(info))
    assert np.isnan(info.scores).all()
    again = TriggerPoint(mode="mssa")
    again.restore(trigger.snapshot())
    assert same(again.step(noise(50, seed=3)), trigger.step(noise(50, seed=3)))
