"""The settings file that `config init` writes, what `config validate` refuses, and help for a reader that leaves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headwater.streaming.cli import app as cli
from headwater.streaming.settings import Settings, load, sections

KEY = re.compile(r"# (\w+ = .*?) +# (.*)")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("HEADWATER_")]:
        monkeypatch.delenv(name)


def template() -> list[str]:
    assert cli.invoke(["config", "init"]) == 0
    return Path("headwater.toml").read_text().splitlines()


def test_the_template_changes_nothing_and_holds_every_default() -> None:
    lines = template()
    assert load().model_dump() == Settings().model_dump()
    defaults = [line for line in lines if not (KEY.match(line) and "# (an example) " in line)]
    Path("defaults.toml").write_text("\n".join(line.removeprefix("# ") for line in defaults))
    loaded = load(Path("defaults.toml"))
    assert loaded.model_dump() == Settings().model_dump()
    values = [field.default for section in sections().values() for field in section.model_fields.values()]
    assert len(lines) - len(defaults) == sum(value is None for value in values)


def test_every_key_of_the_template_can_be_uncommented() -> None:
    lines = [line.removeprefix("# ") for line in template()]
    Path("all.toml").write_text("\n".join(lines))
    tree = load(Path("all.toml")).model_dump(exclude_unset=True)
    assert {name: set(keys) for name, keys in tree.items()} == {
        name: set(section.model_fields) for name, section in sections().items()
    }


def test_the_meanings_of_a_section_stand_in_one_column() -> None:
    columns: list[set[int]] = []
    for line in template():
        if line.startswith("["):
            columns.append(set())
        elif found := KEY.match(line):
            columns[-1].add(found.start(2))
    assert len(columns) == len(sections())
    assert all(len(places) == 1 for places in columns)


def test_validate_refuses_what_a_worker_would(capsys: pytest.CaptureFixture[str]) -> None:
    Path("headwater.toml").write_text('[detector]\nmode = "mssa"\nwindow = 500\n')
    assert cli.invoke(["config", "validate"]) == 2
    assert "a base must hold two windows" in capsys.readouterr().err
    Path("headwater.toml").write_text("")
    assert cli.invoke(["config", "validate"]) == 0
    told = capsys.readouterr()
    assert told.out == "ok: headwater.toml\n"
    assert "checked for rows of 1 s" in told.err


@pytest.mark.parametrize("words", [["--help"], ["replay", "--help"], ["incidents", "list", "--help"]])
def test_help_for_a_reader_that_has_had_enough_is_no_failure(words: list[str]) -> None:
    pipe, end = os.pipe()
    os.close(pipe)
    command = [sys.executable, "-m", "headwater", *words]
    done = subprocess.run(command, stdout=end, stderr=subprocess.PIPE, check=False)
    os.close(end)
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_and_usage_errors_have_no_box_off_a_terminal() -> None:
    for words in (["replay", "--help"], ["replay"]):
        command = [sys.executable, "-m", "headwater", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert not set("╭│╰\x1b") & set(done.stdout + done.stderr)
        assert "[bold]" not in done.stdout
