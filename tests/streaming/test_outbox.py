import base64
import json
from pathlib import Path

import jsonschema
import pytest

from headwater.streaming.outbox import Notices, dead_letter_row
from headwater.streaming.records import Changed, Incident, Position, identity
from headwater.streaming.source import dead_letter

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "incidents-schema.json").read_text())


def changed(action: str = "opened", time: float = 60.0, **fields: object) -> Changed:
    incident = Incident("shop", "INC-1", **{"state": "open", "rca": "collecting", "onset": 50.0, "opened": 60.0,
                                            "updated": time, **fields})  # fmt: skip
    return Changed("shop", time, 2, action, incident, by="ann", note="a look")


def valid(value: bytes) -> dict[str, object]:
    message = json.loads(value)
    jsonschema.Draft202012Validator(SCHEMA).validate(message)
    return message


def test_an_incident_message_holds_the_incident_and_the_events_identity():
    change = changed(kpi="web|latency", path=("db|io", "web|latency"))
    (row,) = Notices("incidents").rows([change])
    message = valid(row.value)
    assert (row.id, row.topic, row.key) == (identity(change), "incidents", "shop")
    assert message["schema"] == 1
    assert message["id"] == "shop/60.000/2"
    assert (message["action"], message["by"], message["note"]) == ("opened", "ann", "a look")
    assert message["incident"]["path"] == ["db|io", "web|latency"]


def test_a_number_that_is_unknown_is_null():
    (row,) = Notices("incidents").rows([changed(margin=float("nan"))])
    assert valid(row.value)["incident"]["margin"] is None


@pytest.mark.parametrize("news", [{"rca": "converged"}, {"cause": "db|io"}, {"service": "db"}])
def test_a_ranking_is_told_only_when_the_cause_or_its_certainty_changed(news):
    notices = Notices("incidents")
    told = notices.rows(
        [changed(), changed("ranked", 65.0, batches=1), changed("ranked", 70.0, batches=2, **news),
         changed("ranked", 75.0, batches=3, **news), changed("resolved", 80.0, closed=80.0, **news)]
    )  # fmt: skip
    assert [json.loads(row.value)["time"] for row in told] == [60.0, 70.0, 80.0]


def test_what_is_told_does_not_depend_on_a_restart_in_between():
    changes = [
        changed(),
        changed("ranked", 65.0),
        changed("ranked", 70.0, cause="a|b"),
        changed("ranked", 75.0, cause="a|b"),
    ]
    whole = Notices("incidents").rows(changes)
    for cut in range(1, len(changes)):
        committed = {("shop", "INC-1"): changes[cut - 1].incident}
        parts = Notices("incidents").rows(changes[:cut]) + Notices("incidents", committed).rows(changes[cut:])
        assert parts == whole


def test_closed_incidents_are_forgotten():
    notices = Notices("incidents")
    for number in range(50):
        incident = Incident("shop", f"INC-{number}", "resolved", "converged", 0.0, 0.0, 0.0, closed=1.0)
        notices.rows([Changed("shop", float(number), 0, "resolved", incident)])
    assert not notices._last


def test_a_dead_letter_message_holds_the_place_the_reason_and_the_first_bytes():
    raw = b"\xff\x00" * 50_000
    row = dead_letter_row(dead_letter(Position("metrics", 2, 41), raw, "not JSON"), "dead")
    message = valid(row.value)
    assert row.id == row.key == message["id"] == "metrics-2-41"
    assert (message["topic"], message["partition"], message["offset"]) == ("metrics", 2, 41)
    assert (message["reason"], message["length"]) == ("not JSON", 100_000)
    assert base64.b64decode(message["head"]) == raw[: 64 * 1024]
    assert len(row.value) < 1_000_000  # what a broker takes by default


@pytest.mark.parametrize("break_it", [{"schema": 2}, {"action": 7}, {"incident": {}}, {"extra": None, "id": None}])
def test_the_schema_refuses_what_is_no_message(break_it):
    (row,) = Notices("incidents").rows([changed()])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(row.value) | break_it)
