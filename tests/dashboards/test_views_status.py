"""The status strip, read as data: what a worker says about itself becomes seven cells."""

from typing import Any

import pytest

from headwater.dashboards import views_status
from headwater.streaming import build
from headwater.streaming.heartbeat import Heartbeat
from headwater.streaming.records import Arrival, Position, Sample
from headwater.streaming.settings import load
from tests.dashboards import story

NOW = 1_000.0


def status(**changes: Any) -> views_status.Status:
    rows = {key: (value, NOW - 1.0) for key, value in story.status().items()}
    return rows | changes


def cells(rows: views_status.Status, **more: Any) -> dict[str, views_status.Cell]:
    return {c.label: c for c in views_status.strip(rows, story.SYSTEM, more.get("incidents", 0), NOW)}


def test_heartbeat_turns_red_after_three_intervals_and_not_before() -> None:
    worker = story.status()["worker"]
    assert views_status.silence(status(worker=(worker, NOW - 15.0)), NOW) is None
    tone, text = views_status.silence(status(worker=(worker, NOW - 15.1)), NOW) or ("", "")
    assert tone == "bad"
    assert "silent for 15 s" in text
    assert "headwater run" in text


def test_a_stopped_worker_is_not_an_alarm_and_none_at_all_names_the_command() -> None:
    stopped = {"state": "stopped"}
    assert (views_status.silence(status(worker=(stopped, 0.0)), NOW) or ("",))[0] == "plain"
    tone, text = views_status.silence({}, NOW) or ("", "")
    assert tone == "warn"
    assert "headwater run" in text


@pytest.mark.parametrize(("source", "named"), [("localhost:9092/metrics", True), ("file", False)])
def test_only_a_worker_on_kafka_is_started_again_with_run(source: str, named: bool) -> None:
    for worker in ({"state": "stopped", "source": source}, {"state": "running", "source": source}):
        _, text = views_status.silence(status(worker=(worker, 0.0)), NOW) or ("", "")
        assert ("headwater run" in text) is named


def test_learning_counts_in_minutes() -> None:
    learning = {story.SYSTEM: {"rows": 240, "of_rows": 600, "step": 1.0}}
    cell = cells(status(learning=(learning, NOW)))["Learning"]
    assert (cell.value, cell.note) == ("4 of 10 min", "40 %")
    assert cells(status())["Learning"].value == "done"
    unknown = {story.SYSTEM: {"rows": 24, "of_rows": 240, "step": None}}
    assert cells(status(learning=(unknown, NOW)))["Learning"].value == "24 of 240 rows"


def test_learning_and_refusals_of_a_monitor_reach_the_strip() -> None:
    monitor = build.monitor(load(None, {"align": {"max_systems": 1}}), step=1.0)
    words = [Sample(system, "db", "io", float(t), t % 7.0) for t in range(241) for system in (story.SYSTEM, "m*ll")]
    monitor.assign([("metrics", 0)])
    monitor.push([Arrival(Position("metrics", 0, n), word) for n, word in enumerate(words)])
    beat = Heartbeat(load(), started=0.0, before={}, newest={})
    lag = {"records": 0, "stale_s": 0.0, "alarms": []}
    said = beat.status("running", lag=lag, counters=monitor.counters(), waiting=0, letters=0, now=NOW)
    found = cells({key: (value, NOW) for key, value in said.items()})
    assert found["Learning"].value == "4 of 10 min"
    assert (found["Refused"].value, found["Refused"].note, found["Refused"].tone) == ("1", "beyond the cap", "warn")
    assert r"max_systems`: m\*ll." in found["Refused"].help


def test_systems_that_were_not_named_are_others() -> None:
    counters = {"refused_columns": 2, "refused_names": ["a|x", "a|y"], "refused_systems": {"mall": 3, "": 9}}
    cell = cells(status(counters=(counters, NOW)))["Refused"]
    assert cell.value == "4"
    assert cell.help.endswith("max_systems`: mall, others.")


def test_losses_are_counted_and_coloured() -> None:
    found = cells(status(), incidents=2)
    assert (found["Dead letters"].value, found["Dead letters"].tone) == ("3", "warn")
    assert found["Late"].value == "17"
    assert (found["Refused"].value, found["Refused"].tone) == ("0", "plain")
    assert found["Input lag"].value == "12 records"
    assert (found["Incidents"].value, found["Incidents"].tone) == ("2", "bad")


def test_a_store_without_status_still_has_every_cell() -> None:
    assert [c.value for c in views_status.strip({}, "x", 0, NOW)] == ["none", "–", "–", "0", "0", "0", "0"]
