"""``headwater config``: write, show and check the settings."""

# ruff: noqa: PLC0415  (pydantic loads when a command runs, not for --help)

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headwater.streaming.errors import InputError

from . import terminal
from .options import Config, Json, settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["app", "template"]

app = typer.Typer(help="Write, show and check the settings.", no_args_is_help=True)

HEADER = """\
## Settings of headwater. Take away the '# ' before a key to change it. The value shown is the default;
## where the meaning begins with "(an example)" there is none.
## A flag wins over the environment (HEADWATER_SECTION__KEY), which wins over this file.
"""


@app.command(epilog="Example: headwater config init headwater.toml")
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


@app.command(epilog="Example: headwater config show --json")
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


@app.command(epilog="Example: headwater config validate --config headwater.toml")
def validate(config: Config = None) -> None:
    """Check the settings file and the environment; exit 2 and name what is wrong, or does not go together."""
    from headwater.streaming import build
    from headwater.streaming.settings import find

    loaded = settings(config)
    loaded.source.secret()
    made = build.monitor(loaded)
    terminal.say(f"ok: {find(config) or 'no settings file, defaults and environment only'}")
    if loaded.system.step is None:
        terminal.note(f"checked for rows of {terminal.span(made.config.step)}; a recording may have others, see doctor")


def template() -> str:
    """Return a settings file in which every key is commented out."""
    from headwater.streaming.settings import sections

    lines = [HEADER]
    for name, section in sections().items():
        lines.append(f"[{name}]  # {section.__doc__}")
        pairs = [written(key, field) for key, field in section.model_fields.items()]
        width = max(len(pair) for pair, _ in pairs)
        lines += [f"# {pair:<{width}}  # {meaning}" for pair, meaning in pairs]
        lines.append("")
    return "\n".join(lines)


def written(key: str, field: "FieldInfo") -> tuple[str, str]:
    """Return ``key = value`` and the meaning; TOML has no None, so that a key without a default shows an example."""
    if field.default is None:
        return f"{key} = {toml((field.examples or [''])[0])}", f"(an example) {field.description}"
    return f"{key} = {toml(field.default)}", str(field.description)


def toml(value: Any) -> str:
    """Write a value as TOML; None, which TOML does not have, is an empty string."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
