"""``headwater bench trigger`` in its quick form, without recordings: every method, the contract of rows, the choice."""

from pathlib import Path
from typing import Any

import pytest

from headwater.benchmarks import trigger
from headwater.benchmarks.detection.ours import DEFAULT, SETTINGS
from headwater.streaming.errors import InputError

KEYS = ["bench", "set", "method", "metric", "value", "unit"]


def quiet(_: str) -> None:
    """Take what a bench tells."""


@pytest.fixture(scope="module")
def found() -> dict[tuple[str, str, str], Any]:
    rows = list(trigger.rows(quick=True, data=None, progress=quiet))
    assert all(list(row) == KEYS and row["bench"] == "trigger" for row in rows)
    assert all(isinstance(row["value"], int | float) for row in rows)
    keyed = {(row["set"], row["method"], row["metric"]): row["value"] for row in rows}
    assert len(keyed) == len(rows), "a row is there twice"
    return keyed


def test_every_method_has_its_rows(found: dict[tuple[str, str, str], Any]) -> None:
    methods = {method for group, method, _ in found if group == "generated"}
    slow = {"kswin"}
    assert methods == {DEFAULT.name, *(setting.name for setting in SETTINGS), "headwater@5k"} | {
        f"{peer}@5k" if peer in slow else peer for peer in trigger.PEERS
    }
    for method in methods:
        metrics = {metric for group, name, metric in found if (group, name) == ("generated", method)}
        assert {"f1@0.2", "f1@1", "fa@0.2", "fa@1", "f1_best", "recall@1", "rows_per_s"} <= metrics


def test_ours_sees_what_chance_does_not(found: dict[tuple[str, str, str], Any]) -> None:
    assert found["generated", "headwater", "f1_best"] > found["generated", "random", "f1_best"]


def test_ratios_are_of_the_speeds_beside_them(found: dict[tuple[str, str, str], Any]) -> None:
    for d in (38, 200):
        ours, twin, loop = (
            found["speed", method, f"rows_per_s@d={d}"] for method in ("headwater/joint", "mssa-released", "same bytes")
        )
        assert found["speed", "headwater/joint", f"times_mssa_released@d={d}"] == pytest.approx(ours / twin, rel=0.01)
        assert found["speed", "headwater/joint", f"share_of_same_bytes@d={d}"] == pytest.approx(ours / loop, abs=0.01)


def test_a_choice_of_sets_and_peers(tmp_path: Path) -> None:
    rows = list(trigger.rows(quick=True, data=None, progress=quiet, sets=("generated",), peers=("blind",)))
    assert {row["set"] for row in rows} == {"generated"}
    assert "blind" in {row["method"] for row in rows}
    assert "t2q" not in {row["method"] for row in rows}
    with pytest.raises(InputError, match="skab: its recordings are not here"):
        list(trigger.rows(quick=True, data=None, progress=quiet, sets=("skab",)))
