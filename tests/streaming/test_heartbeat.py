import numpy as np

from headwater.streaming.heartbeat import DEAD_LETTERS_PER_MINUTE, Heartbeat
from headwater.streaming.records import Position, Tick
from headwater.streaming.settings import load
from headwater.streaming.source import dead_letter

LETTER = dead_letter(Position("metrics", 0, 7), b"{", "not JSON")
QUIET = {"records": 0, "stale_s": None, "alarms": ["the topic is silent"]}


def heartbeat(**before):
    return Heartbeat(load(), started=5.0, before=before, newest={"shop": 100.0})


def said(beat, now=0.0, counters=None):
    return beat.status("running", lag=QUIET, counters=counters or {}, waiting=2, letters=1, now=now)


def tick(time, system="shop"):
    return Tick(system, time, np.zeros(1, np.float32), np.zeros(1, np.float32), 0.0, 1.0)


def test_kafka_is_named_by_broker_and_topic():
    assert said(heartbeat())["worker"]["source"] == "localhost:9092/metrics"


def test_the_newest_row_is_that_of_the_system_that_is_furthest():
    beat = heartbeat()
    assert said(beat)["input"]["newest_row"] == 100.0
    beat.rows_of([tick(90.0), tick(120.0, "mall"), tick(101.0)])
    assert beat.newest == {"shop": 101.0, "mall": 120.0}
    assert said(beat)["input"]["newest_row"] == 120.0
    assert said(beat)["input"]["rows"] == 3


def test_dead_letters_are_counted_on_over_restarts():
    beat = heartbeat(counters={"dead_letters": 5})
    beat.letters([LETTER, LETTER], now=0.0)
    assert said(beat)["counters"]["dead_letters"] == 7


def test_tombstones_are_counted_on_over_restarts():
    beat = heartbeat(counters={"tombstones": 5})
    assert said(beat)["counters"]["tombstones"] == 5  # a file has none
    status = beat.status("running", lag=QUIET | {"tombstones": 2}, counters={}, waiting=0, letters=0, now=0.0)
    assert status["counters"]["tombstones"] == 7


def test_a_flood_of_dead_letters_is_an_alarm_until_a_minute_after_it():
    beat = heartbeat()
    for second in range(DEAD_LETTERS_PER_MINUTE):
        beat.letters([LETTER], now=600.0 + second / 10)
    assert said(beat, 606.0)["input"]["alarms"] == ["the topic is silent"]
    beat.letters([LETTER], now=607.0)
    assert said(beat, 719.0)["input"]["alarms"][1] == (
        f"{DEAD_LETTERS_PER_MINUTE + 1} records could not be used within a minute, the last one: not JSON"
    )
    assert len(said(beat, 721.0)["input"]["alarms"]) == 1


def test_an_alarm_is_new_once_and_shown_for_some_minutes():
    beat = heartbeat()
    assert beat.alarm("records were lost", now=0.0)
    assert not beat.alarm("records were lost", now=200.0)
    beat.alarm("the topic is silent", now=200.0)  # the source says so too: shown once
    assert said(beat, 499.0)["input"]["alarms"] == ["the topic is silent", "records were lost"]
    assert said(beat, 501.0)["input"]["alarms"] == ["the topic is silent"]
    for number in range(100):
        beat.alarm(f"alarm {number}", now=501.0)
    assert len(said(beat, 501.0)["input"]["alarms"]) == 21


def test_refused_systems_are_passed_on():
    refused = {"mall": 3, "": 9}
    assert said(heartbeat(), counters={"refused_systems": refused})["counters"]["refused_systems"] == refused
    assert said(heartbeat())["counters"]["refused_systems"] == {}


def test_what_each_system_says_of_itself_is_passed_on():
    told = {"shop": {"rows": 3, "of_rows": 240, "step": 1.0, "remarks": ["mend it"]}}
    assert said(heartbeat(), counters={"learning": told})["learning"] == told
