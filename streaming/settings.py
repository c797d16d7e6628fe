"""The settings: one frozen object, from flags, environment, file and defaults, in this order of precedence."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from .errors import SettingsError, nearest
from .sections import (
    AlignSection,
    BaselineSection,
    CausalSection,
    ColumnsSection,
    DetectorSection,
    IncidentsSection,
    RetentionSection,
    Section,
    SourceSection,
    StoreSection,
    SystemSection,
    TopicsSection,
    TopologySection,
)

__all__ = ["Settings", "find", "load", "sources"]

PREFIX = "HEADWATER_"
FLAGS = {
    "source.bootstrap_servers": "--bootstrap",
    "source.topic": "--topic",
    "source.start": "--from",
    "columns.time": "--time",
    "system.step": "--step",
    "system.kpi": "--kpi",
    "system.name": "--system",
    "baseline.path": "--baseline-file",
    "baseline.start": "--baseline",
    "baseline.end": "--baseline",
    "store.url": "--store",
}
Tree = dict[str, dict[str, Any]]


class Settings(BaseSettings):
    """Everything that can be set. ``Settings()`` is the defaults; `load` also looks at the file and the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX, env_nested_delimiter="__")

    system: SystemSection = Field(default_factory=SystemSection)
    source: SourceSection = Field(default_factory=SourceSection)
    columns: ColumnsSection = Field(default_factory=ColumnsSection)
    align: AlignSection = Field(default_factory=AlignSection)
    detector: DetectorSection = Field(default_factory=DetectorSection)
    causal: CausalSection = Field(default_factory=CausalSection)
    incidents: IncidentsSection = Field(default_factory=IncidentsSection)
    topology: TopologySection = Field(default_factory=TopologySection)
    baseline: BaselineSection = Field(default_factory=BaselineSection)
    store: StoreSection = Field(default_factory=StoreSection)
    topics: TopicsSection = Field(default_factory=TopicsSection)
    retention: RetentionSection = Field(default_factory=RetentionSection)

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing else: only `load` looks around."""
        del settings_cls
        return (init_settings,)


class Environment(EnvSettingsSource):
    """pydantic reads lists and tables in the environment as JSON; plain text stays text, for ``a, b``."""

    def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:
        """Decode JSON, or hand on the text."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def find(path: Path | None = None) -> Path | None:
    """Return the settings file, or None if there is none.

    It is the first of `path`, ``$HEADWATER_CONFIG``, ``./headwater.toml``, ``~/.config/headwater/config.toml``.

    Raises
    ------
    SettingsError
        If one of the first two is given and does not exist.
    """
    named = path or (Path(os.environ["HEADWATER_CONFIG"]) if os.environ.get("HEADWATER_CONFIG") else None)
    if named is None:
        usual = (Path("headwater.toml"), Path.home() / ".config/headwater/config.toml")
        return next((file for file in usual if file.is_file()), None)
    if not named.is_file():
        where = "--config" if path else "$HEADWATER_CONFIG"
        mend = "check the path, or write a new one with: headwater config init"
        raise SettingsError(f"there is no settings file {named}", f"{where} names it", mend)
    return named


def load(path: Path | None = None, overrides: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """Read the settings: `overrides` (flags) over the environment over the file over the defaults.

    Parameters
    ----------
    path
        The settings file; see `find` for what is looked at otherwise.
    overrides
        ``{section: {key: value}}``; values of None are flags that were not given.

    Raises
    ------
    SettingsError
        Names the key, the value, where it came from and what to write instead.
    """
    file = find(path)
    layers: list[tuple[str, Tree]] = []
    if file is not None:
        layers.append((str(file), read(file)))
    layers.append(("environment", environment()))
    flags = {name: {k: v for k, v in keys.items() if v is not None} for name, keys in (overrides or {}).items()}
    layers.append(("flag", flags))
    merged: Tree = {}
    origins: dict[str, str] = {}
    for origin, tree in layers:
        for section, keys in tree.items():
            if not isinstance(keys, Mapping):
                raise SettingsError(
                    f"[{section}] is a section and cannot be {keys!r}", origin_of({section: origin}, section)
                )
            merged.setdefault(section, {}).update(keys)
            origins |= {f"{section}.{k}": variable(section, k) if origin == "environment" else origin for k in keys}
    try:
        settings = Settings(**merged)  # type: ignore[arg-type]
    except ValidationError as error:
        raise explained(error.errors(), origins) from None
    settings._origins.update(origins)
    return settings


def sources(settings: Settings) -> dict[str, str]:
    """Return ``section.key`` → where the value came from: ``flag``, a variable's name, a file's path or ``default``."""
    keys = (f"{name}.{k}" for name, section in sections().items() for k in section.model_fields)
    return {k: settings._origins.get(k, "default") for k in keys}


def sections() -> dict[str, type[Section]]:
    """Return the sections by name, in the order in which they are written."""
    kinds = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: kind for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Section)}


def read(file: Path) -> Tree:
    """Parse a settings file."""
    try:
        return TomlConfigSettingsSource(Settings, file)()
    except (OSError, ValueError) as error:  # tomllib's and unicode's errors are ValueErrors
        raise SettingsError(f"cannot read the settings file {file}", str(error), "see docs/configuration.md") from None


def environment() -> Tree:
    """Read ``HEADWATER_SECTION__KEY``, and ``HEADWATER_STORE`` for the URL of the store.

    A name with two underscores that fits no section is an error.
    """
    for name in os.environ:
        section, nested, _ = name.removeprefix(PREFIX).lower().partition("__")
        if name.startswith(PREFIX) and nested and section not in Settings.model_fields:
            mend = nearest(section, Settings.model_fields) or f"sections: {', '.join(Settings.model_fields)}"
            raise SettingsError(f"{name}: there is no section {section!r}", "it is set in the environment", mend)
    tree: Tree = Environment(Settings)()
    if isinstance(tree.get("store"), str):
        tree["store"] = {"url": tree["store"]}
    return tree


def variable(section: str, key: str) -> str:
    """Return the name of the environment variable that sets a key."""
    name = f"{PREFIX}{section}__{key}".upper()
    return name if name in os.environ else f"{PREFIX}{section}".upper()


def explained(errors: list[ErrorDetails], origins: Mapping[str, str]) -> SettingsError:
    """Turn pydantic's first error into one of ours."""
    first = errors[0]
    section, *rest = (str(part) for part in first["loc"])
    known = sections()
    if section not in known:
        mend = nearest(section, known) or f"sections: {', '.join(known)}"
        return SettingsError(f"[{section}]: there is no such section", origin_of(origins, section), mend)
    name = rest[0] if rest else ""
    fields = known[section].model_fields
    meaning = f"{name} is: {fields[name].description}; more" if name in fields else "keys and meanings"
    mend = f"{meaning} in docs/configuration.md, [{section}]"
    if first["type"] == "extra_forbidden":
        mend = nearest(name, fields) or f"keys of [{section}]: {', '.join(fields)}"
        return SettingsError(f"[{section}] {name}: there is no such key", origin_of(origins, f"{section}.{name}"), mend)
    more = f"; {len(errors) - 1} more after it" if len(errors) > 1 else ""
    what = f"[{section}] {name}".strip() + f": {complaint(first, secret='password' in name)}"
    return SettingsError(what, origin_of(origins, f"{section}.{name}") + more, mend)


def origin_of(origins: Mapping[str, str], key: str) -> str:
    """Say where a key came from."""
    origin = origins.get(key) or next((o for k, o in origins.items() if k.startswith(f"{key.rstrip('.')}.")), "default")
    return f"it comes from {FLAGS.get(key, origin) if origin == 'flag' else origin}"


def complaint(error: ErrorDetails, secret: bool) -> str:
    """Say what is wrong with a value, without ever repeating a secret."""
    if error["type"] == "value_error":  # our own words, which already quote the value
        return str(error["ctx"]["error"])
    message = error["msg"][:1].lower() + error["msg"][1:]
    return message.replace("input", "it") if secret else f"{error['input']!r}: {message.replace('input', 'it')}"
