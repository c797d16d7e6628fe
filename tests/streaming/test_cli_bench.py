"""The list of benchmarks needs none of their packages; one that cannot start says what to install."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.streaming.cli import app as cli
from headwater.streaming.cli import bench as cli_bench
from headwater.streaming.errors import InputError


@pytest.fixture
def without_baro(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the extra is installed, and no benchmark was imported before."""
    monkeypatch.setitem(sys.modules, "baro", None)
    for name in [name for name in sys.modules if name.startswith("headwater.benchmarks")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("without_baro")
def test_the_list_imports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["bench", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert {"demo", "kill", "pipeline", "replay"} <= set(described)
    assert cli.invoke(["bench"]) == 0
    out = capsys.readouterr().out
    assert all(f"{name} " in out and said in out for name, said in described.items())
    assert not [name for name in sys.modules if name.startswith("headwater.benchmarks.")]


def test_what_is_listed_is_what_the_modules_say() -> None:
    assert {
        name: cli_bench.load(name).DESCRIPTION for name in ("demo", "replay")
    }.items() <= cli_bench.benches().items()


@pytest.mark.parametrize(
    ("cloned", "mend"), [(True, ".venv/bin/pip install -e '.[bench]'"), (False, "pip install 'headwater[bench]'")]
)
def test_a_missing_package_is_named_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloned: bool, mend: str
) -> None:
    rooms = tmp_path / "benchmarks"
    rooms.mkdir()
    (rooms / "toy.py").write_text('DESCRIPTION = "a toy"\n\ndef rows(quick, data, progress): ...\n')
    (rooms / "helper.py").write_text('DESCRIPTION = "has no rows"\n')
    if cloned:
        (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(cli_bench, "folder", lambda: rooms)
    assert cli_bench.benches() == {"toy": "a toy"}
    monkeypatch.setattr(cli_bench.importlib, "import_module", lacking("baro"))
    with pytest.raises(InputError, match="toy needs the package baro") as caught:
        cli_bench.load("toy")
    assert caught.value.mend == mend


def lacking(package: str) -> Callable[[str], None]:
    def load(_: str) -> None:
        raise ModuleNotFoundError(name=package)

    return load
