"""The packages that Headwater was given do real work: each is loaded by a command that needs it, and none for help."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

GIVEN = {"river", "kafka", "statsmodels", "networkx", "numba", "polars", "streamlit"}


def loaded(code: str) -> set[str]:
    """The given packages that a new process has loaded after `code`."""
    report = f"import sys\n{code}\nprint('@@@', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=120)
    return GIVEN & {name.partition(".")[0] for name in done.stdout.rpartition("@@@")[2].split()}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """An incident of ten metrics."""
    X = np.random.default_rng(5).normal(size=(500, 10))
    X[400:, 2:5] += 12.0
    path = tmp_path / "shop.parquet"
    columns = {f"service{j // 5}|metric{j}": X[:, j] for j in range(10)}
    pl.DataFrame({"t": np.arange(500) * 1.0 + 1_700_000_000.0, **columns}).write_parquet(path)
    return path


def command(*words: str) -> str:
    return f"""
from headwater.streaming.cli.app import app
sys.argv = ["headwater"]
try:
    app({list(words)!r}, standalone_mode=False)
except SystemExit as end:
    assert not end.code, end.code
"""


def test_a_replay_reads_learns_and_ranks_with_them(recording: Path) -> None:
    found = loaded(command("replay", str(recording), "--json"))
    assert found >= {"river", "statsmodels", "networkx", "numba", "polars"}


def test_a_topic_is_read_with_kafka() -> None:
    assert "kafka" in loaded("import headwater.streaming.kafka.source, headwater.streaming.kafka.sink")


def test_pages_are_drawn_with_streamlit_over_polars() -> None:
    assert {"streamlit", "polars"} <= loaded(
        "import headwater.dashboards.app_pages.frame, headwater.dashboards.queries"
    )


def test_asking_for_help_loads_none_of_them() -> None:
    assert loaded(command("--help")) == set()
