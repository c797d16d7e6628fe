"""``headwater incidents``: what was found, and what people say to it.

Reading opens the store read-only. What people say is appended to the store's queue, which only the worker applies.
"""

# ruff: noqa: PLC0415  (SQLAlchemy loads when a command runs, not for --help)

import getpass
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headwater.streaming.errors import CommandRefused, InputError, nearest

from . import terminal
from .options import Config, Json, Store, System, settings
from .terminal import span, utc

if TYPE_CHECKING:
    from headwater.streaming.records import CommandKind, Incident, State
    from headwater.streaming.store.reader import Reader

__all__ = ["app"]

app = typer.Typer(
    help="List, show and export incidents; say what they are, what caused them, and which metric drives which.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(help="Id of the incident, as in INC-7.")]
By = Annotated[str | None, typer.Option("--by", help="Who says so; else the user's name.")]
Note = Annotated[str, typer.Option("--note", help="Kept in the timeline.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for the worker's answer.")]


class Format(StrEnum):
    """What `export` writes."""

    json = "json"
    md = "md"
    graphml = "graphml"


class Life(StrEnum):
    """States of an incident, for `--state`."""

    open = "open"
    acknowledged = "acknowledged"
    resolved = "resolved"
    dismissed = "dismissed"
    shifted = "shifted"


@contextmanager
def opened(url: str | None, config: Path | None) -> Iterator["Reader"]:
    """Open the store that is meant, read-only."""
    from headwater.streaming.store.reader import Reader

    with closing(Reader(settings(config, store__url=url).store.url)) as reader:
        yield reader


@app.command("list", epilog="Example: headwater incidents list --state open")
def show_all(
    state: Annotated[Life | None, typer.Option("--state", help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 100,
    system: System = None,
    store: Store = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List incidents, newest first."""
    wanted: State | None = state.value if state else None
    with opened(store, config) as reader:
        incidents = reader.incidents(system, wanted, limit)
        if system:
            _system(reader, system)
    if as_json:
        terminal.say_json(incidents)
        return
    if not incidents:
        terminal.note("no incident" + (f" is {wanted}" if wanted else " so far"))
        return
    heads = ["id", "system", "state", "cause is", "cause", "onset", "opened after", "lasted from onset"]
    terminal.table(heads, [_line(incident) for incident in incidents])


def _line(incident: "Incident") -> tuple[str, ...]:
    end = incident.closed if incident.closed is not None else incident.updated
    times = (utc(incident.onset), span(incident.opened - incident.onset), span(end - incident.onset))
    return (incident.id, incident.system, incident.state, incident.rca, incident.cause or "-", *times)


@app.command(epilog="Example: headwater incidents show INC-7 --json")
def show(id: Id, system: System = None, store: Store = None, config: Config = None, as_json: Json = False) -> None:  # noqa: A002
    """Show the cause, the path, the ranking, its batches and the timeline of an incident."""
    from .report import facts, sections

    with opened(store, config) as reader:
        whole = facts(reader, reader.incident(id, system))
    if as_json:
        terminal.say_json(whole)
        return
    for place, section in enumerate(sections(whole)):
        terminal.say("\n" * bool(place) + typer.style(section.title, bold=True))
        terminal.table(section.heads, section.rows)
        for column, says in section.legend.items():
            terminal.say(f"{column}: {says}")


@app.command(epilog="Example: headwater incidents export INC-7 --format md --output INC-7.md")
def export(
    id: Id,  # noqa: A002
    format: Annotated[Format, typer.Option("--format", help="json also holds the raw evidence.")] = Format.json,  # noqa: A002
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; else stdout.")] = None,
    system: System = None,
    store: Store = None,
    config: Config = None,
) -> None:
    """Write an incident with its evidence as JSON, as a Markdown post-mortem, or its causal graph as GraphML."""
    import msgspec

    from .report import facts, graph, markdown

    with opened(store, config) as reader:
        whole = facts(reader, reader.incident(id, system), evidence=format is Format.json)
    match format:
        case Format.md:
            text = markdown(whole)
        case Format.graphml:
            text = graph(whole)
        case Format.json:
            text = msgspec.json.encode(whole).decode() + "\n"
    if output is None:
        terminal.say(text, end="")
        return
    try:
        output.write_text(text)
    except OSError as error:
        raise InputError(f"cannot write {output}", error.strerror or str(error), "name a path you may write") from None
    terminal.note(f"wrote {output}")


def _register(verb: str, kind: "CommandKind", meaning: str, example: str) -> None:
    """Make a command that asks the worker for something."""

    @app.command(verb, help=f"{meaning} The worker does it, so that a replay repeats it.", epilog=f"Example: {example}")
    def ask(
        id: Id,  # noqa: A002
        by: By = None,
        note: Note = "",
        wait: Wait = 10.0,
        system: System = None,
        store: Store = None,
        config: Config = None,
    ) -> None:
        url = settings(config, store__url=store).store.url
        with opened(url, config) as reader:
            incident = reader.incident(id, system)
            _report(reader, url, _queue(url, incident.system, kind, by, note, incident.id), wait)


_register("ack", "acknowledge", "Say that someone works on it.", "headwater incidents ack INC-7 --note 'looking at it'")
_register("resolve", "resolve", "Say that it is over.", "headwater incidents resolve INC-7")
_register("dismiss", "dismiss", "Say that it was none.", "headwater incidents dismiss INC-7 --note 'load test'")


def _queue(
    url: str, system: str, kind: "CommandKind", by: str | None, note: str, incident: str = "", *edge: str
) -> int:
    """Append a command to the store's queue and return its number; `edge` are its cause and its effect, if any."""
    from headwater.streaming.store.writer import queue_command

    cause, effect = (*edge, "", "")[:2]
    return queue_command(
        url,
        system=system,
        kind=kind,
        incident=incident,
        by=by or getpass.getuser(),
        note=note,
        cause=cause,
        effect=effect,
        clock=time.time,
    )


@app.command(epilog="Example: headwater incidents verdict INC-7 'database|disk_util' --note 'the disk was full'")
def verdict(
    id: Id,  # noqa: A002
    cause: Annotated[str, typer.Argument(help="What it really was: an entity, or entity|metric.")],
    by: By = None,
    note: Note = "",
    wait: Wait = 10.0,
    system: System = None,
    store: Store = None,
    config: Config = None,
) -> None:
    """Tell the true cause of an incident, also of one that is over. It is kept, and counted in the status."""
    url = settings(config, store__url=store).store.url
    with opened(url, config) as reader:
        incident = reader.incident(id, system)
        _report(reader, url, _queue(url, incident.system, "verdict", by, note, incident.id, cause), wait)


def _register_edge(verb: str, kind: "CommandKind", meaning: str) -> None:
    """Make a command that tells the worker about an edge of the causal graph."""
    example = f"Example: headwater incidents {verb} 'database|disk_util' 'cart|latency_p95'"

    @app.command(verb, help=f"{meaning} It holds at once and from then on; the last word counts.", epilog=example)
    def tell(
        cause: Annotated[str, typer.Argument(help="The metric that drives, entity|metric.")],
        effect: Annotated[str, typer.Argument(help="The metric that is driven.")],
        by: By = None,
        note: Note = "",
        wait: Wait = 10.0,
        system: System = None,
        store: Store = None,
        config: Config = None,
    ) -> None:
        url = settings(config, store__url=store).store.url
        with opened(url, config) as reader:
            _report(reader, url, _queue(url, _system(reader, system), kind, by, note, "", cause, effect), wait)


_register_edge("confirm-edge", "confirm_edge", "Say that one metric drives another.")
_register_edge("forbid-edge", "forbid_edge", "Say that one metric does not drive another.")


def _system(reader: "Reader", named: str | None) -> str:
    """The system that is meant: the one that is named, else the only one of the store."""
    known = reader.systems()
    if named in known or (named is None and len(known) == 1):
        return named or known[0]
    what = f"there is no system {named!r} in this store" if named else "which system is meant?"
    mend = (nearest(named, known) if named else "") or "name one with --system"
    raise InputError(what, f"systems: {', '.join(known) or 'none'}", mend)


def _report(reader: "Reader", url: str, queued: int, wait: float) -> None:
    """Wait for the worker's answer to a command and tell it."""
    from headwater.streaming.store.writer import worker_running

    if not worker_running(url):
        terminal.say("waiting: no worker is running on this store; it will be applied when one starts")
        return
    end = time.monotonic() + wait
    while True:
        row = next((row for row in reader.commands() if row.id == queued), None)
        if row is not None and row.state != "waiting":
            break
        if time.monotonic() >= end:
            terminal.say("waiting: the worker has not come to it yet; it will be applied after the next row")
            return
        time.sleep(0.1)
    if row.state == "refused":
        what, why, mend = (*row.answer.splitlines(), "", "", "")[:3]
        raise CommandRefused(f"the worker refused: {what}", why, mend or "see: headwater incidents list")
    terminal.say(row.answer or row.state)
