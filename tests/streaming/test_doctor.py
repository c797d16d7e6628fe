"""The doctor: what an installation and an input are taken for."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwater.streaming import doctor, inputs, wording
from headwater.streaming.cli import app as cli
from headwater.streaming.errors import BrokerError
from headwater.streaming.records import Arrival, Position, Sample
from headwater.streaming.settings import Settings
from headwater.streaming.source import Poll, dead_letter
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.writer import Store

TIME = 1_700_000_000.0


class Topic:
    """A topic of two partitions: three metrics every 10 s, a counter among them, and two records of rubbish."""

    closed = False

    def __init__(self, records: int = 30) -> None:
        words: list[Any] = []
        for n in range(records):
            now = TIME + 10.0 * (n // 3)
            metric, kind = [("cpu", None), ("rps_total", "counter"), ("p95", None)][n % 3]
            words.append(Sample("shop", f"pod-{n % 2}", metric, now, float(n), kind))
        places = [Position("metrics", n % 2, n // 2) for n in range(records)]
        rubbish = [dead_letter(Position("metrics", 0, 999 + n), b"?", "not JSON") for n in range(2)]
        self.arrivals = [Arrival(place, word) for place, word in zip(places, words, strict=True)]
        self.arrivals += [Arrival(letter.position, letter) for letter in rubbish]
        self.sought: Mapping[tuple[str, int], int] | None = None

    def partitions(self) -> list[tuple[str, int]]:
        return [("metrics", 0), ("metrics", 1)]

    def seek(self, offsets: Mapping[tuple[str, int], int]) -> None:
        self.sought = offsets

    def poll(self, timeout: float) -> Poll:
        handed, self.arrivals = self.arrivals[:7], self.arrivals[7:]
        return Poll(handed, [], not self.arrivals, [])

    def offsets(self) -> dict[tuple[str, int], int]:
        return {}

    def lag(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def settings(**sections: Any) -> Settings:
    return Settings(**sections)


def test_a_topic_is_understood() -> None:
    topic = Topic()
    seen = doctor.topic(settings(system={"kpi": ["*|p95 up", "*|nothing"]}), topic)
    assert topic.sought == {}, "it reads from where the settings say, not from where the store is"
    assert (seen["records"], seen["step"]) == (32, "10s")
    assert (seen["from"], seen["to"]) == ("2023-11-14 22:13:20Z", "2023-11-14 22:14:50Z")
    assert seen["systems"] == ["shop"]
    assert sorted(seen["entities"]) == ["pod-0", "pod-1"]
    assert len(seen["metrics"]) == 6
    assert seen["kinds"] == {"gauge": 4, "counter": 2}
    assert {pattern: sorted(names) for pattern, names in seen["kpi"].items()} == {
        "*|p95 up": ["pod-0|p95", "pod-1|p95"],
        "*|nothing": [],
    }
    assert seen["warnings"] == ["2 records cannot be used: not JSON"]


def test_an_empty_topic_is_no_error() -> None:
    topic = Topic(records=0)
    topic.arrivals = []
    seen = doctor.topic(settings(), topic)
    assert (seen["records"], seen["metrics"], seen["from"]) == (0, [], "-")
    assert list(doctor.lines(seen))


def test_the_broker_is_asked_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic()
    monkeypatch.setattr(inputs, "kafka_source", lambda _: topic)
    (found,), seen = doctor.broker(settings())
    assert found.ok
    assert "2 partitions" in found.said
    assert seen is not None
    assert topic.closed


def test_a_topic_of_rubbish_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic(records=0)
    monkeypatch.setattr(inputs, "kafka_source", lambda _: topic)
    _, found = doctor.broker(settings())[0]
    assert (found.ok, found.code) == (False, 2)


def test_a_kpi_that_matches_nothing_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "kafka_source", lambda _: Topic())
    _, found = doctor.broker(settings(system={"kpi": ["*|p95 up", "*|nothing"]}))[0]
    assert (found.check, found.ok, found.code) == ("kpi", False, 2)
    assert found.said == "'*|nothing' matches none of the 6 metrics that were looked at"


def test_the_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    assert doctor.store(settings(store={"url": url}))[0].ok, "no store yet is well"
    with Store(url):
        assert "a worker is running" in doctor.store(settings(store={"url": url}))[0].said
    assert "no worker is running" in doctor.store(settings(store={"url": url}))[0].said
    (tmp_path / "b.db").write_bytes(b"no database" * 100)
    (found,) = doctor.store(settings(store={"url": f"sqlite:///{tmp_path}/b.db"}))
    assert (found.ok, found.code) == (False, 3)
    assert found.fix


def test_what_the_worker_said_of_its_graph_is_told_with_the_mend(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    said = {"remarks": ["2 of 3 are not white; mend: set [causal] lags = 5"], "topology": "hard", "calls": 4}
    with Store(url) as store:
        store.commit(Batch(status={"learning": {"shop": said, "old": {"rows": 3}}}))
    _, misfit, calls = doctor.store(settings(store={"url": url}))
    assert (misfit.ok, misfit.said, misfit.fix) == (False, "shop: 2 of 3 are not white", "set [causal] lags = 5")
    assert misfit.code == 0, "the worker works all the same"
    assert (calls.ok, calls.said) == (True, "shop: 4 calls are known, used as a hard prior")


@pytest.mark.parametrize("lagged", [False, True])
def test_a_recording_is_learned_to_see_what_its_graph_rests_on(tmp_path: Path, lagged: bool) -> None:
    X = np.random.default_rng(5).normal(size=(300, 4))
    if lagged:
        for t in range(6, len(X)):
            X[t] += 0.9 * X[t - 6]
    path = tmp_path / "metrics.csv"
    lines = [",".join(f"{value:.6f}" for value in row) for row in X]
    path.write_text(
        "\n".join(["time,a|cpu,a|mem,b|cpu,b|mem", *(f"{TIME + 60 * t:.0f},{line}" for t, line in enumerate(lines))])
    )
    loaded = settings()
    source = inputs.replay_source(loaded, path)
    found = list(doctor.learned(loaded, source, source.step))
    assert [one.ok for one in found] == ([False, True] if lagged else [True])
    assert wording.UNKNOWN_TOPOLOGY in found[-1].said
    assert found[0].fix.startswith("set [causal] lags = ") is lagged


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PACKAGES", ("numpy", "no-such-package"))
    bad = [found for found in doctor.installation(None) if not found.ok]
    assert [found.said for found in bad] == ["no-such-package is not installed"]


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def hw(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.invoke(["doctor", *arguments])
        return code, *capsys.readouterr()

    return run


def recording() -> str:
    lines = ["timestamp,gw.p95,db.wait", *(f"{TIME + 60 * i:.0f},{i % 7},{i % 5}" for i in range(50))]
    Path("a.csv").write_text("\n".join(lines))
    Path("headwater.toml").write_text('[columns]\npattern = "{entity}.{metric}"\n')
    return "a.csv"


def test_doctor_reads_a_file(hw: Run) -> None:
    code, out, _ = hw(recording(), "--kpi", "gw|*", "--json")
    assert code == 0
    seen = json.loads(out)["input"]
    assert (seen["time_column"], seen["step"], seen["records"]) == ("timestamp", "1m", 50)
    assert (seen["entities"], seen["metrics"]) == (["gw", "db"], ["gw|p95", "db|wait"])
    assert seen["kpi"] == {"gw|*": ["gw|p95"]}
    code, out, _ = hw("a.csv", "--kpi", "gw|p59 up", "--kpi", "gw|*")
    assert code == 2
    assert "BAD  kpi        'gw|p59 up' matches none of the 2 metrics" in out
    code, out, _ = hw("a.csv")
    assert code == 0
    assert "step: one row each 1m" in out
    assert "settings   read from headwater.toml" in out


def test_doctor_ends_with_the_code_of_what_is_bad(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = hw("gone.csv")
    assert code == 2
    assert "BAD  file" in out
    error = BrokerError("cannot use the broker", "nothing listens", "start it")

    def refuse(_: Settings) -> None:
        raise error

    monkeypatch.setattr(inputs, "kafka_source", refuse)
    assert hw()[0] == 0, "no broker is asked unless it is meant"
    code, out, _ = hw("--topic", "metrics", "--json")
    assert code == 3
    found = json.loads(out)
    assert found["input"] is None
    assert found["findings"][-1]["said"] == "cannot use the broker: nothing listens"
    assert found["findings"][-1]["fix"] == "start it"
