"""Settings become a source, a baseline and a retention."""

from pathlib import Path
from typing import Any

import pytest

from headwater.streaming import inputs
from headwater.streaming.errors import BrokerError, InputError, StoreError
from headwater.streaming.settings import Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["time,gw.p95", *(f"{1e9 + 10 * i:.0f},{i}" for i in range(1200))]))
    return path


def settings(**sections: Any) -> Settings:
    return Settings(columns={"pattern": "{entity}.{metric}", "counters": ["gw|*"]}, **sections)


def values(blocks: Any) -> list[float]:
    return [float(arrival.word.values[0]) for block in blocks for arrival in block]


def test_a_baseline_is_a_whole_file_or_a_part_of_it(file: Path) -> None:
    assert values(inputs.baseline(settings())) == []
    assert values(inputs.baseline(settings(baseline={"path": file}))) == list(range(1200))
    part = settings(baseline={"path": file, "start": "1000000100", "end": "1000000200"})
    assert values(inputs.baseline(part)) == list(range(10, 21))
    with pytest.raises(InputError):
        values(inputs.baseline(settings(baseline={"path": file, "start": "2030-01-01"})))


def test_a_recording_is_read_as_the_settings_say(file: Path) -> None:
    described = inputs.replay_source(settings(system={"step": "20s"}), file).describe()
    assert (described.metrics, described.kinds, described.step) == (("gw|p95",), {"counter": 1}, 20.0)
    source = inputs.replay_source(settings(), file, "1000000000..1000000100")
    assert (source.step, len(values(source.baseline())), source.lag()["records"]) == (10.0, 11, 1189)


def test_a_topic_that_cannot_be_created_is_a_warning_and_a_defect_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = iter([BrokerError("cannot create the topic 'x'", "not allowed", "create it"), ZeroDivisionError()])

    def refuses(section: Any, topics: Any) -> list[str]:
        assert tuple(topics) == ("headwater.incidents", "headwater.dead-letters")
        raise next(answers)

    monkeypatch.setattr(inputs, "KafkaSink", lambda section: section)
    monkeypatch.setattr(inputs, "ensure_topics", refuses)
    assert inputs.kafka_sink(settings()) == settings().source
    assert caplog.messages == [
        "cannot create the topic 'x' (not allowed): what is for it waits in the store; create it"
    ]
    with pytest.raises(ZeroDivisionError):
        inputs.kafka_sink(settings())


def test_retention() -> None:
    assert inputs.retention(settings(retention={"ticks": "2h", "max_size": "1GB"})) == (7200.0, 10**9)


def test_a_store_filled_by_a_replay_is_not_watched_into(file: Path) -> None:
    inputs.refuse_recordings(settings(), ["metrics"])
    ((recorded, _),) = inputs.replay_source(settings(), file).partitions()
    with pytest.raises(StoreError, match=rf"cannot be used to watch metrics\nit holds a recording: {recorded}\n"):
        inputs.refuse_recordings(settings(source={"topic": "metrics"}), [recorded])
