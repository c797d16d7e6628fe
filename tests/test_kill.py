"""Bar: a worker that is killed anywhere leaves the store and the messages of one that was not; twins are caught."""

from collections import defaultdict
from typing import Any

import pytest

from headwater.benchmarks import kill
from headwater.benchmarks.broker.broker import Broker
from headwater.benchmarks.kill_stage import Message

HONEST, OFFSETS_FIRST, RANDOM_IDS = "headwater", "sabotaged/offsets-first", "sabotaged/random-ids"


@pytest.fixture(scope="module")
def found(broker: Broker) -> dict[str, dict[str, Any]]:
    """Method → metric → value, of one quick run on the real broker."""
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in kill.measure(broker, True, print):
        assert set(row) == {"bench", "set", "method", "metric", "value", "unit"}
        values[row["method"]][row["metric"]] = row["value"]
    return values


def test_kills_leave_no_trace(found: dict[str, dict[str, Any]]) -> None:
    ours = found[HONEST]
    assert (ours["kills"], ours["kills_in_open_incident"], ours["kills_between_commit_and_publish"]) == (4, 4, 1)
    assert (ours["store_equal"], ours["tables_that_differ"]) == (1, 0)
    assert (ours["outputs_complete"], ours["repeats_recognisable"]) == (1, 1)
    assert ours["messages"] > 70  # dead letters, and what happened to the incident
    assert ours["repeats"] > 0  # one was killed between a publication and its mark


def test_offsets_committed_before_the_state_are_caught(found: dict[str, dict[str, Any]]) -> None:
    assert found[OFFSETS_FIRST]["kills"] == 1
    assert found[OFFSETS_FIRST]["store_equal"] == 0


def test_messages_without_stable_ids_are_caught(found: dict[str, dict[str, Any]]) -> None:
    twin = found[RANDOM_IDS]
    assert (twin["store_equal"], twin["outputs_complete"], twin["repeats_recognisable"]) == (1, 0, 0)


def test_the_whole_bench_is_what_the_bar_asks_for() -> None:
    moments = [blow.moment for blow in kill.FULL]
    assert len(moments) == 20
    assert moments.count("before") >= 3
    assert sum(blow.moment == "outside" for blow in kill.FULL) >= 5


def message(name: str, value: bytes = b"1", topic: str = "incidents") -> Message:
    return Message(topic, name, b"key", value)


@pytest.mark.parametrize(
    ("again", "complete", "repeats", "recognisable"),
    [
        ([message("a"), message("b")], 1, 0, 1),
        ([message("a"), message("a"), message("b")], 1, 1, 1),
        ([message("a")], 0, 0, 0),  # lost
        ([message("a"), message("b"), message("c")], 0, 0, 0),  # one too many, or a repeat under a new id
        ([message("a"), message("b", b"2")], 0, 0, 1),  # another message
        ([message("a", b"2"), message("a"), message("b")], 1, 1, 0),  # the one that is kept is another one
        ([message("a"), message("b", topic="dead-letters")], 0, 0, 1),  # at the wrong place
    ],
)
def test_messages_are_compared(again: list[Message], complete: int, repeats: int, recognisable: int) -> None:
    judged = kill.compare([message("a"), message("b")], again)
    assert (judged["outputs_complete"], judged["repeats"]) == (complete, repeats)
    assert judged["repeats_recognisable"] == recognisable
