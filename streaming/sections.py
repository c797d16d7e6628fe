"""The sections of the settings file: every key with its default, its bounds and its meaning.

docs/configuration.md and `headwater config init` are written from these lines.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from .columns import misspelt
from .durations import moment, seconds, size
from .errors import SettingsError

__all__ = [
    "AlignSection",
    "BaselineSection",
    "CausalSection",
    "ColumnsSection",
    "DetectorSection",
    "Duration",
    "IncidentsSection",
    "RetentionSection",
    "Section",
    "SourceSection",
    "StoreSection",
    "SystemSection",
    "TopicsSection",
    "TopologySection",
]


def listed(value: object) -> object:
    """``a, b`` is a list too: the environment has no other way to write one."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(seconds)]
"""Seconds; written as ``90s``, ``5m``, ``2h`` or a number."""
Size = Annotated[int, BeforeValidator(size)]
Texts = Annotated[tuple[str, ...], BeforeValidator(listed)]


def key(default: Any, meaning: str, **bounds: Any) -> Any:
    """One key of a section."""
    return Field(default=default, description=meaning, **bounds)


class Section(BaseModel):
    """Frozen; an unknown key is an error; defaults are checked like any other value."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class SystemSection(Section):
    """The thing that is watched."""

    name: str = key("default", "key of the monitored system in records, the store and events", min_length=1)
    kpi: Texts = key(
        (), "patterns on entity|metric; the bad direction may follow: 'gateway|ttft_* up' (up, down, both)"
    )
    step: Duration | None = key(
        None, "length of one row; none: found from the data of a file, 1s for kafka", gt=0, examples=["60s"]
    )

    @field_validator("kpi")
    @classmethod
    def _kpi(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if meant := misspelt(text):
                word = text.split()[-1]
                raise ValueError(
                    f"{text!r} ends with {word!r}: did you mean {meant!r}? A metric that is so named needs a direction"
                    f" after it: '{text} {meant}'"
                )
        return value


class SourceSection(Section):
    """Where measurements come from."""

    kind: Literal["kafka", "file"] = key("kafka", "kafka for `run`; `replay` reads files whatever this says")
    bootstrap_servers: str = key("localhost:9092", "brokers, host:port, comma between them", min_length=1)
    topic: str = key("metrics", "topic with the measurements", min_length=1)
    format: Literal["auto", "long", "wide", "prometheus"] = key("auto", "how a record is written; docs/formats.md")
    start: str = key("earliest", "where to start when no offset is stored: earliest, latest or a time")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = key(
        "PLAINTEXT", "as the broker says"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = key(
        None, "with a SASL protocol", examples=["SCRAM-SHA-512"]
    )
    username: str | None = key(None, "name for SASL", examples=["headwater"])
    password: SecretStr | None = key(None, "better in HEADWATER_SOURCE__PASSWORD or in password_file", examples=[""])
    password_file: Path | None = key(None, "file that holds the password", examples=["/run/secrets/kafka"])
    ca_file: Path | None = key(None, "certificates to trust instead of the system's", examples=["/etc/ssl/kafka.pem"])
    max_poll_records: int = key(5000, "records fetched at once; results do not depend on it", ge=1)
    idle_after: Duration = key(
        "5s", "a partition that is read to its end and silent for so long is not waited for", gt=0
    )
    bootstrap_timeout: Duration = key("10s", "give up when no broker answers for so long", gt=0)

    @field_validator("start")
    @classmethod
    def _start(cls, value: str) -> str:
        if value not in {"earliest", "latest"}:
            moment(value)
        return value

    @model_validator(mode="after")
    def _login(self) -> "SourceSection":
        if self.password and self.password_file:
            raise ValueError("password and password_file are both given: keep one")
        if self.security_protocol.startswith("SASL") and not (self.sasl_mechanism and self.username):
            raise ValueError(f"{self.security_protocol} needs sasl_mechanism and username")
        return self

    def secret(self) -> str | None:
        """Return the password, read from `password_file` if that is given.

        Raises
        ------
        SettingsError
            If the file cannot be read.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else None
        try:
            return self.password_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else "it is no text"
            mend = "check the path and that the user of this process may read it"
            raise SettingsError(f"[source] password_file: cannot read {self.password_file}", why, mend) from None


class ColumnsSection(Section):
    """What the columns of a wide table mean."""

    pattern: str = key(
        "{entity}|{metric}", "how a column's name is read; one that does not fit is a metric of the system"
    )
    mapping: dict[str, str] = key({}, "column = 'entity|metric', for names that no pattern reads")
    counters: Texts = key((), "patterns on entity|metric of growing totals, which are read as rates per second")
    time: str | None = key(None, "the time column; none: found", examples=["timestamp"])
    entity_labels: Texts = key(
        ("pod", "service", "instance", "job"),
        "labels of a Prometheus series that name its entity; the first one present",
    )

    @field_validator("pattern")
    @classmethod
    def _pattern(cls, value: str) -> str:
        if value.count("{metric}") != 1 or value.count("{entity}") != 1:
            raise ValueError(f"{value!r} must hold {{entity}} and {{metric}} once each, like '{{entity}}.{{metric}}'")
        return value

    @field_validator("mapping")
    @classmethod
    def _mapping(cls, value: dict[str, str]) -> dict[str, str]:
        for column, name in value.items():
            if name.count("|") < 1 or name.endswith("|"):
                raise ValueError(f"{name!r} for column {column!r} must be written entity|metric")
        return value


class AlignSection(Section):
    """How samples become rows."""

    lateness: Duration | None = key(
        None, "how long a row waits for late samples; none: 0s for files, 5s for kafka", examples=["5s"]
    )
    staleness: float = key(2.5, "a sample counts for so many of its own intervals, then the value is missing", ge=1)
    max_columns: int = key(10_000, "metrics kept per system; what exceeds it is counted and named", ge=1, le=100_000)
    max_systems: int = key(64, "systems watched by one worker; what exceeds it is counted and named", ge=1, le=10_000)


class DetectorSection(Section):
    """When a change counts as one."""

    base: Duration = key("10m", "length of normal time to learn from", gt=0)
    base_rows: int = key(240, "at least so many rows of it", ge=30)
    mode: Literal["level", "mssa"] = key(
        "level", "level: how far rows lie off the metrics' own levels; mssa: the subspace statistic as it was published"
    )
    window: int | None = key(None, "mode mssa: rows in one window; none: the root of the base", ge=2, examples=[24])
    rank: int | None = key(
        None, "mode mssa: dimensions of the signal subspace; none: from the data", ge=1, examples=[3]
    )
    false_alarms_per_day: float = key(1.0, "alarms accepted in quiet time, of all detectors of a system together", gt=0)
    entities: dict[str, str] = key(
        {}, "pattern on entity|metric = 'name', for metrics that share a detector; else each entity has its own"
    )
    refractory: Duration = key(
        "30s", "in which alarms on the same metrics, or of the same time, are one; at least 3 rows", gt=0
    )


class CausalSection(Section):
    """How the cause is found."""

    lags: int = key(3, "rows a cause may precede its effect by, at most", ge=1, le=20)
    candidates: int = key(30, "metrics that enter the graph of one incident", ge=2)
    penalty: float = key(0.01, "sparsity of the graph", gt=0)
    half_life: float = key(20_000, "rows after which quiet time counts half", gt=0)
    fusion: Literal["additive", "commutator"] = key("additive", "how the invariant and the dependent graph are joined")
    ranking: Literal["evidence", "walk"] = key("evidence", "what orders the suspects")
    restart: float = key(0.15, "probability that the walk restarts at the KPI", gt=0, lt=1)


class IncidentsSection(Section):
    """When an incident opens, closes and gives up."""

    batch: Duration = key("5s", "length of one batch of the ranking; at least one row", gt=0)
    open_on: Literal["auto", "kpi", "any"] = key("auto", "what opens one; auto: kpi if there is one, else any change")
    close_after: Duration = key("5m", "quiet time after which it is resolved", gt=0)
    max_incident: Duration = key("2h", "a level that stays for so long is the new normal: closed as shifted", gt=0)
    max_open: int = key(4, "incidents open at once; a further change extends the newest one", ge=1, le=20)
    history: int = key(1800, "rows kept in memory per system; at least the base of the detector", ge=100)


class TopologySection(Section):
    """What is known of who calls whom."""

    edges: Texts = key((), "calls between entities: 'caller>callee'; columns named edge:caller>callee say the same")
    mode: Literal["soft", "hard"] = key(
        "soft", "what calls do to the causal graph: soft prefers edges along them, hard learns no others"
    )

    @field_validator("edges")
    @classmethod
    def _edges(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for edge in value:
            if len([end for end in edge.split(">") if end.strip()]) != 2:
                raise ValueError(f"{edge!r} is no edge: write 'caller>callee'")
        return value


class BaselineSection(Section):
    """A recording of quiet time to learn from before the stream is read."""

    path: Path | None = key(
        None, "a file like those `replay` reads; none: for `replay` the file that it plays", examples=["quiet.csv"]
    )
    start: str | None = key(None, "its quiet part starts here; none: its first row", examples=["08:10"])
    end: str | None = key(None, "and ends here; none: its last row", examples=["09:40"])

    @field_validator("start", "end")
    @classmethod
    def _moment(cls, value: str | None) -> str | None:
        if value is not None:
            moment(value)
        return value

    @property
    def span(self) -> str | None:
        """``FROM..TO``; None if neither end is given."""
        return f"{self.start or ''}..{self.end or ''}" if self.start or self.end else None


class StoreSection(Section):
    """Where results and progress are kept."""

    url: str = key("sqlite:///headwater.db", "sqlite:///PATH, or just a path")
    commit_every: Duration = key(
        "5s", "longest time between two commits; where one takes over a quarter of a second, twenty times that", gt=0
    )

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        url = value if "://" in value else f"sqlite:///{value}"
        if not url.startswith("sqlite:///") or url == "sqlite:///":
            raise ValueError(f"{value!r} is no store this version knows: write sqlite:///PATH")
        return url


class TopicsSection(Section):
    """Where results are published, on the broker of [source]; `run` creates missing topics if it may, else it warns."""

    incidents: str = key("headwater.incidents", "one record for each change of an incident", min_length=1)
    dead_letters: str = key("headwater.dead-letters", "records that could not be read, with the reason", min_length=1)


class RetentionSection(Section):
    """What the store forgets. Incidents and their evidence stay."""

    ticks: Duration = key("24h", "rows older than this go", gt=0)
    max_size: Size = key("2GB", "the oldest rows go when the store is larger", ge=10_000_000)
