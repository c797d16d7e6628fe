"""The command line: how commands end, what they print, and that --help loads nothing heavy."""

import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headwater.streaming import inputs, runner
from headwater.streaming.cli import bench as cli_bench
from headwater.streaming.cli import config as cli_config
from headwater.streaming.cli import dashboard as cli_dashboard
from headwater.streaming.cli import run as cli_run
from headwater.streaming.errors import BrokenInvariant, BrokerError, HeadwaterError, InputError, StoreFull
from headwater.streaming.runner import Summary
from headwater.streaming.settings import Settings

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("nowhere")
HEAVY = (
    "numba",
    "river",
    "polars",
    "streamlit",
    "sqlalchemy",
    "kafka",
    "pandas",
    "pydantic_settings",
    "numpy",
    "msgspec",
)
COMMANDS = ["demo", "doctor", "run", "replay", "dashboard", "bench"]
INCIDENTS = ["list", "show", "export", "ack", "resolve", "dismiss"]
CONFIG = ["init", "show", "validate"]
TIME = 1_700_000_000.0


def headwater(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "headwater", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


# ── help ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["incidents", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "headwater", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "typer" in loaded, "importtime shows what is imported"
    assert {name for name in loaded if name.partition(".")[0] in HEAVY} == set()


def test_help_is_fast() -> None:
    def cost() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        headwater("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(cost() for _ in range(3)) < 0.5  # of the processor, so that a busy machine does not matter


@pytest.mark.parametrize(
    "words",
    [[], *([c] for c in COMMANDS), *(["incidents", c] for c in INCIDENTS), *(["config", c] for c in CONFIG)],
)
def test_every_command_explains_itself(hw: Run, words: list[str]) -> None:
    code, out, err = hw(*words, "--help")
    assert (code, err) == (0, "")
    assert "Usage: headwater" in out
    if len(words) < 2:
        assert re.sub(r"\s+", " ", out).count("3 broker or store not reachable") == 1


def test_version(hw: Run) -> None:
    code, out, _ = hw("--version")
    assert (code, out) == (0, "headwater 0.1.0\n")


# ── errors and exit codes ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [(["rnu"], "Did you mean 'run'"), (["run", "--sture", "x"], "--store"), (["incidents", "shwo"], "'show'")],
)
def test_usage_errors_suggest_the_nearest(hw: Run, arguments: list[str], hint: str) -> None:
    code, out, err = hw(*arguments)
    assert (code, out) == (2, "")
    assert hint in err


def raising(error: BaseException) -> Callable[..., Any]:
    def raise_it(*_: object, **__: object) -> Any:
        raise error

    return raise_it


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HeadwaterError("what", "why", "mend"), 1),
        (InputError("what", "why", "mend"), 2),
        (BrokerError("what", "why", "mend"), 3),
        (StoreFull("what", "why", "mend"), 3),
        (BrokenInvariant("what", "why", "mend"), 70),
    ],
)
def test_errors_are_three_lines(hw: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int) -> None:
    monkeypatch.setattr(cli_bench, "benches", raising(error))
    assert hw("bench") == (code, "", "error: what\n  why: why\n  fix: mend\n")
    _, _, err = hw("bench", "--debug")
    assert "Traceback" in err


def test_unexpected_errors_are_defects_without_a_traceback(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_bench, "benches", raising(ZeroDivisionError("division by zero")))
    code, _, err = hw("bench")
    assert code == 70
    assert err.startswith("error: ZeroDivisionError: division by zero\n  why: this is a defect")
    assert "Traceback" not in err
    assert "Traceback" in hw("--debug", "bench")[2]


def test_ctrl_c_is_130(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_bench, "benches", raising(KeyboardInterrupt()))
    assert hw("bench")[0] == 130


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    pipe, end = os.pipe()
    os.close(pipe)
    done = subprocess.run(
        [sys.executable, "-m", "headwater", "config", "show"], stdout=end, stderr=subprocess.PIPE, check=False
    )
    os.close(end)
    assert (done.returncode, done.stderr) == (0, b"")


# ── config ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_config_init_replaces_nothing(hw: Run) -> None:
    Path("headwater.toml").write_text("[source]\ntopic = 'mine'\n")
    code, _, err = hw("config", "init")
    assert code == 2
    assert "exists already" in err
    assert "mine" in Path("headwater.toml").read_text()
    assert hw("config", "init", "--force")[0] == 0
    assert "mine" not in Path("headwater.toml").read_text()


def test_config_show_says_where_values_come_from(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("headwater.toml").write_text('[source]\ntopic = "cpu"\n')
    monkeypatch.setenv("HEADWATER_SOURCE__PASSWORD", "hunter2")
    code, out, _ = hw("config", "show")
    assert code == 0
    assert re.search(r'^source\.topic +"cpu" +headwater\.toml$', out, re.MULTILINE)
    assert re.search(r"^detector\.base +600\.0 +default$", out, re.MULTILINE)
    shown = json.loads(hw("config", "show", "--json")[1])
    assert shown["source.password"] == {"value": "**********", "from": "HEADWATER_SOURCE__PASSWORD"}
    assert "hunter2" not in out + json.dumps(shown)


def test_config_validate(hw: Run) -> None:
    assert hw("config", "validate")[0] == 0
    Path("headwater.toml").write_text('[detector]\nbase = "10 parsecs"\n')
    code, _, err = hw("config", "validate")
    assert code == 2
    assert "[detector] base: '10 parsecs' is no duration: write 90s, 5m, 2h or a number of seconds" in err
    assert "headwater.toml" in err
    assert hw("config", "validate", "--config", "gone.toml")[0] == 2


def test_toml_has_no_none() -> None:
    assert cli_config.toml(None) == ""
    assert cli_config.toml({"a b": ("x",)}) == '{"a b" = ["x"]}'


# ── run ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Loop:
    """Stands in for `runner.run`: sends itself a signal and waits to be stopped."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.settings: Settings | None = None

    def __call__(self, *_: object, settings: Settings, stop: Callable[[], bool], **__: object) -> Summary:
        self.settings = settings
        assert not stop()
        os.kill(os.getpid(), self.number)
        end = time.monotonic() + 10
        while not stop() and time.monotonic() < end:
            time.sleep(0.01)
        assert stop()
        return Summary(False, 0, 0, 0, 0, 0, ())


@pytest.fixture
def no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("kafka_source", "kafka_sink"):
        monkeypatch.setattr(inputs, room, lambda _: SimpleNamespace(close=lambda: None))


@pytest.mark.usefixtures("no_kafka")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_run_stops_when_told_to(hw: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> None:
    before = signal.getsignal(number)
    loop = Loop(number)
    monkeypatch.setattr(runner, "run", loop)
    found, out, err = hw("run", "--topic", "cpu", "--kpi", "gw|* up", "--kpi", "db|wait", "--store", "run.db")
    assert (found, out) == (code, "")
    assert "stopping" in err
    assert signal.getsignal(number) is before
    assert loop.settings is not None
    assert (loop.settings.source.topic, loop.settings.system.kpi) == ("cpu", ("gw|* up", "db|wait"))


def test_a_second_ctrl_c_does_not_wait() -> None:
    stop = cli_run.Stop()
    assert not stop()
    stop.handle(signal.SIGTERM, None)
    stop.handle(signal.SIGINT, None)
    assert stop()
    with pytest.raises(KeyboardInterrupt):
        stop.handle(signal.SIGINT, None)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_before_a_worker_asks_a_signal_ends_the_command_at_once(number: signal.Signals, code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        cli_run.Stop().handle(number, None)
    assert ended.value.code == code


def test_run_needs_a_recording_for_a_baseline(hw: Run) -> None:
    code, _, err = hw("run", "--baseline", "08:00..09:00")
    assert code == 2
    assert "--baseline-file" in err
    code, _, err = hw("run", "--baseline", "0800")
    assert code == 2
    assert "--baseline: '0800' is no span of time" in err


def test_run_without_a_broker_says_so_in_time() -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.monotonic()
    done = headwater(
        "run", "--bootstrap", f"127.0.0.1:{port}", env={**os.environ, "HEADWATER_SOURCE__BOOTSTRAP_TIMEOUT": "2s"}
    )
    assert time.monotonic() - began < 15
    assert done.returncode == 3
    assert re.search(rf"^error: .*127\.0\.0\.1:{port}", done.stderr, re.MULTILINE)
    assert "  fix: start the broker" in done.stderr
    assert not Path("headwater.db").exists(), "no empty store is left behind"
    assert "Traceback" not in done.stderr


# ── replay ──────────────────────────────────────────────────────────────────────────────────────────────────


def recording(rows: int = 60) -> Path:
    lines = ["time,gw|p95,db|wait", *(f"{TIME + i:.0f},{i % 7},{i % 5}" for i in range(rows))]
    Path("a.csv").write_text("\n".join(lines))
    return Path("a.csv")


def test_replay_plays_a_file_and_goes_on_in_a_store(hw: Run) -> None:
    file = recording()
    code, out, err = hw("replay", str(file), "--json", "--store", "a.db")
    assert code == 0
    found = json.loads(out)
    assert found["incidents"] == []
    assert (found["summary"]["rows"], found["summary"]["ended"]) == (60, True)
    assert "nothing was kept" not in err
    code, _, err = hw("replay", str(file), "--store", "a.db")
    assert code == 0
    assert "the store holds all of this recording already" in err


def test_replay_keeps_nothing_unless_told_to(hw: Run, tmp_path: Path) -> None:
    file = recording()
    code, _, err = hw("replay", str(file))
    assert code == 0
    assert "nothing was kept" in err
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv"}


def test_replay_reads_stdin() -> None:
    done = headwater("replay", "-", "--json", input=recording().read_text())
    assert done.returncode == 0
    assert json.loads(done.stdout)["summary"]["rows"] == 60


@pytest.mark.parametrize("arguments", [["gone.csv"], ["a.csv", "--time", "tmie"], ["a.csv", "--step", "5 parsecs"]])
def test_replay_refuses_what_it_cannot_read(hw: Run, arguments: list[str]) -> None:
    recording()
    code, out, err = hw("replay", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


# ── dashboard and bench ─────────────────────────────────────────────────────────────────────────────────────


def test_the_dashboard_stays_on_this_machine(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Server:
        returncode = 0

        def __init__(self, command: Sequence[str], **_: object) -> None:
            started.append(list(command))

        def poll(self) -> int | None:
            return 0

        def wait(self, _: float | None = None) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Server)
    monkeypatch.setattr(cli_dashboard, "wait_until_up", lambda *_: None)
    code, _, err = hw("dashboard", "--address", "0.0.0.0")
    assert code == 2
    assert "--insecure" in err
    assert started == []
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = hw("dashboard", "--port", str(port))
    assert code == 2
    assert "--port" in err
    assert hw("dashboard", "a.db", "--port", str(port))[:2] == (0, f"http://127.0.0.1:{port}\n")
    (command,) = started
    assert {"--server.address=127.0.0.1", "--browser.gatherUsageStats=false", "--server.fileWatcherType=none"} < set(
        command
    )
    assert command[-2:] == ["--", "sqlite:///a.db"]
    assert Path(command[command.index("run") + 1]).name == "app.py"


def test_a_dashboard_that_dies_is_told(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: real([sys.executable, "-c", "raise SystemExit(3)"]))
    code, _, err = hw("dashboard", "a.db", "--port", "18599")
    assert code == 1
    assert "the dashboard did not start" in err


ROW = {"bench": "toy", "set": "a", "method": "headwater", "metric": "rows", "value": 1.25, "unit": "rows/s"}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(quick: bool, data: Path | None, progress: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        progress(f"working on {data}")
        yield {**ROW, "set": "quick" if quick else "full"}
        yield {**ROW, "value": None}

    monkeypatch.setattr(cli_bench, "benches", lambda: {"toy": "a toy"})
    monkeypatch.setattr(cli_bench, "load", lambda _: SimpleNamespace(DESCRIPTION="a toy", rows=rows))


@pytest.mark.usefixtures("toy")
def test_bench(hw: Run, tmp_path: Path) -> None:
    assert "toy   a toy" in hw("bench")[1]
    code, out, err = hw("bench", "toy", "--quick", "--json", "--data", str(tmp_path))
    assert (code, json.loads(out)) == (0, [{**ROW, "set": "quick"}, {**ROW, "value": None}])
    assert err == f"working on {tmp_path}\n"
    assert hw("bench", "toy")[1].splitlines()[1].split() == ["toy", "full", "headwater", "rows", "1.25", "rows/s"]
    assert hw("bench", "toy", "--data", "gone")[0] == 2


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("option", [("--set", "a"), ("--peers", "blind")])
def test_a_bench_without_sets_refuses_the_choice(hw: Run, option: tuple[str, str]) -> None:
    code, out, err = hw("bench", "toy", *option)
    assert (code, out) == (2, "")
    assert f"{option[0]}: the benchmark toy runs as a whole" in err


def test_a_bench_with_sets_is_given_the_choice(hw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Any, Any]] = []

    def rows(
        quick: bool, data: Path | None, progress: Callable[[str], None], sets: Any, peers: Any
    ) -> Iterator[dict[str, Any]]:
        given.append((sets, peers))
        yield ROW

    toy = SimpleNamespace(DESCRIPTION="a toy", rows=rows, SETS=("small", "large"), PEERS=("blind", "random"))
    monkeypatch.setattr(cli_bench, "load", lambda _: toy)
    for chosen in ([], ["--set", "small", "--set", "large", "--peers", "random,blind"], ["--peers", "none"]):
        assert hw("bench", "toy", *chosen)[0] == 0
    assert given == [((), None), (("small", "large"), ("random", "blind")), ((), ())]
    assert "there is no 'smal'" in hw("bench", "toy", "--set", "smal")[2]
    code, _, err = hw("bench", "toy", "--peers", "blind,nobody")
    assert code == 2
    assert "--peers: there is no 'nobody'" in err
    assert "there are: blind, random" in err


def test_benches_are_found_without_importing_them(hw: Run) -> None:
    assert "demo" in cli_bench.benches()
    code, _, err = hw("bench", "dmeo")
    assert code == 2
    assert "did you mean 'demo'?" in err
