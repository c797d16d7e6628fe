"""Bar: what keeps `headwater run` from working is told once, with the mend and a documented exit code, and soon."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from headwater.benchmarks.broker.broker import PASSWORD, USER, Broker
from headwater.streaming.store.writer import Store
from tests.live import Stage, set_up

WRONG = "wrong-password"
WITHIN = 15.0  # seconds, beside what it takes to start Python


class Refusal(NamedTuple):
    """Exit code, and the three lines on stderr."""

    code: int
    what: str
    why: str
    fix: str


@pytest.fixture
def stage(broker: Broker, tmp_path: Path) -> Stage:
    return set_up(broker, tmp_path)


def refused(stage: Stage, *arguments: str, **variables: str) -> Refusal:
    """How `headwater run` ends: three lines, in time, and nothing that must not be read."""
    beginning = stage.headwater("--version").seconds
    ended = stage.headwater("run", *arguments, **variables)
    assert ended.seconds - beginning < WITHIN, ended
    assert ended.out == ""
    assert not [secret for secret in (PASSWORD, WRONG) if secret in ended.err]
    lines = ended.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["error", "  why", "  fix"], ended.err
    return Refusal(ended.code, *(line.partition(": ")[2] for line in lines))


def test_a_broker_that_is_missing(stage: Stage) -> None:
    told = refused(stage, "--bootstrap", "127.0.0.1:1")
    assert (told.code, told.what) == (3, "cannot use the Kafka broker at 127.0.0.1:1")
    assert told.why == "nothing accepts connections at 127.0.0.1:1 (Connection refused)"
    assert "start the broker" in told.fix
    assert not stage.store.exists(), "an empty store would only hide that nothing was ever read"


def login(broker: Broker) -> dict[str, str]:
    return {
        "bootstrap_servers": broker.login, "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512",
        "username": USER, "ca_file": broker.ca,
    }  # fmt: skip


@pytest.mark.parametrize("kept_in", ["file", "environment", "password file"])
def test_a_password_that_is_wrong(secured: Broker, stage: Stage, kept_in: str) -> None:
    named, variables = login(secured), {"HEADWATER_SOURCE__BOOTSTRAP_TIMEOUT": "10s" if kept_in == "file" else "2s"}
    if kept_in == "file":
        named["password"] = WRONG
    elif kept_in == "environment":
        variables["HEADWATER_SOURCE__PASSWORD"] = WRONG
    else:
        (stage.folder / "password").write_text(WRONG)
        named["password_file"] = "password"
    stage.configure(source=named)
    told = refused(stage, **variables)
    assert (told.code, told.what) == (3, f"cannot use the Kafka broker at {secured.login}")
    assert told.why == "the broker refused the login of user 'app' by SCRAM-SHA-512"
    assert told.fix == "check [source] username and password (or password_file)"


def test_the_right_password_opens_the_door(secured: Broker, stage: Stage) -> None:
    stage.configure(source=login(secured))
    with stage.worker(HEADWATER_SOURCE__PASSWORD=PASSWORD) as worker:
        worker.wait()
        ended = worker.stop()
    assert (ended.code, PASSWORD in ended.err) == (0, False)


def test_a_topic_that_is_missing(stage: Stage) -> None:
    told = refused(stage, "--topic", stage.topic[:-1])
    assert (told.code, told.what) == (3, f"the topic {stage.topic[:-1]!r} does not exist")
    assert told.why.startswith("the broker has: ")
    assert told.fix.startswith(f"did you mean {stage.topic!r}? create it (kafka-topics --create")


def test_settings_that_are_wrong(stage: Stage) -> None:
    stage.configure(source={"tpoic": "metrics"})
    told = refused(stage)
    assert (told.code, told.what) == (2, "[source] tpoic: there is no such key")
    assert (told.why, told.fix) == ("it comes from headwater.toml", "did you mean 'topic'?")

    stage.configure(detector={"base": "10 parsecs"})
    told = refused(stage)
    assert (told.code, told.what.startswith("[detector] base: '10 parsecs' is no duration")) == (2, True)
    assert "write 90s, 5m, 2h" in told.what

    stage.configure(source={"security_protocol": "SASL_SSL", "password": WRONG})
    told = refused(stage)
    assert (told.code, told.what.endswith("SASL_SSL needs sasl_mechanism and username")) == (2, True)

    (stage.folder / "headwater.toml").write_text("[source\n")
    told = refused(stage)
    assert (told.code, told.what) == (2, "cannot read the settings file headwater.toml")


def test_settings_that_do_not_go_together_leave_no_store(stage: Stage) -> None:
    stage.configure(detector={"mode": "mssa", "base": "300s", "base_rows": 30, "window": 40})
    told = refused(stage)
    assert (told.code, told.what) == (2, "these settings do not fit rows of 10 s")
    assert not stage.store.exists()


def test_a_store_that_another_worker_has(stage: Stage) -> None:
    with stage.worker() as worker:
        worker.wait()
        told = refused(stage)
        assert (told.code, told.why) == (3, "a store has one worker at a time")
        assert told.what == f"another worker (process {worker.process.pid}) writes {stage.store}"
        assert told.fix.startswith(f"stop it (kill {worker.process.pid}), or give this one a store of its own")
        assert worker.stop().code == 0, "the one that was there first is not disturbed"


def dump(stage: Stage) -> list[str]:
    """All that is in the store, as SQL."""
    with closing(sqlite3.connect(stage.store)) as store:
        return list(store.iterdump())


def test_a_store_of_a_newer_headwater(stage: Stage) -> None:
    Store(f"sqlite:///{stage.store}").close()
    with closing(sqlite3.connect(stage.store)) as store, store:
        store.execute("UPDATE meta SET value = 99 WHERE key = 'schema_version'")
    before = dump(stage)
    told = refused(stage)
    assert (told.code, told.what) == (3, f"{stage.store} was written by a newer headwater")
    assert told.why == "its schema is version 99, this release reads up to 1"
    assert told.fix == "upgrade headwater, or use another store"
    assert dump(stage) == before, "nothing in it is changed"


def test_a_store_where_nothing_can_be_written(stage: Stage) -> None:
    told = refused(stage, "--store", "no-such-folder/headwater.db")
    assert (told.code, told.what.startswith("cannot write no-such-folder/headwater.db")) == (3, True)
