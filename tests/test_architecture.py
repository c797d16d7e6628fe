"""The house: imports point down, rooms of one floor are strangers, and each third-party library has one door."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOOR = {"online": 0, "detectors": 1, "causal": 1, "streaming": 2, "dashboards": 3}
PURE = (
    "alarms",
    "align",
    "candidate",
    "case",
    "casework",
    "checkpoint",
    "clocks",
    "columns",
    "commands",
    "graphs",
    "incidents",
    "monitor",
    "outbox",
    "past",
    "pipeline",
    "pipeline_config",
    "records",
    "standing",
    "suspects",
    "table",
    "ticks",
    "totals",
    "verdicts",
    "wording",
)
IMPURE = {"kafka", "sqlalchemy", "httpx", "time", "os"}
ONLINE = {"numpy", "numba"}
DOORS = {  # library → the files that may import it
    "kafka": r"streaming/kafka/.*\.py",
    "streamlit": r"dashboards/(app\.py|app_pages/.*|widgets.*\.py)",
    "sqlalchemy": r"streaming/store/.*\.py",
    "river": r"(detectors|causal)/.*\.py",
    "statsmodels": r"causal/.*\.py",
    "networkx": r"(causal|dashboards)/.*\.py",
    "numba": r"online/kernels\.py",
}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Absolute names of all that a file imports, relative imports resolved."""
    package = ["headwater", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*above, *([node.module] if node.module else [])])


def room_of(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "headwater" and len(parts) > 1 and parts[1] in FLOOR else None


def broken_rules(room: str, path: Path) -> list[str]:
    broken = []
    for name in imports(path):
        other = room_of(name)
        if other and other != room and FLOOR[other] >= FLOOR[room]:
            broken.append(f"{path.relative_to(ROOT)} imports {name}, which is not below it")
        if room_of(name) is None and name.split(".")[0] in {"tests", "benchmarks", "examples"}:
            broken.append(f"{path.relative_to(ROOT)} imports {name}")
    return broken


@pytest.mark.parametrize("room", FLOOR)
def test_imports_point_down(room: str) -> None:
    assert files(room), f"no files in {room}"
    assert [rule for path in files(room) for rule in broken_rules(room, path)] == []


def test_an_import_that_points_up_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "causal").mkdir()
    bad = tmp_path / "causal" / "bad.py"
    bad.write_text("from headwater.detectors import trigger\nfrom headwater.streaming.records import Frame\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert len(broken_rules("causal", bad)) == 2


@pytest.mark.parametrize("module", PURE)
def test_the_heart_is_pure(module: str) -> None:
    found = {name.split(".")[0] for name in imports(ROOT / "streaming" / f"{module}.py")}
    assert not found & IMPURE


def test_online_needs_numpy_and_numba_alone() -> None:
    import sys

    allowed = ONLINE | set(sys.stdlib_module_names) | {"headwater"}
    assert {name.split(".")[0] for path in files("online") for name in imports(path)} <= allowed


@pytest.mark.parametrize("library", DOORS)
def test_each_library_enters_by_its_door(library: str) -> None:
    through = [
        str(path.relative_to(ROOT))
        for room in FLOOR
        for path in files(room)
        if library in {name.split(".")[0] for name in imports(path)}
    ]
    assert through, f"nothing uses {library}"
    assert [path for path in through if not re.fullmatch(DOORS[library], path)] == []


def test_the_simulator_knows_no_learner() -> None:
    found = {room_of(name) for path in (ROOT / "streaming" / "simulator").rglob("*.py") for name in imports(path)}
    assert found <= {None, "streaming", "online"}


@pytest.mark.parametrize("room", FLOOR)
def test_no_file_outgrows_a_screenful_of_ideas(room: str) -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files(room)}
    assert {path: n for path, n in lengths.items() if n > 300} == {}


def test_no_pickle_and_no_eval() -> None:
    forbidden = re.compile(r"\b(c?pickle|cloudpickle|joblib|dill)\b|\beval\(|\bexec\(|allow_pickle=True")
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for room in FLOOR
        for path in files(room)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line) and "without pickle" not in line and "no pickle" not in line.lower()
    ]
    assert [line for line in lines if not line.startswith("online/state.py")] == []
