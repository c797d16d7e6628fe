"""``headwater config``: write, show and check the settings."""

# ruff: noqa: PLC0415  (pydantic loads when a command runs, not for --help)

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from headwater.streaming.errors import InputError

from . import terminal
from .options import Config, Json, settings

__all__ = ["app", "template"]

app = typer.Typer(help="Write, show and check the settings.", no_args_is_help=True)

HEADER = """\
# Settings of headwater. Every line is a default: take away the '#' to change it.
# A flag wins over the environment (HEADWATER_SECTION__KEY), which wins over this file.
"""


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("headwater.toml"),
    force: Annotated[bool, typer.Option("--force", help="Replace it if it exists.")] = False,
) -> None:
    """Write a settings file that holds every key, its default and its meaning."""
    if path.exists() and not force:
        raise InputError(
            f"{path} exists already", "config init does not replace what you wrote", "name another path, or add --force"
        )
    try:
        path.write_text(template())
    except OSError as error:
        raise InputError(f"cannot write {path}", error.strerror or str(error), "name a path you may write") from None
    terminal.note(f"wrote {path}; check it with: headwater config validate --config {path}")


@app.command()
def show(config: Config = None, as_json: Json = False) -> None:
    """Show every value and where it came from. Secrets are masked."""
    from headwater.streaming.settings import sources

    loaded = settings(config)
    tree = loaded.model_dump(mode="json")  # a SecretStr dumps as asterisks
    came = sources(loaded)
    rows = [(f"{section}.{key}", value) for section, keys in tree.items() for key, value in keys.items()]
    if as_json:
        terminal.say_json({name: {"value": value, "from": came[name]} for name, value in rows})
        return
    terminal.table(["key", "value", "from"], [(name, toml(value) or "-", came[name]) for name, value in rows])


@app.command()
def validate(config: Config = None) -> None:
    """Check the settings file and the environment; exit 2 and name the key if something is wrong."""
    from headwater.streaming.settings import find

    settings(config).source.secret()
    terminal.say(f"ok: {find(config) or 'no settings file, defaults and environment only'}")


def template() -> str:
    """Return a settings file in which every key is commented out."""
    from headwater.streaming.settings import sections

    lines = [HEADER]
    for name, section in sections().items():
        lines.append(f"[{name}]  # {section.__doc__}")
        for key, field in section.model_fields.items():
            value = toml(field.default)
            lines.append(f"# {key} = {value or '...'}{' ' * max(1, 30 - len(key) - len(value))}# {field.description}")
        lines.append("")
    return "\n".join(lines)


def toml(value: Any) -> str:
    """Write a value as TOML; None, which TOML does not have, is an empty string."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
