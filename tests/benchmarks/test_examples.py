"""The examples run as they stand, and find what they say they find."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_every_example_is_run_here() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == ["replay_incident.py", "river_pipeline.py"]


def test_replay_incident_names_the_service_that_broke(capsys: pytest.CaptureFixture[str]) -> None:
    assert runpy.run_path(str(EXAMPLES / "replay_incident.py"))["main"]()[0] == "db"
    told = capsys.readouterr().out.splitlines()
    assert "INC-1 opened, onset at row 299" in told[0] or "INC-1 opened, onset at row 300" in told[0]
    assert any("converged: db" in line for line in told)
    assert sum("opened" in line for line in told) == 1


def test_river_pipeline_notices_the_change() -> None:
    example = runpy.run_path(str(EXAMPLES / "river_pipeline.py"))
    assert example["CHANGE"] <= example["main"]() <= example["CHANGE"] + 10
