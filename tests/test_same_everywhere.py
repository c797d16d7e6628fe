"""Bar: one recording gives the same incidents and rankings, to the byte, as a file and through a real topic.

Whatever the shape of the messages, the partitions and the portions in which they are polled. A topic has no end, so
here a source says where it ends; the worker then works off what it holds back, as it does at the end of a file.
"""

from pathlib import Path
from typing import Any, Literal, NamedTuple

import polars as pl
import pytest

from headwater.benchmarks.broker.broker import Broker
from headwater.benchmarks.broker.produce import produce
from headwater.streaming import build, demo, inputs, runner, simulator
from headwater.streaming.cli import run as cli_run
from headwater.streaming.formats import decoder
from headwater.streaming.kafka.source import KafkaSource
from headwater.streaming.records import Wide
from headwater.streaming.settings import Settings
from headwater.streaming.source import Poll
from headwater.streaming.store.reader import contents
from headwater.streaming.store.writer import Store

FAULT, SEED, SECONDS, QUIET = "slow_disk", 7, 1200, 600
ENTITIES = ("gateway", "database", "session")  # of the simulated system, so that single records take seconds only
OF_THE_INPUT = ("offset", "status", "meta", "outbox")  # tables
CLOCKS = ("clocks", "align")  # snapshots that name the partitions


class Case(NamedTuple):
    """A recording, how it is watched, and what a replay of it leaves in the store."""

    sections: dict[str, dict[str, Any]]
    rows: list[Wide]
    truth: dict[str, Any]


def kept(url: str) -> dict[str, Any]:
    """All that follows from the measurements: series, rows, events, rankings, evidence and learned state."""
    tables = {name: rows for name, rows in contents(url).items() if name not in OF_THE_INPUT}
    return tables | {"snapshot": [row for row in tables["snapshot"] if row[1] not in CLOCKS]}


def simulated(folder: Path) -> tuple[dict[str, dict[str, Any]], Path, str, str]:
    recording = simulator.simulate(SEED, fault=FAULT, seconds=SECONDS)
    chosen = [j for j, series in enumerate(recording.series) if series.entity in ENTITIES]
    names = [recording.series[j].name for j in chosen]
    table = pl.DataFrame(recording.X[:, chosen], schema=names, nan_to_null=True)
    path = folder / "simulated.parquet"
    table.insert_column(0, pl.Series("time", recording.times)).write_parquet(path)
    known = demo.setting(recording)
    sections = {"system": {"kpi": known.system.kpi, "step": 1.0}, "columns": {"counters": known.columns.counters}}
    start, end = (f"{recording.times[row]:.0f}" for row in (0, QUIET - 1))
    return sections, path, start, end


def nezha(folder: Path) -> tuple[dict[str, dict[str, Any]], Path, str, str]:
    return {"system": {"step": 60.0}}, folder / "nezha/streams/OB_2022-08-22.parquet", "08:10", "23:59"


@pytest.fixture(scope="module", params=["simulated", "nezha"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp(request.param)
    found = simulated(folder) if request.param == "simulated" else nezha(request.getfixturevalue("data"))
    sections, path, start, end = found
    sections["baseline"] = {"path": path, "start": start, "end": end}
    settings, url = Settings(source={"kind": "file"}, **sections), f"sqlite:///{folder / 'replay.db'}"
    assert cli_run.play(settings, path, f"{start}..{end}", url, True) > 0, "no incident, so there is nothing to compare"
    source = inputs.replay_source(settings, path, f"{start}..{end}")
    poll, rows = source.poll(0.0), []
    while poll.arrivals:
        rows += [arrival.word for arrival in poll.arrivals]
        poll = source.poll(0.0)
    truth = kept(url)
    assert truth["ranking"]
    return Case(sections, rows, truth)


@pytest.fixture(scope="module", params=["wide", "long"])
def topic(request: pytest.FixtureRequest, case: Case, broker: Broker) -> str:
    shape: Literal["wide", "long"] = request.param
    name = broker.create(shape, 3 if shape == "long" else 1)
    produce(broker.plain, name, case.rows, shape)
    return name


class Bounded(KafkaSource):
    """A topic that ends where it ended when reading began."""

    def poll(self, timeout: float) -> Poll:
        return super().poll(timeout)._replace(ended=self.lag()["records"] == 0)


class Lossy(Bounded):
    """Loses one record, or one row, just when the incident has opened."""

    def __init__(self, *arguments: Any, lost: float) -> None:
        super().__init__(*arguments)
        self.lost = lost

    def poll(self, timeout: float) -> Poll:
        poll = super().poll(timeout)
        gone = next((n for n, arrival in enumerate(poll.arrivals) if arrival.word.time == self.lost), None)
        if gone is not None:
            del poll.arrivals[gone]
            self.lost = -1.0
        return poll


def settings_of(case: Case, broker: Broker, topic: str, at_once: int) -> Settings:
    source = {"bootstrap_servers": broker.plain, "topic": topic, "max_poll_records": at_once, "idle_after": "1h"}
    return Settings(source=source, **case.sections)


def work(source: KafkaSource, settings: Settings, url: str) -> dict[str, Any]:
    """Run a worker to the end of a topic. It waits 5 s for late samples, as for any topic; a replay waits for none."""
    monitor, quiet = build.monitor(settings), inputs.baseline(settings)
    with Store(url) as store:
        runner.run(source, monitor, store, None, settings=settings, stop=lambda: False, baseline=quiet)
    return kept(url)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'kafka.db'}"


@pytest.mark.parametrize("at_once", [1, 7, 5000])
def test_a_topic_gives_what_a_replay_gives(case: Case, topic: str, broker: Broker, url: str, at_once: int) -> None:
    settings = settings_of(case, broker, topic, at_once)
    reads = decoder("auto", columns=inputs.columns(settings))
    found = work(Bounded(settings.source, reads), settings, url)
    assert found["ranking"] == case.truth["ranking"]
    assert [name for name in found if found[name] != case.truth[name]] == []


def test_one_lost_record_is_noticed(case: Case, topic: str, broker: Broker, url: str) -> None:
    settings = settings_of(case, broker, topic, 5000)
    reads = decoder("auto", columns=inputs.columns(settings))
    opened = min(row[3] for row in case.truth["ranking"])  # time of the first ranking
    lost = next(row.time for row in case.rows if row.time >= opened)
    found = work(Lossy(settings.source, reads, lost=lost), settings, url)
    assert found["ranking"] != case.truth["ranking"]
