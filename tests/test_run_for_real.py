"""Bar: `headwater run` as a process on a real broker: poison, an incident, commands, signals, an outage, `--from`."""

import base64
import hashlib
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from headwater.benchmarks.broker.broker import Broker
from headwater.benchmarks.kill_stage import Published
from headwater.streaming.source import HEAD_BYTES
from tests.live import START, STEP, Stage, row, send, set_up
from tests.streaming import shop

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "incidents-schema.json").read_text())
STOPS_WITHIN = 10.0
SEEDS = {"shop": 3, "mall": 5}  # two systems in one topic, each with an incident
ROWS, ONSET = 110, 90  # from the onset on the database's disk is full, and still is at the end
POISON = (
    (b'{"system": "shop", "time": 17000', "not JSON: Input data was truncated"),
    (b'{"time": 1700000000, "values": {"front|cpu": "high"}}', 'wrong type: field "front|cpu" is "high", not a number'),
    (b'{"time": NaN, "values": {"front|cpu": 1}}', "time is null or NaN"),
    ("ü".encode() * 450_000, "not JSON: JSON is malformed: invalid character (byte 0)"),
    (b'{"time": 253402300799, "values": {"front|cpu": 1}}', "time 253402300799.0 lies outside 1980 to 2100"),
)
TOMBSTONE = None
NOT_OPEN = [
    "error: the worker refused: INC-1 is not open in mall",
    "  why: no incident is open now",
    "  fix: see: headwater incidents list",
]


@pytest.fixture
def stage(broker: Broker, tmp_path: Path) -> Stage:
    return set_up(broker, tmp_path)


# ── poison among good records, and an incident ──────────────────────────────────────────────────────────────


class Watched(NamedTuple):
    """What one worker made of a topic with poison in it, up to SIGTERM."""

    stage: Stage
    X: dict[str, NDArray[np.float64]]
    poison: dict[int, tuple[bytes, str]]  # offset → record, reason
    incidents: list[dict[str, Any]]
    letters: list[dict[str, Any]]


@pytest.fixture(scope="module")
def watched(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    stage = set_up(broker, tmp_path_factory.mktemp("watched"))
    X = {system: shop.rows(ROWS, seed=seed, onset=ONSET, until=ROWS) for system, seed in SEEDS.items()}
    records: list[bytes | None] = []
    poison = {}
    for n in range(ROWS):
        records += [row(n, X[system][n], system) for system in SEEDS]
        if n % 10 == 5 and n // 10 < len(POISON):
            poison[len(records)] = POISON[n // 10]
            records += [POISON[n // 10][0], TOMBSTONE]
    send(broker, stage.topic, records)
    with closing(Published(broker.plain, (stage.incidents, stage.dead_letters))) as published:
        with stage.worker() as worker:
            worker.caught_up()
            assert worker.stop().code == 0
        told = list(published.more())
    incidents, letters = (
        [json.loads(message.value) for message in told if message.topic == topic]
        for topic in (stage.incidents, stage.dead_letters)
    )
    return Watched(stage, X, poison, incidents, letters)


def test_each_poison_record_is_in_the_dead_letters_with_what_identifies_it(watched: Watched) -> None:
    assert {letter["offset"]: letter for letter in watched.letters} == {
        offset: {
            "schema": 1,
            "id": f"{watched.stage.topic}-0-{offset}",
            "topic": watched.stage.topic,
            "partition": 0,
            "offset": offset,
            "reason": reason,
            "length": len(raw),
            "sha256": hashlib.sha256(raw).hexdigest(),
            "head": base64.b64encode(raw[:HEAD_BYTES]).decode(),
        }
        for offset, (raw, reason) in watched.poison.items()
    }
    assert len(watched.letters) == len(POISON)


def test_the_good_records_round_poison_are_all_rows(watched: Watched) -> None:
    with closing(watched.stage.reader()) as reader:
        status = {key: row.value for key, row in reader.status().items()}
        for system, X in watched.X.items():
            ticks = reader.ticks(system)
            assert ticks.times.tolist() == [START + STEP * n for n in range(ROWS - 1)]
            columns = [shop.NAMES.index(one.name) for one in reader.series(system)]
            np.testing.assert_array_equal(ticks.values, X[: ROWS - 1, columns].astype(np.float32))
    assert status["worker"]["state"] == "stopped"
    assert (status["input"]["records"], status["input"]["rows"]) == (2 * ROWS + len(POISON), 2 * (ROWS - 1))
    counters = status["counters"]
    assert (counters["dead_letters"], counters["tombstones"], counters["late_samples"]) == (len(POISON), len(POISON), 0)
    assert (counters["dead_letters_unpublished"], counters["outbox_waiting"]) == (0, 0)


def test_what_is_told_of_incidents_is_as_the_schema_says(watched: Watched) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for message in watched.incidents + watched.letters:
        validator.validate(message)
    with closing(watched.stage.reader()) as reader:
        for system in SEEDS:
            told = [message for message in watched.incidents if message["incident"]["system"] == system]
            assert told[0]["action"] == "opened"
            assert told[0]["incident"]["onset"] == pytest.approx(START + STEP * ONSET, abs=3 * STEP)
            (incident,) = reader.incidents(system)
            assert (incident.state, incident.service) == ("open", "db")
            assert told[-1]["incident"]["service"] == "db"


def shown(stage: Stage, system: str) -> dict[str, Any]:
    """State of an incident, and the events that people brought about."""
    done = stage.headwater("incidents", "show", "INC-1", "--system", system, "--json")
    assert (done.code, done.err) == (0, "")
    whole = json.loads(done.out)
    asked = [(event["action"], event["by"], event["note"]) for event in whole["events"] if event.get("by")]
    return {"state": whole["incident"]["state"], "asked": asked}


def test_a_worker_applies_what_people_say_of_incidents_and_the_next_one_what_waits(watched: Watched) -> None:
    stage = watched.stage
    shop_, mall = ("INC-1", "--system", "shop", "--by", "ada"), ("INC-1", "--system", "mall", "--by", "bob")
    with stage.worker() as worker:
        worker.wait()
        ambiguous = stage.headwater("incidents", "ack", "INC-1")
        assert (ambiguous.code, "name it with --system" in ambiguous.err) == (1, True)
        acked = stage.headwater("incidents", "ack", *shop_, "--note", "looking at it", "--wait", "30")
        assert (acked.code, acked.out.startswith("acknowledge: INC-1 at row")) == (0, True), acked
        assert shown(stage, "shop") == {"state": "acknowledged", "asked": [("acknowledged", "ada", "looking at it")]}
        resolved = stage.headwater("incidents", "resolve", *mall, "--wait", "30")
        assert (resolved.code, resolved.out.startswith("resolve: INC-1 at row")) == (0, True), resolved
        assert shown(stage, "mall") == {"state": "resolved", "asked": [("resolved", "bob", "")]}
        refused = stage.headwater("incidents", "dismiss", *mall, "--wait", "30")
        assert (refused.code, refused.err.splitlines()) == (1, NOT_OPEN)
        assert worker.stop().code == 0
    waits = stage.headwater("incidents", "dismiss", *shop_, "--note", "a load test")
    text = "waiting: no worker is running on this store; it will be applied when one starts\n"
    assert (waits.code, waits.out) == (0, text)
    assert shown(stage, "shop")["state"] == "acknowledged"
    with stage.worker() as worker, closing(stage.reader()) as reader:
        worker.wait(lambda _: reader.commands()[0].state == "applied")
    assert shown(stage, "shop") == {
        "state": "dismissed",
        "asked": [("acknowledged", "ada", "looking at it"), ("dismissed", "ada", "a load test")],
    }


# ── signals ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_sigterm_in_the_middle_of_reading_commits_and_a_restart_goes_on_there(stage: Stage) -> None:
    count = 1500
    send(stage.broker, stage.topic, [row(n, values) for n, values in enumerate(shop.rows(count, onset=count))])
    slow = {"HEADWATER_SOURCE__MAX_POLL_RECORDS": "1", "HEADWATER_STORE__COMMIT_EVERY": "0.000001"}
    with stage.worker(**slow) as worker:
        worker.wait(lambda seen: seen.offsets.get(0, 0) >= 100)
        ended = worker.stop()
        seen = worker.left()
    assert (ended.code, ended.seconds < STOPS_WITHIN) == (0, True), ended
    assert 100 <= seen.offsets[0] < count
    assert "stopping: committing what is done" in ended.err
    with closing(stage.reader()) as reader:
        assert reader.status()["worker"].value["state"] == "stopped"
        assert reader.status()["input"].value["records"] == seen.offsets[0]
    with stage.worker() as worker:
        worker.caught_up()
        assert worker.stop().code == 0
    with closing(stage.reader()) as reader:
        assert reader.status()["input"].value["records"] == count, "none is lost, and none is read twice"
        assert reader.ticks("shop").times.tolist() == [START + STEP * n for n in range(count - 1)]


def test_ctrl_c_commits_too_and_has_its_own_code(stage: Stage) -> None:
    send(stage.broker, stage.topic, [row(0, [0.0] * 6)])
    with stage.worker() as worker:
        worker.wait(lambda seen: seen.offsets.get(0) == 1)
        ended = worker.stop(SIGINT)
    assert (ended.code, ended.seconds < STOPS_WITHIN) == (130, True), ended
    with closing(stage.reader()) as reader:
        assert reader.status()["worker"].value["state"] == "stopped"


@pytest.mark.parametrize(("number", "code"), [(SIGTERM, 0), (SIGINT, 130)])
def test_a_worker_that_still_looks_for_its_broker_can_be_told_to_stop(stage: Stage, number: Signals, code: int) -> None:
    with stage.worker("--bootstrap", "127.0.0.1:1", HEADWATER_SOURCE__BOOTSTRAP_TIMEOUT="60s") as worker:
        worker.listens()
        ended = worker.stop(number)
    assert (ended.code, ended.seconds < STOPS_WITHIN, ended.err) == (code, True, ""), ended


def test_sigterm_while_the_broker_is_away_and_what_could_not_be_told_comes_later(secured: Broker, stage: Stage) -> None:
    X = shop.rows(ROWS, onset=ONSET, until=ROWS)
    send(secured, stage.topic, [row(n, values) for n, values in enumerate(X)])
    try:
        with stage.worker() as worker:
            worker.caught_up()
            secured.kill()
            acked = stage.headwater("incidents", "ack", "INC-1", "--wait", "30")
            assert (acked.code, acked.out.startswith("acknowledge: INC-1")) == (0, True), acked
            ended = worker.stop()
            seen = worker.left()
    finally:
        secured.start()
    assert (ended.code, ended.seconds < STOPS_WITHIN) == (0, True), ended
    assert "kafka." not in ended.err, "its client says the same several times a second"
    assert len(seen.waiting) == 1
    send(secured, stage.topic, [row(n, X[-1]) for n in range(ROWS, ROWS + 3)])
    with (
        closing(Published(secured.plain, (stage.incidents, stage.dead_letters))) as published,
        stage.worker() as worker,
    ):
        worker.caught_up()
        assert seen.waiting <= {message.id for message in published.more()}
    with closing(stage.reader()) as reader:
        assert reader.status()["input"].value["records"] == ROWS + 3
        assert reader.ticks("shop").times.tolist() == [START + STEP * n for n in range(ROWS + 2)]


# ── where to start ──────────────────────────────────────────────────────────────────────────────────────────


def times_in(stage: Stage) -> list[int]:
    """Numbers of the rows in the store."""
    with closing(stage.reader()) as reader:
        return [round((time - START) / STEP) for time in reader.ticks("shop").times.tolist()]


def test_from_says_where_to_start_as_long_as_no_offset_is_stored(stage: Stage) -> None:
    quiet = [0.0] * 6
    send(stage.broker, stage.topic, [row(n, quiet) for n in range(20)], stamped=START)
    with stage.worker("--from", "latest") as worker:
        assert worker.wait(lambda seen: bool(seen.offsets)).offsets == {0: 20}
        send(stage.broker, stage.topic, [row(n, quiet) for n in range(20, 23)], stamped=START + STEP * 20)
        worker.caught_up()
        assert worker.stop().code == 0
    assert times_in(stage) == [20, 21]

    other = replace(stage, store=stage.folder / "other.db")
    with other.worker("--from", datetime.fromtimestamp(START + STEP * 11.5, UTC).isoformat()) as worker:
        worker.caught_up()
    assert times_in(other) == list(range(12, 22))

    send(stage.broker, stage.topic, [row(23, quiet)])
    with stage.worker("--from", "earliest") as worker:
        worker.caught_up()
    assert times_in(stage) == [20, 21, 22]
