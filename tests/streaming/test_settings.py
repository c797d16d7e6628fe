"""Settings: precedence, where a value came from, and errors that a person can act on."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.streaming import durations
from headwater.streaming.cli.config import toml
from headwater.streaming.errors import SettingsError
from headwater.streaming.settings import Settings, find, load, sections, sources


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings file is near, and none of ours is in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HEADWATER_CONFIG", raising=False)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refused(file: Path | None = None, **overrides: dict[str, object]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        load(file, overrides)
    return caught.value


def test_defaults_are_those_of_the_contract() -> None:
    defaults = Settings()
    assert (defaults.detector.base, defaults.incidents.max_incident, defaults.retention.max_size) == (
        600,
        7200,
        2 * 10**9,
    )
    assert (defaults.system.step, defaults.align.lateness) == (None, None)
    assert defaults.store.url == "sqlite:///headwater.db"


def test_flag_over_environment_over_file_over_default(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(nowhere / "a.toml", '[source]\ntopic = "file"\nformat = "long"\nbootstrap_servers = "file:9092"\n')
    monkeypatch.setenv("HEADWATER_SOURCE__TOPIC", "environment")
    monkeypatch.setenv("HEADWATER_SOURCE__BOOTSTRAP_SERVERS", "environment:9092")
    settings = load(file, {"source": {"topic": "flag", "bootstrap_servers": None}})
    source = settings.source
    assert (source.topic, source.bootstrap_servers, source.format, source.start) == (
        "flag",
        "environment:9092",
        "long",
        "earliest",
    )
    came = sources(settings)
    assert came["source.topic"] == "flag"
    assert came["source.bootstrap_servers"] == "HEADWATER_SOURCE__BOOTSTRAP_SERVERS"
    assert came["source.format"] == str(file)
    assert came["source.start"] == "default"
    assert len(came) == sum(len(section.model_fields) for section in sections().values())


def test_files_are_searched_in_order(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find() is None
    home = write(nowhere / "home/.config/headwater/config.toml", "")
    assert find() == home
    write(nowhere / "headwater.toml", "")
    assert find() == Path("headwater.toml")
    named = write(nowhere / "named.toml", "")
    monkeypatch.setenv("HEADWATER_CONFIG", str(named))
    assert find() == named
    assert find(home) == home
    monkeypatch.setenv("HEADWATER_CONFIG", "gone.toml")
    error = refused()
    assert "gone.toml" in error.what
    assert "HEADWATER_CONFIG" in error.why


@pytest.mark.parametrize(
    ("text", "what", "mend"),
    [
        (
            '[detector]\nbase = "10 parsecs"',
            "[detector] base: '10 parsecs' is no duration: write 90s, 5m, 2h or a number of seconds",
            "docs/configuration.md",
        ),
        ("[detector]\nbaes = 1", "[detector] baes: there is no such key", "did you mean 'base'?"),
        ("[detecter]\nbase = 1", "[detecter]: there is no such section", "did you mean 'detector'?"),
        ("[causal]\nlags = 0", "[causal] lags: 0: it should be greater than or equal to 1", "docs/configuration.md"),
        ("[align]\nstaleness = nan", "[align] staleness: nan: it should be a finite number", "docs/configuration.md"),
        (
            '[causal]\nfusion = "add"',
            "[causal] fusion: 'add': it should be 'additive' or 'commutator'",
            "docs/configuration.md",
        ),
        ('[source]\nstart = "yesterday"', "[source] start: 'yesterday' is no time", "docs/configuration.md"),
        (
            '[columns]\npattern = "{name}"',
            "[columns] pattern: '{name}' must hold {entity} and {metric} once each",
            "docs/configuration.md",
        ),
        ('[columns.mapping]\ncpu = "usage"', "[columns] mapping: 'usage' for column 'cpu'", "docs/configuration.md"),
        (
            '[topology]\nedges = ["a>b", "c"]',
            "[topology] edges: 'c' is no edge: write 'caller>callee'",
            "docs/configuration.md",
        ),
        ('[store]\nurl = "postgresql://x/y"', "[store] url: 'postgresql://x/y' is no store", "sqlite:///PATH"),
        (
            '[retention]\nmax_size = "big"',
            "[retention] max_size: 'big' is no size: write 500MB",
            "docs/configuration.md",
        ),
        (
            '[source]\nsecurity_protocol = "SASL_SSL"',
            "[source]: SASL_SSL needs sasl_mechanism and username",
            "docs/configuration.md",
        ),
        ('store = "a.db"', "[store] is a section and cannot be 'a.db'", ""),
        ("[detector", "cannot read the settings file", "docs/configuration.md"),
    ],
)
def test_an_error_names_the_key_the_value_and_the_mend(nowhere: Path, text: str, what: str, mend: str) -> None:
    file = write(nowhere / "bad.toml", text)
    error = refused(file)
    assert error.what.startswith(what)
    assert mend in str(error)
    assert "bad.toml" in str(error)
    assert error.exit_code == 2


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_SYSTEM__KPI", "gateway|ttft_* up, gateway|errors")
    monkeypatch.setenv("HEADWATER_TOPOLOGY__EDGES", '["a>b", "b>c"]')
    monkeypatch.setenv("HEADWATER_COLUMNS__MAPPING", '{"cpu": "host|cpu"}')
    settings = load()
    assert settings.system.kpi == ("gateway|ttft_* up", "gateway|errors")
    assert settings.topology.edges == ("a>b", "b>c")
    assert settings.columns.mapping == {"cpu": "host|cpu"}
    assert Settings().system.kpi == (), "only load() looks at the environment"


def test_the_store_has_a_short_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_STORE", "short.db")
    settings = load()
    assert settings.store.url == "sqlite:///short.db"
    assert sources(settings)["store.url"] == "HEADWATER_STORE"


def test_environment_errors_name_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_CAUSAL__LAGS", "many")
    assert refused().why == "it comes from HEADWATER_CAUSAL__LAGS"
    monkeypatch.setenv("HEADWATER_DETECTER__BASE", "5m")
    error = refused()
    assert error.what == "HEADWATER_DETECTER__BASE: there is no section 'detecter'"
    assert error.mend == "did you mean 'detector'?"


def test_several_errors_are_counted() -> None:
    assert refused(causal={"lags": 0, "restart": 2}).why == "it comes from flag; 1 more after it"


def test_the_mend_tells_what_the_key_is() -> None:
    assert refused(causal={"lags": 0}).mend == (
        "lags is: rows a cause may precede its effect by, at most; more in docs/configuration.md, [causal]"
    )


def test_a_flag_is_called_by_its_name() -> None:
    assert refused(system={"step": "x"}).why == "it comes from --step"
    assert refused(store={"url": "mysql://"}).why == "it comes from --store"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("cart|cpu upp", "up"), ("cart|cpu UP", "up"), ("cart|rate dwon", "down"), ("*|p9? boht", "both")],
)
def test_a_direction_that_is_nearly_one_is_refused(text: str, meant: str) -> None:
    error = refused(system={"kpi": ["gw|p95 up", text]})
    assert error.what.startswith(f"[system] kpi: {text!r} ends with")
    assert f"did you mean {meant!r}?" in error.what
    assert load(None, {"system": {"kpi": [f"{text} {meant}"]}}).system.kpi == (f"{text} {meant}",)


@pytest.mark.parametrize(
    "text", ["cart|upp", "cart|free space", "cart|time window", "node group|cpu", "db|cpu user", "up"]
)
def test_names_with_spaces_are_no_directions(text: str) -> None:
    assert load(None, {"system": {"kpi": [text]}}).system.kpi == (text,)


def test_a_path_is_a_store() -> None:
    assert load(None, {"store": {"url": "runs/a.db"}}).store.url == "sqlite:///runs/a.db"


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.causal.lags = 4  # type: ignore[misc]


def test_passwords_are_never_shown(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(nowhere / "secret", "tr0ub4dor\n")
    file.chmod(stat.S_IRUSR)
    settings = load(None, {"source": {"password_file": file}})
    assert settings.source.secret() == "tr0ub4dor"
    monkeypatch.setenv("HEADWATER_SOURCE__PASSWORD", "hunter2")
    settings = load()
    assert settings.source.secret() == "hunter2"
    assert "hunter2" not in repr(settings)
    both = refused(source={"password_file": file})
    assert "keep one" in both.what
    wrong = refused(source={"password": ["hunter2"]})
    assert "hunter2" not in str(both) + str(wrong)
    monkeypatch.delenv("HEADWATER_SOURCE__PASSWORD")
    with pytest.raises(SettingsError, match="password_file: cannot read gone"):
        load(None, {"source": {"password_file": "gone"}}).source.secret()


def test_every_key_is_documented(request: pytest.FixtureRequest) -> None:
    text = (request.config.rootpath / "docs/configuration.md").read_text()
    for name, section in sections().items():
        assert f"## [{name}]" in text
        for key, field in section.model_fields.items():
            default = f"`{toml(field.default)}`" if field.default is not None else "-"
            row = f"| `{key}` | {default.replace('|', chr(92) + '|')} |"
            assert row in text, f"[{name}] {key} is not in docs/configuration.md with its default"
            assert field.description
            assert field.description.replace("|", "\\|") in text


@given(st.integers(0, 10**7).map(lambda tenths: tenths / 10))
def test_a_spelled_duration_reads_back(length: float) -> None:
    assert durations.seconds(durations.spell(length)) == pytest.approx(length, abs=1e-6)


@pytest.mark.parametrize("text", ["-5s", "", "s", "5 parsecs", "nan", "1e3", None, True, float("inf"), [5]])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no duration: write"):
        durations.seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-08-22T08:10:00Z", 1661155800.0),
        ("2022-08-22T10:10:00+02:00", 1661155800.0),
        ("2022-08-22 08:10", 1661155800.0),
        ("08:10", 1661155800.0),
        ("08:10:00.5", 1661155800.5),
        ("1661155800", 1661155800.0),
    ],
)
def test_moments(text: str, expected: float) -> None:
    assert durations.moment(text, day=1661140279.0) == expected


@pytest.mark.parametrize("text", ["nan", "inf", "25:00", "8 o'clock", "", "2022-13-01", "5m"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write"):
        durations.moment(text)


def test_sizes() -> None:
    assert [durations.size(text) for text in ("2GB", "1.5 mb", 7)] == [2 * 10**9, 1_500_000, 7]
    with pytest.raises(ValueError, match="is no size: write"):
        durations.size("2 GiB")
