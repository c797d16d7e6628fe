"""The costs of root causes are measured on real work, and drawn."""

import io
import json
import math
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from headwater.benchmarks import drawing
from headwater.benchmarks.drawing import chart, lines
from headwater.benchmarks.rootcause import speed, wide


def test_a_batch_and_a_first_ranking_take_time_and_so_does_baro() -> None:
    assert 0 < speed.batch(12) < 1
    ours, baro = speed.first_ranking(16, 150)
    assert 0 < ours < 1
    assert 0 < baro < 1


def test_what_is_timed_finds_the_fault() -> None:
    history, window = speed._data(20, 300, 10)
    z = np.abs(window.mean(axis=0) - history.mean(axis=0)) / history.std(axis=0)
    assert (z[:5] > 4).all()


def test_a_wide_pipeline_answers_and_its_memory_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "HISTORY", 100)
    need = wide.measure(24)
    assert 0 < need.first_answer < 5
    assert need.batch > 0
    if wide.STATUS.exists():
        assert 0 < need.resident <= need.peak
    monkeypatch.setattr(wide, "SHIFT", 0.0)
    with pytest.raises(RuntimeError, match="no incident"):
        wide.measure(24)


def test_rows_are_rows_of_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "QUICK_WIDTHS", (12, 16))
    said: list[str] = []
    found = list(speed.rows(True, said.append))
    assert len(said) == 2
    assert {row["set"] for row in found} == {"speed"}
    assert {row["method"] for row in found} == {"headwater", "baro"}
    assert all(math.isfinite(row["value"]) and row["value"] > 0 for row in found)
    drawn = lines(found, "d", ["batch_ms", "first_ranking_ms"])
    assert [len(points) for points in drawn.values()] == [2, 2, 2]


def test_a_chart_is_svg_with_a_line_for_each_method() -> None:
    what = {"a <b>": [(10.0, 1.0), (1000.0, 50.0)], "c": [(10.0, 2.0)]}
    root = ET.fromstring(chart("ms by metrics", "metrics", "ms", what))
    tag = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{tag}polyline")) == 2
    assert len(root.findall(f"{tag}circle")) == 3
    low, high = (
        tuple(map(float, point.split(","))) for point in root.findall(f"{tag}polyline")[0].get("points").split()
    )
    assert low[0] < high[0]
    assert low[1] > high[1], "larger values stand higher"


def test_rows_from_standard_input_are_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"method": "m", "metric": f"x_ms@d=100,T={T}", "value": T / 7} for T in (10, 100)]
    for axis, fine in (("T", True), ("d", False)):
        monkeypatch.setattr(sys, "argv", ["drawing", axis, "x_ms"])
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(rows)))
        if fine:
            drawing.main()
            assert capsys.readouterr().out.count("<circle") == 2
        else:
            with pytest.raises(SystemExit, match="no rows"):
                drawing.main()
