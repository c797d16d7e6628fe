"""Options that several commands share, and the settings they stand for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.streaming.errors import SettingsError

if TYPE_CHECKING:
    from headwater.streaming.settings import Settings

__all__ = ["Baseline", "Config", "Json", "Kpi", "Store", "System", "settings", "split"]

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Settings file. Else $HEADWATER_CONFIG, ./headwater.toml, ~/.config/headwater/config.toml."
    ),
]
Store = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="sqlite:///PATH, or a path. Else $HEADWATER_STORE.")
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout.")]
System = Annotated[str | None, typer.Option("--system", help="Key of the monitored system.")]
Kpi = Annotated[
    list[str] | None,
    typer.Option(
        "--kpi", metavar="PATTERN", help="entity|metric with * and ?; the bad direction may follow: 'gw|ttft* up'."
    ),
]
Baseline = Annotated[
    str | None,
    typer.Option("--baseline", metavar="FROM..TO", help="Quiet part to learn from first, as in 08:10..09:40."),
]


def split(baseline: str | None) -> tuple[str | None, str | None]:
    """Split ``FROM..TO``; either side may be empty.

    Raises
    ------
    SettingsError
        If there are no two dots, or nothing but them.

    Examples
    --------
    >>> split("08:10..09:40"), split("..09:40"), split(None)
    (('08:10', '09:40'), (None, '09:40'), (None, None))
    """
    if baseline is None:
        return None, None
    start, dots, end = baseline.partition("..")
    if not dots or not (start or end):
        why = "a baseline is two times with two dots between"
        raise SettingsError(f"--baseline: {baseline!r} is no span of time", why, "write --baseline 08:10..09:40")
    return start or None, end or None


def settings(config: Path | None, **flags: Any) -> "Settings":
    """Load the settings with `flags` named ``section__key`` on top; None and empty lists are flags not given.

    Raises
    ------
    SettingsError
        Names the key.
    """
    from headwater.streaming.settings import load  # noqa: PLC0415  (pydantic takes 0.2 s that --help need not pay)

    overrides: dict[str, dict[str, Any]] = {}
    for name, value in flags.items():
        section, key = name.split("__")
        overrides.setdefault(section, {})[key] = None if value == [] else value
    return load(config, overrides)
