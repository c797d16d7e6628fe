"""What people read: data on stdout, progress and hints on stderr, plain text wherever there is no terminal."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from headwater.streaming.errors import HeadwaterError

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["complain", "note", "progress", "say", "say_json", "span", "table", "utc"]


def say(text: str = "", end: str = "\n") -> None:
    """Write data to stdout. A reader that has had enough, as in ``| head``, ends the command quietly."""
    try:
        typer.echo(text + end, nl=False)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None


def note(text: str) -> None:
    """Write a line for the person who waits to stderr."""
    typer.echo(text, err=True)


def say_json(value: Any) -> None:
    """Write one JSON document in one line to stdout. NaN becomes null."""
    import msgspec  # noqa: PLC0415  (30 ms that --help need not pay)

    say(msgspec.json.encode(value).decode())


def complain(error: HeadwaterError) -> None:
    """Write an error to stderr: what happened, why, and what to do."""
    for label, text in (("error", error.what), ("  why", error.why), ("  fix", error.mend)):
        if text:
            note(f"{label}: {text}")


def utc(seconds: float | None) -> str:
    """Write a point in time.

    Examples
    --------
    >>> utc(1661155800.0), utc(None)
    ('2022-08-22 08:10:00Z', '-')
    """
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(seconds: float) -> str:
    """Write a length of time as people say it.

    Examples
    --------
    >>> span(91.4), span(12.0), span(7260.0)
    ('1 min 31 s', '12 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to stdout: drawn on a terminal, else aligned plain lines that `grep` and `cut` can read."""
    if not sys.stdout.isatty():
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
        for row in [heads, *rows]:
            say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for head in heads:
        drawn.add_column(head, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))  # names come from outside: no markup and no emoji in them
    Console().print(drawn)


def progress() -> "Progress":
    """Return a progress display on stderr that shows nothing where there is no terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True)
