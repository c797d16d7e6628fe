"""``headwater replay``: whose store it is, what an interruption says, and how it ends."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headwater.streaming import inputs, runner
from headwater.streaming.cli import run as cli_run
from headwater.streaming.recordings import replay as recordings
from headwater.streaming.recordings.replay import ReplaySource
from headwater.streaming.runner import Summary
from headwater.streaming.settings import Settings
from headwater.streaming.source import Poll
from headwater.streaming.store.batch import Batch
from headwater.streaming.store.reader import contents
from headwater.streaming.store.writer import Store

from . import shop

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("nowhere")
START = 1_700_000_000.0
ROWS, ONSET = 500, 320
PLAYED = ROWS - 200
OPTIONS = ("--baseline", f"{START:.0f}..{START + 199 * shop.STEP:.0f}", "--kpi", "front|latency_s up")


def recording(path: str, *, seed: int = 3, rows: int = ROWS) -> str:
    X = shop.rows(rows, seed=seed, onset=ONSET, until=ROWS)
    times = START + shop.STEP * np.arange(rows)
    lines = [
        ",".join(("time", *shop.NAMES)),
        *(f"{t:.0f}," + ",".join(map(str, x)) for t, x in zip(times, X, strict=True)),
    ]
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("\n".join([*lines, ""]))
    return path


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have a signal come while a row is read; rows are read in blocks of 20."""

    def at(row: int, number: signal.Signals = signal.SIGTERM) -> None:
        class Interrupted(ReplaySource):
            def poll(self, timeout: float) -> Poll:
                poll = super().poll(timeout)
                if any(arrival.position.offset == row for arrival in poll.arrivals):
                    os.kill(os.getpid(), number)
                return poll

        monkeypatch.setattr(recordings, "BLOCK", 20)
        monkeypatch.setattr(inputs, "ReplaySource", Interrupted)

    return at


def kept() -> dict[str, Any]:
    tables = contents("sqlite:///a.db")
    return {name: rows for name, rows in tables.items() if name not in ("status", "meta")}


def test_flags_are_passed_on(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def run(source: Any, *_: object, settings: Settings, baseline: Any, **__: object) -> Summary:
        seen.update(settings=settings, step=source.step, quiet=sum(len(block) for block in baseline))
        return Summary(True, 300, 300, 0, 0, 0, ())

    monkeypatch.setattr(runner, "run", run)
    options = [*OPTIONS, "--step", "20s", "--system", "till"]
    assert hw("replay", recording("a.csv"), *options)[0] == 0
    assert (seen["step"], seen["quiet"]) == (20.0, 200)
    assert (seen["settings"].system.name, seen["settings"].system.kpi) == ("till", ("front|latency_s up",))


def test_the_exit_code_tells_whether_there_is_an_incident(hw: Run) -> None:
    command = ("replay", recording("a.csv"), *OPTIONS)
    assert hw(*command)[0] == 0
    assert hw(*command, "--exit-code")[0] == 4
    recording("a.csv", rows=ONSET)
    assert hw(*command, "--exit-code")[0] == 0


def test_a_store_keeps_one_recording(hw: Run) -> None:
    assert hw("replay", recording("part.csv"), *OPTIONS, "--store", "a.db")[0] == 0
    before = kept()
    others = recording("d2/part.csv", seed=4), recording("d3/part.csv", rows=300), recording("other.csv")
    for other in others:
        code, out, err = hw("replay", other, *OPTIONS, "--store", "a.db")
        assert (code, out) == (2, "")
        assert f"error: {Path(other).name} does not belong in this store" in err
        assert "  why: it holds other measurements already: part.csv@" in err
        assert "  fix: replay it into a store of its own: --store" in err
    assert kept() == before


def test_a_store_of_a_topic_takes_no_recording(hw: Run) -> None:
    with Store("sqlite:///a.db") as store:
        store.commit(Batch(offsets={("metrics", 2): 41}))
    code, _, err = hw("replay", recording("a.csv"), "--store", "a.db")
    assert code == 2
    assert "it holds other measurements already: metrics" in err


def test_a_store_of_a_recording_takes_no_topic(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hw("replay", recording("a.csv"), *OPTIONS, "--store", "a.db")[0] == 0
    monkeypatch.setattr(inputs, "kafka_source", lambda settings: inputs.replay_source(settings, Path("a.csv")))
    monkeypatch.setattr(inputs, "kafka_sink", lambda settings: inputs.replay_source(settings, Path("a.csv")))
    code, _, err = hw("run", "--topic", "cpu", "--store", "a.db")
    assert code == 3
    assert "cannot be used to watch cpu" in err
    assert "  why: it holds a recording: a.csv@" in err


def test_a_file_that_grew_is_played_on(hw: Run) -> None:
    recording("a.csv")
    whole = Path("a.csv").read_text()
    Path("a.csv").write_text("\n".join([*whole.splitlines()[:301], ""]))
    code, out, _ = hw("replay", "a.csv", *OPTIONS, "--json", "--store", "a.db")
    assert (code, json.loads(out)["summary"]["records"]) == (0, 100)
    Path("a.csv").write_text(whole)
    code, out, _ = hw("replay", "a.csv", *OPTIONS, "--json", "--store", "a.db")
    assert (code, json.loads(out)["summary"]["records"]) == (0, 200)
    assert len(kept()["offset"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_replay_says_what_it_found_and_goes_on(
    hw: Run, interrupt: Callable[..., None], number: signal.Signals
) -> None:
    recording("a.csv")
    command = ("replay", "a.csv", *OPTIONS, "--store", "a.db", "--exit-code")
    interrupt(459, number)
    code, out, err = hw(*command)
    assert (code, out.count("\n")) == (4, 1)
    assert f"stopped after 260 of {PLAYED} rows; the same command goes on" in err
    code, out, err = hw(*command)
    assert (code, out.count("\n")) == (4, 1), "the incident was found before"
    assert "stopped after" not in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_an_interrupted_replay_that_found_nothing(
    hw: Run, interrupt: Callable[..., None], number: signal.Signals, code: int
) -> None:
    recording("a.csv")
    interrupt(219, number)
    found, out, err = hw("replay", "a.csv", *OPTIONS, "--exit-code")
    assert (found, out) == (code, "")
    assert f"stopped after 20 of {PLAYED} rows\n" in err


def test_progress_counts_rows_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, Any]] = []

    class Progress:
        def __enter__(self) -> "Progress":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def add_task(self, _: str, **values: Any) -> int:
            shown.append(values)
            return 0

        def update(self, _: int, **values: Any) -> None:
            shown.append(values)

    monkeypatch.setattr(cli_run.terminal, "progress", Progress)
    settings = Settings(source={"kind": "file"})
    cli_run.play(settings, Path(recording("a.csv")), OPTIONS[1], cli_run.IN_MEMORY, True)
    assert shown[0] == {"total": PLAYED}
    assert shown[-1] == {"completed": PLAYED}
