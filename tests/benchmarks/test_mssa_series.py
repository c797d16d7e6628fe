"""The published protocol of mSSA-CPD, on a checkout made here."""

from pathlib import Path

import numpy as np
import pytest

from headwater.benchmarks.detection import mssa_series
from headwater.benchmarks.detection.mssa_series import Series, best_f1, generated, published_f1, read
from headwater.benchmarks.peers.mssa_released import mssa_released
from headwater.streaming.errors import InputError


def checkout(root: Path, rows: int = 300) -> Path:
    """Two univariate series of three segments, laid out as the authors do."""
    folder = root / "data" / "mean"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"num_ts": 2, "mean_interval": 100.0, "num_cp": 4}')
    for k in range(2):
        t = np.arange(rows)
        x = np.sin(2 * np.pi * t / (9.0 + k)) + 4.0 * (t // 100) + 0.1 * np.random.default_rng(k).normal(size=rows)
        np.savetxt(folder / f"mean{k}_ts.csv", np.column_stack([t, x]), delimiter=",")
        (folder / f"mean{k}_labels.csv").write_text("0,99\n100,199\n200,299\n")
        (folder / f"mean{k}_tm.csv").write_text("0,1.0\n")
    return root


@pytest.mark.parametrize("inside", ["", "mSSA_cpd"])
def test_series_are_found_in_a_checkout_or_beside_one(tmp_path: Path, inside: str) -> None:
    checkout(tmp_path / inside)
    for place in (tmp_path, tmp_path / inside / "data"):
        first, second = read("mssa_mean", place)
        assert (first.name, second.name, first.distance) == ("mean0", "mean1", 100.0)
        assert first.changes == [0, 100, 200]
        assert first.rows.shape == (300, 1)
        assert abs(first.rows.mean()) < 1e-12
        assert first.rows.std() == pytest.approx(1.0)


def test_what_is_missing_is_told_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mixed") as caught:
        read("mssa_mixed", checkout(tmp_path))
    assert "git clone" in str(caught.value)
    with pytest.raises(InputError, match="--data"):
        read("mssa_mean", None)


def test_a_change_is_found_once_and_within_ten_rows() -> None:
    series = Series("", np.zeros((300, 1)), [0, 100, 200], 100.0)
    assert published_f1([109, 110], series) == pytest.approx(2 * 2 / 6)  # stamped 110 and 111: one change, one hit
    assert published_f1([110], series) == pytest.approx(2 * 1 / 5)  # stamped 111: 11 rows late
    assert published_f1([299], series) == published_f1([], series) == 0.5  # an alarm at the end is never stamped


def test_the_best_setting_of_the_grid_counts(tmp_path: Path) -> None:
    series = read("mssa_mean", checkout(tmp_path))[0]
    tried = []

    def alarms(X: np.ndarray, **setting: float) -> list[int]:
        tried.append(setting)
        return [101, 201] if setting["theta"] == 5.0 and setting["window"] == 5 else []

    assert best_f1(alarms, series) == 1.0
    assert {(s["base"], s["window"]) for s in tried} == {(60, 7), (60, 5), (60, 2)}
    assert len(tried) == 12 + 9 + 6  # a rank is below the window


def test_rows_hold_ours_in_both_forms_and_the_twin(tmp_path: Path) -> None:
    rows = list(mssa_series.rows("mssa_mean", checkout(tmp_path), True, lambda _: None))
    f1 = {row["method"]: row["value"] for row in rows if row["metric"] == "f1"}
    assert f1["headwater/mssa"] == f1["mssa-released"] > f1["no_change"] == 0.5
    assert set(f1) == {"headwater/mssa", "mssa-released", "no_change"}  # of one metric both forms are the same


def test_generated_series_alarm_in_the_twin() -> None:
    runs = [mssa_released(generated(k), base=240, window=12, rank=0.5, theta=1.0, folds=50) for k in (0, 2)]
    assert min(len(run.alarms) for run in runs) >= 2
    assert not np.array_equal(generated(0)[:9, 0], generated(2)[:9, 0])
